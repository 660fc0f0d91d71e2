//! A handler that panics: its client gets a problem, the rest of the gateway does not notice.

use std::{net::SocketAddr, num::NonZeroUsize, rc::Rc, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, rt, web::Data};
use gather::{
    api::{self, Exposed, ProblemKind, Shared},
    fanout::{
        Aggregate, Body, Call, Completion, Failure, Forward, Lane, LaneSettings, Limit, Mode, Need,
        OnFailure, Reply, Upstream, UpstreamId,
    },
    readiness::{Readiness, Stage},
    telemetry::{Metrics, Names},
};
use http::StatusCode;

use crate::{gateway::request, talk::Talk};

/// Panics at its first attempt or only after a while, or doesn't.
#[derive(Clone, Copy)]
enum Script {
    PanicAtOnce,
    PanicLater,
    Answer,
}

impl Upstream for Script {
    type Context = Forward;

    async fn attempt(&self, _: &Forward) -> Result<Reply, Failure> {
        match self {
            Self::PanicAtOnce => panic!("secret: at once"),
            Self::PanicLater => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                panic!("secret: later")
            }
            Self::Answer => Ok(Reply {
                status: StatusCode::OK,
                body: Body::Empty,
            }),
        }
    }
}

const SCRIPTS: [(&str, Script); 3] = [
    ("at_once", Script::PanicAtOnce),
    ("later", Script::PanicLater),
    ("fine", Script::Answer),
];

fn exposed(name: &str, script: Script) -> Exposed<Script> {
    let call = |name: &str| Call {
        name: name.into(),
        id: UpstreamId(0),
        upstream: Rc::new(script),
        need: Need::Required,
        timeout: Duration::from_secs(5),
        lane: Arc::new(Lane::new(LaneSettings::default())),
    };
    Exposed {
        aggregate: Aggregate {
            name: name.into(),
            calls: vec![call("a"), call("b")],
            mode: Mode::Concurrent,
            concurrency: NonZeroUsize::MAX,
            deadline: Duration::from_secs(10),
            completion: Completion::All,
            on_failure: OnFailure::Partial,
        },
        compare: false,
        max_body: usize::MAX,
        forward_headers: Vec::new(),
        forward_query: Default::default(),
    }
}

/// One worker with the gateway's own routes and middleware, before upstreams that are a script.
fn serve() -> (SocketAddr, ServerHandle) {
    let metrics = Metrics::new(&Names {
        aggregates: &SCRIPTS.map(|(name, _)| name),
        upstreams: &["scripted"],
        problems: &ProblemKind::names(),
    });
    let shared = Shared {
        metrics: Arc::new(metrics.unwrap()),
        readiness: Arc::new(Readiness::default()),
    };
    shared.readiness.advance(Stage::Ready);
    // One place: a panic that kept it would leave none for whoever comes next.
    let in_flight = Arc::new(Limit::new(NonZeroUsize::MIN));
    let server = HttpServer::new(move || {
        let exposed = SCRIPTS.map(|(name, script)| exposed(name, script));
        let gateway = api::Gateway::new(
            exposed.into(),
            Arc::clone(&shared.metrics),
            Arc::clone(&in_flight),
        );
        App::new()
            .app_data(Data::new(shared.clone()))
            .configure(api::public(gateway, true))
            .wrap(from_fn(api::guard))
    })
    .workers(1)
    .disable_signals()
    .bind(("127.0.0.1", 0))
    .unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    rt::spawn(server);
    (address, handle)
}

#[actix_web::test]
async fn a_panic_is_a_problem_for_its_client_and_for_nobody_else() {
    let (address, server) = serve();
    let mut other = Talk::to(address).await;
    other.get("/aggregate/fine").await;
    assert_eq!(other.hear().await.status, 200);

    for name in ["at_once", "later", "at_once"] {
        let target = format!("/aggregate/{name}");
        let headers = [("X-Request-Id", "req-42")];
        let answer = request(address, "GET", &target, &headers, b"").await;
        answer.problem(500, "internal");
        assert_eq!(answer.header("x-request-id"), Some("req-42"));
        for private in ["secret", "panic", ".rs", "scripted"] {
            assert!(!answer.text().contains(private), "{}", answer.text());
        }
        other.get("/aggregate/fine").await;
        assert_eq!(other.hear().await.status, 200, "after {name}");
    }

    let metrics = request(address, "GET", "/metrics", &[], b"").await;
    for line in [
        "gather_panics_total 3",
        "gather_problems_total{type=\"internal\"} 3",
        "gather_requests_in_flight 0",
        "gather_attempts_in_flight{upstream=\"scripted\"} 0",
        "gather_requests_total{aggregate=\"at_once\",mode=\"concurrent\",outcome=\"failed\"} 2",
        "gather_requests_total{aggregate=\"at_once\",mode=\"concurrent\",outcome=\"cancelled\"} 0",
        "gather_requests_total{aggregate=\"later\",mode=\"concurrent\",outcome=\"failed\"} 1",
        "gather_requests_total{aggregate=\"fine\",mode=\"concurrent\",outcome=\"complete\"} 4",
    ] {
        assert!(
            metrics.text().lines().any(|known| known == line),
            "no {line} in\n{}",
            metrics.text()
        );
    }
    drop(other);
    server.stop(true).await;
}
