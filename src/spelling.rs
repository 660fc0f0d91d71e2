//! The name that was meant by a misspelt one. It must not know what the names stand for.

/// Returns the name nearest to `word`, if one is near enough to be a typing error.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = (word.chars().count() / 3).clamp(1, 3);
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|&(distance, _)| distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_finds_the_name_that_was_meant() {
        assert_eq!(nearest("tiemout", ["timeout", "tls"]), Some("timeout"));
        assert_eq!(nearest("usres", ["orders", "users"]), Some("users"));
        assert_eq!(nearest("retry", ["url", "tls", "body"]), None);
    }
}
