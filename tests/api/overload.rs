//! `server.max_in_flight`: a request beyond it is refused at once, and nothing of it goes upstream. Places come back
//! however a request ends.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    gateway::{Gateway, with_upstreams},
    upstream::{Behaviour, Response, Upstream},
};

/// A time far longer than a refusal takes, and far shorter than anything that it must not wait for.
const AT_ONCE: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(30);

/// Starts a gateway. By name, its upstreams answer at once, after [`LATER`], never, or with a large body.
async fn gateway(max_in_flight: usize) -> (Gateway, Upstream) {
    let upstream = Upstream::start(|request| match request.path() {
        "/later" => Behaviour::from(Response::pong()).after(LATER),
        "/never" => Behaviour::HangBeforeHead,
        // This is more than the sockets on the way hold.
        "/large" => Response::text(vec![b'x'; 24 << 20]).into(),
        _ => Response::pong().into(),
    });
    let names = ["soon", "later", "never", "large"];
    let urls = names.map(|name| (name, upstream.url(&format!("/{name}"))));
    let aggregates = names.map(|name| {
        format!(
            "[aggregates.{name}]\ncalls = [\"{name}\"]\ncompare = true\nmax_body = \"64MiB\"\n\
             deadline = \"60s\"\n"
        )
    });
    let rest = format!(
        "upstreams.large.max_body = \"32MiB\"\ndefaults.timeout = \"60s\"\n{}",
        aggregates.concat()
    );
    let server = format!(
        "server.workers = 2\nserver.grace = \"0s\"\nserver.max_in_flight = {max_in_flight}"
    );
    let gateway = Gateway::start_with(&server, &with_upstreams(&urls, &rest)).await;
    (gateway, upstream)
}

/// Sends a request and leaves its answer unread.
pub(crate) async fn ask(gateway: &Gateway, name: &str) -> TcpStream {
    let mut tcp = gateway.connect().await;
    let head = format!("GET /aggregate/{name} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    tcp.write_all(head.as_bytes()).await.unwrap();
    tcp
}

/// Asks again until the expected place has come back.
async fn until_taken(gateway: &Gateway) {
    let since = Instant::now();
    while gateway.get("/aggregate/soon").await.status != 200 {
        assert!(since.elapsed() < LONG, "the place never came back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[actix_web::test]
async fn the_third_of_two_is_refused_at_once_and_nothing_of_it_goes_upstream() {
    let (gateway, upstream) = gateway(2).await;
    let (one, two) = (
        gateway.get("/aggregate/later"),
        gateway.get("/aggregate/later"),
    );
    let third = async {
        assert!(upstream.wait_requests(2, LONG).await);
        let began = Instant::now();
        for refused in 1..=10 {
            let answer = gateway.get("/aggregate/soon").await;
            let problem = answer.problem(503, "overloaded");
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(
                problem["detail"]
                    .as_str()
                    .unwrap()
                    .contains("nothing was sent")
            );
            let shed = gateway
                .metric("gather_shed_total{aggregate=\"soon\"}")
                .await;
            assert_eq!(shed, f64::from(refused));
        }
        assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
        // A request is refused before its query is read, so this one need not be valid.
        gateway
            .get("/aggregate/soon?mode=x")
            .await
            .problem(503, "overloaded");
        assert_eq!(gateway.metric("gather_requests_in_flight").await, 2.0);
        assert_eq!(upstream.requests().len(), 2);
    };
    let (one, two, ()) = tokio::join!(one, two, third);
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!(gateway.get("/aggregate/soon").await.status, 200);
    assert_eq!(upstream.requests().len(), 3);
    let problems = "gather_problems_total{type=\"overloaded\"}";
    assert_eq!(gateway.metric(problems).await, 11.0);
    for (aggregate, count) in [("soon", 11.0), ("later", 0.0)] {
        let series = format!("gather_shed_total{{aggregate=\"{aggregate}\"}}");
        assert_eq!(gateway.metric(&series).await, count);
    }
}

#[actix_web::test]
async fn the_operational_routes_and_what_is_no_aggregate_are_never_refused_for_load() {
    let (gateway, upstream) = gateway(1).await;
    let _held = ask(&gateway, "never").await;
    assert!(upstream.wait_requests(1, LONG).await);
    gateway
        .get("/aggregate/soon")
        .await
        .problem(503, "overloaded");
    for route in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(gateway.get(route).await.status, 200, "{route}");
    }
    gateway
        .get("/aggregate/nobody")
        .await
        .problem(404, "unknown-aggregate");
}

#[actix_web::test]
async fn clients_that_leave_give_their_places_back() {
    let (gateway, upstream) = gateway(2).await;
    for round in 1..=5 {
        let held = [ask(&gateway, "never").await, ask(&gateway, "never").await];
        assert!(upstream.wait_requests(3 * round - 1, LONG).await);
        gateway
            .get("/aggregate/soon")
            .await
            .problem(503, "overloaded");
        drop(held);
        until_taken(&gateway).await;
    }
    gateway.wait_metric("gather_requests_in_flight", 0.0).await;
}

#[actix_web::test]
async fn a_refused_query_and_a_failed_aggregate_give_their_places_back() {
    let (gateway, _upstream) = gateway(1).await;
    for _ in 0..3 {
        gateway
            .get("/aggregate/soon?mode=x")
            .await
            .problem(400, "invalid-parameter");
        let late = gateway.get("/aggregate/never?timeout=20ms").await;
        late.problem(504, "upstream-timeout");
        assert_eq!(gateway.get("/aggregate/soon").await.status, 200);
    }
}

#[actix_web::test]
async fn a_comparison_takes_one_place() {
    let (gateway, upstream) = gateway(1).await;
    assert_eq!(
        gateway.get("/aggregate/soon?mode=compare").await.status,
        200
    );
    assert_eq!(upstream.requests().len(), 2);
}

#[actix_web::test]
async fn an_answer_that_its_client_has_not_taken_yet_keeps_its_place() {
    let (gateway, _upstream) = gateway(1).await;
    let mut slow = ask(&gateway, "large").await;
    let mut start = [0; 1024];
    slow.read_exact(&mut start).await.unwrap();
    assert!(start.starts_with(b"HTTP/1.1 200 OK\r\n"));
    // The aggregate is over, but its answer is not.
    gateway.wait_metric("gather_requests_in_flight", 0.0).await;
    gateway
        .get("/aggregate/soon")
        .await
        .problem(503, "overloaded");
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > 23 << 20 && rest.ends_with(b"}]}"));
    until_taken(&gateway).await;

    // A request whose client leaves in the middle gives its place back too.
    let mut leaves = ask(&gateway, "large").await;
    leaves.read_exact(&mut start).await.unwrap();
    gateway
        .get("/aggregate/soon")
        .await
        .problem(503, "overloaded");
    drop(leaves);
    until_taken(&gateway).await;
}
