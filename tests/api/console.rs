//! The console's files as a browser gets them. `tests/peers/console.rs` has the tests of the page itself.

use crate::{
    gateway::{Gateway, request},
    upstream::{Response, Upstream},
};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async fn gateway(settings: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::pong());
    let urls = ["users", "orders"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = "upstreams.users.forward_query = [\"page\", \"id\"]\n\
                upstreams.users.forward_headers = [\"Cookie\", \"X-Tenant\"]\n\
                upstreams.orders.forward_query = [\"id\"]\n\
                upstreams.orders.breaker = {}\n\
                aggregates.default = { calls = [\"users\", \"orders\"], compare = true }\n\
                aggregates.home = { calls = [\"orders\", { upstream = \"orders\", name = \"people\", optional = true }], \
                mode = \"sequential\", concurrency = 1, deadline = \"1500ms\", wait_for = \"first\" }\n\
                aggregates.page = { calls = [\"users\", { upstream = \"orders\", optional = true }], wait_for = \"required\" }";
    let gateway = Gateway::before(&urls, &format!("{settings}\n{rest}")).await;
    (gateway, upstream)
}

#[actix_web::test]
async fn the_page_and_what_it_is_made_of_have_their_types_and_a_strict_policy() {
    let (gateway, _upstream) = gateway("").await;
    for (path, media_type) in [
        ("/console", "text/html; charset=utf-8"),
        ("/console/console.css", "text/css; charset=utf-8"),
        ("/console/app.js", "text/javascript; charset=utf-8"),
        ("/console/icon.svg", "image/svg+xml"),
        ("/console/aggregates", "application/json"),
    ] {
        let answer = gateway.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        for (name, value) in [
            ("content-type", media_type),
            ("content-security-policy", POLICY),
            ("cache-control", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
        assert!(!answer.body.is_empty(), "{path}");
    }
}

#[actix_web::test]
async fn whatever_the_page_and_its_scripts_name_is_there() {
    let (gateway, _upstream) = gateway("").await;
    let page = gateway.get("/console").await;
    let mut left: Vec<String> = page
        .text()
        .split("console/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect();
    assert!(left.len() >= 3, "{left:?}");
    let mut seen = Vec::new();
    while let Some(name) = left.pop() {
        if seen.contains(&name) {
            continue;
        }
        let file = gateway.get(&format!("/console/{name}")).await;
        assert_eq!(file.status, 200, "{name}");
        let imports = file.text().split("from \"./").skip(1);
        left.extend(imports.map(|rest| rest.split('"').next().unwrap().to_owned()));
        seen.push(name);
    }
    assert!(seen.len() > 10, "{seen:?}");
}

#[actix_web::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let (gateway, _upstream) = gateway("").await;
    for path in ["/console", "/console/app.js", "/console/aggregates"] {
        let first = gateway.get(path).await;
        let tag = first.header("etag").unwrap();
        // A weak tag stays the same when a proxy or the gateway compresses the file.
        assert!(tag.starts_with("W/\""), "{tag}");
        for known in [tag, &format!("\"other\", {tag}"), "*"] {
            let again = gateway.get_with(path, &[("If-None-Match", known)]).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path} {known}");
            assert_eq!(again.header("etag"), Some(tag));
        }
        for unknown in ["\"other\"", "W/\"0\"", "nonsense", ""] {
            let again = gateway.get_with(path, &[("If-None-Match", unknown)]).await;
            assert_eq!(again.status, 200, "{path} {unknown}");
            assert_eq!(again.body, first.body);
        }
    }
}

#[actix_web::test]
async fn a_compressed_file_is_the_same_file() {
    let (gateway, _upstream) = gateway("server.compression = true").await;
    let plain = gateway.get("/console/app.js").await;
    let packing = ("Accept-Encoding", "gzip");
    let packed = gateway.get_with("/console/app.js", &[packing]).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.header("vary"), Some("accept-encoding"));
    assert!(packed.body.len() < plain.body.len());
    let tag = packed.header("etag").unwrap();
    assert_eq!(plain.header("etag"), Some(tag));
    let known = gateway
        .get_with("/console/app.js", &[packing, ("If-None-Match", tag)])
        .await;
    assert_eq!((known.status, known.body.len()), (304, 0));
    assert_eq!(known.header("content-encoding"), None);
}

#[actix_web::test]
async fn head_has_the_fields_of_get_and_no_body() {
    let (gateway, _upstream) = gateway("").await;
    for path in ["/console", "/console/app.js"] {
        let get = gateway.get(path).await;
        let head = request(gateway.address, "HEAD", path, &[], b"").await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        for name in ["content-type", "content-length", "etag"] {
            assert!(get.header(name).is_some(), "{path} {name}");
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}

#[actix_web::test]
async fn what_is_not_there_is_a_problem_and_so_is_another_method() {
    let (gateway, _upstream) = gateway("").await;
    for path in [
        "/console/none.js",
        "/console/app.js/",
        "/console/../console.rs",
        "/console/%2e%2e/console.rs",
        "/console//app.js",
        "/consoles",
        "/console.html",
    ] {
        gateway.get(path).await.problem(404, "not-found");
    }
    for path in ["/console", "/console/app.js"] {
        let answer = request(gateway.address, "POST", path, &[], b"").await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS"));
    }
}

#[actix_web::test]
async fn a_slash_too_many_leads_back_to_the_page_behind_any_prefix() {
    let (gateway, _upstream) = gateway("").await;
    let answer = gateway.get("/console/").await;
    assert_eq!(answer.status, 308);
    // Relative: `/prefix/console/` leads to `/prefix/console`.
    assert_eq!(answer.header("location"), Some("../console"));
}

#[actix_web::test]
async fn the_page_is_told_what_can_be_run_and_no_address() {
    let (gateway, upstream) = gateway("").await;
    let facts = gateway.get("/console/aggregates").await;
    assert!(
        !facts.text().contains(&upstream.addr().port().to_string())
            && !facts.text().contains("http"),
        "{}",
        facts.text()
    );
    let facts = facts.json();
    assert_eq!(facts["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(facts["metrics"], true);
    assert_eq!(facts["breakers"], serde_json::json!(["orders"]));
    // Without tracing, every upstream gets the caller's trace context.
    let expected = serde_json::json!([
        {
            "name": "default", "mode": "concurrent", "deadline_ms": 10_000, "concurrency": 1000,
            "wait_for": null, "compare": true,
            "path": null, "path_parameters": [], "methods": ["GET"], "takes_body": false, "parameters": true,
            "forward_query": ["id", "page"],
            "forward_headers": ["cookie", "traceparent", "tracestate", "x-tenant"],
            "calls": [
                {"name": "users", "upstream": "users", "optional": false, "after": []},
                {"name": "orders", "upstream": "orders", "optional": false, "after": []},
            ],
        },
        {
            "name": "home", "mode": "sequential", "deadline_ms": 1500, "concurrency": 1,
            "wait_for": 1, "compare": false,
            "path": null, "path_parameters": [], "methods": ["GET"], "takes_body": false, "parameters": true,
            "forward_query": ["id"], "forward_headers": ["traceparent", "tracestate"],
            "calls": [
                {"name": "orders", "upstream": "orders", "optional": false, "after": []},
                {"name": "people", "upstream": "orders", "optional": true, "after": []},
            ],
        },
        {
            "name": "page", "mode": "concurrent", "deadline_ms": 10_000, "concurrency": 1000,
            "wait_for": "required", "compare": false,
            "path": null, "path_parameters": [], "methods": ["GET"], "takes_body": false, "parameters": true,
            "forward_query": ["id", "page"],
            "forward_headers": ["cookie", "traceparent", "tracestate", "x-tenant"],
            "calls": [
                {"name": "users", "upstream": "users", "optional": false, "after": []},
                {"name": "orders", "upstream": "orders", "optional": true, "after": []},
            ],
        },
    ]);
    assert_eq!(facts["aggregates"], expected);
}

#[actix_web::test]
async fn with_an_admin_listener_the_page_knows_that_metrics_are_elsewhere_and_is_not_there_itself()
{
    let (gateway, _upstream) = gateway("admin.listen = \"127.0.0.1:0\"").await;
    assert_eq!(
        gateway.get("/console/aggregates").await.json()["metrics"],
        false
    );
    gateway
        .operation("/console")
        .await
        .problem(404, "not-found");
}

#[actix_web::test]
async fn it_can_be_turned_off() {
    let (gateway, _upstream) = gateway("server.console = false").await;
    for path in [
        "/console",
        "/console/",
        "/console/app.js",
        "/console/aggregates",
    ] {
        gateway.get(path).await.problem(404, "not-found");
    }
    assert_eq!(gateway.aggregate("").await.status, 200);
}
