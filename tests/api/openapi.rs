//! The OpenAPI document: it is served, it has the expected content, and every answer is as it describes.

use serde_json::{Value, json};

use crate::{
    gateway::{Answer, Gateway, request},
    upstream::{Behaviour, Response, Upstream},
};

/// Calls of every kind: JSON, text, bytes, nothing, a failure, and one that hangs.
const REST: &str = r#"
upstreams.hung.timeout = "50ms"
aggregates.default = { calls = ["json", "text", "bytes", "empty", "down", "hung"], compare = true }
aggregates.fine = { calls = ["json", "text"], compare = true }
aggregates.first = { calls = ["json", "hung"], wait_for = "first" }
aggregates.lost = { calls = ["down"], compare = true }
aggregates.late = { calls = ["hung"], deadline = "60ms" }
aggregates.mine = { calls = ["json", { upstream = "closed", pass_status = [401, 400, 503] }, { upstream = "down", pass_status = [503] }], compare = true }
"#;

async fn gateway() -> (Gateway, Upstream) {
    let upstream = Upstream::start(|request| match request.path() {
        "/json" => Response::pong().into(),
        "/text" => Response::text("plain").into(),
        "/bytes" => Response::new(200)
            .header("Content-Type", "image/png")
            .body(b"\x89PNG\xff".to_vec())
            .into(),
        "/empty" => Response::new(204).into(),
        "/hung" => Behaviour::HangBeforeHead,
        "/closed" => Response::new(401)
            .header("WWW-Authenticate", "Bearer")
            .header("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT")
            .into(),
        _ => Response::new(503).into(),
    });
    let names = ["json", "text", "bytes", "empty", "down", "hung", "closed"];
    let urls = names.map(|name| (name, upstream.url(&format!("/{name}"))));
    (Gateway::before(&urls, REST).await, upstream)
}

async fn document(gateway: &Gateway) -> Value {
    let answer = gateway.get("/openapi.json").await;
    assert_eq!(answer.status, 200);
    answer.json()
}

/// Returns the members of `value` that `schema` does not allow, and those that are missing. A member that the schema
/// doesn't name is not allowed.
fn offences(document: &Value, schema: &Value, value: &Value) -> Vec<String> {
    let closed = json!({
        "allOf": [schema],
        "unevaluatedProperties": false,
        "components": document["components"],
    });
    let validator = jsonschema::validator_for(&closed).unwrap();
    validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Asserts that `value` has everything that the component describes and nothing more, at every depth.
fn holds(document: &Value, component: &str, value: &Value) {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let found = offences(document, &reference(component), value);
    assert!(found.is_empty(), "{component}: {found:#?}\n{value:#}");
    for result in value["results"].as_array().into_iter().flatten() {
        let found = offences(document, &reference("CallResult"), result);
        assert!(found.is_empty(), "{found:#?}\n{result:#}");
    }
    let streamed = component.starts_with("Streamed");
    for run in ["sequential", "concurrent"] {
        if value[run].is_object() {
            holds(
                document,
                if streamed { "Summary" } else { "Run" },
                &value[run],
            );
        }
    }
}

/// Asserts that the answer's status, type and fields are what its operation says.
fn is_described(document: &Value, path: &str, method: &str, answer: &Answer) {
    let operation = &document["paths"][path][method];
    let status = answer.status.to_string();
    let mut response = &operation["responses"][&status];
    if let Some(reference) = response["$ref"].as_str() {
        response = document.pointer(reference.trim_start_matches('#')).unwrap();
    }
    assert!(response.is_object(), "{method} {path} has no {status}");
    let fields = response["headers"].as_object().unwrap();
    for (name, field) in fields {
        let reference = field["$ref"].as_str().unwrap();
        let field = document.pointer(reference.trim_start_matches('#')).unwrap();
        if field["required"] == true {
            let is_there = answer.header(&name.to_lowercase()).is_some();
            assert!(is_there, "{method} {path}, {status}: no {name}");
        }
    }
    // Fields that HTTP itself adds need no description.
    const FRAMING: [&str; 5] = [
        "connection",
        "content-length",
        "content-type",
        "date",
        "transfer-encoding",
    ];
    for (name, _) in &answer.headers {
        let known = fields.keys().any(|known| known.eq_ignore_ascii_case(name));
        let is_known = known || FRAMING.contains(&name.as_str());
        assert!(is_known, "{method} {path}, {status}: {name} is not told of");
    }
    let media_type = answer.header("content-type");
    if let (Some(media_type), "get", 200 | 400..) = (media_type, method, answer.status) {
        let streams = "/components/pathItems/Streamed/get/responses/200/content";
        let streams = document.pointer(streams).unwrap();
        let is_known = [&response["content"], streams]
            .iter()
            .any(|content| content[media_type].is_object());
        assert!(is_known, "{method} {path}, {status}: {media_type}");
    }
}

#[actix_web::test]
async fn every_answer_has_the_shape_that_the_document_says_and_nothing_more() {
    let (gateway, _upstream) = gateway().await;
    let document = document(&gateway).await;
    for (target, status, component) in [
        ("/aggregate", 200, "Run"),
        ("/aggregate?mode=sync&calls=json,bytes", 200, "Run"),
        ("/aggregate/fine", 200, "Run"),
        ("/aggregate/fine?mode=compare", 200, "Comparison"),
        ("/aggregate?mode=compare", 200, "Comparison"),
        ("/aggregate/first", 200, "Run"),
        ("/aggregate/lost", 502, "FailedRun"),
        ("/aggregate/lost?mode=compare", 502, "FailedComparison"),
        ("/aggregate/late", 504, "FailedRun"),
        ("/aggregate/late?mode=compare", 400, "Problem"),
        ("/aggregate/mine", 401, "FailedRun"),
        ("/aggregate/mine?mode=compare", 401, "FailedComparison"),
        ("/aggregate/mine?calls=json,down", 503, "FailedRun"),
        ("/aggregate/mine?mode=", 400, "Problem"),
        ("/aggregate?mode=", 400, "Problem"),
        ("/aggregate?colour=red", 400, "Problem"),
    ] {
        let answer = gateway.get(target).await;
        assert_eq!(answer.status, status, "{target}: {}", answer.text());
        holds(&document, component, &answer.json());
        let path = target.split('?').next().unwrap();
        is_described(&document, path, "get", &answer);
        let answer = request(gateway.address, "HEAD", target, &[], b"").await;
        is_described(&document, path, "head", &answer);
    }
    let looped = [("CDN-Loop", "gather")];
    let answer = gateway.get_with("/aggregate", &looped).await;
    holds(&document, "Problem", &answer.problem(502, "loop-detected"));
    is_described(&document, "/aggregate", "get", &answer);
    let answer = request(gateway.address, "HEAD", "/aggregate", &looped, b"").await;
    is_described(&document, "/aggregate", "head", &answer);
}

#[actix_web::test]
async fn every_message_of_a_stream_has_the_shape_that_the_document_says() {
    let (gateway, _upstream) = gateway().await;
    let document = document(&gateway).await;
    for (target, last) in [
        ("/aggregate", "StreamedOutcome"),
        ("/aggregate/lost", "StreamedOutcome"),
        ("/aggregate/fine?mode=compare", "StreamedComparison"),
        ("/aggregate/lost?mode=compare", "StreamedComparison"),
    ] {
        let path = target.split('?').next().unwrap();
        for media_type in ["application/x-ndjson", "text/event-stream"] {
            let answer = gateway.get_with(target, &[("Accept", media_type)]).await;
            is_described(&document, path, "get", &answer);
            let text = answer.dechunked();
            let data = text.lines().filter_map(|line| {
                line.strip_prefix("data: ")
                    .or(line.starts_with('{').then_some(line))
            });
            let messages: Vec<Value> = data
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
            let (outcome, results) = messages.split_last().unwrap();
            assert!(!results.is_empty(), "{text}");
            for result in results {
                holds(&document, "StreamedResult", result);
            }
            holds(&document, last, outcome);
        }
    }
    let over = [("Accept", "text/event-stream"), ("Last-Event-ID", "end")];
    let answer = gateway.get_with("/aggregate", &over).await;
    assert_eq!(answer.status, 204);
}

#[actix_web::test]
async fn a_generated_client_gets_no_other_type_for_success_than_the_whole_answer() {
    let (gateway, _upstream) = gateway().await;
    let document = document(&gateway).await;
    for path in ["/aggregate", "/aggregate/first"] {
        let responses = &document["paths"][path]["get"]["responses"];
        let good: Vec<_> = responses
            .as_object()
            .unwrap()
            .keys()
            .filter(|status| status.starts_with('2'))
            .collect();
        assert_eq!(good, ["200"], "{path}");
        let content = responses["200"]["content"].as_object().unwrap();
        assert_eq!(content.keys().collect::<Vec<_>>(), ["application/json"]);
        // The answers without a schema of their own are in the description.
        let about = responses["200"]["description"].as_str().unwrap();
        for said in ["application/x-ndjson", "text/event-stream", "204"] {
            assert!(about.contains(said), "{about}");
        }
    }
}

#[actix_web::test]
async fn the_gateways_own_routes_answer_as_described() {
    let (gateway, _upstream) = gateway().await;
    let document = document(&gateway).await;
    for path in ["/metrics", "/livez", "/readyz", "/openapi.json", "/console"] {
        for method in ["GET", "HEAD"] {
            let answer = request(gateway.address, method, path, &[], b"").await;
            assert_eq!(answer.status, 200);
            is_described(&document, path, &method.to_lowercase(), &answer);
        }
    }
    let answer = gateway
        .get_with("/console", &[("If-None-Match", "*")])
        .await;
    assert_eq!(answer.status, 304);
    is_described(&document, "/console", "get", &answer);
    let open = [("Accept", "application/openmetrics-text")];
    let answer = gateway.get_with("/metrics", &open).await;
    is_described(&document, "/metrics", "get", &answer);
}

#[actix_web::test]
async fn every_example_is_what_its_schema_says() {
    let (gateway, _upstream) = gateway().await;
    let document = document(&gateway).await;
    let mut seen = 0;
    let mut open = vec![&document];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(members) => open.extend(members.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
        let (Some(schema), Some(examples)) = (value.get("schema"), value.get("examples")) else {
            continue;
        };
        for (name, example) in examples.as_object().unwrap() {
            let found = offences(&document, schema, &example["value"]);
            assert!(found.is_empty(), "{name}: {found:#?}\n{example:#}");
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} examples");
    let problems = document["components"]["schemas"]["Problem"]["examples"]
        .as_array()
        .unwrap();
    // All but that of /readyz, which has its own schema.
    assert_eq!(problems.len(), gather::api::ProblemKind::ALL.len() - 1);
    for problem in problems {
        holds(&document, "Problem", problem);
    }
}

#[actix_web::test]
async fn the_operational_routes_are_in_it_where_they_are_served() {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        "server.console = false\nadmin.listen = \"127.0.0.1:0\"\nupstreams.a.url = \"{}\"\naggregates.home.calls = [\"a\"]",
        upstream.url("/")
    );
    let gateway = Gateway::start(&toml).await;
    let document = document(&gateway).await;
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/aggregate/home", "/openapi.json"]);
    gateway
        .operation("/openapi.json")
        .await
        .problem(404, "not-found");
}

#[actix_web::test]
async fn what_an_aggregate_takes_is_told_as_it_is_configured() {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        r#"server.deadline_headers = ["x-left-ms"]
        upstreams.a = {{ url = "{0}", forward_query = ["q"], forward_headers = ["x-tenant", "x-left-ms", "authorization", "prefer"] }}
        upstreams.b = {{ url = "{0}", forward_query = ["page", "q"] }}
        aggregates.home = {{ calls = ["a", "b"], mode = "sequential", concurrency = 3, deadline = "2s", wait_for = 2 }}
        aggregates.both = {{ calls = ["b"], compare = true }}"#,
        upstream.url("/")
    );
    let gateway = Gateway::start(&toml).await;
    let document = document(&gateway).await;
    let home = &document["paths"]["/aggregate/home"];
    let parameters = home["parameters"].as_array().unwrap();
    let named: Vec<_> = parameters
        .iter()
        .filter_map(|parameter| parameter["name"].as_str())
        .collect();
    let expected = [
        "mode",
        "concurrency",
        "calls",
        "timeout",
        "wait_for",
        "page",
        "q",
        "x-left-ms",
        "traceparent",
        "tracestate",
        "x-tenant",
    ];
    assert_eq!(named, expected);
    let schema = |place: usize| &parameters[place]["schema"];
    let words = |reference: &Value| {
        let pointer = reference["$ref"].as_str().unwrap();
        document.pointer(&pointer[1..]).unwrap()["enum"].clone()
    };
    assert_eq!(
        words(schema(0)),
        json!(["sequential", "sync", "concurrent", "async"])
    );
    assert_eq!(words(&schema(2)["items"]), json!(["a", "b"]));
    let to_wait_for = &schema(4)["anyOf"];
    assert_eq!(words(&to_wait_for[0]), json!(["all", "required", "first"]));
    assert_eq!(to_wait_for[1]["maximum"], 2);
    // A generated client sends a `default`, even to a gateway that has another one.
    for (place, default) in [(0, "`sequential`"), (1, " 3,"), (4, "`2`")] {
        let about = parameters[place]["description"].as_str().unwrap();
        assert!(about.contains(default), "{about}");
        assert!(schema(place).get("default").is_none());
    }
    let forwarded =
        json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
    for name in ["page", "q"] {
        let of_name = |parameter: &&Value| parameter["name"] == name;
        let found = parameters.iter().find(of_name).unwrap();
        assert_eq!(found["schema"], forwarded);
    }
    let about = home["get"]["description"].as_str().unwrap();
    assert!(about.contains("authorization"), "{about}");
    let both = words(&document["paths"]["/aggregate/both"]["parameters"][0]["schema"]);
    assert!(
        both.as_array().unwrap().contains(&json!("compare")),
        "{both}"
    );
}

#[actix_web::test]
async fn an_aggregate_without_required_calls_does_not_offer_to_wait_for_them() {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        r#"upstreams.a.url = "{}"
        aggregates.home.calls = [{{ upstream = "a", optional = true }}]"#,
        upstream.url("/")
    );
    let gateway = Gateway::start(&toml).await;
    let document = document(&gateway).await;
    let wait_for = &document["paths"]["/aggregate/home"]["parameters"][4];
    assert_eq!(wait_for["name"], "wait_for");
    let pointer = wait_for["schema"]["anyOf"][0]["$ref"].as_str().unwrap();
    let words = &document.pointer(&pointer[1..]).unwrap()["enum"];
    assert_eq!(words, &json!(["all", "first"]));
}

#[actix_web::test]
async fn the_durations_that_it_describes_are_taken_and_so_is_the_greatest_number() {
    let (gateway, _upstream) = gateway().await;
    for query in [
        "timeout=9999999s",
        "timeout=9999999ms",
        "timeout=9999m",
        "timeout=999h",
        "concurrency=4294967295",
    ] {
        let answer = gateway.get(&format!("/aggregate/fine?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    }
}

#[actix_web::test]
async fn a_status_that_may_be_an_upstreams_is_told_of_where_it_may_and_nowhere_else() {
    let (gateway, _upstream) = gateway().await;
    let document = document(&gateway).await;
    let responses = |path: &str, method: &str| {
        let responses = &document["paths"][path][method]["responses"];
        responses.as_object().unwrap().clone()
    };
    assert!(!responses("/aggregate/fine", "get").contains_key("401"));
    let fine = &responses("/aggregate/fine", "get")["503"];
    assert_eq!(fine["$ref"], "#/components/responses/Overloaded");
    for method in ["get", "head"] {
        let all = responses("/aggregate/mine", method);
        for status in ["400", "401", "503"] {
            let fields = all[status]["headers"].as_object().unwrap();
            for name in ["WWW-Authenticate", "Retry-After", "Server-Timing"] {
                assert!(fields.contains_key(name), "{method} {status}: {name}");
            }
            let is_there = all[status]["content"].is_object();
            assert_eq!(is_there, method == "get", "{method} {status}");
        }
    }
    let all = responses("/aggregate/mine", "get");
    // The gateway itself uses this status too. So a field may be missing if only one of the two always has it.
    let field = |status: &str, name: &str| {
        let field = all[status]["headers"][name]["$ref"].as_str().unwrap();
        document
            .pointer(field.trim_start_matches('#'))
            .unwrap()
            .clone()
    };
    assert_eq!(field("401", "Gather-Outcome")["required"], true);
    assert_eq!(field("503", "Gather-Outcome")["required"], false);
    assert_eq!(field("503", "X-Request-Id")["required"], true);
    assert_eq!(field("503", "Retry-After")["required"], false);
    for (status, names) in [("401", 1), ("400", 7), ("503", 2)] {
        let content = &all[status]["content"]["application/problem+json"];
        let examples = content["examples"].as_object().unwrap();
        assert_eq!(examples.len(), names, "{status}: {examples:?}");
        let example = &examples["upstream-status"]["value"];
        assert_eq!(example["status"].to_string(), status);
        let found = offences(&document, &content["schema"], example);
        assert!(found.is_empty(), "{found:#?}\n{example:#}");
    }
}

#[actix_web::test]
async fn compression_is_told_of_where_it_is_on() {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        "upstreams.a.url = \"{}\"\naggregates.home.calls = [\"a\"]",
        upstream.url("/")
    );
    let server = "server.workers = 1\nserver.grace = \"0s\"\nserver.compression = true";
    let gateway = Gateway::start_with(server, &toml).await;
    let document = document(&gateway).await;
    let gzip = [("Accept-Encoding", "gzip")];
    for path in ["/openapi.json", "/metrics", "/console", "/aggregate/home"] {
        let answer = gateway.get_with(path, &gzip).await;
        is_described(&document, path, "get", &answer);
    }
    let stream = [gzip[0], ("Accept", "application/x-ndjson")];
    let answer = gateway.get_with("/aggregate/home", &stream).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    is_described(&document, "/aggregate/home", "get", &answer);
}
