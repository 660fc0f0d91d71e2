//! Calls that are made from values, over a socket: requests, conditions, kept fields, and one request an element.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    num::{NonZeroU32, NonZeroUsize},
    rc::Rc,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use http::{Method, header as name};
use tokio::{task::LocalSet, time::Instant};

use super::{
    Adapter, Composed, EachSettings, Names, PreparedRequest, PreparedService, Request, Roots,
    Service, Sessions, Settings, Tolerance, Wire,
    fixture::{client, header, json, known, path, query, request, with_body},
};
use crate::{
    exchange::ClientContext,
    expression::Expression,
    fanout::{
        Aggregate, Body, Call, CallResult, Choice, FailureKind, Mode, Policy, PolicySettings,
        Retry, Rules, UpstreamId, run,
    },
    values::Reference,
};

/// A server that keeps all requests, and answers each with a text that its path decides.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Vec<_>>>::default();
        let told = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let told = Arc::clone(&told);
                thread::spawn(move || serve(stream.unwrap(), &told));
            }
        });
        Self { address, seen }
    }

    /// Returns the first words of each request.
    fn starts(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let start = |request: &String| request.split(" HTTP").next().unwrap().to_owned();
        seen.iter().map(start).collect()
    }

    /// Returns the values of a field in all requests.
    fn values(&self, name: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let value = |request: &String| {
            let mut lines = request.lines();
            lines
                .find_map(|line| line.strip_prefix(&format!("{name}: ")))
                .map(str::to_owned)
        };
        seen.iter().filter_map(value).collect()
    }
}

fn serve(mut stream: TcpStream, told: &Mutex<Vec<String>>) {
    loop {
        let mut bytes = vec![0; 64 * 1024];
        let size = stream.read(&mut bytes).unwrap_or(0);
        if size == 0 {
            return;
        }
        let request = String::from_utf8_lossy(&bytes[..size]).into_owned();
        let count = {
            let mut told = told.lock().unwrap();
            told.push(request.clone());
            told.len()
        };
        let status =
            match request.contains("/broken") || (request.contains("/mended") && count == 1) {
                true => "503 Broken",
                false => "200 OK",
            };
        let body = match request.contains("/gone") {
            true => "{\"ok\":false}".to_owned(),
            false => format!(
                "{{\"ok\":true,\"path\":{:?}}}",
                request.split(' ').nth(1).unwrap()
            ),
        };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nSet-Cookie: a=1\r\nETag: \"x\"\r\nSet-Cookie: b=2\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

/// Makes calls of these requests, all over one wire, in sequence.
async fn make(server: &Server, requests: Vec<Request>, client: &ClientContext) -> Vec<CallResult> {
    let mut service = Service {
        ..Settings::of(&format!("http://{}", server.address)).service
    };
    service.policy = PolicySettings {
        retry: Retry {
            attempts: NonZeroU32::new(2).unwrap(),
            backoff: Duration::from_millis(1),
            ..Retry::default()
        },
        ..PolicySettings::default()
    };
    let policy = Arc::new(Policy::new(service.policy.clone()));
    let sessions = Sessions::of([&service], || Roots::of(Vec::new()).0).unwrap();
    let service = PreparedService::new(service, &sessions, &mut Names::default()).unwrap();
    let wire = Rc::new(Wire::new(
        &service,
        Rc::new(()),
        Rc::new(()),
        &Rc::default(),
    ));
    let call = |(index, request): (usize, Request)| {
        let repeatable = request.repeatable();
        let adapter = Rc::new(Adapter::new(&wire, &PreparedRequest::new(request)));
        let name = ["users", "own"][index];
        Call {
            repeatable,
            after: (0..index).collect(),
            is_read: true,
            ..Call::new(
                name,
                UpstreamId(0),
                adapter,
                Duration::from_secs(5),
                Arc::clone(&policy),
            )
        }
    };
    let aggregate = Aggregate {
        name: "all".into(),
        calls: requests.into_iter().enumerate().map(call).collect(),
        rules: Rules::default(),
    };
    let outcome = LocalSet::new()
        .run_until(async {
            let choice = Choice::default();
            let deadline = aggregate.deadline(&choice, Instant::now());
            let plan = aggregate.plan(&choice, Mode::Concurrent, deadline).unwrap();
            run(&plan, client, &()).await
        })
        .await;
    outcome.results
}

fn get(target: &'static str) -> Request {
    Request::get(target.parse().unwrap())
}

fn expression(text: &str) -> Option<Expression> {
    Some(known(|known| Expression::parse(text, known)).unwrap())
}

fn kind(result: &CallResult) -> Option<FailureKind> {
    result.result.as_ref().err().map(|failure| failure.kind)
}

fn detail(result: &CallResult) -> &str {
    &result.result.as_ref().unwrap_err().detail
}

#[tokio::test]
async fn a_call_is_made_from_the_client_and_from_the_answer_before_it() {
    let server = Server::start();
    let mut users = get("/users");
    users.kept_fields = vec![name::ETAG];
    let composed = Composed {
        path: Some(path("/of/{path.id}")),
        query: vec![query("at", "{users.body.path}")],
        headers: vec![header("if-match", "{users.headers.etag}")],
        content: json(r#"{"ok": "{users.body.ok}"}"#),
        ..Composed::default()
    };
    let own = request(Method::POST, composed);
    let results = make(&server, vec![users, own], &client("4/2")).await;
    assert!(
        results.iter().all(|call| call.result.is_ok()),
        "{results:?}"
    );
    assert_eq!(
        server.starts(),
        ["GET /users", "POST /of/4%2F2?fixed=1&at=%2Fusers"]
    );
    assert_eq!(server.values("if-match"), ["\"x\""]);
    let seen = server.seen.lock().unwrap();
    assert!(seen[1].ends_with("\r\n\r\n{\"ok\":true}"), "{}", seen[1]);
}

#[tokio::test]
async fn all_attempts_of_a_call_have_one_key_and_a_post_may_be_repeated() {
    let server = Server::start();
    let composed = Composed {
        path: Some(path("/mended")),
        idempotency_key: true,
        ..Composed::default()
    };
    let post = request(Method::POST, composed);
    let results = make(&server, vec![post], &client("42")).await;
    assert_eq!((kind(&results[0]), results[0].attempts), (None, 2));
    let keys = server.values("idempotency-key");
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn only_the_fields_that_are_asked_for_are_kept_and_all_of_their_lines() {
    let server = Server::start();
    let mut request = get("/users");
    request.kept_fields = vec![name::SET_COOKIE, name::VARY];
    let results = make(&server, vec![request, get("/other")], &client("42")).await;
    let reply = results[0].result.as_ref().unwrap();
    let fields: Vec<_> = reply.fields().iter().collect();
    let fields: Vec<_> = fields
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    assert_eq!(fields, [("set-cookie", "a=1"), ("set-cookie", "b=2")]);
    assert!(results[1].result.as_ref().unwrap().fields.is_none());
}

#[tokio::test]
async fn an_answer_that_is_not_expected_is_a_failure_with_its_status() {
    let server = Server::start();
    for (target, expect, failure, said) in [
        ("/users", "own.body.ok && path.id == '42'", None, ""),
        (
            "/gone",
            "own.body.ok",
            Some(FailureKind::Unexpected),
            "the answer is not what the call expects",
        ),
        (
            "/users",
            "own.body.missing",
            Some(FailureKind::Unexpected),
            "`expect` can't be evaluated: ",
        ),
    ] {
        let composed = Composed {
            call: 1,
            expect: expression(expect),
            ..Composed::default()
        };
        let mut own = get(target);
        own.composed = Some(Arc::new(composed));
        let results = make(&server, vec![get("/first"), own], &client("42")).await;
        assert_eq!(kind(&results[1]), failure, "{expect}: {results:?}");
        if failure.is_some() {
            assert!(
                detail(&results[1]).starts_with(said),
                "{}",
                detail(&results[1])
            );
            let failed = results[1].result.as_ref().unwrap_err();
            assert_eq!(failed.status, Some(http::StatusCode::OK));
        }
    }
}

#[tokio::test]
async fn a_call_whose_condition_is_false_is_omitted_and_one_that_cant_be_said_is_skipped() {
    let server = Server::start();
    for (when, failure) in [
        ("users.body.ok", None),
        ("!users.ok", Some(FailureKind::Omitted)),
        ("users.body.missing", Some(FailureKind::Skipped)),
    ] {
        let composed = Composed {
            when: expression(when),
            ..Composed::default()
        };
        let own = request(Method::GET, composed);
        let results = make(&server, vec![get("/first"), own], &client("42")).await;
        assert_eq!(kind(&results[1]), failure, "{when}: {results:?}");
        if failure == Some(FailureKind::Skipped) {
            assert!(
                detail(&results[1]).starts_with("`when` can't be evaluated: "),
                "{results:?}"
            );
        }
    }
    assert_eq!(server.starts().len(), 4);
}

/// Returns a call with one request for each element of the client's body.
fn each(tolerate: usize, expect: Option<Expression>) -> Request {
    let composed = Composed {
        each: Some(EachSettings {
            list: known(|known| Reference::parse("body", known)).unwrap(),
            concurrency: NonZeroUsize::MIN,
            max: 100,
            tolerate: Tolerance::Count(tolerate),
        }),
        path: Some(path("/{item}")),
        idempotency_key: true,
        expect,
        ..Composed::default()
    };
    request(Method::POST, composed)
}

fn text(result: &CallResult) -> String {
    let Body::Json(bytes) = &result.result.as_ref().unwrap().body else {
        panic!("{result:?}")
    };
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn each_element_is_one_request_with_a_key_of_its_own() {
    for count in [0, 1, 100] {
        let server = Server::start();
        let elements: Vec<_> = (0..count).map(|at| at.to_string()).collect();
        let client = with_body(format!("[{}]", elements.join(",")));
        let results = make(&server, vec![get("/first"), each(0, None)], &client).await;
        let bodies = elements
            .iter()
            .map(|at| format!("{{\"ok\":true,\"path\":\"/{at}?fixed=1\"}}"));
        assert_eq!(
            text(&results[1]),
            format!("[{}]", bodies.collect::<Vec<_>>().join(","))
        );
        let mut keys = server.values("idempotency-key");
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
    let server = Server::start();
    let client = with_body(format!("[{}1]", "1,".repeat(100)));
    let results = make(&server, vec![get("/first"), each(0, None)], &client).await;
    assert_eq!(kind(&results[1]), Some(FailureKind::TooLarge));
    assert_eq!(server.starts(), ["GET /first"]);
}

#[tokio::test]
async fn an_element_is_judged_by_itself() {
    let server = Server::start();
    let client = with_body(r#"["a", "gone", "b"]"#);
    let expect = || expression("own.body.ok && item != 'b'");
    let results = make(&server, vec![get("/first"), each(2, expect())], &client).await;
    assert_eq!(
        text(&results[1]),
        r#"[{"ok":true,"path":"/a?fixed=1"},null,null]"#
    );
    let report = results[1].each().unwrap();
    let failures: Vec<_> = report
        .failures
        .iter()
        .map(|it| (it.index, it.kind))
        .collect();
    let unexpected = FailureKind::Unexpected;
    assert_eq!(failures, [(1, unexpected), (2, unexpected)]);
    let results = make(&server, vec![get("/first"), each(1, expect())], &client).await;
    assert_eq!(kind(&results[1]), Some(unexpected));
}

#[tokio::test]
async fn bodies_that_are_refused_leave_their_room_to_others() {
    let server = Server::start();
    let client = with_body(r#"["gone", "gone", "gone"]"#);
    let before = client.allowance.left();
    make(&server, vec![each(3, expression("users.body.ok"))], &client).await;
    // The list alone is kept, and the first call's own name stands for the judged one.
    assert_eq!(before - client.allowance.left(), "[null,null,null]".len());
}
