//! Reads the fields of an answer that something refers to. Everything else of an upstream's head stays here. Pure.

use http::{HeaderName, HeaderValue};

use super::head::MAX_FIELDS;
use crate::fanout::Fields;

/// The fields that belong to one connection, whatever `Connection` says (RFC 9110, section 7.6.1).
const OF_A_CONNECTION: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads the lines of these fields from a head that has been read once already. It leaves out those that belong to the
/// connection.
#[cold]
pub(super) fn read(names: &[HeaderName], head: &[u8]) -> Box<Fields> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut answer = httparse::Response::new(&mut fields);
    if answer.parse(head).is_err() {
        return Box::default();
    }
    let lines = || answer.headers.iter();
    let options = || {
        let lines = lines().filter(|line| line.name.eq_ignore_ascii_case("connection"));
        lines.flat_map(|line| line.value.split(|byte| *byte == b','))
    };
    let is_of_the_connection = |name: &HeaderName| {
        OF_A_CONNECTION.contains(&name.as_str())
            || options().any(|option| {
                option
                    .trim_ascii()
                    .eq_ignore_ascii_case(name.as_str().as_bytes())
            })
    };
    lines()
        .filter_map(|line| {
            let is = |name: &&HeaderName| line.name.eq_ignore_ascii_case(name.as_str());
            let name = names.iter().find(is)?;
            let value = HeaderValue::from_bytes(line.value.trim_ascii()).ok()?;
            (!is_of_the_connection(name)).then(|| (name.clone(), value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    fn kept(names: &[HeaderName], fields: &str) -> Vec<(String, Vec<u8>)> {
        let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let kept = read(names, head.as_bytes());
        let pairs = kept.0.iter();
        pairs
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect()
    }

    fn pair(name: &str, value: &str) -> (String, Vec<u8>) {
        (name.to_owned(), value.as_bytes().to_vec())
    }

    #[test]
    fn all_lines_of_the_fields_are_kept_in_the_order_they_came_and_no_others() {
        let names = [header::SET_COOKIE, header::ETAG, header::VARY];
        let fields =
            "Date: x\r\nset-cookie: a=b\r\nETag:  \"é\" \r\nSET-COOKIE: c=d\r\nX-Set-Cookie: e\r\n";
        assert_eq!(
            kept(&names, fields),
            [
                pair("set-cookie", "a=b"),
                pair("etag", "\"é\""),
                pair("set-cookie", "c=d")
            ]
        );
        assert_eq!(kept(&names, "Date: x\r\n"), []);
    }

    #[test]
    fn a_field_of_the_connection_is_never_kept() {
        let names = [
            "connection",
            "keep-alive",
            "transfer-encoding",
            "x-hop",
            "x-own",
        ];
        let names = names.map(HeaderName::from_static);
        let fields = "Connection: close, X-Hop\r\nKeep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\nX-Hop: 1\r\nX-Own: 2\r\n";
        assert_eq!(kept(&names, fields), [pair("x-own", "2")]);
    }
}
