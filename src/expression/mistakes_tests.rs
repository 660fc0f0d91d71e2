//! Mistakes that are found at start.

use super::fixture::{parse, parse_with};

fn mistakes(source: &str) -> Vec<String> {
    let mistakes = parse(source).expect_err(source);
    mistakes.into_iter().map(|mistake| mistake.0).collect()
}

/// Checks that each source has one mistake, whose message has this part.
fn check(cases: &[(&str, &str)]) {
    for (source, part) in cases {
        let found = mistakes(source);
        assert_eq!(found.len(), 1, "{source}: {found:?}");
        assert!(found[0].contains(part), "{source}: {found:?}");
    }
}

#[test]
fn a_text_that_is_no_expression_says_what_is_missing_and_where() {
    check(&[
        ("", "the expression is empty"),
        (" // nothing", "the expression is empty"),
        ("1 +", "a value is missing at the end"),
        ("(1", "`)` is missing at the end"),
        (
            "1 2",
            "the end, or an operator, is missing before `2` (at character 3)",
        ),
        ("[1 2]", "`,` or `]` is missing before `2`"),
        ("{'a' 1}", "`:` is missing before `1`"),
        (
            "{users.body.x} == 'a'",
            "a reference has no braces here; write `users.body.x` (at character 2)",
        ),
        (
            "users.ok and path.id == 'a'",
            "`and` is no operator here; write `&&` (at character 10)",
        ),
        ("users.ok or true", "`or` is no operator here; write `||`"),
        ("true ? 1", "`:` is missing at the end"),
        ("users.", "a name is missing after the dot"),
        ("'abc", "this text is not closed"),
        ("'a\\q'", "`\\q` is no escape"),
        ("'\\ud800'", "is no character"),
        ("b'a'", "there are no bytes here"),
        ("1u", "no unsigned integers"),
        ("9223372036854775808", "no integer of 64 bits"),
        ("99999999999999999999", "no integer of 64 bits"),
        ("1e400", "no double is as large"),
        ("1e", "has no digits"),
        ("12abc", "followed by a letter"),
        ("users.ok = true", "write `==`"),
        ("users.body.x ?? 1", "has(a.b)"),
        ("users.body.items[*].id", "map(i, i.name)"),
    ]);
}

#[test]
fn a_misspelt_name_leads_to_the_one_that_was_meant() {
    check(&[
        ("usres.ok", "did you mean `users`?"),
        ("users.boby", "did you mean `body`?"),
        ("users", "`users` is a call"),
        ("path.di", "no parameter `di`, did you mean `id`?"),
        ("query", "a name is missing after `query`"),
        ("headers[path.id]", "a name is missing after `headers`"),
        ("users.status.x", "`users.status` has no parts"),
        ("[1].map(elem, elme)", "did you mean `elem`?"),
        ("users.body.items.lenght()", "no method `lenght`"),
        ("users.body.items.length()", "did you mean `size`?"),
        ("'a'.startswith('a')", "did you mean `startsWith`?"),
        ("sise([])", "did you mean `size`?"),
        ("uint(1)", "did you mean `int`?"),
        (
            "timestamp('2020-01-01T00:00:00Z')",
            "no function `timestamp` here",
        ),
        ("has(users.boby)", "did you mean `body`?"),
        ("has(users.body[path.id])", "`has` takes one member"),
        ("has(usres.body.x)", "did you mean `users`?"),
    ]);
}

#[test]
fn a_function_is_called_as_it_can_be() {
    check(&[
        ("size()", "`size` takes 1 argument, and has 0"),
        ("[].size(1)", "`size` takes no argument, and has 1"),
        (
            "'a'.substring()",
            "`substring` takes 1 or 2 arguments, and has 0",
        ),
        (
            "contains('a', 'b')",
            "`contains` is called as `x.contains(…)`",
        ),
        ("'1'.int()", "`int` is called as `int(x)`"),
        ("has(users)", "`has` takes one member"),
        ("has(users.body.items[0])", "`has` takes one member"),
        ("has(1)", "`has` takes one member"),
        ("all([1], i, i > 0)", "is called on a list"),
        ("[1].all(i > 0)", "begins with a variable"),
        ("[1].all(i)", "begins with a variable"),
        ("[1].all(i, i > 0, i)", "`all` takes 2 arguments, and has 3"),
        (
            "[1].map(i, [2].map(j, j))",
            "`map` can't stand within another comprehension",
        ),
        ("'a'.matches('(')", "the pattern of `matches` can't be used"),
        ("'a'.matches(path.id)", "has to be a text as it is"),
        (
            "'a'.matches('(a{100}){100}')",
            "the pattern of `matches` can't be used",
        ),
        ("'a'.matches()", "`matches` takes 1 pattern, and has 0"),
        ("{a: 1}", "a key is a text; write `\"a\"`"),
        ("{1: 1}", "a key is a text, and `1` is none"),
        ("{'a': 1, 'a': 2}", "the key `'a'` is twice in a map"),
    ]);
}

#[test]
fn all_mistakes_in_names_are_told_at_once() {
    let found =
        mistakes("usres.ok && sise([]) == 1 && path.di == 'a' && users.body.x.lenght() > (");
    assert_eq!(found.len(), 5, "{found:?}");
}

#[test]
fn a_name_of_another_phase_is_a_mistake() {
    for (source, part) in [
        (
            "item.x",
            "only in the request and in the `expect` of a call with `each`",
        ),
        ("body.x", "has none here"),
        ("users.ok", "this call itself"),
    ] {
        let found = parse_with(source, |known| {
            known.in_each = false;
            known.has_body = false;
            known.own = Some(0);
        });
        let found = found.expect_err(source);
        assert!(found[0].0.contains(part), "{found:?}");
    }
    assert!(
        parse_with("users.ok", |known| {
            known.own = Some(0);
            known.own_result = true;
        })
        .is_ok()
    );
}

#[test]
fn a_value_that_is_used_twice_is_one_reference() {
    let source =
        "users.body.a == 1 || users.body.a == 2 || users.body['x-y'].size() > orders.status";
    let expression = parse(source).unwrap();
    let texts: Vec<_> = expression
        .references()
        .map(|own| own.text.to_string())
        .collect();
    assert_eq!(
        texts,
        ["users.body.a", "users.body[\"x-y\"]", "orders.status"]
    );
    let calls: Vec<_> = expression.references().map(|own| own.call()).collect();
    assert_eq!(calls, [Some(0), Some(0), Some(1)]);
    let edges = parse("has(orders.body.x.y) ? [1].map(i, stock.ok) : users.headers.etag").unwrap();
    let texts: Vec<_> = edges.references().map(|own| own.text.to_string()).collect();
    assert_eq!(texts, ["orders.body.x", "stock.ok", "users.headers.etag"]);
}
