//! Requests with different paths and methods, over one service.

use std::{
    cell::Cell,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    num::NonZeroU32,
    rc::Rc,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use tokio::{
    task::LocalSet,
    time::{Instant, sleep},
};

use super::{
    Adapter, Composed, Names, PreparedRequest, PreparedService, Request, ResendBudget, Roots,
    Service, Sessions, Settings, Wire,
    fixture::{client, path, request},
};
use crate::fanout::{
    Aggregate, AttemptId, BreakerSettings, Call, Choice, Earlier, Failure, FailureKind, HeadStatus,
    Mode, Policy, PolicySettings, Question, Repeatable, Reply, Rules, Trip, Upstream as _,
    UpstreamId, run,
};

/// A server whose connections each answer this many requests, and are closed at the next without an answer. A path with
/// `broken` in it is answered with 500.
struct Server {
    address: SocketAddr,
    /// The connection's number, and the whole request.
    seen: Arc<Mutex<Vec<(usize, String)>>>,
}

impl Server {
    fn answering(most: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let told = Arc::clone(&seen);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let told = Arc::clone(&told);
                thread::spawn(move || serve(stream.unwrap(), number, most, &told));
            }
        });
        Self { address, seen }
    }

    /// Returns the number of each request's connection, with the request's first words.
    fn seen(&self) -> Vec<(usize, String)> {
        let seen = self.seen.lock().unwrap();
        let start = |request: &str| request.split(" HTTP").next().unwrap().to_owned();
        seen.iter()
            .map(|(number, request)| (*number, start(request)))
            .collect()
    }

    fn connections(&self) -> Vec<usize> {
        self.seen().into_iter().map(|(number, _)| number).collect()
    }
}

fn serve(mut stream: TcpStream, number: usize, most: usize, told: &Mutex<Vec<(usize, String)>>) {
    for answered in 0.. {
        let mut bytes = vec![0; 4096];
        let size = stream.read(&mut bytes).unwrap_or(0);
        if size == 0 || answered == most {
            return;
        }
        let request = String::from_utf8_lossy(&bytes[..size]).into_owned();
        let status = match request.contains("/broken") {
            true => "500 Broken",
            false => "200 OK",
        };
        told.lock().unwrap().push((number, request));
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

/// A budget for this many requests.
struct Tokens(Cell<usize>);

impl ResendBudget for Tokens {
    fn withdraw(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}

fn settings(server: &Server, keep_alive: Duration) -> Service {
    Service {
        keep_alive,
        ..Settings::of(&format!("http://{}", server.address)).service
    }
}

fn wire(service: Service, tokens: usize) -> Rc<Wire> {
    let sessions = Sessions::of([&service], || Roots::of(Vec::new()).0).unwrap();
    let service = PreparedService::new(service, &sessions, &mut Names::default()).unwrap();
    let budget = Rc::new(Tokens(Cell::new(tokens)));
    Rc::new(Wire::new(&service, Rc::new(()), budget, &Rc::default()))
}

fn adapter(wire: &Rc<Wire>, method: Method, target: &'static str) -> Rc<Adapter> {
    let request = Request {
        method,
        target: target.parse().unwrap(),
        ..Settings::of("http://unused").request
    };
    Rc::new(Adapter::new(wire, &PreparedRequest::new(request)))
}

async fn attempt(adapter: &Adapter) -> Result<Reply, Failure> {
    let until = Instant::now() + Duration::from_secs(5);
    let heard = HeadStatus::default();
    let client = client("");
    let question = Question {
        context: &client,
        request: &None,
        earlier: Earlier::NONE,
        id: AttemptId::ONLY,
        until,
        head: &heard,
    };
    adapter.attempt(&question).await
}

const KEEP_ALIVE: Duration = Duration::from_secs(4);

#[tokio::test]
async fn two_requests_use_one_connection_and_each_sends_its_own_bytes() {
    let server = Server::answering(usize::MAX);
    let wire = wire(settings(&server, KEEP_ALIVE), 0);
    let users = adapter(&wire, Method::GET, "/users?id=1");
    let order = PreparedRequest::new(Request {
        method: Method::POST,
        target: "/orders".parse().unwrap(),
        headers: vec![(header::ACCEPT, HeaderValue::from_static("text/plain"))],
        body: Some(Bytes::from_static(b"{\"id\":1}")),
        ..Settings::of("http://unused").request
    });
    let orders = Adapter::new(&wire, &order);
    LocalSet::new()
        .run_until(async {
            for _ in 0..2 {
                attempt(&users).await.unwrap();
                attempt(&orders).await.unwrap();
            }
        })
        .await;
    let (get, post) = ("GET /users?id=1", "POST /orders");
    let expected = [get, post, get, post].map(|start| (0, start.to_owned()));
    assert_eq!(server.seen(), expected);
    let seen = server.seen.lock().unwrap();
    let (get, post) = (&seen[0].1, &seen[1].1);
    assert!(
        !get.contains("accept:") && get.ends_with("\r\n\r\n"),
        "{get}"
    );
    assert!(
        post.contains("accept: text/plain\r\n") && post.ends_with("{\"id\":1}"),
        "{post}"
    );
    let host = format!("host: {}\r\n", server.address);
    assert!(get.contains(&host) && post.contains(&host));
}

#[tokio::test]
async fn a_request_that_may_not_be_sent_twice_leaves_a_connection_that_is_not_sure_to_the_others() {
    let server = Server::answering(usize::MAX);
    let wire = wire(settings(&server, KEEP_ALIVE), 0);
    let get = adapter(&wire, Method::GET, "/users");
    let broken = adapter(&wire, Method::GET, "/broken");
    let post = adapter(&wire, Method::POST, "/orders");
    LocalSet::new()
        .run_until(async {
            attempt(&broken).await.unwrap_err();
            // The last answer was an error.
            attempt(&post).await.unwrap();
            attempt(&post).await.unwrap();
            // The connection has waited for more than a quarter of the time.
            sleep(KEEP_ALIVE / 4 + Duration::from_millis(100)).await;
            attempt(&post).await.unwrap();
            attempt(&get).await.unwrap();
        })
        .await;
    assert_eq!(server.connections(), [0, 1, 1, 2, 2]);
}

#[tokio::test]
async fn a_large_body_leaves_a_connection_to_requests_that_may_be_sent_twice() {
    let server = Server::answering(usize::MAX);
    let wire = wire(settings(&server, KEEP_ALIVE), 0);
    let get = adapter(&wire, Method::GET, "/users");
    let post = adapter(&wire, Method::POST, "/orders");
    let idle = Duration::MAX;
    LocalSet::new()
        .run_until(async {
            let until = Instant::now() + Duration::from_secs(5);
            let large = wire.open(until).await.unwrap();
            wire.keep(large, Some(StatusCode::OK), 16 * 1024 + 1, idle);
            attempt(&post).await.unwrap();
            // The last connection that came back is that of the other request.
            let last = wire.kept(Repeatable::Yes).await;
            attempt(&get).await.unwrap();
            drop(last);
        })
        .await;
    assert_eq!(server.connections(), [1, 0]);
}

#[tokio::test]
async fn without_a_request_that_may_be_sent_twice_no_connection_waits_for_one() {
    let server = Server::answering(usize::MAX);
    let wire = wire(settings(&server, KEEP_ALIVE), 0);
    let broken = adapter(&wire, Method::POST, "/broken");
    LocalSet::new()
        .run_until(async {
            attempt(&broken).await.unwrap_err();
            assert!(wire.kept(Repeatable::Yes).await.is_none());
        })
        .await;
}

#[tokio::test]
async fn two_requests_pay_for_what_is_sent_again_from_one_budget() {
    let server = Server::answering(1);
    let wire = wire(settings(&server, KEEP_ALIVE), 1);
    let one = adapter(&wire, Method::GET, "/broken/one");
    let other = adapter(&wire, Method::GET, "/broken/other");
    LocalSet::new()
        .run_until(async {
            let kinds = [
                attempt(&one).await.unwrap_err().kind,
                // The other's connection is closed, and a new attempt is paid for.
                attempt(&other).await.unwrap_err().kind,
                attempt(&one).await.unwrap_err().kind,
            ];
            let (status, protocol) = (FailureKind::Status, FailureKind::Protocol);
            assert_eq!(kinds, [status, status, protocol]);
        })
        .await;
    let expected = [(0, "GET /broken/one"), (1, "GET /broken/other")];
    assert_eq!(
        server.seen(),
        expected.map(|(at, start)| (at, start.to_owned()))
    );
}

/// Makes a service whose breaker opens at the first failure, and calls two requests of it, one after the other.
async fn in_sequence(
    server: &Server,
    adapter: impl Fn(&Rc<Wire>, &'static str) -> Rc<Adapter>,
    targets: [&'static str; 2],
) -> Vec<Result<(), FailureKind>> {
    let mut service = settings(server, KEEP_ALIVE);
    service.policy = PolicySettings {
        breaker: Some(BreakerSettings {
            trip: Trip::InARow(NonZeroU32::MIN),
            open_for: Duration::from_secs(60),
        }),
        ..PolicySettings::default()
    };
    let policy = Arc::new(Policy::new(service.policy.clone()));
    let wire = wire(service, 0);
    let call = |target: &'static str| {
        let adapter = adapter(&wire, target);
        let timeout = Duration::from_secs(5);
        Call::new(target, UpstreamId(0), adapter, timeout, Arc::clone(&policy))
    };
    let aggregate = Aggregate {
        name: "both".into(),
        calls: targets.map(call).into(),
        rules: Rules::default(),
    };
    let outcome = LocalSet::new()
        .run_until(async {
            let choice = Choice::default();
            let deadline = aggregate.deadline(&choice, Instant::now());
            let plan = aggregate.plan(&choice, Mode::Sequential, deadline).unwrap();
            run(&plan, &client("42"), &()).await
        })
        .await;
    let results = outcome.results.into_iter();
    let ends = results.map(|call| call.result.map(drop).map_err(|failure| failure.kind));
    ends.collect()
}

const BROKEN: [Result<(), FailureKind>; 2] =
    [Err(FailureKind::Status), Err(FailureKind::CircuitOpen)];

#[tokio::test]
async fn two_requests_have_one_breaker() {
    let server = Server::answering(usize::MAX);
    let fixed = |wire: &Rc<Wire>, target| adapter(wire, Method::GET, target);
    let ends = in_sequence(&server, fixed, ["/broken", "/users"]).await;
    assert_eq!(ends, BROKEN);
    assert_eq!(server.seen(), [(0, "GET /broken".to_owned())]);
}

#[tokio::test]
async fn two_requests_that_are_made_from_values_have_one_connection_and_one_breaker() {
    let made = |wire: &Rc<Wire>, target| {
        let composed = Composed {
            path: Some(path(target)),
            ..Composed::default()
        };
        let request = PreparedRequest::new(request(Method::GET, composed));
        Rc::new(Adapter::new(wire, &request))
    };
    let start = |place, path: &str| (place, format!("GET {path}?fixed=1"));
    let server = Server::answering(usize::MAX);
    let ends = in_sequence(&server, made, ["/users/{path.id}", "/teams/{path.id}"]).await;
    assert_eq!(ends, [Ok(()), Ok(())]);
    assert_eq!(
        server.seen(),
        [start(0, "/users/42"), start(0, "/teams/42")]
    );
    let server = Server::answering(usize::MAX);
    let ends = in_sequence(&server, made, ["/broken/{path.id}", "/teams/{path.id}"]).await;
    assert_eq!(ends, BROKEN);
    assert_eq!(server.seen(), [start(0, "/broken/42")]);
}
