//! The name that was meant by a misspelt one. It must not know what the names stand for.

/// Returns the name nearest to `word`, if one is near enough to be a typing error.
#[must_use]
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    let allowed = (length / 3).clamp(1, 3);
    // Most names are too far for a cheap reason: each letter too many costs one, and each that the name does not have.
    let may_be_near = |name: &&str| {
        let other = word.chars().filter(|letter| !name.contains(*letter));
        name.chars().count().abs_diff(length) <= allowed
            && other.take(allowed + 1).count() <= allowed
    };
    names
        .into_iter()
        .filter(may_be_near)
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

    #[test]
    fn letters_that_are_missing_or_too_many_are_slips_too() {
        assert_eq!(nearest("u", ["urls", "ur"]), Some("ur"));
        assert_eq!(nearest("time", ["timeout", "times"]), Some("times"));
        assert_eq!(
            nearest("concurrency_limits", ["concurrency_lim"]),
            Some("concurrency_lim")
        );
        assert_eq!(nearest("concurrency_limits", ["concurrency_li"]), None);
        assert_eq!(nearest("éé", ["é"]), Some("é"));
    }

    #[test]
    fn a_name_that_is_near_is_never_passed_over() {
        let mut words = vec![String::new()];
        for at in 0..40 {
            let longer = ["a", "b", "é"].map(|letter| words[at].clone() + letter);
            words.extend(longer);
        }
        for word in &words {
            for name in &words {
                let is_near = strsim::damerau_levenshtein(word, name) <= 1;
                assert_eq!(nearest(word, [&**name]).is_some(), is_near, "{word} {name}");
            }
        }
    }
}
