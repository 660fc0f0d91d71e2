//! `pass_status`: when an answer has a call's own status, and which parts of the upstream's answer go with it.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    gateway::{Answer, Gateway, request},
    upstream::{Behaviour, Response, Upstream},
};

/// Makes an upstream's refusal. Most of its headers must not be passed on.
fn refusal(status: u16) -> Response {
    Response::new(status)
        .header("WWW-Authenticate", "Basic realm=\"shop\"")
        .header("WWW-Authenticate", "Bearer error=\"invalid_token\"")
        .header("Retry-After", "30")
        .header("Set-Cookie", "a=b")
        .header("Location", "/login")
        .header("X-Internal", "PRIVATE")
        .body("PRIVATE")
}

/// Starts an upstream that answers with the status in the path, to `/ok` with 200, and to `/slow` late.
fn upstream() -> Upstream {
    Upstream::start(|request| match request.path() {
        "/ok" => Response::pong().into(),
        "/slow" => Behaviour::from(Response::pong()).after(Duration::from_secs(30)),
        path => refusal(path.trim_start_matches("/s").parse().unwrap()).into(),
    })
}

const NAMES: [&str; 7] = ["ok", "slow", "s401", "s403", "s404", "s500", "s503"];

/// Starts a gateway with these aggregates before that upstream.
async fn before(upstream: &Upstream, aggregates: &str) -> Gateway {
    let urls = NAMES.map(|name| (name, upstream.url(&format!("/{name}"))));
    Gateway::before(&urls, aggregates).await
}

/// Starts a gateway whose aggregate `default` has these calls: names, which pass nothing on, or tables.
async fn of(calls: &str, settings: &str) -> (Gateway, Upstream) {
    let upstream = upstream();
    let aggregates = format!("[aggregates.default]\ncalls = [{calls}]\n{settings}");
    (before(&upstream, &aggregates).await, upstream)
}

/// Returns the table of a call that passes these statuses on.
fn call(name: &str, statuses: &[u16]) -> String {
    format!("{{ upstream = \"{name}\", pass_status = {statuses:?} }}")
}

#[track_caller]
fn passes(answer: &Answer, status: u16, name: &str) -> Value {
    let problem = answer.problem(status, "upstream-status");
    let detail = problem["detail"].as_str().unwrap();
    let expected = format!("the call `{name}` was answered with {status}");
    assert!(detail.starts_with(&expected), "{detail}");
    problem
}

#[actix_web::test]
async fn a_required_calls_status_is_the_answers_own_though_others_have_succeeded() {
    let calls = format!("\"ok\", {}", call("s401", &[401, 403, 404]));
    let (gateway, _upstream) = of(&calls, "").await;
    for mode in ["sequential", "concurrent"] {
        let answer = gateway.aggregate(&format!("?mode={mode}")).await;
        let problem = passes(&answer, 401, "s401");
        assert_eq!(problem["title"], "Upstream status");
        assert_eq!(problem["outcome"], "partial");
        assert_eq!(problem["results"][0]["body"], "pong");
        assert_eq!(answer.result("s401"), "status");
        assert_eq!(answer.header("gather-outcome"), Some("partial"));
        assert_eq!(answer.header("gather-mode"), Some(mode));
        for name in ["gather-elapsed", "gather-sequential"] {
            assert!(answer.header(name).is_some(), "{name}");
        }
        let timing = answer.header("server-timing").unwrap();
        assert!(timing.contains("s401;dur="), "{timing}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[actix_web::test]
async fn each_status_that_is_listed_is_passed_on_and_no_other() {
    for status in [401, 403, 404, 500, 503] {
        let name = format!("s{status}");
        let calls = format!("\"ok\", {}", call(&name, &[404, 401, 403, 503]));
        let (gateway, _upstream) = of(&calls, "").await;
        let answer = gateway.aggregate("").await;
        if status == 500 {
            assert_eq!(answer.status, 200, "{}", answer.text());
        } else {
            passes(&answer, status, &name);
        }
    }
}

#[actix_web::test]
async fn without_the_setting_a_status_is_the_calls_alone() {
    let (gateway, _upstream) = of("\"ok\", \"s401\"", "").await;
    assert_eq!(gateway.aggregate("").await.status, 200);
    let answer = gateway.aggregate("?calls=s401").await;
    answer.problem(502, "upstream-failed");
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(answer.header("retry-after"), None);
}

#[actix_web::test]
async fn an_optional_calls_status_is_never_passed_on() {
    let calls = "\"ok\", { upstream = \"s401\", optional = true, pass_status = [401] }";
    for settings in ["", "on_failure = \"fail\"", "wait_for = \"required\""] {
        let (gateway, _upstream) = of(calls, settings).await;
        assert_eq!(gateway.aggregate("").await.status, 200, "{settings}");
        let answer = gateway.aggregate("?calls=s401&wait_for=all").await;
        answer.problem(502, "upstream-failed");
    }
}

#[actix_web::test]
async fn where_all_that_was_waited_for_came_nothing_is_passed_on() {
    let calls = format!("{}, \"ok\"", call("s401", &[401]));
    let settings = "wait_for = \"first\"\nmode = \"sequential\"";
    let (gateway, _upstream) = of(&calls, settings).await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["outcome"], "complete");
    let problem = passes(&gateway.aggregate("?calls=s401").await, 401, "s401");
    assert_eq!(problem["outcome"], "failed");
}

#[actix_web::test]
async fn of_several_the_first_in_plan_order_decides_and_a_caller_may_choose_the_order() {
    let calls = format!("{}, \"ok\", {}", call("s403", &[403]), call("s401", &[401]));
    let (gateway, _upstream) = of(&calls, "").await;
    for (query, status) in [
        ("", 403),
        ("?mode=sync", 403),
        ("?calls=s401,s403", 401),
        ("?calls=ok,s401", 401),
        ("?calls=s403&calls=ok", 403),
        ("?wait_for=required", 403),
        ("?wait_for=2", 403),
    ] {
        let answer = gateway.aggregate(query).await;
        passes(&answer, status, &format!("s{status}"));
    }
    assert_eq!(gateway.aggregate("?calls=ok").await.status, 200);
}

#[actix_web::test]
async fn a_status_that_is_passed_on_says_more_than_another_calls_failure() {
    let calls = format!("\"s500\", {}", call("s401", &[401]));
    let (gateway, _upstream) = of(&calls, "deadline = \"10s\"").await;
    let answer = gateway.aggregate("").await;
    assert_eq!(passes(&answer, 401, "s401")["outcome"], "failed");
    assert_eq!(answer.result("s500"), "status");
}

#[actix_web::test]
async fn the_first_failure_of_a_strict_plan_is_passed_on_where_it_may_be() {
    let calls = format!("\"slow\", {}", call("s401", &[401]));
    let (gateway, _upstream) = of(&calls, "on_failure = \"fail\"").await;
    let answer = gateway.aggregate("").await;
    passes(&answer, 401, "s401");
    assert_eq!(answer.result("slow"), "cancelled");
    // The call that could pass its status on is no longer made.
    let calls = format!("\"s500\", {}", call("s401", &[401]));
    let settings = "on_failure = \"fail\"\nmode = \"sequential\"";
    let (gateway, _upstream) = of(&calls, settings).await;
    let answer = gateway.aggregate("").await;
    answer.problem(502, "upstream-failed");
    assert_eq!(answer.result("s401"), "skipped");
}

#[actix_web::test]
async fn a_call_that_was_given_up_after_its_head_passes_nothing_on() {
    // The status is a success, so the gateway waits for the body, which never comes.
    let upstream = Upstream::start(|request| match request.path() {
        "/ok" => Response::pong().into(),
        _ => Behaviour::HangBeforeHead
            .following("HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\nabc".into()),
    });
    let toml = format!(
        "upstreams.ok.url = \"{0}/ok\"\nupstreams.stuck = {{ url = \"{0}/stuck\", success = [\"200\", \"404\"] }}\n\
         aggregates.default = {{ calls = [\"ok\", {{ upstream = \"stuck\", pass_status = [404, 401] }}], deadline = \"200ms\" }}",
        upstream.url("")
    );
    let gateway = Gateway::start(&toml).await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.result("stuck"), "deadline");
    assert_eq!(answer.json()["results"][1]["status"], 404);
}

#[actix_web::test]
async fn required_calls_are_waited_for_and_pass_their_status_on() {
    let calls = format!(
        "{}, {{ upstream = \"slow\", optional = true }}, \"ok\"",
        call("s404", &[404])
    );
    let (gateway, _upstream) = of(&calls, "wait_for = \"required\"").await;
    let answer = gateway.aggregate("").await;
    assert_eq!(passes(&answer, 404, "s404")["outcome"], "partial");
    assert_eq!(answer.result("slow"), "cancelled");
}

#[actix_web::test]
async fn head_gets_what_get_would_get_without_the_body() {
    let calls = format!("\"ok\", {}", call("s401", &[401]));
    let (gateway, _upstream) = of(&calls, "").await;
    let answer = request(gateway.address, "HEAD", "/aggregate", &[], b"").await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.body, b"");
    let kind = Some("application/problem+json");
    assert_eq!(answer.header("content-type"), kind);
    assert_eq!(answer.header("gather-outcome"), Some("partial"));
    assert!(answer.header("www-authenticate").is_some());
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    assert!(length > 300, "{length}");
}

/// Returns all values of a field.
fn values<'a>(answer: &'a Answer, name: &str) -> Vec<&'a str> {
    let fields = answer.headers.iter();
    let fields = fields.filter(|(known, _)| known == name);
    fields.map(|(_, value)| value.as_str()).collect()
}

#[actix_web::test]
async fn challenges_and_the_time_to_ask_again_go_on_and_nothing_else_does() {
    let calls = format!("\"ok\", {}", call("s401", &[401]));
    let (gateway, _upstream) = of(&calls, "").await;
    let answer = gateway.aggregate("").await;
    passes(&answer, 401, "s401");
    assert_eq!(
        values(&answer, "www-authenticate"),
        ["Basic realm=\"shop\"", "Bearer error=\"invalid_token\""]
    );
    assert_eq!(values(&answer, "retry-after"), ["30"]);
    for name in ["set-cookie", "location", "x-internal"] {
        assert_eq!(values(&answer, name), [""; 0], "{name}");
    }
    assert!(!answer.text().contains("PRIVATE"), "{}", answer.text());
}

#[actix_web::test]
async fn however_a_refusal_comes_its_own_challenge_goes_on() {
    let head = "HTTP/1.1 103 Early Hints\r\nWWW-Authenticate: Interim\r\n\r\n\
                HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\n";
    let whole = format!("{head}Content-Length: 2\r\n\r\nno");
    let trailed = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\nWWW-Authenticate: Trailer\r\n\r\n"
    );
    let large = format!(
        "{head}Content-Length: 100000\r\n\r\n{}",
        "n".repeat(100_000)
    );
    for bytes in [
        whole.clone(),
        trailed,
        large,
        whole.replace("Content-Length: 2", "Connection: close"),
        format!("{head}Content-Length: 2\r\n\r\n"),
    ] {
        let in_pieces = Behaviour::Parts {
            every: Duration::from_millis(1),
            parts: bytes
                .as_bytes()
                .chunks(bytes.len().div_ceil(40))
                .map(<[u8]>::to_vec)
                .collect(),
        };
        for behaviour in [
            Behaviour::RawThenClose(bytes.clone().into_bytes()),
            in_pieces,
        ] {
            let upstream = Upstream::always(behaviour);
            let urls = [("me", upstream.url("/"))];
            let rest = "aggregates.default.calls = [{ upstream = \"me\", pass_status = [401] }]";
            let gateway = Gateway::before(&urls, rest).await;
            let answer = gateway.aggregate("").await;
            passes(&answer, 401, "me");
            assert_eq!(values(&answer, "www-authenticate"), ["Bearer"]);
        }
    }
}

#[actix_web::test]
async fn a_503_that_is_passed_on_has_the_upstreams_time_or_none_and_not_the_gateways() {
    let upstream = Upstream::start(|request| {
        match request.path() {
            "/busy" => Response::new(503).header("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT"),
            _ => Response::new(503).header("Retry-After", "soon"),
        }
        .into()
    });
    let urls = ["busy", "vague"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = "aggregates.default = { calls = [{ upstream = \"busy\", pass_status = [503] }] }\n\
                aggregates.vague = { calls = [{ upstream = \"vague\", pass_status = [503] }] }";
    let gateway = Gateway::before(&urls, rest).await;
    let answer = gateway.aggregate("").await;
    passes(&answer, 503, "busy");
    assert_eq!(
        values(&answer, "retry-after"),
        ["Fri, 31 Dec 1999 23:59:59 GMT"]
    );
    let answer = gateway.get("/aggregate/vague").await;
    passes(&answer, 503, "vague");
    assert_eq!(values(&answer, "retry-after"), [""; 0]);
}

#[actix_web::test]
async fn a_401_without_a_challenge_gets_none_and_one_that_tells_an_address_is_left_out() {
    let upstream = Upstream::start(|request| {
        let host = request.header("host").unwrap().to_owned();
        let told = format!("Bearer realm=\"http://{host}/token\"");
        match request.path() {
            "/telling" => Response::new(401).header("WWW-Authenticate", &told),
            _ => Response::new(401),
        }
        .into()
    });
    let urls = ["telling", "silent"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = "aggregates.default = { calls = [{ upstream = \"telling\", pass_status = [401] }] }\n\
                aggregates.silent = { calls = [{ upstream = \"silent\", pass_status = [401] }] }";
    let gateway = Gateway::before(&urls, rest).await;
    for path in ["/aggregate", "/aggregate/silent"] {
        let answer = gateway.get(path).await;
        answer.problem(401, "upstream-status");
        assert_eq!(values(&answer, "www-authenticate"), [""; 0], "{path}");
    }
}

#[actix_web::test]
async fn one_upstreams_status_is_passed_on_only_by_the_calls_that_say_so() {
    let upstream = upstream();
    let rest = "aggregates.default = { calls = [\"ok\", \"s401\"] }\n\
                aggregates.other = { calls = [\"ok\", { upstream = \"s401\", name = \"me\", pass_status = [401] }] }";
    let gateway = before(&upstream, rest).await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.status, 200);
    assert_eq!(values(&answer, "www-authenticate"), [""; 0]);
    passes(&gateway.get("/aggregate/other").await, 401, "me");
}

#[actix_web::test]
async fn with_retries_the_last_attempts_status_counts() {
    for (statuses, expected) in [([503, 401], 401), ([401, 503], 200), ([401, 401], 401)] {
        let upstream = Upstream::queue(statuses.map(|status| Response::new(status).into()));
        let well = Upstream::always(Response::pong());
        let toml = format!(
            "upstreams.ok.url = \"{}\"\n\
             upstreams.me = {{ url = \"{}\", retry = {{ attempts = 2, backoff = \"1ms\", on = [\"401\", \"503\"] }} }}\n\
             aggregates.default.calls = [\"ok\", {{ upstream = \"me\", pass_status = [401] }}]",
            well.url("/"),
            upstream.url("/")
        );
        let gateway = Gateway::start(&toml).await;
        let answer = gateway.aggregate("").await;
        assert_eq!(answer.status, expected, "{statuses:?}: {}", answer.text());
        assert_eq!(answer.json()["results"][1]["attempts"], 2);
    }
}

#[actix_web::test]
async fn a_comparison_passes_on_the_status_of_either_run() {
    // The concurrent run comes second.
    let answers = [Response::pong(), Response::new(401)];
    let upstream = Upstream::queue(answers.map(Behaviour::from));
    let well = Upstream::always(Response::pong());
    let toml = format!(
        "upstreams.ok.url = \"{}\"\nupstreams.me.url = \"{}\"\n\
         aggregates.default = {{ calls = [\"ok\", {{ upstream = \"me\", pass_status = [401] }}], compare = true }}",
        well.url("/"),
        upstream.url("/")
    );
    let gateway = Gateway::start(&toml).await;
    let answer = gateway.aggregate("?mode=compare").await;
    let problem = passes(&answer, 401, "me");
    assert_eq!(problem["sequential"]["outcome"], "complete");
    assert_eq!(problem["concurrent"]["outcome"], "partial");
    assert_eq!(problem["speedup"], Value::Null);
    assert_eq!(answer.header("gather-outcome"), Some("partial"));
    let series = |mode, outcome| {
        format!(
            "gather_requests_total{{aggregate=\"default\",mode=\"{mode}\",outcome=\"{outcome}\"}}"
        )
    };
    assert_eq!(gateway.metric(&series("sequential", "complete")).await, 1.0);
    assert_eq!(gateway.metric(&series("concurrent", "passed")).await, 1.0);
}

#[actix_web::test]
async fn a_streams_last_message_says_the_status_that_the_answer_would_have_had() {
    let calls = format!("\"ok\", {}", call("s401", &[401]));
    let (gateway, _upstream) = of(&calls, "compare = true").await;
    for (kind, mode) in [
        ("application/x-ndjson", "async"),
        ("application/x-ndjson", "compare"),
        ("text/event-stream", "sync"),
    ] {
        let target = format!("/aggregate?mode={mode}");
        let answer = gateway.get_with(&target, &[("Accept", kind)]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(values(&answer, "www-authenticate"), [""; 0]);
        let text = answer.dechunked();
        let last = text.lines().rfind(|line| !line.is_empty()).unwrap();
        let last: Value = serde_json::from_str(last.trim_start_matches("data: ")).unwrap();
        assert_eq!(last["type"], "urn:gather:problem:upstream-status", "{last}");
        assert_eq!(
            (&last["status"], &last["outcome"]),
            (&401.into(), &"partial".into())
        );
        let detail = "the call `s401` was answered with 401 Unauthorized";
        assert_eq!(last["detail"], detail);
    }
    let problems = "gather_problems_total{type=\"upstream-status\"}";
    assert_eq!(gateway.metric(problems).await, 3.0);
}

#[actix_web::test]
async fn a_request_that_passes_a_clients_mistake_on_is_counted_apart_and_a_servers_as_failed() {
    let calls = format!("\"ok\", {}, {}", call("s401", &[401]), call("s503", &[503]));
    let (gateway, _upstream) = of(&calls, "").await;
    let series = |outcome: &str| {
        format!(
            "gather_requests_total{{aggregate=\"default\",mode=\"concurrent\",outcome=\"{outcome}\"}}"
        )
    };
    for (query, status, counted) in [
        ("?calls=ok,s401", 401, "passed"),
        ("?calls=s401", 401, "passed"),
        ("?calls=ok,s503", 503, "failed"),
        ("?calls=ok", 200, "complete"),
    ] {
        let before = gateway.metric(&series(counted)).await;
        assert_eq!(gateway.aggregate(query).await.status, status, "{query}");
        let after = gateway.metric(&series(counted)).await;
        assert_eq!(after - before, 1.0, "{query}");
    }
    for outcome in ["partial", "cancelled"] {
        assert_eq!(gateway.metric(&series(outcome)).await, 0.0, "{outcome}");
    }
    let problems = "gather_problems_total{type=\"upstream-status\"}";
    assert_eq!(gateway.metric(problems).await, 3.0);
    let attempts =
        |result: &str| format!("gather_attempts_total{{result=\"{result}\",upstream=\"s401\"}}");
    assert_eq!(gateway.metric(&attempts("ok")).await, 0.0);
    assert_eq!(gateway.metric(&attempts("status_4xx")).await, 2.0);
}

#[actix_web::test]
async fn an_answer_with_a_passed_status_is_compressed_as_any_other() {
    let upstream = Upstream::start(|request| match request.path() {
        "/ok" => Response::text("a".repeat(4000)).into(),
        _ => refusal(403).into(),
    });
    let urls = ["ok", "me"].map(|name| (name, upstream.url(&format!("/{name}"))));
    let rest = crate::gateway::with_upstreams(
        &urls,
        "aggregates.default.calls = [\"ok\", { upstream = \"me\", pass_status = [403] }]",
    );
    let server = "server.workers = 1\nserver.grace = \"0s\"\nserver.compression = true";
    let gateway = Gateway::start_with(server, &rest).await;
    let gzip = [("Accept-Encoding", "gzip")];
    let answer = gateway.get_with("/aggregate", &gzip).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json")
    );
    assert_eq!(values(&answer, "retry-after"), ["30"]);
}

#[actix_web::test]
async fn a_status_without_a_name_has_none_in_the_first_line() {
    let upstream = upstream();
    let urls = [
        ("s401", upstream.url("/s401")),
        ("s499", upstream.url("/s499")),
    ];
    let aggregates = format!(
        "[aggregates.default]\ncalls = [{}]\n[aggregates.named]\ncalls = [{}]",
        call("s499", &[499]),
        call("s401", &[401])
    );
    let gateway = Gateway::before(&urls, &aggregates).await;
    for (target, line) in [
        ("/aggregate", "HTTP/1.1 499 \r\n"),
        ("/aggregate/named", "HTTP/1.1 401 Unauthorized\r\n"),
    ] {
        let mut connection = gateway.connect().await;
        let head = format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with(line), "{answer}");
    }
}
