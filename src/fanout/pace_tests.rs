//! Plans whose results are taken one by one, on paused time: by a quick reader, by a slow one, and by none for a while.

use std::{cell::RefCell, num::NonZeroUsize, rc::Rc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt as _, pin_mut};
use http::StatusCode;
use tokio::time::{advance, sleep};

use super::Pace;
use crate::fanout::{
    Aggregate, Body, BreakerSettings, Choice, Circuit, Event, FailureKind, Hedge, Mode, Observer,
    Outcome, Plan, PolicySettings, Trip, Verdict,
    fixture::{self, BODY, Scripted, Step, When, calls, policy, reply},
    run,
};

/// An aggregate with a minute for as many calls of one upstream, each with two seconds.
fn aggregate(
    upstream: &Rc<Scripted>,
    count: usize,
    settings: PolicySettings,
) -> Aggregate<Scripted> {
    let mut aggregate = fixture::aggregate(calls(count, upstream, &policy(settings)));
    aggregate.rules.deadline = Duration::from_secs(60);
    for call in &mut aggregate.calls {
        call.timeout = Duration::from_secs(2);
    }
    aggregate
}

fn upstream(delay: Duration) -> Rc<Scripted> {
    Rc::new(Scripted::new([Step {
        when: When::After(delay),
        result: Ok(reply()),
    }]))
}

fn paced<'a>(
    aggregate: &'a Aggregate<Scripted>,
    mode: Mode,
    pace: &Rc<Pace>,
) -> Plan<'a, Scripted> {
    fixture::plan(aggregate, mode, &Choice::default()).paced(Rc::clone(pace))
}

/// A reader of bodies that has room for one result at a time.
struct Taker<'a> {
    pace: &'a Pace,
    bodies: RefCell<Vec<Body>>,
    circuits: RefCell<Vec<Circuit>>,
}

impl<'a> Taker<'a> {
    fn of(pace: &'a Pace) -> Self {
        Self {
            pace,
            bodies: RefCell::default(),
            circuits: RefCell::default(),
        }
    }
}

impl Observer for Taker<'_> {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::CallSettled { result, .. } => {
                let reply = result.result.as_ref();
                self.bodies
                    .borrow_mut()
                    .extend(reply.map(|reply| reply.body.clone()));
                self.pace.full(true);
            }
            Event::CircuitChanged { circuit, .. } => self.circuits.borrow_mut().push(*circuit),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_without_room_starts_nothing_and_with_room_goes_on() {
    for mode in Mode::ALL {
        let upstream = upstream(Duration::ZERO);
        let mut aggregate = aggregate(&upstream, 4, PolicySettings::default());
        aggregate.rules.concurrency = NonZeroUsize::MIN;
        let pace = Rc::new(Pace::default());
        let plan = paced(&aggregate, mode, &pace);
        let taker = Taker::of(&pace);
        let running = run(&plan, &(), &taker);
        pin_mut!(running);
        for settled in 1..=3 {
            assert!((&mut running).now_or_never().is_none());
            assert_eq!(taker.bodies.borrow().len(), settled);
            assert!(upstream.attempts() <= settled + 1, "one more at most");
            // Without room it makes no progress, however often it is polled.
            assert!((&mut running).now_or_never().is_none());
            assert_eq!(taker.bodies.borrow().len(), settled);
            pace.full(false);
        }
        assert!((&mut running).now_or_never().is_none());
        pace.full(false);
        let outcome = running.now_or_never().unwrap();
        assert_eq!(outcome.verdict, Verdict::Complete);
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_are_for_who_takes_them_and_not_kept() {
    let upstream = upstream(Duration::from_millis(1));
    let aggregate = aggregate(&upstream, 1, PolicySettings::default());
    let pace = Rc::new(Pace::default());
    let plan = paced(&aggregate, Mode::Concurrent, &pace);
    let taker = Taker::of(&pace);
    let running = run(&plan, &(), &taker);
    pin_mut!(running);
    assert!((&mut running).now_or_never().is_none());
    sleep(Duration::from_millis(1)).await;
    assert!((&mut running).now_or_never().is_none());
    assert_eq!(
        *taker.bodies.borrow(),
        [Body::Json(Bytes::from_static(BODY))]
    );
    pace.full(false);
    let outcome = running.await;
    let reply = outcome.results[0].result.as_ref().unwrap();
    assert_eq!((reply.status, &reply.body), (StatusCode::OK, &Body::Empty));
}

/// Returns the outcome of one call that nothing polled for `away`. Its upstream answers after `delay`.
async fn held(
    delay: Duration,
    away: Duration,
    settings: PolicySettings,
) -> (Outcome, Rc<Scripted>, Aggregate<Scripted>, Vec<Circuit>) {
    let upstream = upstream(delay);
    let aggregate = aggregate(&upstream, 1, settings);
    let pace = Rc::new(Pace::default());
    let (outcome, circuits) = {
        let plan = paced(&aggregate, Mode::Concurrent, &pace);
        let taker = Taker::of(&pace);
        let running = run(&plan, &(), &taker);
        pin_mut!(running);
        assert!((&mut running).now_or_never().is_none());
        advance(away).await;
        pace.held();
        let mut settled = (&mut running).now_or_never();
        while settled.is_none() {
            pace.full(false);
            advance(Duration::from_millis(100)).await;
            settled = (&mut running).now_or_never();
        }
        let outcome = settled.unwrap();
        (outcome, taker.circuits.take())
    };
    (outcome, upstream, aggregate, circuits)
}

#[tokio::test(start_paused = true)]
async fn a_timeout_while_nobody_looked_is_not_the_upstreams_failure() {
    let settings = PolicySettings {
        breaker: Some(BreakerSettings {
            trip: Trip::InARow(std::num::NonZeroU32::MIN),
            open_for: Duration::from_secs(60),
        }),
        ..PolicySettings::default()
    };
    let (delay, away) = (Duration::from_secs(10), Duration::from_secs(5));
    let (outcome, _, aggregate, circuits) = held(delay, away, settings).await;
    let failure = outcome.results[0].result.as_ref().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Cancelled);
    assert!(failure.detail.contains("too slow to take"), "{failure:?}");
    assert_eq!(circuits, []);
    assert!(aggregate.calls[0].policy.is_closed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_waited_for_somebody_to_look_is_good_and_says_nothing_of_its_latency() {
    let settings = PolicySettings {
        hedge: Some(Hedge::After(Duration::from_secs(1))),
        ..PolicySettings::default()
    };
    let (delay, away) = (Duration::from_millis(1500), Duration::from_millis(1200));
    let (outcome, upstream, ..) = held(delay, away, settings).await;
    assert_eq!(outcome.verdict, Verdict::Complete);
    assert_eq!(
        (outcome.results[0].hedges, upstream.attempts()),
        (0, 1),
        "no hedge"
    );
}
