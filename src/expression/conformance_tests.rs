//! Expressions and what they give, by the CEL specification where nothing else is said.

use super::fixture::Request;

/// The answer of `users`.
const USERS: &str = r#"{"id":7,"name":"Ann","plan":"pro","rate":1.10,"roles":["admin","dev"],
"big":12345678901234567890,"bigger":12345678901234567891,"huge":1e400,"zero":-0,"none":null,"x-y":{"z":true},
"twice":1,"twice":2,"accent":"\u00e9","items":[{"id":1,"price":10},{"id":2,"price":2.5}],"empty":{}}"#;

/// Checks each expression against its JSON, or against a part of the reason why there is none.
fn check(cases: &[(&str, Result<&str, &str>)]) {
    let request = Request::new(USERS);
    for (source, expected) in cases {
        match (request.json(source), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, *expected, "{source}"),
            (Err(found), Err(expected)) => {
                assert!(found.0.contains(expected), "{source}: {found}");
            }
            (found, _) => panic!("{source}: {found:?}, not {expected:?}"),
        }
    }
}

#[test]
fn literals_are_what_they_say() {
    check(&[
        ("null", Ok("null")),
        ("true", Ok("true")),
        ("42", Ok("42")),
        ("0x2A", Ok("42")),
        ("-9223372036854775808", Ok("-9223372036854775808")),
        ("9223372036854775807", Ok("9223372036854775807")),
        ("1.5", Ok("1.5")),
        (".5", Ok("0.5")),
        ("-1e3", Ok("-1000.0")),
        ("1e300", Ok("1e+300")),
        ("0.30000000000000004", Ok("0.30000000000000004")),
        ("'it\\'s'", Ok("\"it's\"")),
        (
            "\"tab\\tq\\\"\\x41\\101\\u00e9\\U0001F600\"",
            Ok("\"tab\\tq\\\"AAé😀\""),
        ),
        (r"r'\d+'", Ok(r#""\\d+""#)),
        ("'''a\n'b'\n'''", Ok(r#""a\n'b'\n""#)),
        ("[1, 'a', [],]", Ok(r#"[1,"a",[]]"#)),
        (
            "{'a': 1, 'b': {'c': null},}",
            Ok(r#"{"a":1,"b":{"c":null}}"#),
        ),
        ("1 // a comment\n + 2", Ok("3")),
    ]);
}

#[test]
fn a_name_with_a_backslash_is_no_escape() {
    let request = Request::new(r#"{"a":{"\u0062":1},"c":{"\\u0062":2}}"#);
    for (source, expected) in [
        (r"has(users.body.a['\\u0062'])", "false"),
        (r"'\\u0062' in dyn(users.body.a)", "false"),
        (r"users.body.c['\\u0062']", "2"),
        (r"dyn(users.body.c)['\\u0062']", "2"),
        ("dyn(users.body.a).b", "1"),
    ] {
        assert_eq!(request.json(source).unwrap(), expected, "{source}");
    }
}

#[test]
fn arithmetic_is_exact_or_an_error() {
    check(&[
        ("1 + 2 * 3 - 4", Ok("3")),
        ("(1 + 2) * 3", Ok("9")),
        ("7 / 2", Ok("3")),
        ("-7 / 2", Ok("-3")),
        ("-7 % 2", Ok("-1")),
        ("7.0 / 2.0", Ok("3.5")),
        ("0.1 + 0.2", Ok("0.30000000000000004")),
        ("1 + 0.5", Ok("1.5")),
        ("9223372036854775807 + 1", Err("beyond integers of 64 bits")),
        (
            "-9223372036854775808 / -1",
            Err("beyond integers of 64 bits"),
        ),
        (
            "-9223372036854775808 % -1",
            Err("beyond integers of 64 bits"),
        ),
        ("-(-9223372036854775808)", Err("beyond integers of 64 bits")),
        ("4611686018427387904 * 2", Err("beyond integers of 64 bits")),
        ("1 / 0", Err("`1 / 0` divides by zero")),
        ("1 % 0", Err("divides by zero")),
        ("1.0 / 0.0", Err("a double that JSON can't hold")),
        ("1.0 / 0.0 > 5.0", Ok("true")),
        ("5.0 % 2.0", Err("`%` is for integers")),
        ("'a' + 'b' + 'c'", Ok("\"abc\"")),
        ("[1] + [2] + users.body.roles", Ok(r#"[1,2,"admin","dev"]"#)),
        ("'a' + 1", Err("`+` can't be used with a text and an int")),
        ("'a' - 'b'", Err("`-` can't be used")),
        ("-'a'", Err("`-` can't be used with a text")),
        ("--1", Ok("1")),
    ]);
}

#[test]
fn numbers_are_compared_by_what_they_are_worth() {
    check(&[
        ("1 == 1.0", Ok("true")),
        ("1 < 1.5", Ok("true")),
        ("9007199254740993 > 9007199254740992.0", Ok("true")),
        ("9007199254740993 == 9007199254740992.0", Ok("false")),
        ("9223372036854775807 < 9223372036854775808.0", Ok("true")),
        ("-9223372036854775808 == -9223372036854775808.0", Ok("true")),
        ("-9223372036854775808 > -1e300", Ok("true")),
        ("0.0 / 0.0 == 0.0 / 0.0", Ok("false")),
        ("0.0 / 0.0 < 1", Ok("false")),
        ("users.body.big > 9223372036854775807", Ok("true")),
        ("users.body.big == users.body.bigger", Ok("false")),
        ("users.body.big < users.body.bigger", Ok("true")),
        ("users.body.big == users.body.big", Ok("true")),
        ("users.body.big > 1e10", Ok("true")),
        // The double is 12345678901234567168.
        ("users.body.big == 12345678901234567890.0", Ok("false")),
        ("users.body.big > 12345678901234567890.0", Ok("true")),
        ("12345678901234567890.0 < users.body.big", Ok("true")),
        ("users.body.big == double(users.body.big)", Ok("false")),
        (
            "users.body.big > -0.5 && users.body.big < 1e300",
            Ok("true"),
        ),
        ("users.body.huge > users.body.big", Ok("true")),
        ("users.body.huge > 1", Ok("true")),
        ("users.body.zero == 0", Ok("true")),
    ]);
}

#[test]
fn values_of_different_kinds_are_not_equal_and_have_no_order() {
    check(&[
        ("1 == '1'", Ok("false")),
        ("null == false", Ok("false")),
        ("null == null", Ok("true")),
        ("users.body.none == null", Ok("true")),
        ("'a' != 1", Ok("true")),
        ("[1, 2.0] == [1.0, 2]", Ok("true")),
        ("[1] == [1, 2]", Ok("false")),
        ("{'a': 1, 'b': 2} == {'b': 2.0, 'a': 1}", Ok("true")),
        ("{'a': 1} == {'b': 1}", Ok("false")),
        ("users.body.roles == ['admin', 'dev']", Ok("true")),
        ("users.body['x-y'] == {'z': true}", Ok("true")),
        ("'a' < 'b'", Ok("true")),
        ("'B' < 'a'", Ok("true")),
        ("false < true", Ok("true")),
        ("1 < '1'", Err("`<` can't be used with an int and a text")),
        ("null < 1", Err("`<` can't be used with null and an int")),
        ("[1] < [2]", Err("`<` can't be used with a list and a list")),
    ]);
}

#[test]
fn logic_absorbs_an_error_on_either_side() {
    check(&[
        ("true && false", Ok("false")),
        ("true || users.body.absent", Ok("true")),
        ("users.body.absent || true", Ok("true")),
        ("users.body.absent && false", Ok("false")),
        (
            "users.body.absent && true",
            Err("`users.body.absent` is missing"),
        ),
        ("false || 1 / 0 == 1 || false", Err("divides by zero")),
        ("1 && true", Err("an int is neither true nor false, in `1`")),
        ("'a' || true", Ok("true")),
        ("!true", Ok("false")),
        ("!!true", Ok("true")),
        ("!1", Err("an int is neither true nor false")),
        ("true ? 1 : users.body.absent", Ok("1")),
        ("false ? 1 : false ? 2 : 3", Ok("3")),
        ("1 ? 2 : 3", Err("neither true nor false")),
        ("true || true && false", Ok("true")),
        ("1 + 1 == 2 && 2 < 3 || false", Ok("true")),
    ]);
}

#[test]
fn members_elements_and_keys_are_found() {
    check(&[
        ("users.body.name", Ok("\"Ann\"")),
        ("users.body['x-y'].z", Ok("true")),
        ("users.body.`x-y`.z", Ok("true")),
        ("users.body.items[1].id", Ok("2")),
        ("users.body.items[-1].id", Ok("2")),
        ("users.body.items[users.body.items.size() - 1].id", Ok("2")),
        (
            "users.body.items[0 - 1]",
            Err("`users.body.items[0 - 1]` is missing"),
        ),
        (
            "users.body.items[2]",
            Err("`users.body.items[2]` is missing"),
        ),
        ("[1, 2][1.0]", Ok("2")),
        ("[1, 2]['a']", Err("a list has no members")),
        ("{'a': 1}.a", Ok("1")),
        ("{'a': 1}.b", Err("is missing")),
        ("{'a': 1}['a']", Ok("1")),
        ("users.body.twice", Ok("2")),
        (
            "users.body.name.first",
            Err("`users.body.name.first` is missing"),
        ),
        ("'a' in users.body.roles", Ok("false")),
        ("'admin' in users.body.roles", Ok("true")),
        ("1.0 in [1]", Ok("true")),
        ("'plan' in users.body", Ok("true")),
        ("'a' in {'a': 1}", Ok("true")),
        ("1 in 2", Err("`in` can't be used with an int and an int")),
        ("has(users.body.plan)", Ok("true")),
        ("has(users.body.none)", Ok("true")),
        ("has(users.body.absent)", Ok("false")),
        ("has(users.body['x-y'])", Ok("true")),
        (
            "has(users.body.absent.x)",
            Err("`users.body.absent` is missing"),
        ),
        ("has(users.body.name.x)", Err("a text has no members")),
        ("has({'a': 1}.b)", Ok("false")),
    ]);
}

#[test]
fn all_parts_of_a_request_can_be_asked() {
    check(&[
        ("path.id", Ok("\"42\"")),
        ("query.page == '2'", Ok("true")),
        ("query.t", Ok(r#"["a","b"]"#)),
        ("has(query.since)", Ok("false")),
        ("has(query.page)", Ok("true")),
        ("query.since", Err("`query.since` is missing")),
        ("headers['accept-language']", Ok("\"de\"")),
        ("has(headers['x-none'])", Ok("false")),
        ("body.user.email", Ok("\"a@b\"")),
        ("item.sku + '-' + string(index)", Ok("\"x1-7\"")),
        ("users.ok && users.status == 200", Ok("true")),
        ("users.failure == null", Ok("true")),
        ("users.headers.etag", Ok(r#""\"v1\"""#)),
        ("users.headers['x-plan']", Ok("\"pro\"")),
        ("has(users.body)", Ok("true")),
    ]);
}

#[test]
fn only_the_body_and_the_headers_of_a_failed_call_are_an_error() {
    let failed = "is missing because the call `orders` failed";
    check(&[
        ("orders.ok", Ok("false")),
        ("!orders.ok", Ok("true")),
        ("orders.status", Ok("502")),
        ("orders.failure", Ok("\"status\"")),
        ("orders.body.x", Err(failed)),
        ("has(orders.body.x)", Err(failed)),
        ("has(orders.body)", Err(failed)),
        ("orders.headers.etag", Err(failed)),
        ("!orders.ok || !has(orders.body.x)", Ok("true")),
        ("orders.ok && has(orders.body.x)", Ok("false")),
        ("orders.ok ? orders.body.items : []", Ok("[]")),
        ("stock.ok", Ok("false")),
        ("stock.failure == 'omitted'", Ok("true")),
        ("stock.body", Err("because the call `stock` was omitted")),
    ]);
}

#[test]
fn functions_convert_and_ask() {
    check(&[
        ("size('é😀')", Ok("2")),
        ("users.body.accent.size()", Ok("1")),
        ("size([1, 2]) + size({'a': 1})", Ok("3")),
        ("users.body.items.size()", Ok("2")),
        ("size({'a': 1})", Ok("1")),
        ("size(users.body.empty)", Ok("0")),
        ("size(1)", Err("`size` can't be used with an int")),
        ("int('42') + int(1.9) + int(-1.9)", Ok("42")),
        (
            "int('x')",
            Err("`int('x')` is of a text that is no integer"),
        ),
        ("int(1e19)", Err("beyond integers")),
        ("int(users.body.big)", Err("beyond integers")),
        ("double('1.5') + double(1)", Ok("2.5")),
        ("double('NaN')", Err("no number")),
        ("double(users.body.big)", Ok("1.2345678901234567e+19")),
        (
            "string(1) + string(1.5) + string(true) + string('a')",
            Ok("\"11.5truea\""),
        ),
        ("string(users.body.big)", Ok("\"12345678901234567890\"")),
        (
            "string(users.body.huge)",
            Err("a double that JSON can't hold"),
        ),
        ("string([1])", Err("`string` can't be used with a list")),
        ("bool('true')", Ok("true")),
        ("bool('yes')", Err("neither true nor false")),
        ("dyn(1)", Ok("1")),
        (
            "'hello'.startsWith('he') && 'hello'.endsWith('lo')",
            Ok("true"),
        ),
        ("'hello'.contains('ell')", Ok("true")),
        (
            "(1).contains('a')",
            Err("`contains` can't be used with an int"),
        ),
        ("'a1'.matches('^[a-z][0-9]$')", Ok("true")),
        ("matches('b', '^a')", Ok("false")),
        ("'AbÄ'.lowerAscii() + 'aBä'.upperAscii()", Ok("\"abÄABä\"")),
        ("' a '.trim()", Ok("\"a\"")),
        ("'a,b'.split(',')", Ok(r#"["a","b"]"#)),
        ("'aé'.split('')", Ok(r#"["a","é"]"#)),
        ("users.body.roles.join('+')", Ok("\"admin+dev\"")),
        ("['a', 'b'].join()", Ok("\"ab\"")),
        ("[1].join()", Err("`join` can't be used with an int")),
        ("'aXbX'.replace('X', '--')", Ok("\"a--b--\"")),
        ("'aébc'.substring(1, 3)", Ok("\"éb\"")),
        ("'aébc'.substring(2)", Ok("\"bc\"")),
        ("'a'.substring(2)", Err("beyond the text")),
        ("'abc'.substring(2, 1)", Err("ends before it begins")),
        ("users.body.items.map(i, i.price).sum()", Ok("12.5")),
        ("[].sum()", Ok("0")),
        ("[3, 1.5, 2].min()", Ok("1.5")),
        ("['a', 'c', 'b'].max()", Ok("\"c\"")),
        ("[].max()", Err("empty list")),
        ("[1, 'a'].max()", Err("`max` can't be used")),
    ]);
}

#[test]
fn comprehensions_go_through_lists_and_keys() {
    check(&[
        ("users.body.items.all(i, i.price > 0)", Ok("true")),
        ("users.body.items.exists(i, i.price > 5)", Ok("true")),
        ("users.body.items.exists_one(i, i.id == 1)", Ok("true")),
        ("[1, 1].exists_one(i, i == 1)", Ok("false")),
        ("users.body.items.map(i, i.id)", Ok("[1,2]")),
        ("users.body.items.map(i, i.price > 5, i.id + 1)", Ok("[2]")),
        (
            "users.body.items.filter(i, i.id > 1)",
            Ok(r#"[{"id":2,"price":2.5}]"#),
        ),
        (
            "users.body.items.filter(i, i.id > 1).map(j, j.price)",
            Ok("[2.5]"),
        ),
        ("[].all(i, false)", Ok("true")),
        ("[].exists(i, true)", Ok("false")),
        ("{'a': 1, 'b': 2}.map(k, k)", Ok(r#"["a","b"]"#)),
        ("users.body['x-y'].all(k, k == 'z')", Ok("true")),
        ("[1, 'a'].exists(i, i > 5 || i == 'a')", Ok("true")),
        ("['a', 1].all(i, i > 5)", Ok("false")),
        ("['a', 9].all(i, i > 5)", Err("`>` can't be used")),
        ("[1].map(i, i.x)", Err("an int has no members")),
        ("(1).map(i, i)", Err("`map` can't be used with an int")),
        ("[1].filter(i, i)", Err("neither true nor false")),
        ("[1, 2].map(users, users + 1)", Ok("[2,3]")),
        ("[[1], [2, 3]].map(l, l.size())", Ok("[1,2]")),
    ]);
}

#[test]
fn what_nothing_has_changed_keeps_its_bytes() {
    check(&[
        ("users.body.rate", Ok("1.10")),
        (
            "[users.body.big, users.body.huge, users.body.zero]",
            Ok("[12345678901234567890,1e400,-0]"),
        ),
        ("{'a': users.body.accent}", Ok(r#"{"a":"\u00e9"}"#)),
        ("has(users.body.rate) ? users.body.rate : 0", Ok("1.10")),
        (
            "dyn(users.body.items)",
            Ok(r#"[{"id":1,"price":10},{"id":2,"price":2.5}]"#),
        ),
        ("users.body.rate + 0.0", Ok("1.1")),
        ("users.body.id + 1", Ok("8")),
    ]);
}
