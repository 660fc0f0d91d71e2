//! The calls of a configuration whose bodies are read after they have settled.

use super::*;
use crate::config;

/// Returns the calls whose bodies are read, of `a`, `b` and `c`, with these keys.
fn read_of(aggregate: &str, calls: [&str; 3]) -> String {
    let names = ["a", "b", "c"].into_iter().zip(calls);
    let calls = names.map(|(name, keys)| {
        format!("[[aggregates.x.calls]]\nupstream = \"u\"\nname = \"{name}\"\n{keys}\n")
    });
    let calls: String = calls.collect();
    let text = format!("[upstreams.u]\nurl = \"http://u/\"\n[aggregates.x]\n{aggregate}\n{calls}");
    let config = config::load_text("test", &text).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let read = read(&config.services.aggregates[0]);
    let names = ["a", "b", "c"].into_iter().zip(read);
    names
        .filter(|(_, is_read)| *is_read)
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_body_is_read_by_other_calls_and_by_the_shape() {
    for (aggregate, calls, expected) in [
        ("", ["", "", ""], ""),
        ("", ["", "path = \"/{a.body.id}\"", ""], "a"),
        (
            "",
            ["", "query = { s = \"{a.status}\" }", "after = [\"b\"]"],
            "",
        ),
        (
            "",
            [
                "",
                "when = \"a.body.x\"",
                "expect = \"b.body.y && c.body.z\"",
            ],
            "ab",
        ),
        ("", ["", "each = \"{a.body}\"\npath = \"/{item}\"", ""], "a"),
        // A part of the own body is taken when its result is shown.
        ("", ["select = \"a.body.x\"", "", ""], ""),
        ("shape = \"merge\"", ["", "answer = false", ""], "ac"),
        ("shape = { value = \"b.body\" }", ["", "", ""], "b"),
    ] {
        assert_eq!(read_of(aggregate, calls), expected, "{aggregate} {calls:?}");
    }
}
