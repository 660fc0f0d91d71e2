//! The parts of a client's request that go upstream: the configured ones, byte for byte, and nothing else.

use crate::{
    gateway::{Answer, Gateway},
    upstream::{Request, Response, Upstream},
};

/// A gateway with one call whose upstream has these settings.
async fn one(settings: &str) -> (Gateway, Upstream) {
    let upstream = Upstream::always(Response::pong());
    let url = upstream.url("/ping");
    let gateway = Gateway::start(&format!(
        "[upstreams.one]\nurl = \"{url}\"\n{settings}\n[aggregates.default]\ncalls = [\"one\"]"
    ))
    .await;
    (gateway, upstream)
}

/// Asks with these headers. Returns the answer and the request that reached the upstream.
async fn sent(
    gateway: &Gateway,
    upstream: &Upstream,
    query: &str,
    headers: &[(&str, &str)],
) -> (Answer, Request) {
    let answer = gateway
        .get_with(&format!("/aggregate{query}"), headers)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    (answer, upstream.requests().pop().unwrap())
}

fn values<'a>(request: &'a Request, name: &str) -> Vec<&'a str> {
    let fields = request.headers.iter().filter(|(known, _)| known == name);
    fields.map(|(_, value)| value.as_str()).collect()
}

#[actix_web::test]
async fn an_upstream_hears_only_what_a_request_needs() {
    let (gateway, upstream) = one("").await;
    let headers = [
        ("Cookie", "session=secret"),
        ("Authorization", "Bearer secret"),
        ("X-Api-Key", "secret"),
        ("Accept-Language", "de"),
        ("Accept", "text/html"),
        ("User-Agent", "curl/8"),
        ("Referer", "http://secret.example/"),
        ("X-Forwarded-For", "203.0.113.7"),
        ("Traceparent", "00-0-0-00"),
        ("Prefer", "wait=5"),
        ("Range", "bytes=0-1"),
        ("If-None-Match", "\"1\""),
    ];
    let (_, request) = sent(&gateway, &upstream, "", &headers).await;
    let mut names: Vec<_> = request
        .headers
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "accept-encoding",
            "cdn-loop",
            "host",
            "traceparent",
            "user-agent",
            "x-request-id"
        ],
        "{request:?}"
    );
    assert_eq!(request.method, "GET");
    assert_eq!(request.target, "/ping");
    assert_eq!(request.body, b"");
    let version = concat!("gather/", env!("CARGO_PKG_VERSION"));
    assert_eq!(values(&request, "user-agent"), [version]);
    let address = upstream.addr().to_string();
    assert_eq!(values(&request, "host"), [address.as_str()]);
    assert_eq!(values(&request, "accept-encoding"), ["identity"]);
}

#[actix_web::test]
async fn only_the_configured_headers_are_passed_on_and_each_of_their_values() {
    let (gateway, upstream) = one("forward_headers = [\"Accept-Language\", \"x-tenant\"]").await;
    let headers = [
        ("accept-language", "de, en;q=0.5"),
        ("X-TENANT", "one"),
        ("X-Tenant", "two \"quoted\" \u{e9}"),
        ("X-Tenants", "no"),
        ("Authorization", "Bearer secret"),
    ];
    let (_, request) = sent(&gateway, &upstream, "", &headers).await;
    assert_eq!(values(&request, "accept-language"), ["de, en;q=0.5"]);
    assert_eq!(
        values(&request, "x-tenant"),
        ["one", "two \"quoted\" \u{e9}"]
    );
    assert_eq!(request.header_count("x-tenants"), 0);
    assert_eq!(request.header_count("authorization"), 0);
}

#[actix_web::test]
async fn each_upstream_gets_its_own_headers_and_parameters_alone() {
    let upstream = Upstream::always(Response::pong());
    let rest = "[upstreams.a]\nforward_headers = [\"x-a\"]\nforward_query = [\"a\"]
                [upstreams.b]\nforward_headers = [\"x-b\"]\nforward_query = [\"b\"]
                [aggregates.default]\ncalls = [\"a\", \"b\"]\nmode = \"sequential\"";
    let config = rest
        .replace(
            "[upstreams.a]",
            &format!("[upstreams.a]\nurl = \"{}\"", upstream.url("/a")),
        )
        .replace(
            "[upstreams.b]",
            &format!("[upstreams.b]\nurl = \"{}\"", upstream.url("/b")),
        );
    let gateway = Gateway::start(&config).await;
    let headers = [("X-A", "for a"), ("X-B", "for b")];
    let answer = gateway.get_with("/aggregate?a=1&b=2", &headers).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let requests = upstream.requests();
    for (request, own, other) in [(&requests[0], "a", "b"), (&requests[1], "b", "a")] {
        assert_eq!(request.path(), format!("/{own}"));
        let value = if own == "a" { "1" } else { "2" };
        assert_eq!(request.query(), Some(format!("{own}={value}").as_str()));
        assert_eq!(
            request.header(&format!("x-{own}")),
            Some(format!("for {own}").as_str())
        );
        assert_eq!(request.header(&format!("x-{other}")), None);
    }
}

#[actix_web::test]
async fn what_the_clients_connection_names_ends_at_the_gateway() {
    let (gateway, upstream) = one("forward_headers = [\"x-hop\", \"x-end\"]").await;
    let headers = [
        ("Connection", "X-Hop , close"),
        ("X-Hop", "for the gateway alone"),
        ("X-End", "for the upstream"),
    ];
    let (_, request) = sent(&gateway, &upstream, "", &headers).await;
    assert_eq!(request.header("x-hop"), None);
    assert_eq!(request.header("x-end"), Some("for the upstream"));
}

#[actix_web::test]
async fn fixed_headers_are_sent_with_every_attempt() {
    let settings = "headers = { authorization = \"Bearer fixed\", accept = \"application/json\", \
                    user-agent = \"shop/1\", host = \"users.internal\" }\nforward_query = [\"id\"]";
    let (gateway, upstream) = one(settings).await;
    for query in ["", "?id=1"] {
        let headers = [("Authorization", "Bearer of the client")];
        let (_, request) = sent(&gateway, &upstream, query, &headers).await;
        assert_eq!(values(&request, "authorization"), ["Bearer fixed"]);
        assert_eq!(values(&request, "accept"), ["application/json"]);
        assert_eq!(values(&request, "user-agent"), ["shop/1"]);
        assert_eq!(values(&request, "host"), ["users.internal"], "{query}");
    }
}

#[actix_web::test]
async fn a_forwarded_user_agent_takes_the_place_of_gathers_own() {
    let settings = "forward_headers = [\"user-agent\"]\nforward_query = [\"id\"]";
    let (gateway, upstream) = one(settings).await;
    for query in ["", "?id=1"] {
        let headers = [("User-Agent", "curl/8")];
        let (_, request) = sent(&gateway, &upstream, query, &headers).await;
        assert_eq!(values(&request, "user-agent"), ["curl/8"], "{query}");
    }
}

#[actix_web::test]
async fn a_forwarded_accept_encoding_takes_the_place_of_gathers_own() {
    let settings = "forward_headers = [\"accept-encoding\"]\nforward_query = [\"id\"]";
    let (gateway, upstream) = one(settings).await;
    for query in ["", "?id=1"] {
        let headers = [("Accept-Encoding", "identity, gzip;q=0")];
        let (_, request) = sent(&gateway, &upstream, query, &headers).await;
        let values = values(&request, "accept-encoding");
        assert_eq!(values, ["identity, gzip;q=0"], "{query}");
    }
}

#[actix_web::test]
async fn declared_parameters_are_passed_on_byte_for_byte() {
    let (gateway, upstream) = one("forward_query = [\"id\", \"q\"]").await;
    for query in [
        "?id=1",
        "?id=1&id=2&id=1",
        "?q=%20a+b%2bC%C3%A9%ff&id=%31",
        "?q=a=b=c",
        "?q=",
        "?q",
        "?%71=%71",
        "?q=a;b,c:d/e?f@g!h$i'j(k)l*m~n",
    ] {
        let (_, request) = sent(&gateway, &upstream, query, &[]).await;
        assert_eq!(request.target, format!("/ping{query}"));
    }
}

#[actix_web::test]
async fn gathers_own_parameters_stay_with_gather() {
    let (gateway, upstream) = one("forward_query = [\"id\"]").await;
    let query = "?mode=sync&id=1&timeout=2s&calls=one&concurrency=1&wait_for=all";
    let (_, request) = sent(&gateway, &upstream, query, &[]).await;
    assert_eq!(request.target, "/ping?id=1");
}

#[actix_web::test]
async fn declared_parameters_follow_those_of_the_url() {
    let upstream = Upstream::always(Response::pong());
    let rest = "upstreams.one.forward_query = [\"id\"]\naggregates.default.calls = [\"one\"]";
    let gateway = Gateway::before(&[("one", upstream.url("/ping?fixed=%20"))], rest).await;
    let (_, request) = sent(&gateway, &upstream, "?id=1", &[]).await;
    assert_eq!(request.target, "/ping?fixed=%20&id=1");
    let (_, request) = sent(&gateway, &upstream, "", &[]).await;
    assert_eq!(request.target, "/ping?fixed=%20");
}

#[actix_web::test]
async fn a_sane_request_id_goes_upstream_and_back() {
    let (gateway, upstream) = one("forward_query = [\"id\"]").await;
    let longest = "x".repeat(128);
    for id in [
        "req-42",
        "a",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "A.b_c:d~e+f/g=h@i",
        &longest,
    ] {
        for query in ["", "?id=1"] {
            let (answer, request) = sent(&gateway, &upstream, query, &[("X-Request-Id", id)]).await;
            assert_eq!(answer.header("x-request-id"), Some(id));
            assert_eq!(values(&request, "x-request-id"), [id]);
        }
    }
}

#[actix_web::test]
async fn an_insane_request_id_is_replaced_everywhere() {
    let (gateway, upstream) = one("").await;
    let too_long = "x".repeat(129);
    for id in ["", "a b", "a\"b", "a;b=c", "<script>", "\u{e9}", &too_long] {
        let (answer, request) = sent(&gateway, &upstream, "", &[("X-Request-Id", id)]).await;
        let new = answer.header("x-request-id").unwrap();
        assert_eq!(new.len(), 32, "{id:?} became {new:?}");
        assert!(new.bytes().all(|byte| byte.is_ascii_hexdigit()), "{new:?}");
        assert_eq!(values(&request, "x-request-id"), [new], "{id:?}");
    }
    let new = |answer: &Answer| answer.header("x-request-id").unwrap().to_owned();
    let (one, _) = sent(&gateway, &upstream, "", &[]).await;
    let (other, _) = sent(&gateway, &upstream, "", &[]).await;
    assert_ne!(new(&one), new(&other));
}

#[actix_web::test]
async fn all_calls_of_a_request_share_its_id() {
    let upstream = Upstream::always(Response::pong());
    let urls = [("a", upstream.url("/a")), ("b", upstream.url("/b"))];
    let gateway = Gateway::before(&urls, "aggregates.default.calls = [\"a\", \"b\"]").await;
    let answer = gateway.aggregate("").await;
    let ids: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| request.header("x-request-id").map(str::to_owned))
        .collect();
    let id = answer.header("x-request-id").map(str::to_owned);
    assert_eq!(ids, [id.clone(), id]);
}
