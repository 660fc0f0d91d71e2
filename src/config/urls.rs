//! The rules for the URL of an upstream. Its messages never quote the URL, as it may hold credentials. It must not know
//! where the URL is used.

use std::net::Ipv6Addr;

use http::Uri;

use super::environment;

/// The words for the expected form.
pub(super) const EXPECTED: &str = r#"a URL such as "http://users:8080/ping""#;

/// Reads the URL, or returns the mistake in it.
///
/// `http::Uri` alone is not enough: it drops a fragment silently, and ignores a port such as `99999`.
pub(super) fn parse(text: &str) -> Result<Uri, String> {
    if environment::is_quoted(text) {
        return Err(format!("{}; expected {EXPECTED}", environment::QUOTES));
    }
    let scheme = match text.split_once(':') {
        Some((scheme, _))
            if scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c)) =>
        {
            scheme
        }
        _ => "",
    };
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err(match scheme {
            "http" | "https" => format!("found no host, expected {EXPECTED}"),
            "" => format!("found no scheme, expected http:// or https://, {EXPECTED}"),
            // In `users:8080/ping` the first part is a host, in `user:password@host` a user name.
            _ if !text.contains("://")
                && !matches!(scheme, "unix" | "file" | "data" | "mailto") =>
            {
                format!("found no scheme, expected http:// or https://, {EXPECTED}")
            }
            other => format!("found the scheme `{other}`, expected http:// or https://"),
        });
    }
    if text.contains('#') {
        return Err(
            "found a fragment (#…), which is never sent; expected a URL without one".to_owned(),
        );
    }
    let after_scheme = text.split_once("//").map_or("", |(_, rest)| rest);
    if let Some(path) = after_scheme.find(['/', '?']) {
        check_characters(&after_scheme[path..])?;
    }
    let uri: Uri = text
        .parse()
        .map_err(|_| format!("not a URL, expected {EXPECTED}"))?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(
            "found a user or password, expected a URL without; a header such as authorization takes them".to_owned(),
        );
    }
    let host = uri.host().unwrap_or_default();
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let well_formed = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
        }
    };
    if !well_formed {
        return Err(format!(
            "found no host name and no IP address, expected {EXPECTED}"
        ));
    }
    let port = authority.strip_prefix(host).unwrap_or_default();
    match port.strip_prefix(':').map(str::parse::<u16>) {
        None if port.is_empty() => {}
        Some(Ok(1..)) => {}
        _ => return Err("expected a port from 1 to 65535 after the host".to_owned()),
    }
    Ok(uri)
}

/// Refuses characters that a URL's path and query can't have (RFC 3986, sections 3.3 and 3.4). Brackets and bars are
/// accepted, as browsers and servers do.
fn check_characters(text: &str) -> Result<(), String> {
    for (place, found) in text.char_indices() {
        match found {
            '{' | '}' => {
                return Err(format!(
                    "found `{found}`, which no URL has, and nothing would be put in its place; expected the URL to send, \
                     with {} for the character itself",
                    encoded(found)
                ));
            }
            '%' => {
                let digits = text.as_bytes().get(place + 1..place + 3);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(
                        "found `%` without two hexadecimal digits after it; the character itself is %25"
                            .to_owned(),
                    );
                }
            }
            '[' | ']' | '|' => {}
            _ if found.is_ascii_alphanumeric() || "-._~:/?@!$&'()*+,;=".contains(found) => {}
            // A control character would be invisible.
            _ => {
                let shown = match found.is_control() {
                    true => found.escape_default().to_string(),
                    false => found.to_string(),
                };
                return Err(format!(
                    "found `{shown}`, which no URL has; expected {} in its place",
                    encoded(found)
                ));
            }
        }
    }
    Ok(())
}

/// Returns the character as a URL writes it.
fn encoded(character: char) -> String {
    let mut bytes = [0; 4];
    let bytes = character.encode_utf8(&mut bytes).bytes();
    bytes.map(|byte| format!("%{byte:02X}")).collect()
}

/// Returns the URL with the values of its query masked.
pub(super) fn masked(url: &Uri) -> String {
    let whole = url.to_string();
    match whole.split_once('?') {
        None => whole,
        Some((before, query)) => {
            let pairs = query.split('&').map(|pair| match pair.split_once('=') {
                Some((name, value)) if !value.is_empty() => format!("{name}=***"),
                Some(_) => pair.to_owned(),
                // A query without names may be one secret as a whole.
                None => "***".to_owned(),
            });
            format!("{before}?{}", pairs.collect::<Vec<_>>().join("&"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_http_and_https_with_a_host_are_taken() {
        for url in [
            "http://users",
            "https://users.example:8443/a/b?c=d",
            "http://127.0.0.1:9001/ping",
            "http://[::1]:9001/",
            "http://my_service:80",
            "http://users/%7Bid%7D;v=1/~me?filter[name]=a|b&c=/?@:",
        ] {
            assert!(parse(url).is_ok(), "{url}");
        }
        for (url, message) in [
            (
                "unix:/run/users.sock",
                "found the scheme `unix`, expected http:// or https://",
            ),
            (
                "ftp://users/x",
                "found the scheme `ftp`, expected http:// or https://",
            ),
            ("users:8080/ping", "found no scheme"),
            ("/ping", "found no scheme"),
            ("", "found no scheme"),
            ("http:/users", "found no host"),
            ("http://", "not a URL"),
            ("http:///ping", "not a URL"),
            ("http://a b/", "not a URL"),
            ("http://users/#top", "found a fragment"),
            ("http://me:hunter2@users/", "found a user or password"),
            ("http://me@users/", "found a user or password"),
            (
                "http://users/{id}",
                "found `{`, which no URL has, and nothing would be put in its place",
            ),
            ("http://users/?id={id}", "found `{`"),
            (
                "http://users/a b",
                "found ` `, which no URL has; expected %20",
            ),
            (
                "http://users/caf\u{e9}",
                "found `\u{e9}`, which no URL has; expected %C3%A9",
            ),
            (
                "http://users/?a=\"b\"",
                "found `\"`, which no URL has; expected %22",
            ),
            (
                "http://users/a\\b",
                "found `\\`, which no URL has; expected %5C",
            ),
            (
                "http://users/\u{7}",
                "found `\\u{7}`, which no URL has; expected %07",
            ),
            (
                "http://users/50%",
                "found `%` without two hexadecimal digits",
            ),
            (
                "http://users/?a=%zz",
                "found `%` without two hexadecimal digits",
            ),
            ("http://users:0/", "expected a port from 1 to 65535"),
            ("http://users:/", "expected a port from 1 to 65535"),
            ("http://users:99999/", "expected a port from 1 to 65535"),
            ("http://[zz]/", "found no host name"),
            ("http://a,b/", "found no host name"),
        ] {
            let refusal = parse(url).unwrap_err();
            assert!(refusal.starts_with(message), "{url}: {refusal}");
            assert!(!refusal.contains("hunter2"));
        }
    }

    #[test]
    fn credentials_are_never_quoted_whatever_else_is_wrong() {
        for url in [
            "me:hunter2@users",
            "hunter2:x@users",
            "ftp://me:hunter2@users",
            "http://me:hunter2@/",
            "http://me:hunter2@a b",
        ] {
            let refusal = parse(url).unwrap_err();
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }

    #[test]
    fn a_masked_url_keeps_the_names_of_its_query() {
        let masked = |url: &str| masked(&url.parse().unwrap());
        assert_eq!(
            masked("http://a/b?key=hunter2&x=&y=1"),
            "http://a/b?key=***&x=&y=***"
        );
        assert_eq!(masked("http://a/b?hunter2"), "http://a/b?***");
        assert_eq!(masked("http://a/b"), "http://a/b");
    }
}
