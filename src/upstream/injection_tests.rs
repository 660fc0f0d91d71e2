//! Values that try to be more than a value: whatever they are, each stays one value in its place, or nothing is sent.

use http::Method;

use super::{
    Composed,
    fixture::{Sent, form, header, json, path, query, request, sent, with_body},
};
use crate::fanout::FailureKind;

/// Values that try to be more than a value in some place.
fn hostile() -> Vec<String> {
    let mut all: Vec<String> = [
        "/",
        "..",
        ".",
        "../..",
        "a/b",
        "%2F",
        "%2f..%2f",
        "%252e",
        "?",
        "a?b=c",
        "#",
        "&",
        "&admin=1",
        "a=b",
        "=",
        ";",
        "+",
        " ",
        "%",
        "%zz",
        "%00",
        "\r\n",
        "\r\nx-evil: 1",
        "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
        "\n",
        "\r",
        "\0",
        "\t",
        "\u{7f}",
        "\"",
        "\\",
        "'",
        "{",
        "}",
        "{path.id}",
        "{{",
        "}}",
        "\",\"admin\":true,\"a\":\"",
        "\\\"",
        "\\u0022",
        "é",
        "\u{2028}",
        "\u{ffff}",
        "😀",
        "<script>",
        " HTTP/1.1",
        "http://evil/",
        "//evil",
        "\\..\\",
        ":",
        "@",
        "*",
        "",
        "null",
        "null\0",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push("a".repeat(100_000));
    all.push("/".repeat(100_000));
    all
}

/// A request with a value in one place, and the change of the request `v` that another value makes.
type Place = (Composed, fn(&mut Sent, &str));

/// Returns a request for each place that `reference` can be in.
fn places(reference: &str) -> Vec<Place> {
    let none = Composed::default;
    vec![
        (
            Composed {
                path: Some(path(&format!("/a/{reference}/b"))),
                ..none()
            },
            |sent, value| sent.segments[1] = value.into(),
        ),
        (
            Composed {
                path: Some(path(&format!("/a/x{reference}y"))),
                ..none()
            },
            |sent, value| sent.segments[1] = format!("x{value}y").into(),
        ),
        (
            Composed {
                query: vec![query("q", reference)],
                ..none()
            },
            |sent, value| sent.pairs[1].1 = value.to_owned(),
        ),
        (
            Composed {
                headers: vec![header("x-value", reference)],
                ..none()
            },
            // The space around a value is not a part of it.
            |sent, value| sent.set("x-value", value.trim_matches([' ', '\t'])),
        ),
        (
            Composed {
                content: json(&format!(
                    "{{\"a\": \"{reference}\", \"b\": \"<{reference}>\"}}"
                )),
                ..none()
            },
            |sent, value| {
                let body = serde_json::json!({ "a": value, "b": format!("<{value}>") });
                sent.set_body(serde_json::to_vec(&body).unwrap());
            },
        ),
        (
            Composed {
                content: form("a", reference),
                ..none()
            },
            |sent, value| {
                let mut body = form_urlencoded::Serializer::new(String::new());
                sent.set_body(body.append_pair("a", value).finish().into_bytes());
            },
        ),
    ]
}

/// Brings the body and the target of a request into the one form in which they are compared.
fn plain(mut sent: Sent) -> Sent {
    sent.target.clear();
    match sent.only("content-type") {
        Some("application/json") => {
            let body: serde_json::Value = serde_json::from_slice(&sent.body).unwrap();
            sent.set_body(serde_json::to_vec(&body).unwrap());
        }
        Some(_) => {
            let mut body = form_urlencoded::Serializer::new(String::new());
            body.extend_pairs(form_urlencoded::parse(&sent.body));
            sent.set_body(body.finish().into_bytes());
        }
        None => {}
    }
    sent
}

#[test]
fn whatever_a_value_is_it_stays_one_value_in_its_place() {
    for reference in ["{path.id}", "{query.v}", "{body.v}", "{item.v}"] {
        for (index, (composed, change)) in places(reference).into_iter().enumerate() {
            let request = request(Method::POST, composed);
            let make = |value: &str| {
                let json = serde_json::to_vec(&serde_json::json!({ "v": value })).unwrap();
                let mut client = with_body(json.clone());
                client.path[0] = value.to_owned();
                let mut pair = form_urlencoded::Serializer::new(String::new());
                pair.append_pair("v", value);
                client.query.push(("v".to_owned(), pair.finish()));
                sent(&request, &client, Some(&json)).map(plain)
            };
            let mut arrived = 0;
            for value in hostile() {
                match make(&value) {
                    Ok(sent) => {
                        arrived += 1;
                        let mut expected = make("v").unwrap();
                        change(&mut expected, &value);
                        assert_eq!(sent, expected, "{value:?} from {reference} in {index}");
                    }
                    Err(failure) => assert_eq!(failure.kind, FailureKind::Skipped, "{value:?}"),
                }
            }
            assert!(arrived > 20, "{arrived} of {reference} in {index}");
        }
    }
}
