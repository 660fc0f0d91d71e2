//! Spans as a collector receives them, and the trace context that comes in and goes out.

use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;

use crate::{
    collector::{Collector, Span},
    gateway::{Gateway, with_upstreams},
    talk::Talk,
    upstream::{Behaviour, Response, Upstream},
};

const SOON: Duration = Duration::from_secs(10);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// Returns the caller's context, with these flags.
fn context(flags: &str) -> String {
    format!("00-{TRACE}-{CALLER}-{flags}")
}

/// Starts a gateway before one upstream. The gateway sends its spans to `endpoint`.
async fn traced(endpoint: &str, upstream: &Upstream, settings: &str) -> Gateway {
    let rest = format!(
        "tracing.otlp_endpoint = \"{endpoint}\"\n{settings}\naggregates.default.calls = [\"one\"]"
    );
    Gateway::start(&with_upstreams(
        &[("one", upstream.url("/p?key=secret"))],
        &rest,
    ))
    .await
}

/// Stops the gateway, which then sends its spans, and returns all spans.
fn all(mut gateway: Gateway, collector: &Collector) -> Vec<Span> {
    gateway.begin_stop();
    gateway.wait_stopped();
    collector.spans()
}

fn of_kind(spans: &[Span], kind: SpanKind) -> Vec<&Span> {
    spans.iter().filter(|span| span.kind == kind).collect()
}

fn the(spans: &[Span], kind: SpanKind) -> &Span {
    let found = of_kind(spans, kind);
    let [span] = found[..] else {
        panic!("one {kind:?}, not {found:#?}")
    };
    span
}

/// Returns the contexts that an upstream got: trace, span, flags.
fn told(upstream: &Upstream) -> Vec<(String, String, String)> {
    let requests = upstream.requests();
    let contexts = requests.iter().map(|request| {
        assert_eq!(request.header_count("traceparent"), 1, "{request:?}");
        let context = request.header("traceparent").unwrap();
        let parts: Vec<_> = context.split('-').map(str::to_owned).collect();
        let [version, trace, span, flags] = &parts[..] else {
            panic!("{context}")
        };
        assert_eq!(version, "00");
        (trace.clone(), span.clone(), flags.clone())
    });
    contexts.collect()
}

#[actix_web::test]
async fn a_request_by_a_route_has_its_template_as_name() {
    let collector = Collector::start();
    let upstream = Upstream::always(Response::pong());
    let settings = "aggregates.home = { path = \"/users/{id:int}/home\", calls = [\"one\"] }";
    let gateway = traced(&collector.endpoint(), &upstream, settings).await;
    let answer = gateway.get("/users/42/home").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let spans = all(gateway, &collector);
    let request = the(&spans, SpanKind::Server);
    assert_eq!(request.name, "GET /users/{id}/home");
    assert_eq!(request.get("http.route"), "/users/{id}/home");
    assert_eq!(request.get("url.path"), "/users/42/home");
}

#[actix_web::test]
async fn a_request_is_a_span_and_so_is_each_call_and_each_attempt() {
    let collector = Collector::start();
    let mended = Upstream::queue([Response::new(503).into(), Response::pong().into()]);
    let slow = Behaviour::from(Response::pong()).after(Duration::from_secs(60));
    let hedged = Upstream::queue([slow, Response::pong().into()]);
    let rest = format!(
        "tracing.otlp_endpoint = \"{}\"
         upstreams.mended.retry = {{ attempts = 2, backoff = \"1ms\" }}
         upstreams.hedged.hedge = {{ after = \"20ms\" }}
         upstreams.hedged.timeout = \"60s\"
         aggregates.both.calls = [\"mended\", {{ upstream = \"hedged\", name = \"spare\" }}]",
        collector.endpoint()
    );
    let upstreams = [
        ("mended", mended.url("/m?key=secret")),
        ("hedged", hedged.url("/h")),
    ];
    let gateway = Gateway::start(&with_upstreams(&upstreams, &rest)).await;
    let headers = [("User-Agent", "a test"), ("X-Request-Id", "abc-123")];
    let answer = gateway.get_with("/aggregate/both", &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let port = gateway.address.port().to_string();
    let spans = all(gateway, &collector);
    assert_eq!(spans.len(), 1 + 2 + 4, "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace == spans[0].trace));

    let request = the(&spans, SpanKind::Server);
    assert_eq!(request.name, "GET /aggregate/{name}");
    assert_eq!(request.parent, "");
    assert!(!request.failed);
    for (name, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/aggregate/{name}"),
        ("http.response.status_code", "200"),
        ("url.path", "/aggregate/both"),
        ("url.scheme", "http"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("client.address", "127.0.0.1"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "a test"),
        ("gather.aggregate", "both"),
        ("gather.mode", "concurrent"),
        ("gather.outcome", "complete"),
        ("gather.request_id", "abc-123"),
        ("error.type", ""),
    ] {
        assert_eq!(request.get(name), value, "{name}");
    }

    let calls = of_kind(&spans, SpanKind::Internal);
    for call in &calls {
        assert_eq!(call.parent, request.id);
        assert_eq!(call.get("gather.attempts"), "2");
        assert_eq!(call.get("gather.result"), "ok");
        assert!(call.start >= request.start && call.end <= request.end);
    }
    let call = |name: &str| *calls.iter().find(|call| call.name == name).unwrap();
    for (upstream, name, server, port) in [
        ("mended", "mended", &mended, mended.addr().port()),
        ("hedged", "spare", &hedged, hedged.addr().port()),
    ] {
        let mut attempts = of_kind(&spans, SpanKind::Client);
        attempts.retain(|attempt| attempt.get("gather.upstream") == upstream);
        attempts.sort_by_key(|attempt| attempt.start);
        let [first, second] = attempts[..] else {
            panic!("{attempts:#?}")
        };
        for attempt in [first, second] {
            assert_eq!(attempt.name, "GET");
            assert_eq!(attempt.parent, call(name).id);
            assert_eq!(attempt.get("server.address"), "127.0.0.1");
            assert_eq!(attempt.get("server.port"), port.to_string());
            assert!(!attempt.get("url.full").contains("secret"));
            assert!(attempt.get("url.full").starts_with("http://127.0.0.1:"));
        }
        assert_eq!(first.get("http.request.resend_count"), "");
        assert_eq!(second.get("http.request.resend_count"), "1");
        assert_eq!(second.get("http.response.status_code"), "200");
        assert!(!second.failed);
        // The span that went upstream is the attempt's own.
        let ids: Vec<_> = [first, second]
            .map(|span| (span.trace.clone(), span.id.clone(), "01".to_owned()))
            .into();
        assert_eq!(told(server), ids);
        let (failed, hedge) = (first.failed, second.get("gather.hedge"));
        let ended = (first.get("gather.result"), first.get("error.type"));
        match upstream {
            "mended" => assert_eq!((failed, hedge, ended), (true, "", ("status", "503"))),
            // The other attempt was quicker, which is no failure.
            _ => assert_eq!((failed, hedge, ended), (false, "true", ("cancelled", ""))),
        }
    }
    let resource = collector.resource();
    assert_eq!(resource["service.name"], "gather");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
}

#[actix_web::test]
async fn the_callers_trace_goes_on_and_its_decision_holds() {
    let collector = Collector::start();
    let upstream = Upstream::always(Response::pong());
    // The caller samples, but the gateway does not, and the other way round.
    for (sample, flags) in [("0.0", "01"), ("1.0", "00")] {
        let settings = format!("tracing.sample = {sample}");
        let gateway = traced(&collector.endpoint(), &upstream, &settings).await;
        let context = context(flags);
        let headers = [
            ("traceparent", context.as_str()),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ];
        assert_eq!(gateway.get_with("/aggregate", &headers).await.status, 200);
        all(gateway, &collector);
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.header("tracestate"), Some("a=1,b=2"));
        assert_eq!(request.header_count("tracestate"), 1);
        let (trace, span, told) = told(&upstream).pop().unwrap();
        assert_eq!((trace.as_str(), told.as_str()), (TRACE, flags));
        assert_ne!(span, CALLER);
    }
    let spans = collector.spans();
    assert_eq!(spans.len(), 3, "{spans:#?}");
    let request = the(&spans, SpanKind::Server);
    assert_eq!(
        (request.trace.as_str(), request.parent.as_str()),
        (TRACE, CALLER)
    );
    assert_eq!(request.state, "a=1,b=2");
}

#[actix_web::test]
async fn a_share_of_none_records_nothing_and_still_tells_upstreams() {
    let collector = Collector::start();
    let upstream = Upstream::always(Response::pong());
    let gateway = traced(&collector.endpoint(), &upstream, "tracing.sample = 0").await;
    for _ in 0..10 {
        assert_eq!(gateway.aggregate("").await.status, 200);
    }
    assert_eq!(all(gateway, &collector).len(), 0);
    let mut traces = told(&upstream);
    assert!(traces.iter().all(|(.., flags)| flags == "00"), "{traces:?}");
    traces.sort();
    traces.dedup_by(|one, other| one.0 == other.0);
    assert_eq!(traces.len(), 10, "each request is a trace of its own");
}

#[actix_web::test]
async fn what_is_no_trace_context_begins_a_new_trace() {
    let collector = Collector::start();
    let upstream = Upstream::always(Response::pong());
    let gateway = traced(&collector.endpoint(), &upstream, "").await;
    let (good, zero) = (context("01"), format!("00-{}-{CALLER}-01", "0".repeat(32)));
    let upper = good.to_uppercase();
    let long = format!("{good}-more");
    for fields in [
        vec!["nonsense"],
        vec![&zero],
        vec![&upper],
        vec![&long],
        // Two fields count as none, as nobody can say which one is right.
        vec![&good, &good],
    ] {
        let mut headers: Vec<_> = fields.into_iter().map(|it| ("traceparent", it)).collect();
        headers.push(("tracestate", "a=1"));
        assert_eq!(gateway.get_with("/aggregate", &headers).await.status, 200);
        let (trace, ..) = told(&upstream).pop().unwrap();
        assert_ne!(trace, TRACE, "{headers:?}");
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.header("tracestate"), None, "it goes with its trace");
    }
    let spans = all(gateway, &collector);
    let requests = of_kind(&spans, SpanKind::Server);
    assert_eq!(requests.len(), 5);
    assert!(requests.iter().all(|request| request.parent.is_empty()));
}

#[actix_web::test]
async fn with_tracing_nobody_elses_context_goes_upstream_and_without_it_the_clients_can() {
    let collector = Collector::start();
    let (upstream, fixed) = (
        Upstream::always(Response::pong()),
        Upstream::always(Response::pong()),
    );
    let upstreams = [("one", upstream.url("/")), ("fixed", fixed.url("/"))];
    let without = "upstreams.one.forward_headers = [\"traceparent\", \"tracestate\"]
        upstreams.fixed.headers = { traceparent = \"fixed\" }
        aggregates.default.calls = [\"one\", \"fixed\"]";
    let with = format!(
        "tracing.otlp_endpoint = \"{}\"\n{without}",
        collector.endpoint()
    );
    let client = context("01");
    let headers = [("traceparent", client.as_str()), ("tracestate", "a=1")];

    let gateway = Gateway::before(&upstreams, &with).await;
    gateway.get_with("/aggregate", &headers).await;
    for upstream in [&upstream, &fixed] {
        let (trace, span, _) = told(upstream).pop().unwrap();
        assert_eq!(trace, TRACE);
        assert_ne!(span, CALLER);
        assert_eq!(upstream.requests()[0].header_count("tracestate"), 1);
    }

    let gateway = Gateway::before(&upstreams, without).await;
    gateway.get_with("/aggregate", &headers).await;
    let (trace, span, _) = told(&upstream).pop().unwrap();
    assert_eq!((trace.as_str(), span.as_str()), (TRACE, CALLER));
    let last = fixed.requests().pop().unwrap();
    assert_eq!(last.header("traceparent"), Some("fixed"));
}

#[actix_web::test]
async fn without_tracing_a_trace_goes_on_as_it_came_though_nobody_asked_for_it() {
    let (upstream, fixed) = (
        Upstream::always(Response::pong()),
        Upstream::always(Response::pong()),
    );
    let upstreams = [("one", upstream.url("/")), ("fixed", fixed.url("/"))];
    let rest = "upstreams.fixed.headers = { tracestate = \"fixed=1\" }
        aggregates.default.calls = [\"one\", \"fixed\"]";
    let gateway = Gateway::before(&upstreams, rest).await;
    let client = context("01");
    let headers = [
        ("traceparent", client.as_str()),
        ("tracestate", "a=1"),
        ("tracestate", "b=2,c=3"),
        ("baggage", "d=4"),
    ];
    assert_eq!(gateway.get_with("/aggregate", &headers).await.status, 200);
    let [request] = &upstream.requests()[..] else {
        panic!()
    };
    assert_eq!(request.header_count("traceparent"), 1);
    assert_eq!(request.header("traceparent"), Some(client.as_str()));
    assert_eq!(request.header_count("tracestate"), 2);
    assert_eq!(request.header_count("baggage"), 0);
    let [request] = &fixed.requests()[..] else {
        panic!()
    };
    assert_eq!(request.header("traceparent"), Some(client.as_str()));
    assert_eq!(request.header_count("tracestate"), 1);
    assert_eq!(request.header("tracestate"), Some("fixed=1"));

    // A client without the field gets none made for it. A client may limit the field to this connection.
    gateway.get("/aggregate").await;
    let kept = [
        ("traceparent", client.as_str()),
        ("Connection", "traceparent"),
    ];
    gateway.get_with("/aggregate", &kept).await;
    for request in &upstream.requests()[1..] {
        assert_eq!(request.header_count("traceparent"), 0, "{request:?}");
    }
}

#[actix_web::test]
async fn both_runs_of_a_comparison_have_spans_of_their_own() {
    let collector = Collector::start();
    let upstream = Upstream::always(Response::pong());
    let settings = "aggregates.default.compare = true";
    let gateway = traced(&collector.endpoint(), &upstream, settings).await;
    assert_eq!(gateway.aggregate("?mode=compare").await.status, 200);
    let spans = all(gateway, &collector);
    assert_eq!(the(&spans, SpanKind::Server).get("gather.mode"), "compare");
    let calls = of_kind(&spans, SpanKind::Internal);
    let modes: Vec<_> = calls.iter().map(|call| call.get("gather.mode")).collect();
    assert_eq!(modes, ["sequential", "concurrent"]);
    assert_ne!(calls[0].id, calls[1].id);
    for (attempt, call) in of_kind(&spans, SpanKind::Client).iter().zip(&calls) {
        assert_eq!(attempt.parent, call.id);
    }
    let ids = told(&upstream).into_iter().map(|(_, span, _)| span);
    let recorded = of_kind(&spans, SpanKind::Client);
    assert!(ids.eq(recorded.iter().map(|span| span.id.clone())));
}

#[actix_web::test]
async fn what_failed_says_so_and_a_clients_mistake_is_no_failure() {
    let collector = Collector::start();
    let upstream = Upstream::always(Behaviour::CloseBeforeHead);
    let gateway = traced(&collector.endpoint(), &upstream, "").await;
    assert_eq!(gateway.aggregate("").await.status, 502);
    assert_eq!(gateway.aggregate("?nobodys=1").await.status, 400);
    assert_eq!(gateway.get("/aggregate/nobody").await.status, 404);
    for other in ["/metrics", "/livez", "/nowhere"] {
        gateway.get(other).await;
    }
    let spans = all(gateway, &collector);
    let requests = of_kind(&spans, SpanKind::Server);
    let told: Vec<_> = requests
        .iter()
        .map(|span| {
            let status = span.get("http.response.status_code");
            (status, span.failed, span.get("error.type"))
        })
        .collect();
    assert_eq!(
        told,
        [("502", true, "502"), ("400", false, ""), ("404", false, "")]
    );
    assert_eq!(requests[0].get("gather.outcome"), "failed");
    for kind in [SpanKind::Internal, SpanKind::Client] {
        let span = the(&spans, kind);
        assert!(span.failed);
        assert_eq!(span.get("error.type"), "protocol");
        assert_eq!(span.get("http.response.status_code"), "");
    }
}

#[actix_web::test]
async fn a_client_that_leaves_ends_its_spans() {
    let collector = Collector::start();
    let upstream = Upstream::always(Behaviour::HangBeforeHead);
    let gateway = traced(&collector.endpoint(), &upstream, "").await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate").await;
    assert!(upstream.wait_requests(1, SOON).await);
    drop(talk);
    let spans = collector.wait_spans(3).await;
    let request = the(&spans, SpanKind::Server);
    assert!(request.failed);
    assert_eq!(request.get("error.type"), "cancelled");
    assert_eq!(request.get("http.response.status_code"), "");
    assert_eq!(request.get("gather.aggregate"), "default");
    for kind in [SpanKind::Internal, SpanKind::Client] {
        let span = the(&spans, kind);
        assert_eq!(
            (span.failed, span.get("gather.result")),
            (false, "cancelled")
        );
    }
}

#[actix_web::test]
async fn a_streams_span_ends_with_its_body() {
    let collector = Collector::start();
    let pause = Duration::from_millis(200);
    let upstream = Upstream::always(Behaviour::from(Response::pong()).after(pause));
    let gateway = traced(&collector.endpoint(), &upstream, "").await;
    let lines = [("Accept", "application/x-ndjson")];
    let answer = gateway.get_with("/aggregate", &lines).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let spans = collector.wait_spans(3).await;
    let request = the(&spans, SpanKind::Server);
    // The answer's head left long before.
    assert!(u128::from(request.end - request.start) >= pause.as_nanos());
    assert_eq!(request.get("gather.outcome"), "complete");
    assert_eq!(request.get("error.type"), "");

    let hanging = Upstream::always(Behaviour::HangBeforeHead);
    let collector = Collector::start();
    let gateway = traced(&collector.endpoint(), &hanging, "").await;
    let mut talk = Talk::with(&gateway).await;
    talk.say("GET /aggregate HTTP/1.1\r\nHost: g\r\nAccept: application/x-ndjson\r\n\r\n")
        .await;
    assert!(hanging.wait_requests(1, SOON).await);
    drop(talk);
    let spans = collector.wait_spans(3).await;
    let request = the(&spans, SpanKind::Server);
    assert_eq!(request.get("error.type"), "cancelled");
    assert_eq!(request.get("http.response.status_code"), "200");
}

/// Asserts that requests are answered while spans can't be sent, and that a stop is not held up for long.
async fn unharmed(endpoint: &str, collector: Option<&Collector>) -> Gateway {
    let upstream = Upstream::always(Response::pong());
    let gateway = traced(endpoint, &upstream, "").await;
    assert_eq!(gateway.aggregate("").await.status, 200);
    if let Some(collector) = collector {
        // From here on, the exporter waits for its answer or pauses before it tries again.
        assert!(collector.wait_batches(1).await);
    }
    let since = Instant::now();
    for _ in 0..20 {
        assert_eq!(gateway.aggregate("").await.status, 200);
    }
    let took = since.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    gateway
}

#[actix_web::test]
async fn a_collector_that_is_down_or_fails_costs_no_request_anything_and_is_counted() {
    let down = Upstream::always(Response::pong()).url("");
    let failing = Collector::that(Response::new(500).into());
    for (endpoint, collector) in [(down, None), (failing.endpoint(), Some(&failing))] {
        let gateway = unharmed(&endpoint, collector).await;
        let since = Instant::now();
        while gateway.metric("gather_spans_dropped_total").await == 0.0 {
            assert!(since.elapsed() < SOON, "nothing is counted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[actix_web::test]
async fn a_collector_that_hangs_costs_no_request_anything_and_a_stop_its_bound() {
    let collector = Collector::that(Behaviour::HangBeforeHead);
    let mut gateway = unharmed(&collector.endpoint(), Some(&collector)).await;
    let since = Instant::now();
    gateway.begin_stop();
    gateway.wait_stopped();
    let took = since.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[actix_web::test]
async fn a_bucket_of_the_metrics_leads_to_a_recorded_trace_and_only_in_open_metrics() {
    let collector = Collector::start();
    let upstream = Upstream::always(Response::pong());
    let gateway = traced(&collector.endpoint(), &upstream, "").await;
    let recorded = "ab".repeat(16);
    for (flags, id) in [("01", &recorded), ("00", &"cd".repeat(16))] {
        let trace = context(flags).replace(TRACE, id);
        let headers = [("traceparent", trace.as_str())];
        assert_eq!(gateway.get_with("/aggregate", &headers).await.status, 200);
    }
    let open = [("Accept", "application/openmetrics-text")];
    let metrics = gateway.get_with("/metrics", &open).await;
    let exemplars: Vec<_> = metrics
        .text()
        .lines()
        .filter_map(|line| line.split_once(" # "))
        .collect();
    let [(bucket, exemplar)] = exemplars[..] else {
        panic!("{exemplars:?}")
    };
    let series =
        "gather_request_duration_seconds_bucket{aggregate=\"default\",mode=\"concurrent\",le=";
    assert!(bucket.starts_with(series), "{bucket}");
    let trace = format!("{{trace_id=\"{recorded}\"}} ");
    let seen = exemplar.strip_prefix(&trace).unwrap();
    let (value, _at) = seen.split_once(' ').unwrap();
    let (_, bound) = bucket.rsplit_once("le=\"").unwrap();
    let bound: f64 = bound.split('"').next().unwrap().parse().unwrap();
    assert!(
        value.parse::<f64>().unwrap() <= bound,
        "{bucket} {exemplar}"
    );
    assert!(!gateway.get("/metrics").await.text().contains("trace_id"));
}

#[actix_web::test]
async fn a_stop_sends_what_there_is() {
    let collector = Collector::start();
    let upstream = Upstream::always(Response::pong());
    let gateway = traced(&collector.endpoint(), &upstream, "").await;
    for _ in 0..200 {
        assert_eq!(gateway.aggregate("").await.status, 200);
    }
    // This is more than a batch, and most of it is younger than the time for which a batch waits.
    assert_eq!(all(gateway, &collector).len(), 600);
}

#[actix_web::test]
async fn a_call_with_a_path_made_from_values_is_named_by_its_template() {
    let collector = Collector::start();
    let upstream = Upstream::always(Response::pong());
    let settings = format!(
        "tracing.otlp_endpoint = \"{}\"\n
         [aggregates.home]
         path = \"/users/{{id}}/home\"
         calls = [\"one\", {{ upstream = \"one\", name = \"made\", path = \"/of/{{path.id}}\", method = \"DELETE\" }},
           {{ upstream = \"one\", name = \"own\", path = \"/fixed\", method = \"PUT\" }}]",
        collector.endpoint()
    );
    let urls = [("one", upstream.url("/base"))];
    let gateway = Gateway::start(&with_upstreams(&urls, &settings)).await;
    for target in ["/users/s%2Fecret/home", "/users/x/home?calls=own,made"] {
        assert_eq!(gateway.get(target).await.status, 200);
    }
    let spans = all(gateway, &collector);
    let attempts = of_kind(&spans, SpanKind::Client);
    let base = upstream.url("/base");
    let mut shown: Vec<_> = attempts
        .iter()
        .map(|span| {
            let url = span.get("url.full").replace(&base, "URL");
            format!(
                "{}|{}|{}|{url}",
                span.name,
                span.get("http.request.method"),
                span.get("url.template")
            )
        })
        .collect();
    shown.sort_unstable();
    let made = "DELETE /base/of/{path.id}|DELETE|/base/of/{path.id}|";
    let own = "PUT|PUT||URL/fixed";
    assert_eq!(shown, [made, made, "GET|GET||URL", own, own]);
}
