//! The routes of aggregates: their parameters, their methods, and how they stand beside the ways by name.

use serde_json::Value;

use crate::{
    gateway::{Answer, Gateway, request},
    upstream::{Response, Upstream},
};

const UUID: &str = "f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

async fn gateway() -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let rest = r#"
        upstreams.one.forward_query = ["since"]
        aggregates.home = { path = "/users/{id:int}/home", calls = ["one"] }
        aggregates.me = { path = "/users/me/home", calls = ["one"] }
        aggregates.file = { path = "/files/{key:uuid}/{name}", calls = ["one"], compare = true }
        aggregates.root = { path = "/", calls = ["one"] }
        aggregates.bare = { path = "/bare/{mode}", parameters = false, calls = ["one"] }
        aggregates.change = { path = "/change", methods = ["PUT", "DELETE"], calls = ["one"] }
        aggregates.plain.calls = ["one"]
    "#;
    (Gateway::before(&urls, rest).await, upstream)
}

/// Asserts that the answer is a run of this aggregate.
fn is_run(answer: &Answer, aggregate: &str) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["aggregate"], aggregate);
}

#[actix_web::test]
async fn a_path_runs_its_aggregate_as_its_name_does() {
    let (gateway, _upstream) = gateway().await;
    for (target, aggregate) in [
        ("/users/42/home", "home"),
        (
            "/users/-7/home?mode=sync&timeout=1s&since=1&since=2",
            "home",
        ),
        ("/%75sers/%34%32/h%6Fme", "home"),
        ("/users/me/home", "me"),
        ("/aggregate/me", "me"),
        ("/aggregate/home?id=42", "home"),
        ("/aggregate/home?since=1&id=%2d7&mode=sync", "home"),
        ("/", "root"),
        ("/bare/a%2Fb", "bare"),
        ("/bare/b?since=1", "bare"),
        ("/aggregate/bare?mode=b", "bare"),
    ] {
        is_run(&gateway.get(target).await, aggregate);
    }
    for name in [UUID, &UUID.to_uppercase()] {
        is_run(
            &gateway.get(&format!("/files/{name}/caf%C3%A9.txt")).await,
            "file",
        );
    }
    let target = format!("/files/{UUID}/a?mode=compare");
    let answer = gateway.get(&target).await;
    assert_eq!(answer.json()["mode"], "compare");
    let prefer = [("Prefer", "wait=1")];
    let answer = gateway.get_with("/users/42/home", &prefer).await;
    assert_eq!(answer.header("preference-applied"), Some("wait=1"));
    let lines = [("Accept", "application/x-ndjson")];
    let answer = gateway.get_with("/users/42/home", &lines).await;
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(answer.dechunked().lines().count(), 2);
}

#[actix_web::test]
async fn what_a_route_and_its_request_say_goes_upstream_encoded_for_its_place() {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/base"))];
    let rest = r#"
        upstreams.one.forward_query = ["page"]
        [aggregates.user]
        path = "/users/{id:int}/{name}"
        [[aggregates.user.calls]]
        upstream = "one"
        path = "/x/{path.name}/{path.id}"
        query = { by = "{path.name}", since = "{query.since?}", tag = "{query.tag}" }
        headers = { x-language = "{headers.accept-language ?? 'en'}" }
    "#;
    let gateway = Gateway::before(&urls, rest).await;
    let german = [("Accept-Language", "de")];
    for (target, fields, sent, language) in [
        (
            "/users/-7/a%2Fb%3F?tag=1&tag=a%26b&page=2",
            &[][..],
            "/base/x/a%2Fb%3F/-7?by=a%2Fb%3F&tag=1&tag=a%26b&page=2",
            "en",
        ),
        (
            "/aggregate/user?name=a%2Fb%3F&id=-7&tag=+&since=now&timeout=1s",
            &german,
            "/base/x/a%2Fb%3F/-7?by=a%2Fb%3F&since=now&tag=%20",
            "de",
        ),
    ] {
        is_run(&gateway.get_with(target, fields).await, "user");
        let [request] = &upstream.take_requests()[..] else {
            panic!("one request")
        };
        assert_eq!(request.target, sent, "{target}");
        assert_eq!(request.header("x-language"), Some(language), "{target}");
    }
    let problem = gateway.get("/users/1/a?colour=red").await;
    let problem = problem.problem(400, "unknown-parameter");
    assert_eq!(problem["parameter"], "colour");
}

#[actix_web::test]
async fn what_is_no_segment_of_a_route_is_not_found() {
    let (gateway, upstream) = gateway().await;
    for target in [
        "/users/42",
        "/users/42/home/",
        "/users//home",
        "//users/42/home",
        "/users/42/home/more",
        "/Users/42/home",
        "/users%2F42/home",
        "/users/42/../home",
        "/users/4/2/home",
    ] {
        gateway.get(target).await.problem(404, "not-found");
    }
    assert_eq!(upstream.connections(), 0);
}

#[actix_web::test]
async fn a_parameter_of_the_wrong_form_is_refused_by_its_name() {
    let (gateway, upstream) = gateway().await;
    let file = |name: &str| format!("/files/{UUID}/{name}");
    for (target, parameter, form) in [
        ("/users/abc/home".to_owned(), "id", "integer"),
        ("/users/042/home".to_owned(), "id", "integer"),
        ("/users/+42/home".to_owned(), "id", "integer"),
        (
            "/users/9223372036854775808/home".to_owned(),
            "id",
            "integer",
        ),
        ("/users/%FF/home".to_owned(), "id", "UTF-8"),
        ("/users/../home".to_owned(), "id", "integer"),
        ("/files/abc/a".to_owned(), "key", "UUID"),
        (file(".."), "name", "no `.`"),
        (file("%2e"), "name", "no `.`"),
        (file("%2E%2e"), "name", "no `.`"),
        (file("a%C3"), "name", "UTF-8"),
        ("/aggregate/home?id=abc".to_owned(), "id", "integer"),
        ("/aggregate/home?id=4%202".to_owned(), "id", "integer"),
        ("/aggregate/home?id=%FF".to_owned(), "id", "UTF-8"),
    ] {
        let problem = gateway.get(&target).await.problem(400, "invalid-parameter");
        assert_eq!(problem["parameter"], parameter, "{target}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(form), "{target}: {detail}");
    }
    for (target, kind) in [
        ("/aggregate/home", "missing-parameter"),
        ("/aggregate/home?id=", "empty-parameter"),
        ("/aggregate/home?id=1&id=1", "repeated-parameter"),
    ] {
        let problem = gateway.get(target).await.problem(400, kind);
        assert_eq!(problem["parameter"], "id", "{target}");
    }
    for (target, parameter) in [
        ("/users/42/home?id=42", "id"),
        ("/bare/a?timeout=1s", "timeout"),
        ("/bare/a?mode=sync", "mode"),
    ] {
        let problem = gateway.get(target).await.problem(400, "unknown-parameter");
        assert_eq!(problem["parameter"], parameter, "{target}");
    }
    // The connection knows that these are no paths at all.
    for segment in ["%zz", "%", "a%%41"] {
        let answer = gateway.get(&format!("/users/{segment}/home")).await;
        answer.problem(400, "malformed-request");
    }
    assert_eq!(upstream.connections(), 0);
}

#[actix_web::test]
async fn gathers_own_paths_go_before_any_route() {
    let upstream = Upstream::always(Response::pong());
    let urls = [("one", upstream.url("/"))];
    let rest = r#"aggregates.page = { path = "/{page}", calls = ["one"] }"#;
    let gateway = Gateway::before(&urls, rest).await;
    is_run(&gateway.get("/pages").await, "page");
    for (target, content_type) in [
        ("/metrics", "text/plain; version=0.0.4"),
        ("/livez", "application/json"),
        ("/openapi.json", "application/json"),
        ("/console", "text/html; charset=utf-8"),
    ] {
        let answer = gateway.get(target).await;
        assert_eq!(answer.status, 200, "{target}");
        let found = answer.header("content-type").unwrap();
        assert!(found.starts_with(content_type), "{target}: {found}");
        assert!(
            !answer.text().contains("\"aggregate\":\"page\""),
            "{target}"
        );
    }
    gateway
        .get("/aggregate")
        .await
        .problem(404, "unknown-aggregate");
}

#[actix_web::test]
async fn each_route_has_its_own_methods() {
    let (gateway, _upstream) = gateway().await;
    for target in ["/change", "/aggregate/change"] {
        for method in ["PUT", "DELETE"] {
            is_run(
                &request(gateway.address, method, target, &[], b"").await,
                "change",
            );
        }
        let allowed = Some("PUT, DELETE, OPTIONS");
        for method in ["GET", "POST", "PATCH", "QUERY", "TRACE"] {
            let answer = request(gateway.address, method, target, &[], b"").await;
            answer.problem(405, "method-not-allowed");
            assert_eq!(answer.header("allow"), allowed, "{method} {target}");
        }
        let answer = request(gateway.address, "HEAD", target, &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allowed));
        let answer = request(gateway.address, "OPTIONS", target, &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (204, allowed));
        let answer = request(gateway.address, "put", target, &[], b"").await;
        let problem = answer.problem(501, "method-not-implemented");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("case-sensitive") && detail.contains("PUT"),
            "{detail}"
        );
    }
    // A method is judged before the parameters.
    let answer = request(gateway.address, "POST", "/users/abc/home", &[], b"").await;
    answer.problem(405, "method-not-allowed");
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    let answer = request(gateway.address, "HEAD", "/users/42/home", &[], b"").await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
}

#[actix_web::test]
async fn the_document_has_the_routes() {
    let (gateway, _upstream) = gateway().await;
    let document: Value = gateway.get("/openapi.json").await.json();
    let paths = document["paths"].as_object().unwrap();
    for path in [
        "/users/{id}/home",
        "/users/me/home",
        "/files/{key}/{name}",
        "/",
    ] {
        assert!(paths[path]["get"].is_object(), "{path}");
    }
    for (operation, is_there) in [("put", true), ("delete", true), ("get", false)] {
        assert_eq!(
            paths["/change"][operation].is_object(),
            is_there,
            "{operation}"
        );
    }
}
