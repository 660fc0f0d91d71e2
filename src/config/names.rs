//! The names that upstreams, aggregates and calls may have. It must not know which names exist.

/// Returns the nearest allowed name, such as `user_service` for `user-service`.
pub(super) fn usable_name(name: &str) -> Option<String> {
    let name: String = name
        .trim_matches(|c: char| !c.is_ascii_alphanumeric())
        .chars()
        .map(|c| match c {
            c if c.is_ascii_alphanumeric() => c.to_ascii_lowercase(),
            _ => '_',
        })
        .collect();
    is_name(&name).then_some(name)
}

/// Returns true if this is a name for an upstream, an aggregate or a call.
pub(super) fn is_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest) && name.len() <= 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_may_not_be_used_leads_to_one_that_may() {
        for (name, usable) in [
            ("user-service", Some("user_service")),
            ("Users", Some("users")),
            ("user.service v2", Some("user_service_v2")),
            ("2fa", None),
            ("", None),
            ("--", None),
        ] {
            assert_eq!(usable_name(name).as_deref(), usable, "{name}");
        }
    }
}
