//! A gateway whose upstreams are a script that panics. It has the gateway's own routes and middleware, on a free port.
//! Such a script is needed, as no setting and no request makes a gateway panic.

// Every test crate includes this file and uses its own part of it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use std::{net::SocketAddr, num::NonZeroUsize, rc::Rc, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware::from_fn, rt, web::Data};
use gather::{
    api::{self, Exposed, ProblemKind, Shared},
    compose::Shape,
    endpoint::{Endpoint, Limits},
    exchange::{ClientContext, Memory},
    fanout::{
        Aggregate, Body, Call, Earlier, Failure, Limit, Policy, PolicySettings, Question, Reply,
        Rules, Turn, Upstream, UpstreamId,
    },
    readiness::{Readiness, Stage},
    telemetry::Metrics,
};
use http::{Method, StatusCode};

const TIMEOUT: Duration = Duration::from_secs(5);

/// An upstream that panics at its first attempt, or after a while, or not at all.
#[derive(Clone, Copy)]
enum Script {
    PanicAtOnce,
    PanicLater,
    Answer,
}

impl Upstream for Script {
    type Context = ClientContext;
    type Request = ();

    fn turn<'a>(&'a self, _: &'a ClientContext, _: Earlier<'a>) -> Turn<'a, ()> {
        Turn::Send(())
    }

    fn list(&self, _: &ClientContext, _: Vec<Option<Body>>) -> Result<Body, Failure> {
        Ok(Body::Empty)
    }

    async fn attempt(&self, _: &Question<'_, Self>) -> Result<Reply, Failure> {
        match self {
            Self::PanicAtOnce => panic!("secret: at once"),
            Self::PanicLater => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                panic!("secret: later")
            }
            Self::Answer => Ok(Reply::new(StatusCode::OK, Body::Empty)),
        }
    }
}

const SCRIPTS: [(&str, Script); 3] = [
    ("at_once", Script::PanicAtOnce),
    ("later", Script::PanicLater),
    ("fine", Script::Answer),
];

fn exposed(name: &str, script: Script) -> Exposed<Script> {
    let call = |name: &str| {
        let policy = Arc::new(Policy::new(PolicySettings::default()));
        Call::new(name, UpstreamId(0), Rc::new(script), TIMEOUT, policy)
    };
    let endpoint = Endpoint {
        name: name.into(),
        calls: Vec::new(),
        rules: Rules::default(),
        limits: Limits {
            compare: false,
            max_body: usize::MAX,
            max_request_body: 0,
            parameters: true,
        },
        forward_headers: Vec::new(),
        forward_query: Vec::new(),
        deadline_headers: Default::default(),
        pass_status: Vec::new(),
        route: None,
        methods: vec![Method::GET],
        shape: Shape::default(),
        response_headers: Vec::new(),
    };
    Exposed {
        endpoint: Arc::new(endpoint),
        aggregate: Aggregate {
            name: name.into(),
            calls: vec![call("a"), call("b")],
            rules: Rules::default(),
        },
    }
}

/// Starts the gateway with one worker. The aggregates `at_once` and `later` panic, and `fine` answers. It needs an
/// actix system around it.
pub fn serve() -> (SocketAddr, ServerHandle) {
    let metrics = Arc::new(Metrics::new(&ProblemKind::names()).unwrap());
    metrics.set_ready(true);
    let resolved = metrics.resolve(SCRIPTS.map(|(name, _)| name), [("scripted", TIMEOUT)]);
    let resolved = Arc::new(resolved);
    let shared = Shared {
        spans: None,
        compression: false,
        memory: Memory::new(1 << 30),
        metrics,
        readiness: Arc::new(Readiness::default()),
    };
    shared.readiness.advance(Stage::Ready);
    // There is one place. A panic that kept it would leave none for the next request.
    let in_flight = Arc::new(Limit::new(NonZeroUsize::MIN));
    let optional = api::OptionalRoutes {
        operations: true,
        console: false,
    };
    let routes = api::Routes::public(optional, &[]).unwrap();
    let server = HttpServer::new(move || {
        let exposed = SCRIPTS.map(|(name, script)| exposed(name, script));
        let gateway = api::Gateway::new(api::GatewayParts {
            exposed: exposed.into(),
            routes: routes.clone(),
            document: Default::default(),
            console: None,
            metrics: Arc::clone(&resolved),
            targets: Default::default(),
            deployment: api::Deployment::new(0),
            in_flight: Arc::clone(&in_flight),
            memory: shared.memory.clone(),
        });
        App::new()
            .app_data(Data::new(shared.clone()))
            .configure(api::public(gateway))
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
