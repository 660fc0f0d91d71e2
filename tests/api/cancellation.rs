//! The time until an upstream sees that its answer is no longer wanted, by its own clock. The bounds are generous, as a
//! machine that runs tests may be busy. `cargo bench --bench cancel` measures the real times.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    gateway::Gateway,
    talk::Talk,
    upstream::{Behaviour, Response, Upstream},
};

/// The longest time that counts as at once. The calls' timeouts and the deadline are far longer.
const SOON: Duration = Duration::from_secs(1);

/// The longest wait before giving up.
const LONG: Duration = Duration::from_secs(30);

const PATIENT: &str = "defaults.timeout = \"60s\"\naggregates.default.deadline = \"60s\"\n";

/// A moment that an upstream's script records.
#[derive(Clone, Default)]
struct Moment(Arc<Mutex<Option<Instant>>>);

impl Moment {
    fn note(&self, instant: Instant) {
        *self.0.lock().unwrap() = Some(instant);
    }

    fn noted(&self) -> Instant {
        self.0.lock().unwrap().expect("it has come")
    }
}

/// Asserts that the connection of the upstream's first request was closed soon after `cause`.
async fn closed_soon_after(upstream: &Upstream, cause: Instant) {
    let connection = upstream.requests()[0].connection;
    let closed = upstream.closed_at(connection, LONG).await;
    let closed = closed.expect("its connection is closed");
    // If it was closed before the cause, something else has closed it.
    assert!(closed >= cause, "closed {:?} early", cause - closed);
    assert!(closed - cause < SOON, "closed after {:?}", closed - cause);
}

#[actix_web::test]
async fn the_upstream_sees_at_once_that_the_client_has_gone() {
    let upstream = Upstream::always(Behaviour::HangBeforeHead);
    let rest = format!("{PATIENT}aggregates.default.calls = [\"one\"]");
    let gateway = Gateway::before(&[("one", upstream.url("/"))], &rest).await;
    let mut talk = Talk::with(&gateway).await;
    talk.get("/aggregate").await;
    assert!(upstream.wait_requests(1, LONG).await);
    let gone = Instant::now();
    drop(talk);
    closed_soon_after(&upstream, gone).await;
}

#[actix_web::test]
async fn the_upstream_sees_at_once_that_another_one_was_first() {
    let hanging = Upstream::always(Behaviour::HangBeforeHead);
    let delay = Duration::from_millis(200);
    let met = Moment::default();
    let winner = Upstream::start({
        let met = met.clone();
        move |_| {
            met.note(Instant::now() + delay);
            Behaviour::from(Response::pong()).after(delay)
        }
    });
    let urls = [("hanging", hanging.url("/")), ("winner", winner.url("/"))];
    let rest = format!(
        "{PATIENT}aggregates.default.calls = [\"hanging\", \"winner\"]\n\
         aggregates.default.wait_for = \"first\""
    );
    let gateway = Gateway::before(&urls, &rest).await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.result("winner"), "ok", "{}", answer.text());
    assert_eq!(answer.result("hanging"), "cancelled");
    closed_soon_after(&hanging, met.noted()).await;
}

#[actix_web::test]
async fn the_upstream_sees_at_once_that_a_hedge_has_beaten_its_first_attempt() {
    let asked = AtomicUsize::new(0);
    let won = Moment::default();
    let upstream = Upstream::start({
        let won = won.clone();
        move |_| match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Behaviour::HangBeforeHead,
            _ => {
                won.note(Instant::now());
                Response::pong().into()
            }
        }
    });
    let rest = format!(
        "{PATIENT}upstreams.one.hedge = {{ after = \"50ms\" }}\n\
         aggregates.default.calls = [\"one\"]"
    );
    let gateway = Gateway::before(&[("one", upstream.url("/"))], &rest).await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.result("one"), "ok", "{}", answer.text());
    assert_eq!(answer.json()["results"][0]["attempts"], 2);
    assert_eq!(answer.json()["results"][0]["hedges"], 1);
    closed_soon_after(&upstream, won.noted()).await;
}
