//! Finds variables that look like settings and are not, such as `GATHER_LOG_LEVEL` with one underscore. A value is
//! never shown. It must not know how variables become settings.

use super::{environment::PREFIX, mistake::KeyPath, mistake::Step, spelling::Keys};

/// The prefixes of variables for the tests of Gather itself, and for its drill.
const OF_TESTS: [&str; 2] = ["GATHER_DRILL_", "GATHER_TEST_"];

/// The names that addresses, and files, have elsewhere.
const ADDRESSES: [&str; 6] = ["addr", "address", "bind", "host", "listen", "port"];
const FILES: [&str; 4] = ["config", "config_file", "config_path", "configuration"];

/// Returns the variables of `environment` that look like settings and are not read, each with a way to mend it.
pub(super) fn find(environment: &[(String, String)]) -> Vec<(String, String)> {
    let looks_ours = |name: &str| {
        let start = name.get(.."GATHER_".len()).unwrap_or_default();
        let is_ours = start.eq_ignore_ascii_case("GATHER_") && name.len() > start.len();
        is_ours
            && !name.starts_with(PREFIX)
            && !OF_TESTS.iter().any(|start| name.starts_with(start))
    };
    let stray = environment
        .iter()
        .filter(|(name, value)| looks_ours(name) && !is_service_link(name, value));
    let mut stray: Vec<_> = stray.map(|(name, _)| name.clone()).collect();
    if stray.is_empty() {
        return Vec::new();
    }
    stray.sort();
    stray.dedup();
    let keys = Keys::of_the_file();
    let told = stray.into_iter().filter_map(|name| {
        let message = message(&name, keys)?;
        Some((name, message))
    });
    told.collect()
}

fn message(name: &str, keys: &Keys) -> Option<String> {
    let words = name["GATHER_".len()..].to_ascii_lowercase();
    let words: Vec<_> = words.split('_').filter(|word| !word.is_empty()).collect();
    let rule =
        "sets nothing: a setting begins with GATHER__ and has two underscores between its keys";
    if let Some(path) = meant(&words, keys) {
        return Some(format!("{rule}; did you mean {}?", variable(&path)?));
    }
    if FILES.contains(&words.join("_").as_str()) {
        return Some("sets nothing: a file is named with -c".to_owned());
    }
    // In another case it may well belong to another program.
    let is_upper = !name.contains(|c: char| c.is_ascii_lowercase());
    is_upper.then(|| format!("{rule}; rename it if it is not for Gather"))
}

fn meant(words: &[&str], keys: &Keys) -> Option<KeyPath> {
    let (last, before) = words.split_last()?;
    if words == ["log"] {
        return Some(KeyPath::of(["log", "level"]));
    }
    // A whole table is rarely meant.
    let spelt = keys.spelt(words).filter(|path| path.steps().len() > 1);
    spelt.or_else(|| {
        if !ADDRESSES.contains(last) || before.len() > 1 {
            return None;
        }
        let table = before.first().copied().unwrap_or("server");
        ["server", "admin"]
            .contains(&table)
            .then(|| KeyPath::of([table, "listen"]))
    })
}

/// Returns the variable that sets a path; `None` for a path that no variable can name.
pub(super) fn variable(path: &KeyPath) -> Option<String> {
    let keys = path.steps().iter().map(|step| match step {
        Step::Key(key) if !key.contains("__") => Some(key.to_ascii_uppercase()),
        _ => None,
    });
    Some(format!(
        "{PREFIX}{}",
        keys.collect::<Option<Vec<_>>>()?.join("__")
    ))
}

/// Returns true if Kubernetes made this variable for a Service whose name begins with `gather`, or Docker for a link.
/// Kubernetes makes some for every Service of a namespace.
fn is_service_link(name: &str, value: &str) -> bool {
    const TRANSPORTS: [&str; 3] = ["TCP", "UDP", "SCTP"];
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_port = |text: &str| {
        let text = ["_ADDR", "_PORT", "_PROTO"]
            .iter()
            .find_map(|end| text.strip_suffix(end))
            .unwrap_or(text);
        text.split_once('_')
            .is_some_and(|(number, transport)| is_number(number) && TRANSPORTS.contains(&transport))
    };
    let after_port = |(at, _): (usize, &str)| is_port(&name[at + "_PORT_".len()..]);
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || name.ends_with("_PORT") && value.contains("://")
        || name.match_indices("_PORT_").any(after_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, value: &str) -> Option<String> {
        let found = find(&[(name.to_owned(), value.to_owned())]);
        let told: Vec<_> = found.into_iter().map(|(_, message)| message).collect();
        assert!(told.iter().all(|message| !message.contains("hunter2")));
        told.into_iter().next()
    }

    #[test]
    fn a_variable_with_an_underscore_too_few_is_told_with_the_one_that_is_meant() {
        for (name, meant) in [
            ("GATHER_LOG_LEVEL", "GATHER__LOG__LEVEL"),
            ("GATHER_LOG__LEVEL", "GATHER__LOG__LEVEL"),
            ("GATHER_SERVER_LISTEN", "GATHER__SERVER__LISTEN"),
            ("GATHER_LISTEN", "GATHER__SERVER__LISTEN"),
            ("GATHER_LOG", "GATHER__LOG__LEVEL"),
            ("GATHER_PORT", "GATHER__SERVER__LISTEN"),
            ("GATHER_SERVER_PORT", "GATHER__SERVER__LISTEN"),
            ("GATHER_ADMIN_PORT", "GATHER__ADMIN__LISTEN"),
            (
                "GATHER_UPSTREAMS_USERS_URL",
                "GATHER__UPSTREAMS__USERS__URL",
            ),
            (
                "GATHER_UPSTREAMS_USERS_HEADERS_AUTHORIZATION",
                "GATHER__UPSTREAMS__USERS__HEADERS__AUTHORIZATION",
            ),
            ("gather__log__level", "GATHER__LOG__LEVEL"),
            ("Gather__Log__Level", "GATHER__LOG__LEVEL"),
            ("gather_log_level", "GATHER__LOG__LEVEL"),
        ] {
            let told = told(name, "hunter2").unwrap_or_default();
            assert!(
                told.ends_with(&format!("did you mean {meant}?")),
                "{name}: {told}"
            );
        }
    }

    #[test]
    fn a_variable_that_is_nothing_of_ours_is_told_without_a_guess() {
        let told_of = |name| told(name, "hunter2").unwrap_or_default();
        assert!(told_of("GATHER_COLOUR").ends_with("; rename it if it is not for Gather"));
        assert!(told_of("GATHER_CONFIG").ends_with("a file is named with -c"));
        for name in [
            "GATHERER_LOG_LEVEL",
            "GATHER_",
            "PATH",
            "gather_things",
            "GATHER_TEST_PYTHON",
        ] {
            assert_eq!(told(name, "x"), None, "{name}");
        }
    }

    #[test]
    fn what_kubernetes_says_of_a_service_of_this_name_is_not_told() {
        for (name, value) in [
            ("GATHER_SERVICE_HOST", "10.0.0.7"),
            ("GATHER_SERVICE_PORT", "8080"),
            ("GATHER_SERVICE_PORT_HTTP", "8080"),
            ("GATHER_PORT", "tcp://10.0.0.7:8080"),
            ("GATHER_PORT_8080_TCP", "tcp://10.0.0.7:8080"),
            ("GATHER_PORT_8080_TCP_ADDR", "10.0.0.7"),
            ("GATHER_PORT_8080_TCP_PORT", "8080"),
            ("GATHER_PORT_8080_TCP_PROTO", "tcp"),
            ("GATHER_PORT_53_UDP", "udp://10.0.0.7:53"),
            ("GATHER_ADMIN_SERVICE_HOST", "10.0.0.7"),
            ("GATHER_ADMIN_PORT", "tcp://10.0.0.7:9091"),
            ("GATHER_ADMIN_PORT_9091_TCP_ADDR", "10.0.0.7"),
        ] {
            assert_eq!(told(name, value), None, "{name}={value}");
        }
    }
}
