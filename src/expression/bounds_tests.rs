//! The bounds of an expression: no source and no value takes all memory, the whole stack or seconds.

use std::thread;

use proptest::prelude::*;

use super::{
    ExpressionError, MOST_BYTES,
    fixture::{Request, parse},
    properties,
};

/// Runs a check on a stack that is a quarter of a worker's.
fn on_a_small_stack(check: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(512 * 1024).spawn(check);
    thread.unwrap().join().unwrap();
}

/// Makes an expression that nests this in itself.
fn nested(open: &str, inner: &str, close: &str, levels: usize) -> String {
    [&open.repeat(levels), inner, &close.repeat(levels)].concat()
}

/// Evaluates an expression, however it ends.
fn run(request: &Request, source: &str) {
    if let Ok(expression) = parse(source) {
        let _ = expression.write(&request.scope(), &mut Vec::new());
        let _ = expression.is_true(&request.scope());
    }
}

#[test]
fn the_deepest_nesting_that_is_allowed_fits_a_small_stack() {
    on_a_small_stack(|| {
        let request = Request::new("{}");
        let deep = nested(
            "(true ? false || true && 1 < 2 + 3 * [",
            "1",
            "].size() : true)",
            15,
        );
        assert_eq!(request.json(&deep).unwrap(), "true", "{deep}");
        for (open, inner, close) in [
            ("(", "1", ")"),
            ("[", "1", "]"),
            ("{'a':", "1", "}"),
            ("dyn(", "1", ")"),
            ("!", "true", ""),
            ("-", "(1)", ""),
            ("[1][", "0", "]"),
        ] {
            let sources = [30, 33].map(|levels| parse(&nested(open, inner, close, levels)));
            assert!(sources[0].is_ok(), "{open}: {:?}", sources[0]);
            let mistake = &sources[1].as_ref().unwrap_err()[0].0;
            assert!(mistake.contains("more than 32 levels deep"), "{mistake}");
        }
    });
}

#[test]
fn no_source_takes_the_whole_stack() {
    on_a_small_stack(|| {
        let request = Request::new("{}");
        let texts = [
            "!",
            "-",
            "(",
            "[",
            "{",
            "1+",
            "1-",
            "true?1:",
            "true&&",
            "true||",
            "[1].map(i,",
            "a.",
            "users.body.a.",
            "''+",
            "1<",
            "has(",
            "size(",
            "'a'.trim().",
            "[0][",
            "1?",
            "a?b:c?",
            "{'a':",
            "-1-",
            "!!-",
            "'",
            "\"",
            "\\",
            "`",
            "//",
            "r'",
            "\u{e9}",
            "[[[]]],",
            "in ",
        ];
        for text in texts {
            for end in ["", "1", "true", "]", ")"] {
                let levels = MOST_BYTES / text.len() - end.len();
                run(&request, &[&text.repeat(levels), end].concat());
            }
        }
    });
}

#[test]
fn long_chains_are_no_nesting() {
    let request = Request::new("{\"a\":[1]}");
    for (source, expected) in [
        (["1+".repeat(1500), "1".into()].concat(), "1501"),
        (["true&&".repeat(600), "true".into()].concat(), "true"),
        (["false?1:".repeat(500), "2".into()].concat(), "2"),
        (["'a'".into(), ".trim()".repeat(500)].concat(), "\"a\""),
        (["[0]".into(), ".map(i,i)".repeat(400)].concat(), "[0]"),
    ] {
        assert_eq!(request.json(&source).unwrap(), expected);
    }
}

#[test]
fn a_source_has_four_kibibytes_at_most() {
    let fits = format!("1{}", " ".repeat(MOST_BYTES - 1));
    assert!(parse(&fits).is_ok());
    let mistakes = parse(&format!("{fits} ")).unwrap_err();
    assert_eq!(mistakes[0].0, "it has 4097 bytes, and may have 4096");
}

#[test]
fn a_text_that_doubles_itself_is_stopped() {
    let request = Request::new("{}");
    let doubled = [
        "['aaaaaaaaaaaaaaaa']",
        &".map(a,a+a+a+a+a+a+a+a)".repeat(20),
    ]
    .concat();
    let reason = request.json(&doubled).unwrap_err();
    assert!(reason.0.contains("takes too much memory"), "{reason}");
    let lists = ["[[1]]", &".map(a,a+a+a+a)".repeat(20)].concat();
    let reason = request.json(&lists).unwrap_err();
    assert!(reason.0.contains("more than 10000 elements"), "{reason}");
    let shared = ["[1]", &".map(a,[a,a,a,a])".repeat(40)].concat();
    assert!(request.json(&shared).is_err());
    let deep = ["[1]", &".map(a,[a])".repeat(100)].concat();
    let reason = request.json(&deep).unwrap_err();
    assert!(reason.0.contains("nested too deep"), "{reason}");
    let replaced = ["'a'", &".replace('a','aaaaaaaaaa')".repeat(30)].concat();
    assert!(request.json(&replaced).is_err());
}

#[test]
fn a_list_has_ten_thousand_elements_at_most() {
    for (count, fits) in [(10_000, true), (10_001, false)] {
        let list = vec!["1"; count].join(",");
        let request = Request::new(format!("{{\"a\":[{list}]}}"));
        assert_eq!(request.json("users.body.a.map(i, i).size()").is_ok(), fits);
        assert_eq!(request.json("users.body.a.all(i, i > 0)").is_ok(), fits);
        // To count and to search needs no list.
        let size = request.json("users.body.a.size()").unwrap();
        assert_eq!(size, count.to_string());
        assert_eq!(request.json("2 in users.body.a").unwrap(), "false");
    }
}

#[test]
fn work_without_end_is_stopped() {
    let list = vec!["1"; 10_000].join(",");
    let request = Request::new(format!("{{\"a\":[{list}]}}"));
    let reason = request.json("users.body.a.map(i, 2 in users.body.a)");
    assert!(reason.unwrap_err().0.contains("takes too much work"));
    let large = Request::new(format!("{{\"a\":\"{}\"}}", "a".repeat(3_000_000)));
    let reason = large.json("users.body.a.matches('^(a|b)*c$')");
    assert!(reason.unwrap_err().0.contains("takes too much work"));
}

#[test]
fn a_body_of_any_depth_is_passed_on_and_compared_up_to_a_bound() {
    on_a_small_stack(|| {
        let deep = |inner: &str| nested("[", inner, "]", 20_000);
        let request = Request::new(format!("{{\"a\":{},\"b\":{}}}", deep("1"), deep("2")));
        assert_eq!(request.json("users.body.a").unwrap(), deep("1"));
        assert_eq!(
            request.json("users.body.a == users.body.a").unwrap(),
            "true"
        );
        let reason = request.json("users.body.a == users.body.b").unwrap_err();
        assert!(reason.0.contains("nested too deep"), "{reason}");
    });
}

#[test]
fn a_reason_has_no_part_of_a_value() {
    let request = Request::new(r#"{"secret":"hunter2","list":["hunter2"],"n":4242}"#);
    for source in [
        "int(users.body.secret)",
        "users.body.secret + 1",
        "users.body.secret.x",
        "users.body[users.body.secret]",
        "users.body.list[users.body.n]",
        "[users.body.n].map(i, i.x)",
        "users.body.n / 0",
        "{users.body.secret: 1, 'hunter' + '2': 2}",
        "bool(users.body.secret)",
        "users.body.n * 9223372036854775807",
    ] {
        let reason = request.json(source).unwrap_err().0;
        assert!(
            !reason.contains("hunter2") && !reason.contains("4242"),
            "{reason}"
        );
    }
}

#[test]
fn a_condition_is_true_or_false_and_nothing_else() {
    let request = Request::new("{\"t\":true,\"n\":1}");
    let is_true = |source: &str| parse(source).unwrap().is_true(&request.scope());
    assert_eq!(is_true("users.body.t"), Ok(true));
    assert_eq!(is_true("users.body.n == 2"), Ok(false));
    let reason = is_true("users.body.n").unwrap_err();
    assert_eq!(
        reason.0,
        "an int is neither true nor false, in `users.body.n`"
    );
}

#[test]
fn what_is_never_true_or_false_is_known_from_the_source_alone() {
    let misfit = |source: &str| parse(source).unwrap().check_condition();
    for (source, part) in [
        ("1", "1"),
        ("'true'", "'true'"),
        ("null", "null"),
        ("[true]", "[true]"),
        ("{'a': true}", "{'a': true}"),
        ("-users.body.n", "-users.body.n"),
        ("users.body.n + 1", "users.body.n + 1"),
        ("users.ok && users.status", "users.status"),
        ("!size(users.body.items)", "size(users.body.items)"),
        ("path.id || query.page == '1'", "path.id"),
        ("users.failure", "users.failure"),
        ("index", "index"),
        ("users.ok ? 1 : 'a'", "'a'"),
        (
            "users.body.items.filter(i, true)",
            "users.body.items.filter(i, true)",
        ),
        ("users.body.name.trim()", "users.body.name.trim()"),
    ] {
        let message = format!("expected a condition, and `{part}` is neither true nor false");
        assert_eq!(misfit(source), Err(ExpressionError(message)), "{source}");
    }
    for source in [
        "true",
        "users.body.flag",
        "item.flag",
        "users.ok",
        "1 + 1 == 2",
        "users.ok ? users.body.flag : 1",
        "users.body.items.all(i, i)",
        "users.body.name.matches('a')",
        "dyn(1) || bool('true')",
        "[true].max()",
        "has(users.body.x) && !('a' in users.body)",
    ] {
        assert_eq!(misfit(source), Ok(()), "{source}");
    }
}

/// Parts that expressions are made of.
fn parts() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "users.body",
        ".id",
        ".items",
        "[0]",
        "['x-y']",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "'a'",
        ":",
        ",",
        " + ",
        " - ",
        " * ",
        " / ",
        " % ",
        " == ",
        " < ",
        " in ",
        " && ",
        " || ",
        " ? ",
        " : ",
        "!",
        "-",
        "1",
        "2.5",
        "true",
        "null",
        ".map(i, ",
        ".all(i, ",
        ".filter(i, ",
        "i",
        ".size()",
        "has(",
        "string(",
        "int(",
        ".matches('a+')",
        ".join(',')",
        "item",
        "index",
        "path.id",
        "orders.ok",
        "orders.body.x",
        "stock.status",
        "users.status",
        ".sum()",
        ".max()",
        ".split('')",
    ]);
    prop::collection::vec(part, 1..20).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn no_expression_panics(source in parts()) {
        properties::expressions(source.as_bytes());
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        properties::expressions(&bytes);
    }

    #[test]
    fn integers_are_calculated_as_rust_does(a in any::<i64>(), b in -100_i64..100) {
        let request = Request::new(format!("{{\"a\":{a},\"b\":{b}}}"));
        for (sign, expected) in [
            ("+", a.checked_add(b)),
            ("-", a.checked_sub(b)),
            ("*", a.checked_mul(b)),
            ("/", a.checked_div(b)),
            ("%", a.checked_rem(b)),
        ] {
            let found = request.json(&format!("users.body.a {sign} users.body.b"));
            prop_assert_eq!(found.ok(), expected.map(|value| value.to_string()));
        }
    }

    #[test]
    fn a_double_comes_out_as_it_went_in(double in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
        let request = Request::new(format!("{{\"a\":{double:?}}}"));
        let found = request.json("users.body.a * 1.0").unwrap();
        prop_assert_eq!(found.parse::<f64>().unwrap().to_bits(), double.to_bits());
    }

    #[test]
    fn the_order_of_numbers_is_that_of_their_worth(a in any::<i64>(), b in any::<i32>(), halves in any::<i32>()) {
        let double = f64::from(halves) / 2.0;
        let request = Request::new(format!("{{\"a\":{a},\"b\":{b},\"c\":{double:?}}}"));
        let json = |source: &str| request.json(source).unwrap() == "true";
        prop_assert_eq!(json("users.body.a < users.body.b"), a < i64::from(b));
        prop_assert_eq!(json("users.body.b < users.body.c"), f64::from(b) < double);
        prop_assert_eq!(json("users.body.b == users.body.c"), f64::from(b).eq(&double));
    }

    #[test]
    fn a_text_is_compared_as_it_reads(text in any::<String>()) {
        let written = serde_json::Value::from(text.clone()).to_string();
        let request = Request::new(format!("{{\"a\":{written}}}"));
        let found = request.json("users.body.a + ''").unwrap();
        let found: String = serde_json::from_str(&found).unwrap();
        prop_assert_eq!(&found, &text);
        let size = request.json("size(users.body.a)").unwrap();
        prop_assert_eq!(size, text.chars().count().to_string());
    }
}
