//! The bytes of requests that are made from values: each place, and values that try to be more than a value.

use http::Method;

use super::*;
use crate::{
    exchange::{Allowance, ClientBody},
    fanout::FailureKind,
    upstream::fixture::{Sent, client, form, header, json, path, query, request, sent, with_body},
};

fn pairs(sent: &Sent) -> Vec<(&str, &str)> {
    sent.pairs
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect()
}

#[test]
fn a_path_replaces_the_own_one_and_the_own_query_stays() {
    let composed = Composed {
        path: Some(path("/users/{path.id}/home")),
        query: vec![query("since", "{query.since}"), query("fields", "a,b")],
        ..Composed::default()
    };
    let mut request = request(Method::GET, composed);
    request.forward_query = vec!["page".to_owned()];
    let mut client = client("4 2");
    for (name, pair) in [
        ("since", "since=1%262"),
        ("page", "page=3"),
        ("other", "other=4"),
    ] {
        client.query.push((name.to_owned(), pair.to_owned()));
    }
    let sent = sent(&request, &client, None).unwrap();
    assert_eq!(sent.method, "GET");
    assert_eq!(sent.segments, [&b"users"[..], b"4 2", b"home"]);
    assert_eq!(
        pairs(&sent),
        [
            ("fixed", "1"),
            ("since", "1&2"),
            ("fields", "a,b"),
            ("page", "3")
        ]
    );
    assert_eq!(
        sent.names(),
        ["host", "user-agent", "accept-encoding", "x-request-id"]
    );
    assert_eq!(sent.body, b"");
}

#[test]
fn without_a_path_of_its_own_a_call_sends_that_of_its_target() {
    let composed = Composed {
        query: vec![query("id", "{path.id}")],
        ..Composed::default()
    };
    let mut request = request(Method::GET, composed);
    let start = |request: &Request| sent(request, &client("42"), None).unwrap().target;
    assert_eq!(start(&request), "/base?fixed=1&id=42");
    request.target = "/base".parse().unwrap();
    assert_eq!(start(&request), "/base?id=42");
}

#[test]
fn a_made_field_replaces_own_and_forwarded_ones_also_if_it_is_left_out() {
    let composed = Composed {
        headers: vec![
            header("accept", "text/{path.id}"),
            header("x-missing", "{query.missing?}"),
            header("user-agent", "me"),
        ],
        ..Composed::default()
    };
    let mut request = request(Method::GET, composed);
    let fixed = |name: &'static str| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static("own"),
        )
    };
    request.headers = vec![fixed("accept"), fixed("x-missing"), fixed("x-own")];
    let forwarded = ["accept", "x-missing", "x-client"];
    request.forward_headers = forwarded.map(HeaderName::from_static).to_vec();
    let mut client = client("plain");
    for name in forwarded {
        client.headers.push((
            HeaderName::from_static(name),
            HeaderValue::from_static("client"),
        ));
    }
    let sent = sent(&request, &client, None).unwrap();
    assert_eq!(
        sent.names(),
        [
            "host",
            "accept-encoding",
            "x-own",
            "x-client",
            "accept",
            "user-agent",
            "x-request-id"
        ]
    );
    assert_eq!(sent.only("accept"), Some("text/plain"));
    assert_eq!(sent.only("user-agent"), Some("me"));
}

#[test]
fn no_value_sets_a_field_that_frames_the_request_or_says_who_sends_it_to_whom() {
    let never = NEVER_EITHER
        .map(HeaderName::from_static)
        .into_iter()
        .chain(NEVER);
    let headers = never.map(|name| (name, header("x", "{path.id}").1));
    let composed = Composed {
        headers: headers.collect(),
        ..Composed::default()
    };
    let sent = sent(&request(Method::POST, composed), &client("evil"), None).unwrap();
    assert_eq!(
        sent.names(),
        [
            "host",
            "user-agent",
            "accept-encoding",
            "content-length",
            "x-request-id"
        ]
    );
    assert!(sent.fields.iter().all(|(_, value)| value != b"evil"));
}

#[test]
fn a_body_has_its_length_and_its_type() {
    for (content, kind, body) in [
        (
            json(r#"{"id": "{path.id}", "n": 1}"#),
            "application/json",
            "{\"id\":\"é\",\"n\":1}",
        ),
        (
            form("id", "{path.id}"),
            "application/x-www-form-urlencoded",
            "id=%C3%A9",
        ),
    ] {
        let composed = || Composed {
            content: content.clone(),
            ..Composed::default()
        };
        let mut request = request(Method::POST, composed());
        // A body of the upstream's own request, and a type of the client's body.
        request.body = Some(Bytes::from_static(b"own"));
        request.forward_headers = vec![header::CONTENT_TYPE];
        let mut client = client("é");
        let text = HeaderValue::from_static("text/plain");
        client.headers.push((header::CONTENT_TYPE, text.clone()));
        let made = sent(&request, &client, None).unwrap();
        assert_eq!(made.only("content-type"), Some(kind));
        assert_eq!(String::from_utf8(made.body).unwrap(), body);
        request.headers = vec![(header::CONTENT_TYPE, text)];
        let made = sent(&request, &client, None).unwrap();
        assert_eq!(made.only("content-type"), Some("text/plain"));
        let composed = Composed {
            headers: vec![header("content-type", "a/{path.id ?? 'b'}")],
            ..composed()
        };
        request.composed = Some(Arc::new(composed));
        client.path[0] = "c".to_owned();
        let made = sent(&request, &client, None).unwrap();
        assert_eq!(made.only("content-type"), Some("a/c"));
    }
}

#[test]
fn a_body_that_does_not_vary_is_sent_as_it_is() {
    let composed = Composed {
        path: Some(path("/{path.id}")),
        ..Composed::default()
    };
    let mut request = request(Method::PUT, composed);
    request.body = Some(Bytes::from(vec![b'x'; 20_000]));
    assert_eq!(
        sent(&request, &client("42"), None).unwrap().body,
        [b'x'; 20_000]
    );
}

#[test]
fn a_forwarded_body_is_the_clients_with_its_type() {
    let composed = Composed {
        content: Some(Content::Forward),
        ..Composed::default()
    };
    let mut request = request(Method::POST, composed);
    let mut client = with_body("{ \"a\" : 1e400 }");
    let made = sent(&request, &client, None).unwrap();
    assert_eq!(made.body, b"{ \"a\" : 1e400 }");
    assert_eq!(made.only("content-type"), Some("application/json; a=b"));
    client.body = Some(ClientBody {
        bytes: Bytes::from_static(b"\xff\0"),
        content_type: None,
        is_json: false,
    });
    let made = sent(&request, &client, None).unwrap();
    assert_eq!(
        (&*made.body, made.only("content-type")),
        (&b"\xff\0"[..], None)
    );
    client.body = None;
    let made = sent(&request, &client, None).unwrap();
    assert_eq!(made.only("content-length"), Some("0"));
    request.headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))];
    let made = sent(&request, &with_body("1"), None).unwrap();
    assert_eq!(made.only("content-type"), Some("text/plain"));
}

#[test]
fn a_made_body_draws_from_the_room_of_its_request() {
    let composed = Composed {
        content: json("\"{path.id}\""),
        ..Composed::default()
    };
    let mut client = client("12345");
    client.allowance = Allowance::new(10);
    let request = request(Method::POST, composed);
    assert!(sent(&request, &client, None).is_ok());
    assert_eq!(client.allowance.left(), 3);
    let failure = sent(&request, &client, None).unwrap_err();
    assert_eq!(failure.kind, FailureKind::TooLarge);
    assert_eq!(
        failure.detail,
        "with the body that this call sends, the aggregate's bodies are together larger than 10 bytes"
    );
}

#[test]
fn a_key_is_a_quoted_uuid_and_another_one_for_each_request() {
    let composed = Composed {
        idempotency_key: true,
        headers: vec![header("idempotency-key", "mine")],
        ..Composed::default()
    };
    let request = request(Method::POST, composed);
    let key = || {
        let sent = sent(&request, &client("42"), None).unwrap();
        sent.only("idempotency-key").unwrap().to_owned()
    };
    let keys = [key(), key()];
    assert_ne!(keys[0], keys[1]);
    for key in keys {
        let uuid = key
            .strip_prefix('"')
            .and_then(|key| key.strip_suffix('"'))
            .unwrap();
        let parts: Vec<_> = uuid.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4", "{uuid}");
        assert!("89ab".contains(&uuid[19..20]), "{uuid}");
    }
}

#[test]
fn a_head_that_is_too_long_is_never_sent() {
    let composed = Composed {
        query: vec![query("id", "{path.id}")],
        ..Composed::default()
    };
    let request = request(Method::GET, composed);
    let long = |size| sent(&request, &client(&"a".repeat(size)), None);
    assert_eq!(long(65_000).unwrap().pairs[1].1.len(), 65_000);
    let failure = long(66_000).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Skipped);
    assert!(
        failure.detail.contains("more than 65536"),
        "{}",
        failure.detail
    );
}

#[test]
fn an_element_is_a_value_with_its_index() {
    let composed = Composed {
        path: Some(path("/stock/{item.sku}")),
        query: vec![query("at", "{index}")],
        ..Composed::default()
    };
    let request = request(Method::GET, composed);
    let made = sent(&request, &client("42"), Some(br#"{"sku":"a\/b"}"#)).unwrap();
    assert_eq!(made.segments, [&b"stock"[..], b"a/b"]);
    assert_eq!(pairs(&made), [("fixed", "1"), ("at", "7")]);
    let failure = sent(&request, &client("42"), Some(b"{}")).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Skipped);
}
