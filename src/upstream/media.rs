//! Reads `Content-Type` as WHATWG MIME Sniffing does: the type is the text before the first semicolon, and a broken
//! parameter breaks nothing else. Pure.

/// The kind of a body, decided by its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Text,
    /// There is no type, or no valid one.
    Undeclared,
    Binary,
}

/// A declared type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Declared {
    pub(super) kind: Kind,
    pub(super) charset: Charset,
}

/// The character set of a text, as its type declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Charset {
    /// UTF-8 or a subset of it, or no named character set.
    Own,
    /// Another set, in which ASCII's bytes mean the same as in ASCII. An unknown name is likely to be one of these.
    WithAscii,
    /// A set in which ASCII's bytes may mean something else.
    WithoutAscii,
}

/// The type of JSON, as nearly everybody writes it.
pub(super) const PLAIN_JSON: &str = "application/json";

const JSON: Declared = Declared {
    kind: Kind::Json,
    charset: Charset::Own,
};

/// Subtypes that are text, even if their names don't tell. docs/http.md has the same list.
const TEXTS: [&str; 63] = [
    "csv",
    "dtd",
    "ecmascript",
    "edn",
    "graphql",
    "hcl",
    "hjson",
    "javascript",
    "jose",
    "json-lines",
    "json-seq",
    "json5",
    "jsonl",
    "jsonlines",
    "jwt",
    "ldjson",
    "n-quads",
    "n-triples",
    "ndjson",
    "openmetrics-text",
    "pem-certificate-chain",
    "pgp-keys",
    "pgp-signature",
    "sdp",
    "sparql-query",
    "sparql-update",
    "sql",
    "toml",
    "trig",
    "typescript",
    "vnd.apple.mpegurl",
    "x-csh",
    "x-csv",
    "x-ecmascript",
    "x-hcl",
    "x-httpd-php",
    "x-javascript",
    "x-json-lines",
    "x-json-stream",
    "x-json5",
    "x-jsonl",
    "x-jsonlines",
    "x-latex",
    "x-ldjson",
    "x-mpegurl",
    "x-ndjson",
    "x-pem-file",
    "x-perl",
    "x-php",
    "x-python",
    "x-ruby",
    "x-sh",
    "x-shellscript",
    "x-sql",
    "x-subrip",
    "x-tex",
    "x-toml",
    "x-typescript",
    "x-www-form-urlencoded",
    "x-yaml",
    "xml",
    "xml-dtd",
    "yaml",
];

/// The names of UTF-8 and of its subsets.
const OWN: [&str; 5] = ["utf-8", "utf8", "us-ascii", "ascii", "unicode-1-1-utf-8"];

/// The beginnings of the names of character sets in which ASCII's bytes may mean something else: shifting sets, sets of
/// two or four bytes, and EBCDIC.
const WITHOUT_ASCII: [&str; 19] = [
    "utf-7",
    "utf7",
    "utf-16",
    "utf16",
    "utf-32",
    "utf32",
    "ucs-",
    "ucs2",
    "ucs4",
    "unicode",
    "iso-10646",
    "iso-2022",
    "csiso2022",
    "hz-",
    "ebcdic",
    "ibm037",
    "ibm1047",
    "cp037",
    "cp500",
];

/// Reads the field.
pub(super) fn declared(field: Option<&str>) -> Declared {
    match field {
        // This is by far the most common type, and needs no more work.
        Some(field) if is_plain_json(field) => JSON,
        Some(field) => last(field).unwrap_or(Declared {
            kind: Kind::Undeclared,
            charset: charset(parameters(field)),
        }),
        None => Declared {
            kind: Kind::Undeclared,
            charset: Charset::Own,
        },
    }
}

/// Returns true if the field has a type at all.
pub(super) fn is_type(field: &str) -> bool {
    last(field).is_some()
}

fn is_plain_json(field: &str) -> bool {
    if field == PLAIN_JSON {
        return true;
    }
    let Some((start, rest)) = field.as_bytes().split_at_checked(PLAIN_JSON.len()) else {
        return false;
    };
    let is = |text: &[u8]| rest.eq_ignore_ascii_case(text);
    start.eq_ignore_ascii_case(PLAIN_JSON.as_bytes())
        && (rest.is_empty() || is(b"; charset=utf-8") || is(b";charset=utf-8"))
}

/// Returns the last valid type. Two fields may have become one, with a comma between them. Browsers and RFC 9110,
/// section 8.3, let the last type hold.
fn last(field: &str) -> Option<Declared> {
    outside_quotes(field, ',').filter_map(one).last()
}

fn one(text: &str) -> Option<Declared> {
    let essence = text.split(';').next().unwrap_or_default();
    let essence = essence.trim_matches([' ', '\t']);
    let (top, sub) = essence.split_once('/')?;
    if !is_token(top) || !is_token(sub) || essence == "*/*" {
        return None;
    }
    let named = charset_name(parameters(text));
    let kind = match kind(top, sub) {
        Kind::Binary if named.is_some_and(is_own) => Kind::Text,
        kind => kind,
    };
    Some(Declared {
        kind,
        charset: named.map_or(Charset::Own, named_charset),
    })
}

fn kind(top: &str, sub: &str) -> Kind {
    let is = |name: &str| sub.eq_ignore_ascii_case(name);
    let ends = |end: &str| {
        let start = sub.len().checked_sub(end.len());
        start.is_some_and(|start| sub.as_bytes()[start..].eq_ignore_ascii_case(end.as_bytes()))
    };
    // Amazon's type has a version at its end.
    let amazon = "x-amz-json-";
    let is_amazon = sub.len() > amazon.len()
        && sub.as_bytes()[..amazon.len()].eq_ignore_ascii_case(amazon.as_bytes());
    // A sequence of values (RFC 7464, NDJSON) is not one value.
    if is("json") || is("x-json") || is_amazon || ends("+json") {
        return Kind::Json;
    }
    let is_text = top.eq_ignore_ascii_case("text")
        || ["+xml", "+yaml", "+json-seq"].into_iter().any(ends)
        || TEXTS.into_iter().any(is);
    if is_text { Kind::Text } else { Kind::Binary }
}

fn parameters(text: &str) -> &str {
    text.split_once(';')
        .map_or("", |(_, parameters)| parameters)
}

/// Returns the first character set that is named, in quotation marks or not.
fn charset_name(parameters: &str) -> Option<&str> {
    outside_quotes(parameters, ';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_charset = name.trim_ascii().eq_ignore_ascii_case("charset");
        let value = value.trim_matches([' ', '\t', '"', '\'']);
        (is_charset && !value.is_empty()).then_some(value)
    })
}

fn charset(parameters: &str) -> Charset {
    charset_name(parameters).map_or(Charset::Own, named_charset)
}

fn named_charset(name: &str) -> Charset {
    let begins = |start: &&str| {
        let name = name.as_bytes().get(..start.len());
        name.is_some_and(|name| name.eq_ignore_ascii_case(start.as_bytes()))
    };
    if is_own(name) {
        Charset::Own
    } else if WITHOUT_ASCII.iter().any(begins) {
        Charset::WithoutAscii
    } else {
        Charset::WithAscii
    }
}

fn is_own(charset: &str) -> bool {
    OWN.iter().any(|own| charset.eq_ignore_ascii_case(own))
}

/// Splits text at these separators, but not at those in quotation marks.
fn outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |next| {
        match next {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return next == separator && !quoted,
        }
        false
    })
}

/// Returns true if `text` is a token by RFC 9110, section 5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(field: &str) -> Kind {
        declared(Some(field)).kind
    }

    #[test]
    fn json_is_known_by_what_stands_before_the_first_semicolon() {
        for field in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=UTF-8",
            "application/json ; charset=utf-8",
            "application/json\t;\tcharset=utf-8",
            " application/json ",
            "application/json;",
            "application/json; ;; ;charset=utf-8",
            "application/json; charset=\"utf-8\"",
            "application/json; x=\"a\\\"b;c,d\"; charset=utf-8",
            "application/json; x=\"never ends",
            "application/json; =; x; y=; charset",
            "application/ld+json; profile=https://x.example/a?b=c",
            "application/json; profile=a,b",
            "application/problem+json",
            "application/vnd.api+JSON",
            "text/json",
            "text/x-json",
            "application/x-json",
            "application/x-amz-json-1.0",
            "application/x-amz-json-1.1; charset=utf-8",
            "application/json, application/json",
            "text/html, application/json",
            "application/json, nonsense",
        ] {
            assert_eq!(kind_of(field), Kind::Json, "{field}");
        }
    }

    #[test]
    fn a_sequence_of_values_is_text_and_so_is_what_the_list_names() {
        for field in [
            "text/plain",
            "TEXT/whatever",
            "application/ndjson",
            "application/x-ndjson ;charset=utf-8",
            "application/jsonl",
            "application/x-jsonlines",
            "application/json-seq",
            "application/geo+json-seq",
            "application/yaml",
            "application/x-yaml",
            "application/vnd.oai.openapi+yaml",
            "application/javascript",
            "application/x-javascript",
            "application/toml",
            "application/openmetrics-text; version=1.0.0",
            "application/vnd.unheard-of; charset=utf-8",
            "application/vnd.unheard-of; charset=\"UTF8\"",
            "image/svg+xml",
        ] {
            assert_eq!(kind_of(field), Kind::Text, "{field}");
        }
    }

    #[test]
    fn other_types_are_bytes_and_what_is_no_type_is_undeclared() {
        for field in [
            "image/png",
            "application/octet-stream",
            "application/vnd.unheard-of; charset=iso-8859-1",
            "application/jsonp",
            "application/x-amz-json-",
            "json/application",
        ] {
            assert_eq!(kind_of(field), Kind::Binary, "{field}");
        }
        for field in [
            "",
            " ",
            ";",
            "; charset=utf-8",
            "nonsense",
            "/",
            "a/",
            "/b",
            "a b/c",
            "*/*",
        ] {
            assert_eq!(kind_of(field), Kind::Undeclared, "{field:?}");
            assert!(!is_type(field), "{field:?}");
        }
        assert_eq!(declared(None).kind, Kind::Undeclared);
    }

    #[test]
    fn the_first_character_set_counts() {
        use Charset::{Own, WithAscii, WithoutAscii};
        for (field, charset) in [
            ("text/plain", Own),
            ("text/plain; charset=utf-8", Own),
            ("text/plain; charset='utf-8'", Own),
            ("text/plain; charset = \"UTF-8\" ; x", Own),
            ("text/plain; charset=us-ascii", Own),
            ("text/plain; charset=", Own),
            ("text/plain; charset=unicode-1-1-utf-8", Own),
            ("text/plain; charset=iso-8859-1", WithAscii),
            ("text/plain; charset=\"windows-1252\"", WithAscii),
            ("text/plain; charset=shift_jis", WithAscii),
            ("text/plain; charset=unknown", WithAscii),
            (
                "text/plain;a=\"; charset=utf-8\";CHARSET=utf-16",
                WithoutAscii,
            ),
            ("text/plain; charset=UTF-16BE", WithoutAscii),
            ("text/plain; charset=utf-7", WithoutAscii),
            ("text/plain; charset=ISO-2022-JP", WithoutAscii),
            ("text/plain; charset=hz-gb-2312", WithoutAscii),
            ("text/plain; charset=latin1; charset=utf-8", WithAscii),
            ("text/plain; charset=utf-8; charset=latin1", Own),
            ("; charset=latin1", WithAscii),
            ("text/plain; name=\"é\"; charset=latin1", WithAscii),
            ("application/x; name=\"é\"; charset=utf-8", Own),
        ] {
            assert_eq!(declared(Some(field)).charset, charset, "{field}");
        }
    }

    #[test]
    fn the_list_is_in_order_and_has_nothing_twice() {
        assert!(TEXTS.is_sorted_by(|one, next| one < next));
        let docs = include_str!("../../docs/http.md");
        for name in TEXTS {
            assert!(docs.contains(&format!("`{name}`")), "{name}");
        }
    }
}
