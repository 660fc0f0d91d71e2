//! `gather eval`: a reference or an expression against a saved answer.

use std::{fs, process::Stdio};

use tempfile::TempDir;

use crate::{
    explain::HOME,
    program::{Finished, gather, run},
};

/// An answer of the aggregate `home` as a report has it.
const REPORT: &str = r#"{"aggregate":"home","mode":"concurrent","outcome":"partial","elapsed_ms":3.0,"sequential_ms":4.0,"results":[
{"name":"users","ok":true,"status":200,"start_ms":0.0,"elapsed_ms":1.0,"attempts":1,
 "body":{"plan":"pro","id":12345678901234567890,"price":1.10,"team":{"id":7},"none":null}},
{"name":"orders","ok":true,"status":200,"start_ms":0.0,"elapsed_ms":1.0,"attempts":1,
 "body":{"data":{"items":[{"product_id":"a"},{"product_id":"b"}]}}},
{"name":"products","ok":false,"failure":"status","status":503,"detail":"the upstream answered 503","start_ms":1.0,"elapsed_ms":1.0,"attempts":1},
{"name":"stock","ok":true,"status":200,"start_ms":1.0,"elapsed_ms":1.0,"attempts":2}]}"#;

struct Place {
    folder: TempDir,
    configuration: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut place = Self {
            folder,
            configuration: String::new(),
        };
        place.configuration = place.file("gather.toml", HOME);
        place
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.folder.path().join(name);
        fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn eval(&self, answer: &str, text: &str, more: &[&str]) -> Finished {
        let saved = self.file("saved.json", answer);
        let first = ["eval", "-c", &self.configuration, "home", text];
        run(&[&first[..], &["--with", &saved], more].concat())
    }

    fn value(&self, text: &str, more: &[&str]) -> String {
        let finished = self.eval(REPORT, text, more).expect(0);
        finished.stdout.trim_end().to_owned()
    }

    fn refusal(&self, answer: &str, text: &str) -> String {
        self.eval(answer, text, &[]).last_line()
    }
}

#[test]
fn a_reference_is_found_with_its_bytes() {
    let place = Place::new();
    for (text, value) in [
        ("orders.body.data.items[-1].product_id", "\"b\""),
        ("{orders.body.data.items[*].product_id}", r#"["a","b"]"#),
        ("{orders.body.data.items[*].product_id join ','}", "\"a,b\""),
        ("orders.body.data.items[*].product_id join '-'", "\"a-b\""),
        ("users.body.id", "12345678901234567890"),
        ("users.body.price", "1.10"),
        ("users.body.none", "null"),
        ("users.body.nothing ?? 'x'", "\"x\""),
        ("{users.body.team.id}-{users.status}", "\"7-200\""),
        ("products.failure", "\"status\""),
        ("products.status", "503"),
        ("stock.ok", "true"),
    ] {
        assert_eq!(place.value(text, &[]), value, "{text}");
    }
    let saved = place.eval(REPORT, "users.body.plan", &[]).expect(0).stderr;
    assert!(
        saved.starts_with("warning: `users.body.plan` is read from the part of the body"),
        "{saved}"
    );
}

#[test]
fn an_expression_is_evaluated() {
    let place = Place::new();
    for (text, value) in [
        ("users.body.plan == \"pro\"", "true"),
        ("has(users.body.missing)", "false"),
        ("users.body.team.id + 1", "8"),
        (
            "{\"a\": users.ok, \"b\": products.ok}",
            r#"{"a":true,"b":false}"#,
        ),
        ("products.ok ? 1 : 2", "2"),
    ] {
        assert_eq!(place.value(text, &[]), value, "{text}");
    }
}

#[test]
fn what_is_of_the_client_comes_from_options() {
    let place = Place::new();
    let body = place.file("body.json", r#"{"note": 1.50}"#);
    for (text, more, value) in [
        ("path.id", vec!["--path", "id=42"], "\"42\""),
        ("query.since", vec!["--query", "since=a+b&c"], "\"a+b&c\""),
        (
            "query.x",
            vec!["--query", "x=1", "--query", "x=2"],
            r#"["1","2"]"#,
        ),
        ("query.since ?? 'never'", vec![], "\"never\""),
        (
            "headers.accept-language",
            vec!["--header", "Accept-Language=de"],
            "\"de\"",
        ),
        ("body.note", vec!["--body", &body], "1.50"),
        ("item.sku", vec!["--item", r#"{"sku":"s"}"#], "\"s\""),
        ("index", vec!["--item", "1"], "0"),
    ] {
        assert_eq!(place.value(text, &more), value, "{text}");
    }
}

#[test]
fn without_a_value_there_is_one_sentence() {
    let place = Place::new();
    for (text, said) in [
        ("users.body.nothing", "`{users.body.nothing}` is missing"),
        (
            "{users.body.nothing?}",
            "`{users.body.nothing?}` is missing, and would be left out",
        ),
        (
            "products.body.id",
            "`{products.body.id}` is missing because the call `products` failed",
        ),
        ("query.since", "`{query.since}` is missing"),
        ("path.id", "`path.id` is not given: add --path id=VALUE"),
        ("body.note", "`body.note` is not given: add --body FILE"),
        (
            "users.headers.etag",
            "`users.headers.etag` is not in the saved answer: no answer has the header fields of calls",
        ),
        (
            "stock.body",
            "`stock.body` is not in the saved answer: the call `stock` has `answer = false`",
        ),
        (
            "audit.ok",
            "`audit.ok` is not in the saved answer: the call `audit` was not made",
        ),
    ] {
        assert_eq!(place.refusal(REPORT, text), format!("error: {said}"));
    }
    let unknown = place.refusal(REPORT, "usres.body");
    assert!(unknown.ends_with("did you mean `users`?"), "{unknown}");
    let number = place.refusal(REPORT, "9223372036854775808");
    assert_eq!(
        number,
        "error: this is no integer of 64 bits (at character 1)"
    );
    assert_eq!(place.refusal(REPORT, " "), "error: the expression is empty");
    place.refusal(REPORT, "users.body.plan + 1");
    place.refusal(REPORT, "1 +");
}

#[test]
fn a_selected_part_is_read_where_the_call_had_it() {
    let place = Place::new();
    let answer = REPORT.replace(
        r#"{"data":{"items":[{"product_id":"a"},{"product_id":"b"}]}}"#,
        r#"[{"product_id":"a"},{"product_id":"b"}]"#,
    );
    for (text, value) in [
        ("orders.body.data.items[*].product_id", r#"["a","b"]"#),
        ("size(orders.body.data.items)", "2"),
    ] {
        let told = place.eval(&answer, text, &[]).expect(0);
        assert_eq!((told.stdout.trim_end(), &*told.stderr), (value, ""));
    }
    let told = place.eval(&answer, "orders.body.total", &[]);
    assert!(
        told.stderr.contains("warning: `orders.body.total`"),
        "{}",
        told.stderr
    );
}

#[test]
fn a_text_of_the_configuration_is_filled() {
    let place = Place::new();
    for (text, value) in [
        ("/users/{path.id}", r#""/users/42""#),
        ("Bearer {users.body.plan}", r#""Bearer pro""#),
    ] {
        assert_eq!(place.value(text, &["--path", "id=42"]), value);
    }
    let wrong = place.refusal(REPORT, "/users/{usres.body.id}");
    assert!(wrong.ends_with("did you mean `users`?"), "{wrong}");
    let item = place.refusal(REPORT, "item.sku");
    assert!(
        item.ends_with("a call with `each`: add --item JSON"),
        "{item}"
    );
}

#[test]
fn streams_comparisons_and_problems_have_results_too() {
    let place = Place::new();
    let users =
        r#""name":"users","ok":true,"status":200,"start_ms":0,"elapsed_ms":1,"attempts":1,"body":"#;
    let summary = r#""aggregate":"home","mode":"concurrent","outcome":"complete""#;
    let run = |body: u8| format!(r#"{{"results":[{{{users}{body}}}]}}"#);
    for answer in [
        format!("{{\"index\":0,{users}2}}\n{{{summary},\"value\":{{\"users\":1}}}}\n"),
        format!(
            "{{\"mode\":\"sequential\",\"index\":0,{users}1}}\n{{\"mode\":\"concurrent\",\"index\":0,{users}2}}\n"
        ),
        format!(
            r#"{{"aggregate":"home","mode":"compare","sequential":{},"concurrent":{}}}"#,
            run(1),
            run(2)
        ),
        format!(
            r#"{{"type":"urn:gather:problem:upstream-failed","title":"x","status":502,{summary},"results":[{{{users}2}}]}}"#
        ),
    ] {
        let finished = place.eval(&answer, "users.body", &[]).expect(0);
        assert_eq!(finished.stdout, "2\n", "{answer}");
    }
}

#[test]
fn what_is_no_answer_of_the_aggregate_is_refused() {
    let place = Place::new();
    for (answer, said) in [
        ("", "it is empty"),
        ("x", "it is not JSON: expected value at line 1 column 1"),
        (
            r#"{"aggregate":"plain","results":[]}"#,
            "it is an answer of the aggregate `plain`",
        ),
        (
            r#"{"user":{"profile":{}}}"#,
            "it has no `results`, as `home` has a shape; save a stream, which has them: curl -H 'accept: application/x-ndjson'",
        ),
        (
            r#"{"results":[{"name":"other","ok":true,"status":200}]}"#,
            "it has a result of `other`, and the aggregate `home` has no such call",
        ),
    ] {
        let refusal = place.refusal(answer, "users.ok");
        assert!(
            refusal.ends_with(&format!("saved.json: {said}")),
            "{refusal}"
        );
    }
}

#[test]
fn standard_input_is_read_and_a_bad_command_line_has_status_2() {
    let place = Place::new();
    let saved = place.file("saved.json", REPORT);
    let mut command = gather();
    command
        .args([
            "eval",
            "-c",
            &place.configuration,
            "home",
            "users.ok",
            "--with",
            "-",
        ])
        .stdin(fs::File::open(&saved).unwrap())
        .stdout(Stdio::piped());
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"true\n");
    let first = ["eval", "-c", &place.configuration, "home", "users.ok"];
    for more in [
        &[][..],
        &["--with", &saved, "--query", "since"],
        &["--with", &saved, "--header", "a b=c"],
    ] {
        run(&[&first[..], more].concat()).expect(2);
    }
    let missing = place.folder.path().join("none.json");
    let finished = run(&[&first[..], &["--with", missing.to_str().unwrap()]].concat());
    let sentence = finished.one_sentence();
    assert!(sentence.contains("none.json can't be read"), "{sentence}");
}
