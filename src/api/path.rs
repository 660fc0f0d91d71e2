//! The parameters of a route, read strictly: each is decoded once, and has to be a value of its kind. Pure; it must not
//! know where in the request they are.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::query_error::QueryError;
use crate::endpoint::{ParameterKind, PathParameter};

/// Reads a parameter from a segment of a path, as it came.
pub(super) fn read(parameter: &PathParameter, segment: &str) -> Result<String, QueryError> {
    match value(parameter.kind, segment) {
        Ok(value) => Ok(value),
        Err(expected) => Err(QueryError::Invalid {
            name: parameter.name.to_string().into(),
            found: segment.to_owned(),
            expected,
        }),
    }
}

/// Reads a parameter from the value of a query parameter, as it came.
pub(super) fn read_query(parameter: &PathParameter, value: &str) -> Result<String, QueryError> {
    if value.is_empty() {
        return Err(QueryError::Empty {
            name: parameter.name.to_string().into(),
        });
    }
    let value = match value.contains('+') {
        true => Cow::Owned(value.replace('+', "%20")),
        false => Cow::Borrowed(value),
    };
    read(parameter, &value)
}

/// Decodes a value of this kind.
///
/// # Errors
/// Returns the form that was expected.
fn value(kind: ParameterKind, text: &str) -> Result<String, &'static str> {
    let value = decoded(text)?;
    match kind {
        ParameterKind::Text if matches!(&*value, "" | "." | "..") => {
            Err("a text that is no `.` or `..`")
        }
        ParameterKind::Int if !is_integer(&value) => {
            Err("an integer of 64 bits in decimal digits, such as `42` or `-7`")
        }
        ParameterKind::Uuid if !is_uuid(&value) => {
            Err("a UUID such as `f81d4fae-7dec-11d0-a765-00a0c91e6bf6`")
        }
        ParameterKind::Text | ParameterKind::Int | ParameterKind::Uuid => Ok(value),
    }
}

/// Decodes the escapes of a text, once.
fn decoded(text: &str) -> Result<String, &'static str> {
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !text.split('%').skip(1).all(is_escape) {
        return Err("two hexadecimal digits behind each `%`");
    }
    let value = percent_decode_str(text).decode_utf8();
    value.map(Cow::into_owned).map_err(|_| "a text in UTF-8")
}

/// Returns true for an integer as Rust writes it, so that one number has one form.
fn is_integer(text: &str) -> bool {
    let number = text.parse::<i64>();
    let digits = text.strip_prefix('-').unwrap_or(text);
    number.is_ok() && !text.starts_with('+') && (text == "0" || !digits.starts_with('0'))
}

/// Returns true for the form of RFC 9562, section 4: 8, 4, 4, 4 and 12 hexadecimal digits in either case.
fn is_uuid(text: &str) -> bool {
    const DASHES: [usize; 4] = [8, 13, 18, 23];
    let mut bytes = text.bytes().enumerate();
    text.len() == 36
        && bytes.all(|(at, byte)| match DASHES.contains(&at) {
            true => byte == b'-',
            false => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    use super::*;

    fn parameter(kind: ParameterKind) -> PathParameter {
        PathParameter {
            name: "id".into(),
            kind,
        }
    }

    fn of(kind: ParameterKind, segment: &str) -> Option<String> {
        read(&parameter(kind), segment).ok()
    }

    #[test]
    fn a_text_is_decoded_once() {
        for (segment, expected) in [
            ("a", "a"),
            ("a%2Fb%3f%23", "a/b?#"),
            ("%2525", "%25"),
            ("caf%C3%A9", "café"),
            ("a+b", "a+b"),
            ("...", "..."),
            ("%2e%2Fx", "./x"),
            ("%00%0d%0a", "\0\r\n"),
            ("%7B%7D%22", "{}\""),
        ] {
            assert_eq!(of(ParameterKind::Text, segment).as_deref(), Some(expected));
        }
    }

    #[test]
    fn bad_escapes_and_dot_segments_are_refused() {
        for segment in [
            "%",
            "%2",
            "%zz",
            "%+1",
            "a%%41",
            "%FF",
            "%C3",
            "%ED%A0%80",
            ".",
            "..",
            "%2e",
            "%2E.",
            ".%2e",
            "%2e%2E",
        ] {
            for kind in [ParameterKind::Text, ParameterKind::Int, ParameterKind::Uuid] {
                assert_eq!(of(kind, segment), None, "{segment}");
            }
        }
    }

    #[test]
    fn an_integer_has_one_form() {
        for segment in [
            "0",
            "42",
            "-7",
            "%34%32",
            "9223372036854775807",
            "-9223372036854775808",
        ] {
            assert!(of(ParameterKind::Int, segment).is_some(), "{segment}");
        }
        for segment in [
            "-0",
            "00",
            "042",
            "-07",
            "+1",
            "1.0",
            "1e3",
            "0x1",
            "a",
            "-",
            "1%20",
            "%20",
            "9223372036854775808",
            "-9223372036854775809",
            "\u{661}",
            "1_0",
            "1,0",
        ] {
            assert_eq!(of(ParameterKind::Int, segment), None, "{segment}");
        }
        for number in [i64::MIN, -1, 0, 1, i64::MAX] {
            assert!(is_integer(&number.to_string()));
        }
    }

    #[test]
    fn a_uuid_is_taken_in_either_case_and_in_no_other_form() {
        let uuid = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
        for segment in [uuid.to_owned(), uuid.to_uppercase()] {
            assert_eq!(of(ParameterKind::Uuid, &segment), Some(segment));
        }
        for segment in [
            uuid.replace('-', ""),
            format!("{{{uuid}}}"),
            format!("urn:uuid:{uuid}"),
            uuid.replace('f', "g"),
            uuid.replace("-7", "7-"),
            format!("{uuid}0"),
        ] {
            assert_eq!(of(ParameterKind::Uuid, &segment), None, "{segment}");
        }
    }

    #[test]
    fn a_refusal_names_the_parameter_and_the_form() {
        let error = read(&parameter(ParameterKind::Int), "abc").unwrap_err();
        insta::assert_snapshot!(error, @"parameter `id` is `abc`, expected an integer of 64 bits in decimal digits, such as `42` or `-7`");
    }

    #[test]
    fn in_a_query_a_plus_is_a_space_and_nothing_is_empty() {
        let text = parameter(ParameterKind::Text);
        assert_eq!(read_query(&text, "a+b%2B"), Ok("a b+".to_owned()));
        let empty = QueryError::Empty { name: "id".into() };
        assert_eq!(read_query(&text, ""), Err(empty));
        assert!(read_query(&text, "%FF").is_err());
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_its_escapes(text in "\\PC{1,20}|[\\x00-\\x7f]{1,20}") {
            prop_assume!(text != "." && text != "..");
            let segment = utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string();
            prop_assert_eq!(of(ParameterKind::Text, &segment), Some(text));
        }

        #[test]
        fn a_number_that_is_taken_is_written_as_it_came(segment in "[-+]?[0-9]{1,20}|[ -~]{1,5}") {
            if let Some(value) = of(ParameterKind::Int, &segment) {
                prop_assert_eq!(value.parse::<i64>().unwrap().to_string(), value);
            }
        }
    }
}
