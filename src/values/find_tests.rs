//! Tests of the values of references.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;

use super::*;
use crate::{
    exchange::ClientBody,
    fanout::Earlier,
    values::{Item, Known},
};

fn result(result: Result<Reply, Failure>) -> CallResult {
    CallResult::new("call", Duration::ZERO, Duration::ZERO, result)
}

fn reply(body: Body) -> Reply {
    Reply::new(StatusCode::CREATED, body)
}

fn json(text: &'static str) -> Body {
    Body::Json(Bytes::from_static(text.as_bytes()))
}

/// Returns the value as JSON, or the reason.
fn find(text: &str, scope: &Scope<'_>) -> Result<String, Absent> {
    let calls: Vec<Arc<str>> = ["a", "b", "c"].map(Arc::from).to_vec();
    let known = Known {
        path: &["id".into()],
        calls: &calls,
        own: None,
        own_result: true,
        in_each: true,
        has_body: true,
        has_client: true,
    };
    let reference = Reference::parse(text, &known).unwrap();
    let mut out = Vec::new();
    reference.find(scope)?.json(&mut out);
    Ok(String::from_utf8(out).unwrap())
}

fn client() -> ClientContext {
    let field = |name: &'static str, value: &'static [u8]| {
        let value = HeaderValue::from_bytes(value).unwrap();
        (HeaderName::from_static(name), value)
    };
    let pair = |name: &str, pair: &str| (name.to_owned(), pair.to_owned());
    ClientContext {
        path: vec!["4/2".to_owned()],
        headers: vec![
            field("accept-language", b"de"),
            field("x-binary", b"\xff"),
            field("x-name", "é".as_bytes()),
            field("accept-language", b"en"),
        ],
        query: vec![
            pair("q", "q=a+b%2Bc%C3%A9"),
            pair("tag", "tag=x"),
            pair("flag", "flag"),
            pair("bad", "bad=%FF"),
            pair("tag", "t%61g=y=z"),
        ],
        body: Some(ClientBody {
            bytes: Bytes::from_static(b"{\"user\":{\"email\":\"a@b\"},\"n\":1.10}"),
            content_type: None,
            is_json: true,
        }),
        ..ClientContext::new(HeaderValue::from_static("id"))
    }
}

fn scope<'s>(client: &'s ClientContext, results: &'s [CallResult]) -> Scope<'s> {
    Scope {
        client,
        earlier: Earlier::over(results, None),
        own: None,
        item: None,
    }
}

#[test]
fn the_client_s_request_is_read_decoded() {
    let client = client();
    let scope = scope(&client, &[]);
    for (text, expected) in [
        ("path.id", Ok("\"4/2\"")),
        ("query.q", Ok("\"a b+cé\"")),
        ("query.flag", Ok("\"\"")),
        ("query.tag", Ok(r#"["x","y=z"]"#)),
        ("query.tag[0]", Ok("\"x\"")),
        ("query.tag[-1]", Ok("\"y=z\"")),
        ("query.tag[2]", Err(Absent::Missing)),
        ("query.tag[-3]", Err(Absent::Missing)),
        ("query.q[*]", Ok(r#"["a b+cé"]"#)),
        ("query.q[0]", Ok("\"a b+cé\"")),
        ("query.none", Err(Absent::Missing)),
        ("query.none[*]", Err(Absent::Missing)),
        ("query.bad", Err(Absent::NoText)),
        ("headers.accept-language", Ok("\"de, en\"")),
        ("headers.x-name", Ok("\"é\"")),
        ("headers.x-binary", Err(Absent::NoText)),
        ("headers.none", Err(Absent::Missing)),
        ("body.user.email", Ok("\"a@b\"")),
        ("body.n", Ok("1.10")),
        ("body.none", Err(Absent::Missing)),
        ("item", Err(Absent::Missing)),
        ("index", Err(Absent::Missing)),
        ("a.body", Err(Absent::Missing)),
    ] {
        assert_eq!(
            find(text, &scope).as_deref(),
            expected.as_ref().copied(),
            "{text}"
        );
    }
}

#[test]
fn a_body_that_is_no_json_has_no_parts() {
    let mut client = client();
    client.body = Some(ClientBody {
        bytes: Bytes::from_static(b"{"),
        content_type: None,
        is_json: false,
    });
    assert_eq!(find("body", &scope(&client, &[])), Err(Absent::Missing));
    client.body = None;
    assert_eq!(find("body", &scope(&client, &[])), Err(Absent::Missing));
}

#[test]
fn the_parts_of_a_result_are_found() {
    let field = (
        HeaderName::from_static("etag"),
        HeaderValue::from_static("\"1\""),
    );
    let results = [
        result(Ok(Reply {
            fields: Some([field].into_iter().collect()),
            ..reply(json(" {\"items\":[{\"id\":1},{}]}"))
        })),
        result(Ok(reply(Body::Text {
            content_type: None,
            text: Bytes::from_static(b"plain"),
        }))),
        result(Ok(reply(Body::Empty))),
    ];
    let client = client();
    let scope = scope(&client, &results);
    for (text, expected) in [
        ("a.ok", Ok("true")),
        ("a.status", Ok("201")),
        ("a.failure", Ok("null")),
        ("a.headers.etag", Ok(r#""\"1\"""#)),
        ("a.headers.none", Err(Absent::Missing)),
        ("b.headers.etag", Err(Absent::Missing)),
        ("a.body", Ok("{\"items\":[{\"id\":1},{}]}")),
        ("a.body.items[*].id", Ok("[1]")),
        ("b.body", Ok("\"plain\"")),
        ("b.body.x", Err(Absent::Missing)),
        ("c.body", Err(Absent::Missing)),
    ] {
        assert_eq!(
            find(text, &scope).as_deref(),
            expected.as_ref().copied(),
            "{text}"
        );
    }
}

#[test]
fn a_binary_body_is_no_text() {
    let results = [result(Ok(reply(Body::Binary {
        labels: Box::default(),
        bytes: Bytes::from_static(b"\xff"),
    })))];
    let client = client();
    assert_eq!(
        find("a.body", &scope(&client, &results)),
        Err(Absent::NoText)
    );
    assert_eq!(
        find("a.body.x", &scope(&client, &results)),
        Err(Absent::Missing)
    );
}

#[test]
fn a_failure_has_no_body_but_its_fallback() {
    let failed =
        Failure::new(FailureKind::Status, "it failed").with_status(StatusCode::BAD_GATEWAY);
    let omitted = Failure::new(FailureKind::Omitted, "it was not asked");
    let results = [
        result(Err(failed.clone())),
        result(Err(failed)).with(Some(Bytes::from_static(b"{\"x\":[]}")), None),
        result(Err(omitted)),
    ];
    let client = client();
    let scope = scope(&client, &results);
    for (text, expected) in [
        ("a.ok", Ok("false")),
        ("a.status", Ok("502")),
        ("a.failure", Ok("\"status\"")),
        ("a.body.x", Err(Absent::Failed(0))),
        ("a.headers.etag", Err(Absent::Failed(0))),
        ("b.ok", Ok("false")),
        ("b.body.x", Ok("[]")),
        ("b.body.y", Err(Absent::Missing)),
        ("b.headers.etag", Err(Absent::Failed(1))),
        ("c.ok", Ok("false")),
        ("c.status", Err(Absent::Missing)),
        ("c.failure", Ok("\"omitted\"")),
        ("c.body", Err(Absent::Omitted(2))),
    ] {
        assert_eq!(
            find(text, &scope).as_deref(),
            expected.as_ref().copied(),
            "{text}"
        );
    }
}

#[test]
fn the_call_s_own_reply_and_its_element_are_found() {
    let client = client();
    let own = reply(json("{\"ok\":false}"));
    let scope = Scope {
        own: Some((1, &own)),
        item: Some(Item {
            index: 7,
            json: b"{\"sku\":\"x\"}",
        }),
        ..scope(&client, &[])
    };
    assert_eq!(find("b.body.ok", &scope).as_deref(), Ok("false"));
    assert_eq!(find("b.status", &scope).as_deref(), Ok("201"));
    assert_eq!(find("a.status", &scope), Err(Absent::Missing));
    assert_eq!(find("item.sku", &scope).as_deref(), Ok("\"x\""));
    assert_eq!(find("index", &scope).as_deref(), Ok("7"));
}

#[test]
fn the_reason_names_the_reference_and_the_call() {
    let calls = ["users".into()];
    let known = Known {
        path: &[],
        calls: &calls,
        own: None,
        own_result: true,
        in_each: true,
        has_body: true,
        has_client: true,
    };
    let reference = Reference::parse("users.body.id", &known).unwrap();
    for (absent, expected) in [
        (Absent::Missing, "`{users.body.id}` is missing"),
        (Absent::NoText, "`{users.body.id}` is no text in UTF-8"),
        (
            Absent::Failed(0),
            "`{users.body.id}` is missing because the call `users` failed",
        ),
        (
            Absent::Omitted(0),
            "`{users.body.id}` is missing because the call `users` was omitted",
        ),
    ] {
        assert_eq!(reference.why(absent), expected);
    }
}
