//! Retries, hedges and breakers through the gateway, as the caller, the upstream and the metrics see them.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};

use crate::{
    gateway::Gateway,
    upstream::{Behaviour, Response, Upstream},
};

/// Returns the number of extra attempts at `one` that were refused for this reason.
async fn refused(gateway: &Gateway, reason: &str) -> f64 {
    let labels = format!("{{reason=\"{reason}\",upstream=\"one\"}}");
    let series = format!("gather_extra_attempts_refused_total{labels}");
    gateway.metric(&series).await
}

async fn one(upstream: &Upstream, settings: &str) -> Gateway {
    Gateway::start(&format!(
        "[upstreams.one]\nurl = \"{}\"\n{settings}\n[aggregates.default]\ncalls = [\"one\"]",
        upstream.url("/one")
    ))
    .await
}

fn unavailable() -> Behaviour {
    Behaviour::from(Response::new(503))
}

#[actix_web::test]
async fn a_retry_mends_a_passing_failure_and_is_counted() {
    let upstream = Upstream::queue([unavailable(), Response::pong().into()]);
    let gateway = one(&upstream, "retry = { attempts = 3, backoff = \"1ms\" }").await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let call = &answer.json()["results"][0];
    assert_eq!(call["attempts"], 2);
    assert!(call.get("hedges").is_none(), "{call}");
    assert_eq!(upstream.requests().len(), 2);
    assert_eq!(
        gateway
            .metric("gather_retries_total{upstream=\"one\"}")
            .await,
        1.0
    );
}

#[actix_web::test]
async fn without_the_setting_a_call_is_one_attempt() {
    let upstream = Upstream::always(unavailable());
    let gateway = one(&upstream, "").await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.json()["results"][0]["attempts"], 1);
    assert_eq!(upstream.requests().len(), 1);
}

#[actix_web::test]
async fn an_upstream_that_always_fails_sees_the_budget_and_not_more() {
    let upstream = Upstream::always(unavailable());
    let settings = "retry = { attempts = 10, backoff = \"1ms\" }
                    budget = { ratio = 0.2, min_per_second = 0 }";
    let gateway = one(&upstream, settings).await;
    for _ in 0..100 {
        gateway.aggregate("").await;
    }
    assert_eq!(upstream.requests().len(), 120);
    // Each call ended with a due retry that the budget did not pay for.
    assert_eq!(refused(&gateway, "budget").await, 100.0);
}

#[actix_web::test]
async fn however_generous_its_retries_an_upstream_that_always_fails_sees_a_fifth_more_and_the_floor()
 {
    // The upstream fails in every way that has a name, and every failure is retried. Several clients ask two workers.
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) % 7 {
        0 => Behaviour::CloseBeforeHead,
        1 => Behaviour::ResetBeforeHead,
        2 => Response::json("{").into(),
        3 => Response::json("1".repeat(2000)).into(),
        4 => Response::new(404).into(),
        5 => Behaviour::CutLength {
            declared: 10,
            sent: 2,
        },
        _ => unavailable(),
    });
    let settings = "max_body = \"1KiB\"
                    retry = { attempts = 10, backoff = \"1ms\", on = [\"connect\", \"tls\", \"timeout\", \"protocol\", \"too_large\", \"invalid_body\", \"4xx\", \"5xx\"] }
                    hedge = { after = \"1ms\" }
                    budget = { ratio = 0.2, min_per_second = 1 }";
    let toml = format!(
        "[upstreams.one]\nurl = \"{}\"\n{settings}\n[aggregates.default]\ncalls = [\"one\"]",
        upstream.url("/one")
    );
    let since = Instant::now();
    let server = "server.workers = 2\nserver.grace = \"0s\"";
    let gateway = Gateway::start_with(server, &toml).await;
    let (clients, each) = (8, 125);
    let client = async || {
        for _ in 0..each {
            assert_eq!(gateway.aggregate("").await.status, 502);
        }
    };
    let mut asking: FuturesUnordered<_> = (0..clients).map(|_| client()).collect();
    while asking.next().await.is_some() {}
    let seconds = since.elapsed().as_secs_f64();
    let calls = f64::from(clients * each);
    let seen = upstream.requests().len() as f64;
    // The tokens that the bucket held at first, and those that each second added.
    let floor = 1.0 + seconds;
    assert!(seen <= 1.2 * calls + floor, "{seen} in {seconds} s");
    assert!(
        seen >= 1.19 * calls,
        "the budget is there to be used: {seen}"
    );
}

#[actix_web::test]
async fn a_hedge_beats_a_slow_attempt_and_the_loser_is_hung_up_on() {
    let asked = AtomicUsize::new(0);
    let upstream = Upstream::start(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => Behaviour::HangBeforeHead,
        _ => Response::pong().into(),
    });
    let gateway = one(&upstream, "hedge = { after = \"50ms\" }").await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["results"][0]["attempts"], 2);
    assert_eq!(answer.json()["results"][0]["hedges"], 1);
    assert_eq!(
        gateway
            .metric("gather_hedges_total{upstream=\"one\"}")
            .await,
        1.0
    );
    let lost = "gather_attempts_total{result=\"cancelled\",upstream=\"one\"}";
    assert_eq!(gateway.metric(lost).await, 1.0);
    // One connection is left: the winner's, in the pool.
    let mut open = upstream.open();
    for _ in 0..100 {
        if open == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        open = upstream.open();
    }
    assert_eq!(open, 1);
}

#[actix_web::test]
async fn a_hedge_that_the_ceiling_refuses_is_not_counted_as_sent() {
    let slow = Behaviour::from(Response::pong()).after(Duration::from_millis(200));
    let upstream = Upstream::always(slow);
    let gateway = one(&upstream, "max_in_flight = 1\nhedge = { after = \"20ms\" }").await;
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.result("one"), "ok", "{}", answer.text());
    assert_eq!(answer.json()["results"][0]["attempts"], 1);
    let hedges = gateway.metric("gather_hedges_total{upstream=\"one\"}");
    assert_eq!(hedges.await, 0.0);
    assert_eq!(upstream.requests().len(), 1);
    assert_eq!(refused(&gateway, "limit").await, 1.0);
}

#[actix_web::test]
async fn an_open_breaker_spares_the_upstream_and_closes_when_it_is_well_again() {
    let upstream = Upstream::queue([unavailable(), unavailable(), Response::pong().into()]);
    let settings = "breaker = { failures = 2, open_for = \"200ms\" }";
    let gateway = one(&upstream, settings).await;
    let circuit = "gather_circuit_state{upstream=\"one\"}";
    for _ in 0..2 {
        assert_eq!(gateway.aggregate("").await.result("one"), "status");
    }
    assert_eq!(gateway.metric(circuit).await, 2.0);
    let answer = gateway.aggregate("").await;
    assert_eq!(answer.result("one"), "circuit_open");
    assert_eq!(answer.json()["results"][0]["attempts"], 0);
    assert_eq!(upstream.requests().len(), 2);
    let counted = "gather_attempts_total{result=\"circuit_open\",upstream=\"one\"}";
    assert_eq!(gateway.metric(counted).await, 1.0);
    assert_eq!(
        refused(&gateway, "breaker").await,
        0.0,
        "a call's own attempt"
    );
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(gateway.aggregate("").await.result("one"), "ok");
    assert_eq!(gateway.metric(circuit).await, 0.0);
}

#[actix_web::test]
async fn hedges_that_the_budget_refuses_are_counted_and_the_answers_come_as_without_them() {
    let slow = Behaviour::from(Response::pong()).after(Duration::from_millis(300));
    let upstream = Upstream::always(slow);
    let settings = "hedge = { after = \"20ms\" }\nbudget = { ratio = 0.0, min_per_second = 0 }";
    let gateway = one(&upstream, settings).await;
    // A process that was paused hedges nothing, so one call may not be enough here.
    for _ in 0..50 {
        let answer = gateway.aggregate("").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["results"][0]["attempts"], 1);
        if refused(&gateway, "budget").await == 2.0 {
            break;
        }
    }
    assert_eq!(refused(&gateway, "budget").await, 2.0);
    let hedges = gateway.metric("gather_hedges_total{upstream=\"one\"}");
    assert_eq!(hedges.await, 0.0);
}

#[actix_web::test]
async fn a_retry_that_the_breaker_or_the_deadline_forbids_is_counted_as_refused() {
    let upstream = Upstream::always(unavailable());
    let retry = "retry = { attempts = 3, backoff = \"1ms\" }";
    let settings = format!("{retry}\nbreaker = {{ failures = 1, open_for = \"1m\" }}");
    let gateway = one(&upstream, &settings).await;
    assert_eq!(gateway.aggregate("").await.result("one"), "status");
    assert_eq!(refused(&gateway, "breaker").await, 1.0);

    let later = Response::new(503).header("retry-after", "60");
    let upstream = Upstream::always(Behaviour::from(later));
    let gateway = one(&upstream, retry).await;
    assert_eq!(gateway.aggregate("").await.result("one"), "status");
    assert_eq!(refused(&gateway, "deadline").await, 1.0);
}

#[actix_web::test]
async fn by_default_a_500_is_not_tried_again_and_with_5xx_among_on_it_is() {
    let failing = || Behaviour::from(Response::new(500));
    for (on, status, attempts) in [
        ("", 502, 1),
        (
            ", on = [\"connect\", \"timeout\", \"protocol\", \"429\", \"5xx\"]",
            200,
            2,
        ),
    ] {
        let upstream = Upstream::queue([failing(), Response::pong().into()]);
        let retry = format!("retry = {{ attempts = 2, backoff = \"1ms\"{on} }}");
        let gateway = one(&upstream, &retry).await;
        let answer = gateway.aggregate("").await;
        assert_eq!(answer.status, status, "{on}: {}", answer.text());
        assert_eq!(answer.json()["results"][0]["attempts"], attempts, "{on}");
        // No extra attempt was wanted, so none is refused.
        for reason in ["budget", "breaker", "limit", "deadline"] {
            assert_eq!(refused(&gateway, reason).await, 0.0, "{on} {reason}");
        }
    }
}

#[actix_web::test]
async fn a_status_that_is_no_success_is_counted_by_its_class_and_told_by_its_code() {
    let statuses = [204, 302, 401, 404, 429, 500, 503, 777];
    let behaviours = statuses.map(|status| Behaviour::from(Response::new(status)));
    let upstream = Upstream::queue(behaviours);
    let gateway = one(&upstream, "success = [\"200\"]").await;
    for status in statuses {
        let answer = gateway.aggregate("").await;
        assert_eq!(answer.result("one"), "status");
        assert_eq!(answer.json()["results"][0]["status"], status);
    }
    for (result, count) in [
        ("status_2xx", 1.0),
        ("status_3xx", 1.0),
        ("status_4xx", 3.0),
        ("status_5xx", 3.0),
        ("ok", 0.0),
    ] {
        let series = format!("gather_attempts_total{{result=\"{result}\",upstream=\"one\"}}");
        assert_eq!(gateway.metric(&series).await, count, "{result}");
    }
}
