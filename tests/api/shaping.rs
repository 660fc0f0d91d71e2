//! The shape of answers: parts of bodies, merged answers, values, streams of them, and upstreams' fields.

use serde_json::json;

use crate::{
    gateway::{Answer, Gateway, request},
    upstream::{Behaviour, Response, Upstream},
};

/// A JSON text of which values would lose something.
const ODD: &str =
    r#"{"z":12345678901234567890,"e":1e400,"a":[1.10,-0],"\u00e9":"\u00e9","z":{"b":1,"b":2}}"#;

const LINES: (&str, &str) = ("Accept", "application/x-ndjson");

/// Starts a gateway with one aggregate, `home`. Its upstreams are one server, which has no tips.
async fn home(home: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::start(|request| {
        let response = match request.path() {
            "/odd" => Response::json(ODD),
            "/user" => Response::json(r#"{"id":7,"name":"Ada","token":"s3cret"}"#)
                .header("Set-Cookie", "a=1")
                .header("ETag", "\"u\"")
                .header("Set-Cookie", "b=2"),
            "/orders" => Response::json(r#"{"items":[{"id":1.10,"x":1},{"id":2}],"n":2}"#)
                .header("Set-Cookie", "c=3")
                .header("ETag", "\"o\""),
            "/text" => Response::text("hello"),
            _ => Response::new(503),
        };
        Behaviour::from(response)
    });
    let urls = ["odd", "user", "orders", "text", "tips"]
        .map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = format!("[aggregates.home]\n{home}");
    (Gateway::before(&urls, &rest).await, upstream)
}

#[actix_web::test]
async fn a_report_has_the_parts_of_bodies_that_are_configured() {
    let (gateway, _upstream) = home(
        r#"
        compare = true
        calls = [
            { name = "odd", upstream = "odd", drop = ["a"] },
            { name = "user", upstream = "user", keep = ["name"] },
            { name = "login", upstream = "user", answer = false },
            { name = "orders", upstream = "orders", select = "orders.body.items[*].id" },
            { name = "count", upstream = "orders", select = "count.body.n + 1" },
            { name = "text", upstream = "text" },
        ]"#,
    )
    .await;
    let answer = gateway.get("/aggregate/home").await;
    let text = answer.text();
    let odd = ODD.replace(r#""a":[1.10,-0],"#, "");
    for part in [
        &*format!(r#""body":{odd}}}"#),
        r#""body":{"name":"Ada"}}"#,
        r#""body":[1.10,2]}"#,
        r#""body":3}"#,
        r#""content_type":"text/plain; charset=utf-8","body":"hello"}"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("s3cret"), "{text}");
    assert!(text.contains(r#""name":"login","ok":true"#), "{text}");
    let both = gateway.get("/aggregate/home?mode=compare").await;
    assert!(!both.text().contains("s3cret"), "{}", both.text());
    assert_eq!(both.text().matches(r#""body":{"name":"Ada"}}"#).count(), 2);
    let lines = gateway.get_with("/aggregate/home", &[LINES]).await;
    assert!(lines.text().contains(r#""body":{"name":"Ada"}}"#));
    assert!(!lines.text().contains("s3cret"), "{}", lines.text());
    assert!(!lines.text().contains(r#""value""#), "{}", lines.text());
}

const MERGED: &str = r#"
    shape = "merge"
    compare = true
    response_headers = ["set-cookie", "etag"]
    calls = [
        { name = "user", upstream = "user", keep = ["id", "name"], into = "." },
        { name = "odd", upstream = "odd", into = "more.odd" },
        { name = "orders", upstream = "orders", select = "orders.body.items" },
        { name = "tips", upstream = "tips", optional = true, into = "more.tips" },
        { name = "text", upstream = "text" },
    ]"#;

fn merged() -> String {
    let errors = r#"[{"name":"tips","failure":"status","status":503,"detail":"upstream answered 503 Service Unavailable"}]"#;
    format!(
        r#"{{"id":7,"name":"Ada","more":{{"odd":{ODD}}},"orders":[{{"id":1.10,"x":1}},{{"id":2}}],"text":"hello","errors":{errors}}}"#
    )
}

#[actix_web::test]
async fn a_merged_answer_has_each_part_in_its_place_and_is_otherwise_as_ever() {
    let (gateway, _upstream) = home(MERGED).await;
    let answer = gateway.get("/aggregate/home").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.text(), merged());
    for (name, value) in [
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
        ("gather-outcome", "partial"),
        ("gather-mode", "concurrent"),
        ("etag", "\"u\""),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let timing = answer.header("server-timing").unwrap();
    assert!(timing.contains("tips;"), "{timing}");
    let head = request(gateway.address, "HEAD", "/aggregate/home", &[], b"").await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(
        head.header("content-length"),
        Some(&*merged().len().to_string())
    );
}

fn cookies(answer: &Answer) -> Vec<&str> {
    let fields = answer.headers.iter();
    let fields = fields.filter(|(name, _)| name == "set-cookie");
    fields.map(|(_, value)| value.as_str()).collect()
}

#[actix_web::test]
async fn cookies_of_all_calls_go_to_the_client_with_a_problem_too() {
    let (gateway, _upstream) = home(MERGED).await;
    let answer = gateway.get("/aggregate/home").await;
    assert_eq!(cookies(&answer), ["a=1", "b=2", "c=3"]);
    let chosen = gateway.get("/aggregate/home?calls=orders,user").await;
    assert_eq!(cookies(&chosen), ["c=3", "a=1", "b=2"]);
    assert_eq!(chosen.header("etag"), Some("\"o\""));
    let target = "/aggregate/home?wait_for=5&mode=sequential";
    let failed = gateway.get(target).await;
    assert_eq!(failed.status, 502, "{}", failed.text());
    assert_eq!(cookies(&failed), ["a=1", "b=2", "c=3"]);
    assert_eq!(failed.header("etag"), None);
}

#[actix_web::test]
async fn a_stream_ends_with_the_merged_answer() {
    let (gateway, _upstream) = home(MERGED).await;
    let answer = gateway.get_with("/aggregate/home", &[LINES]).await;
    let text = answer.dechunked();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 6);
    let last = lines[5];
    assert!(
        last.ends_with(&format!(r#","value":{}}}"#, merged())),
        "{last}"
    );
    assert!(last.contains(r#""server_timing":"total"#), "{last}");
    let user = lines.iter().find(|line| line.contains(r#""name":"user""#));
    let user = user.unwrap();
    assert!(user.ends_with(r#""body":{"id":7,"name":"Ada"}}"#), "{user}");
    let both = gateway
        .get_with("/aggregate/home?mode=compare", &[LINES])
        .await;
    assert!(!both.dechunked().contains(r#""value":"#));
}

#[actix_web::test]
async fn a_comparison_and_a_problem_of_a_merged_answer_are_reports() {
    let (gateway, _upstream) = home(MERGED).await;
    let both = gateway.get("/aggregate/home?mode=compare").await;
    let orders = r#""body":[{"id":1.10,"x":1},{"id":2}]}"#;
    assert_eq!(both.text().matches(orders).count(), 2, "{}", both.text());
    assert!(!both.text().contains(r#""errors""#), "{}", both.text());
    let failed = gateway.get("/aggregate/home?calls=tips").await;
    let problem = failed.problem(502, "upstream-failed");
    assert_eq!(problem["results"][0]["failure"], "status");
}

#[actix_web::test]
async fn a_chosen_part_of_the_calls_is_merged_in_its_order() {
    let (gateway, _upstream) = home(MERGED).await;
    let answer = gateway.get("/aggregate/home?calls=text,user").await;
    assert_eq!(answer.text(), r#"{"text":"hello","id":7,"name":"Ada"}"#);
}

const VALUE: &str = r#"
    shape = { value = '{"who": user.body.name, "orders": orders.body.n, "tips": tips.ok ? tips.body.x : 0}' }
    calls = [
        { name = "user", upstream = "user" },
        { name = "orders", upstream = "orders" },
        { name = "tips", upstream = "tips", optional = true },
    ]"#;

#[actix_web::test]
async fn an_answer_is_the_value_of_an_expression_over_all_results() {
    let (gateway, _upstream) = home(VALUE).await;
    let answer = gateway.get("/aggregate/home").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let expected = json!({"who": "Ada", "orders": 2, "tips": 0});
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("gather-outcome"), Some("partial"));
    let lines = gateway.get_with("/aggregate/home", &[LINES]).await;
    let text = lines.dechunked();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["value"], expected);
    // The order of the calls in the plan is not that of the aggregate.
    let chosen = gateway.get("/aggregate/home?calls=tips,orders,user").await;
    assert_eq!(chosen.json(), expected);
}

#[actix_web::test]
async fn a_value_that_can_t_be_made_is_a_failure_with_the_results() {
    let unmade = VALUE.replace("tips.ok ?", "user.ok ?");
    let (gateway, _upstream) = home(&unmade).await;
    let answer = gateway.get("/aggregate/home").await;
    let problem = answer.problem(502, "upstream-failed");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("the answer's `shape` has no value: "),
        "{detail}"
    );
    assert!(!detail.contains("Ada"), "{detail}");
    assert_eq!(problem["outcome"], "failed");
    assert_eq!(problem["results"][0]["body"]["name"], "Ada");
    assert_eq!(answer.header("gather-outcome"), Some("failed"));
    let lines = gateway.get_with("/aggregate/home", &[LINES]).await;
    let text = lines.dechunked();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["status"], &last["outcome"]),
        (&json!(502), &json!("failed"))
    );
    assert!(last.get("value").is_none(), "{last}");
    let series = r#"gather_requests_total{aggregate="home",mode="concurrent",outcome="failed"}"#;
    assert_eq!(gateway.metric(series).await, 2.0);
}
