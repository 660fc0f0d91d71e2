//! Reads the fields of a rejected answer that its client may need if its status becomes that of the whole answer: the
//! challenges of a 401, and the time to ask again. Everything else of an upstream's head stays here. Pure.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::{HeaderValue, StatusCode};

use super::head::MAX_FIELDS;
use crate::fanout::Advice;

/// The most lines of `WWW-Authenticate` that go on.
const MOST_CHALLENGES: usize = 4;

/// The most bytes of an answer's head for all lines that go on. Common challenges take a tenth of it.
const LONGEST: usize = 1024;

/// The bytes of a line besides its name and its value.
const AROUND: usize = ": \r\n".len();

const CHALLENGE: &str = "www-authenticate";
const RETRY_AFTER: &str = "retry-after";

/// The rejected answers of one upstream of which some fields are kept.
pub(super) struct Advised {
    statuses: Vec<StatusCode>,
    /// The names of the upstream's host, in lower case, without a dot at the end.
    hosts: Vec<String>,
}

impl Advised {
    /// Selects answers with these statuses, of an upstream whose host has these names: that of its URL and that of its
    /// `Host`, with or without a port.
    pub(super) fn new<'a>(
        statuses: Vec<StatusCode>,
        hosts: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let host = |name: &str| MaybeHost::of(&name.to_ascii_lowercase()).host.to_owned();
        Self {
            statuses,
            hosts: hosts.into_iter().map(host).collect(),
        }
    }

    /// Reads the fields to keep from an answer with this status and this head. The head has been read once already.
    #[cold]
    pub(super) fn read(&self, status: StatusCode, head: &[u8]) -> Option<Box<Advice>> {
        if !self.statuses.contains(&status) {
            return None;
        }
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut answer = httparse::Response::new(&mut fields);
        answer.parse(head).ok()?;
        let mut advice = Advice::default();
        let mut left = LONGEST;
        for field in answer.headers.iter() {
            let value = field.value.trim_ascii();
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            let is_wanted = (is(RETRY_AFTER) && advice.retry_after.is_none() && is_time(value))
                || (is(CHALLENGE)
                    && advice.challenges.len() < MOST_CHALLENGES
                    && is_challenge(value)
                    && !self.tells(value));
            let size = field.name.len() + AROUND + value.len();
            if !is_wanted || size > left {
                continue;
            }
            let Ok(value) = HeaderValue::from_bytes(value) else {
                continue;
            };
            left -= size;
            if is(RETRY_AFTER) {
                advice.retry_after = Some(value);
            } else {
                advice.challenges.push(value);
            }
        }
        (advice != Advice::default()).then(|| Box::new(advice))
    }

    /// Returns true if the text names the upstream's host, or any address: a host may have several, and other names.
    /// Text behind a backslash is read as well.
    fn tells(&self, value: &[u8]) -> bool {
        let mut text = String::from_utf8_lossy(value).to_ascii_lowercase();
        text.retain(|letter| letter != '\\');
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-._:[]".contains(letter);
        let mut rest = &*text;
        while let Some(start) = rest.find(is_part) {
            let is_authority = rest[..start].ends_with("//");
            let word = &rest[start..];
            let (word, after) = word.split_at(word.find(|c| !is_part(c)).unwrap_or(word.len()));
            if self.names(&MaybeHost::of(word), is_authority) {
                return true;
            }
            rest = after;
        }
        false
    }

    fn names(&self, word: &MaybeHost<'_>, is_authority: bool) -> bool {
        if word.is_address {
            return true;
        }
        // A name of one word, such as `users`, may well be the name of a realm.
        let is_meant = is_authority || word.has_port;
        self.hosts.iter().any(|host| {
            let short = host.split('.').next();
            (host == word.host && (is_meant || host.contains(['.', ':'])))
                || (is_meant && short == Some(word.host))
        })
    }
}

/// A word that may be a host, with or without a port.
struct MaybeHost<'a> {
    /// Without brackets, and without a dot at its end.
    host: &'a str,
    has_port: bool,
    /// True for an IPv4 address, and for an IPv6 address in brackets.
    is_address: bool,
}

impl<'a> MaybeHost<'a> {
    fn of(word: &'a str) -> Self {
        let (host, port, is_address) =
            match word.strip_prefix('[').and_then(|it| it.split_once(']')) {
                Some((host, port)) => (host, port, host.parse::<Ipv6Addr>().is_ok()),
                None => {
                    let (host, port) = match word.matches(':').count() {
                        1 => word.split_at(word.find(':').unwrap_or(word.len())),
                        _ => (word, ""),
                    };
                    let host = host.trim_end_matches('.');
                    (host, port, host.parse::<Ipv4Addr>().is_ok())
                }
            };
        let has_port = port
            .strip_prefix(':')
            .is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        Self {
            host,
            has_port,
            is_address,
        }
    }
}

/// Returns true if it begins as a challenge does, with the name of a scheme, is in visible ASCII, and closes its
/// quotes.
fn is_challenge(value: &[u8]) -> bool {
    let is_visible = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let mut words = value.split(|byte| b" ,".contains(byte));
    let scheme = words.next().unwrap_or_default();
    !scheme.is_empty()
        && scheme.iter().all(is_token)
        && value.iter().all(is_visible)
        && is_quoted_well(value)
}

/// Returns true if every quote is closed. A backslash escapes the next character (RFC 9110, section 5.6.4).
fn is_quoted_well(value: &[u8]) -> bool {
    let mut is_open = false;
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => is_open = !is_open,
            b'\\' if is_open => drop(bytes.next()),
            _ => {}
        }
    }
    !is_open
}

/// Returns true if it is a number of seconds, or a date in the one form that may be sent (RFC 9110, section 5.6.7).
fn is_time(value: &[u8]) -> bool {
    /// Some three hundred years.
    const MOST_DIGITS: usize = 10;
    let is_number =
        (1..=MOST_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let is_date = |text: &str| {
        // A date that is the same when it is written again has that form, and the right day of the week.
        httpdate::parse_http_date(text).is_ok_and(|date| httpdate::fmt_http_date(date) == text)
    };
    is_number || std::str::from_utf8(value).is_ok_and(is_date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, status: u16, fields: &str) -> Option<Advice> {
        let advised = Advised::new(
            vec![StatusCode::UNAUTHORIZED, StatusCode::SERVICE_UNAVAILABLE],
            [
                url.parse::<http::Uri>().unwrap().host().unwrap(),
                "shop.internal",
            ],
        );
        let head = format!("HTTP/1.1 {status} No\r\n{fields}\r\n");
        let advice = advised.read(StatusCode::from_u16(status).unwrap(), head.as_bytes());
        advice.map(|advice| *advice)
    }

    fn challenges(url: &str, fields: &str) -> Vec<String> {
        let advice = read(url, 401, fields).unwrap_or_default();
        let values = advice.challenges.iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    const USERS: &str = "http://users/";

    #[test]
    fn challenges_and_the_time_to_ask_again_are_kept_and_nothing_else() {
        let fields = "Date: x\r\nWWW-Authenticate: Basic realm=\"users, all\"\r\nSet-Cookie: a=b\r\n\
                      www-authenticate:  Bearer error=\"invalid_token\" \r\nRetry-After: 30\r\nProxy-Authenticate: Basic\r\n";
        let advice = read(USERS, 401, fields).unwrap();
        assert_eq!(
            advice.challenges,
            [
                "Basic realm=\"users, all\"",
                "Bearer error=\"invalid_token\""
            ]
        );
        assert_eq!(advice.retry_after.unwrap(), "30");
        assert_eq!(read(USERS, 401, "Date: x\r\n"), None);
        assert_eq!(
            read(USERS, 403, fields),
            None,
            "it is not of those that go on"
        );
    }

    #[test]
    fn a_challenge_that_is_none_is_left_out_and_the_others_go_on() {
        for broken in [
            "",
            "\"Basic\"",
            "Basic realm=\"open",
            "Basic realm=\"a\\\"",
            "B\u{e9}",
            "a=b c",
            ", Basic",
        ] {
            let fields = format!("WWW-Authenticate: {broken}\r\nWWW-Authenticate: Negotiate\r\n");
            assert_eq!(challenges(USERS, &fields), ["Negotiate"], "{broken}");
        }
        let escaped = "Digest realm=\"a\\\"b\", qop=\"auth, auth-int\", Basic realm=\"c\"";
        assert_eq!(
            challenges(USERS, &format!("WWW-Authenticate: {escaped}\r\n")),
            [escaped]
        );
    }

    #[test]
    fn what_goes_on_is_bounded_in_number_and_size() {
        let five = "WWW-Authenticate: Basic\r\n".repeat(5);
        assert_eq!(challenges(USERS, &five).len(), 4);
        let long = format!("Bearer realm=\"{}\"", "a".repeat(600));
        let fields = format!(
            "WWW-Authenticate: {long}\r\nWWW-Authenticate: {long}\r\nWWW-Authenticate: Basic\r\n"
        );
        assert_eq!(challenges(USERS, &fields), [&long, "Basic"]);
        let longer = format!(
            "WWW-Authenticate: Bearer realm=\"{}\"\r\n",
            "a".repeat(1024)
        );
        assert_eq!(challenges(USERS, &longer), [""; 0]);
    }

    #[test]
    fn a_challenge_that_tells_where_the_upstream_is_is_left_out() {
        for (url, challenge) in [
            ("http://10.0.0.7:8080/", "Basic realm=\"10.0.0.7\""),
            (
                "http://[fd00::7]:8080/",
                "Bearer resource_metadata=\"http://[FD00::7]/x\"",
            ),
            (
                "https://users.internal/",
                "Bearer realm=\"https://USERS.internal/token\"",
            ),
            ("http://users/", "Bearer realm=\"http://users/token\""),
            ("http://users/", "Basic realm=\"users:80\""),
            // An address of the host, and any other address.
            ("http://users/", "Bearer realm=\"http://127.0.0.1:18098/x\""),
            ("http://users/", "Basic realm=\"[::1]\""),
            // Other ways to write the same name.
            (
                "http://auth.internal.:80/",
                "Bearer realm=\"https://auth.internal/token\"",
            ),
            ("http://auth.internal/", "Bearer realm=\"//auth:80/x\""),
            ("http://users/", "Bearer realm=\"https:\\/\\/users/x\""),
            ("http://10.0.0.7/", "Basic realm=\"1\\0.0\\.0.7\""),
            // The name in its `Host`.
            ("http://10.0.0.7/", "Basic realm=\"shop.internal\""),
        ] {
            let fields = format!("WWW-Authenticate: {challenge}\r\n");
            assert_eq!(challenges(url, &fields), [""; 0], "{challenge}");
        }
        // A realm of that name is not an address, and a host that only begins like it is another host.
        for good in [
            "Basic realm=\"users\"",
            "Bearer realm=\"https://users.example.com/token\", scope=\"a:b c::d 1.2\"",
            "Bearer realm=\"//userspace\"",
        ] {
            let fields = format!("WWW-Authenticate: {good}\r\n");
            assert_eq!(challenges(USERS, &fields), [good]);
        }
    }

    #[test]
    fn a_time_is_a_number_or_a_date_of_the_one_form() {
        let time = |value: &str| {
            let advice = read(USERS, 503, &format!("Retry-After: {value}\r\n"));
            advice.and_then(|advice| advice.retry_after)
        };
        for value in ["0", "120", "Fri, 31 Dec 1999 23:59:59 GMT"] {
            assert_eq!(time(value).unwrap(), value);
        }
        for value in [
            "",
            "-1",
            "1.5",
            "soon",
            "12345678901",
            "Fri, 31 Dec 1999 23:59:59 CET",
            "Zzz, 99 Zzz 0000 99:99:99 GMT",
            "Friday, 31-Dec-99 23:59:59 GMT",
            "1; http://x",
        ] {
            assert_eq!(time(value), None, "{value}");
        }
    }
}
