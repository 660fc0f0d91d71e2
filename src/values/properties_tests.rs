//! Tests that the properties of references and templates hold for many texts.

use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

/// Makes texts of pieces that mean something in some place.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = [
        "a", "b c", "/", ".", "..", "%", "%2e", "%2F", "?", "#", "&", "=", "+", ";", "\r", "\n",
        "\r\n", "\0", "\t", "\"", "'", "{", "}", "{path.v}", "\\", "\\u0022", "é", "\u{2028}",
        "😀", "\u{7f}", ",", ":", "[", "]",
    ];
    let pieces = select(pieces.to_vec());
    prop_oneof![
        3 => vec(pieces, 0..8).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

/// Makes texts of the pieces of references.
fn written() -> impl Strategy<Value = String> {
    let pieces = [
        "{",
        "}",
        "{{",
        "}}",
        "path",
        "query",
        "headers",
        "body",
        "users",
        "broken",
        "item",
        "index",
        ".v",
        ".body",
        ".headers.v",
        ".status",
        ".ok",
        ".failure",
        ".items",
        "[*]",
        "[0]",
        "[-1]",
        ".id",
        "[\"x-y\"]",
        "['v']",
        ".ids",
        ".empty",
        ".nil",
        ".n",
        " join ','",
        "?",
        " ?? 'd'",
        " ?? 1",
        " ?? null",
        " ?? []",
        " ",
        "{path.v}",
        "{body.v}",
        "{users.body.ids}",
        "{body.none?}",
        "x",
        "/",
        "é",
        "%",
        "\"",
        "'",
        "\n",
    ];
    vec(select(pieces.to_vec()), 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_text_is_a_reference_or_is_told_why_not(text in written()) {
        references(text.as_bytes());
    }

    #[test]
    fn a_value_stays_in_its_place(
        source in 0..SOURCES.len(),
        before in hostile(),
        after in hostile(),
        value in hostile(),
    ) {
        let source = SOURCES[source];
        Case { source, before: &before, after: &after }.check(&value);
    }

    #[test]
    fn any_bytes_stay_in_their_place(bytes in vec(any::<u8>(), 0..60)) {
        templates(&bytes);
        references(&bytes);
    }
}
