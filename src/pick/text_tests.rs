//! Tests of JSON strings as text.

use super::*;

fn quoted_text(text: &str) -> String {
    let mut json = Vec::new();
    quote(text, &mut json);
    String::from_utf8(json).unwrap()
}

#[test]
fn escapes_are_decoded_and_nothing_else_is_touched() {
    for (json, expected) in [
        (r#""plain é""#, Some("plain é")),
        (r#"" ""#, Some(" ")),
        (r#""""#, Some("")),
        (r#""\u00e9\ud83d\ude00""#, Some("é😀")),
        (r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
        (r#""\u0000""#, Some("\0")),
        (r#""\ud83d""#, None),
        (r#""\ude00\ud83d""#, None),
        (r#""\ud83dx""#, None),
        (r#""\ud83d\u0041""#, None),
        (r#""\u+123""#, None),
        (r#""\u12""#, None),
        (r#""\x""#, None),
        ("1", None),
        ("\"", None),
        ("", None),
        ("null", None),
    ] {
        assert_eq!(text(json.as_bytes()).as_deref(), expected, "{json}");
    }
    assert_eq!(text(b"\"\xff\""), None);
}

#[test]
fn a_text_is_quoted_so_that_any_reader_gets_it_back() {
    let hostile = "\"\\/\0\u{1f}\u{7f}\r\n\t\u{8}\u{c}é\u{2028}\u{2029}\u{20ac}😀</script>";
    let json = quoted_text(hostile);
    assert_eq!(text(json.as_bytes()).unwrap(), hostile);
    assert!(
        !json.contains(['\u{2028}', '\u{2029}', '\n', '\0']),
        "{json}"
    );
    assert_eq!(quoted_text("a\u{1}b"), r#""a\u0001b""#);
}

#[test]
fn a_name_is_compared_after_its_escapes() {
    assert!(stands_for(br"\u0061", "a"));
    assert!(stands_for("é".as_bytes(), "é"));
    assert!(stands_for(br"\u00e9", "é"));
    assert!(!stands_for(br"\\u00e9", "é"));
    assert!(!stands_for(br"\ud800", "a"));
    assert!(!stands_for(b"A", "a"));
}

#[test]
fn a_configured_text_is_in_either_quotes() {
    for (text, expected) in [
        ("'a, b' rest", Some(("a, b", " rest"))),
        ("''", Some(("", ""))),
        (r"'it\'s \\'", Some((r"it's \", ""))),
        (r#""a\"b\u0041",x"#, Some((r#"a"bA"#, ",x"))),
        (r#"'a"b'"#, Some((r#"a"b"#, ""))),
        (r"'\n'", None),
        ("'open", None),
        (r"'open\'", None),
        ("\"a\nb\"", None),
        ("plain", None),
        ("", None),
    ] {
        let found = quoted(text);
        let found = found.as_ref().map(|(text, rest)| (&**text, *rest));
        assert_eq!(found, expected, "{text}");
    }
}
