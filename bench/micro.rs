//! Times of the pure parts, one by one: a plan, its run without a network, the answer's JSON, `Server-Timing`, the
//! metrics, and a condition.
//!
//! `just micro` (`cargo bench --bench micro`) runs it. `just instructions` is better at showing that a change costs an
//! aggregate more. These times show which part to think about. Private parts are missing here: query parsing, and the
//! heads of both sides.
#![allow(clippy::unwrap_used, reason = "it ends where it can't go on")]

use std::{hint::black_box, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gather::{
    compose,
    exchange::ClientContext,
    expression::Expression,
    fanout::{
        self, Aggregate, AggregateId, Body, Call, CallResult, Cause, Choice, Earlier, Event,
        Failure, Mode, Observer as _, Outcome, Policy, PolicySettings, Question, Reply, Rules,
        Turn, Upstream, UpstreamId, Verdict,
    },
    telemetry::{GenerationMetrics, Metrics},
    timing::server_timing,
    values::{Known, Scope},
};
use http::{HeaderValue, StatusCode};
use tokio::{runtime::Builder, time::Instant};

/// The numbers of calls in an aggregate.
const CALLS: [usize; 3] = [1, 3, 100];

const TIME: Duration = Duration::from_micros(1_234_567);

/// An upstream that answers at once.
struct Prompt(Reply);

impl Upstream for Prompt {
    type Context = ();
    type Request = ();

    fn turn<'a>(&'a self, _: &'a (), _: Earlier<'a>) -> Turn<'a, ()> {
        Turn::Send(())
    }

    fn list(&self, _: &(), _: Vec<Option<Body>>) -> Result<Body, Failure> {
        Ok(Body::Empty)
    }

    async fn attempt(&self, _: &Question<'_, Self>) -> Result<Reply, Failure> {
        Ok(self.0.clone())
    }
}

fn aggregate(calls: usize) -> Aggregate<Prompt> {
    let call = |number| {
        let upstream = Rc::new(Prompt(reply(16)));
        let policy = Arc::new(Policy::new(PolicySettings::default()));
        let name = format!("call_{number}");
        Call::new(name, UpstreamId(0), upstream, TIME, policy)
    };
    Aggregate {
        name: "default".into(),
        calls: (0..calls).map(call).collect(),
        rules: Rules {
            deadline: TIME,
            ..Rules::default()
        },
    }
}

fn reply(size: usize) -> Reply {
    Reply::new(
        StatusCode::OK,
        Body::Json(Bytes::from(format!("\"{}\"", "x".repeat(size - 2)))),
    )
}

fn outcome(calls: usize, size: usize) -> Outcome {
    let call = |number| {
        let name = format!("call_{number}");
        CallResult::new(name, TIME / 1000, TIME, Ok(reply(size)))
    };
    Outcome {
        mode: Mode::Concurrent,
        verdict: Verdict::Complete,
        elapsed: TIME,
        results: (0..calls).map(call).collect(),
        positions: None,
    }
}

fn plan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("plan");
    for calls in CALLS {
        let (aggregate, choice) = (aggregate(calls), Choice::default());
        let deadline = Instant::now() + TIME;
        group.bench_function(BenchmarkId::from_parameter(calls), |bench| {
            bench.iter(|| {
                let plan = aggregate.plan(black_box(&choice), Mode::Concurrent, deadline);
                black_box(plan.unwrap().mode())
            });
        });
    }
}

fn run(criterion: &mut Criterion) {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let mut group = criterion.benchmark_group("run");
    for calls in CALLS {
        let aggregate = aggregate(calls);
        group.bench_function(BenchmarkId::from_parameter(calls), |bench| {
            bench.iter(|| {
                let deadline = Instant::now() + TIME;
                let plan = aggregate.plan(&Choice::default(), Mode::Concurrent, deadline);
                runtime.block_on(fanout::run(&plan.unwrap(), &(), &()))
            });
        });
    }
}

fn answer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compose");
    for (calls, size) in [(1, 16), (3, 16), (100, 16), (3, 4096)] {
        let outcome = outcome(calls, size);
        let mut json = Vec::new();
        compose::members(&mut json, "default", &outcome, None);
        group.throughput(Throughput::Bytes(json.len() as u64));
        group.bench_function(format!("{calls} of {size} B"), |bench| {
            bench.iter(|| {
                json.clear();
                compose::members(&mut json, "default", black_box(&outcome), None);
            });
        });
    }
}

fn timing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("server_timing");
    for calls in CALLS {
        let outcome = outcome(calls, 16);
        group.bench_function(BenchmarkId::from_parameter(calls), |bench| {
            bench.iter(|| server_timing(TIME, black_box(&outcome), 3000));
        });
    }
}

fn metrics(criterion: &mut Criterion) {
    let upstreams: Vec<_> = (0..10).map(|number| format!("service_{number}")).collect();
    let upstreams = upstreams.iter().map(|name| (name.as_str(), TIME));
    let metrics = Arc::new(Metrics::new(&["not-found", "overload"]).unwrap());
    let resolved = metrics.resolve(["default", "home", "search"], upstreams);
    let mut group = criterion.benchmark_group("metrics");
    for calls in CALLS {
        let outcome = outcome(calls, 16);
        group.bench_function(BenchmarkId::new("an aggregate's events", calls), |bench| {
            bench.iter(|| aggregate_events(&resolved, black_box(&outcome)));
        });
    }
    group.bench_function("a scrape of 3 aggregates, 10 upstreams", |bench| {
        bench.iter(|| metrics.encode().unwrap());
    });
}

/// Sends the metrics the events of a plan in which all calls succeed.
fn aggregate_events(metrics: &GenerationMetrics, outcome: &Outcome) {
    let request = metrics.request(AggregateId(0), Mode::Concurrent, Instant::now());
    let observer = metrics.observer();
    for (call, result) in outcome.results.iter().enumerate() {
        let (upstream, attempt) = (UpstreamId(call % 10), 1);
        observer.observe(&Event::CallStarted { call });
        observer.observe(&Event::AttemptStarted {
            call,
            upstream,
            attempt,
            cause: Cause::First,
        });
        observer.observe(&Event::AttemptFinished {
            call,
            upstream,
            attempt,
            elapsed: TIME,
            cause: Cause::First,
            status: Some(StatusCode::OK),
            result: Ok(()),
        });
        observer.observe(&Event::CallSettled {
            call,
            upstream,
            result,
        });
    }
    request.finish(outcome);
}

/// Evaluates `when` of three terms on earlier answers: one that is mostly text, and one that is a list of small objects.
fn condition(criterion: &mut Criterion) {
    const ONE: &str = r#"users.ok && users.status == 200 && users.body.plan == "pro""#;
    const THREE: &str =
        r#"users.body.id > 1 && users.body.plan == "pro" && users.body.team.id != "x""#;
    let calls = ["users".into()];
    let known = Known {
        path: &[],
        calls: &calls,
        own: None,
        own_result: false,
        in_each: false,
        has_body: false,
        has_client: true,
    };
    let client = ClientContext::new(HeaderValue::from_static("id"));
    let mut group = criterion.benchmark_group("when of three terms");
    let text = |size| format!("\"{}\"", "x".repeat(size));
    let item = r#"{"id":12,"name":"item 12","price":12.50},"#;
    let list = format!("[{}0]", item.repeat(4096 / item.len()));
    for (name, when, rest) in [
        ("one member of 64 B", ONE, text(64)),
        ("one member of 4 KiB of text", ONE, text(4096)),
        ("three members of 4 KiB of small objects", THREE, list),
    ] {
        let when = Expression::parse(when, &known).unwrap();
        let start = r#"{"id":42,"name":"Ann","plan":"pro","team":{"id":7}"#;
        let body = format!(r#"{start},"rest":{rest}}}"#);
        let mut outcome = outcome(1, 16);
        outcome.results[0].result = Ok(Reply::new(StatusCode::OK, Body::Json(Bytes::from(body))));
        let scope = Scope {
            client: &client,
            earlier: Earlier::over(&outcome.results, None),
            own: None,
            item: None,
        };
        assert_eq!(when.is_true(&scope), Ok(true));
        group.bench_function(name, |bench| {
            bench.iter(|| when.is_true(black_box(&scope)));
        });
    }
}

criterion_group!(benches, plan, run, answer, timing, metrics, condition);
criterion_main!(benches);
