//! Calls that fail without a fault of their upstream: `overload`, `cancelled`, `skipped`.

use std::time::Duration;

use futures_util::{StreamExt as _, stream::FuturesUnordered};

use crate::{
    pair::{CLOSED, Pair, SOON},
    upstream::{Behaviour, Response, Upstream},
};

/// Starts a gateway with one more aggregate, `beside`, of the sick upstream and a third one.
async fn beside(third: &Upstream, sick: &Upstream, lines: &str) -> Pair {
    let more = format!(
        "[upstreams.third]\nurl = \"{}\"\n[aggregates.beside]\ncalls = [\"sick\", \"third\"]\n{lines}",
        third.url("/")
    );
    Pair::with("", &sick.url("/"), "", &more).await
}

#[actix_web::test]
async fn beyond_the_limit_of_an_upstream_a_call_is_refused_whichever_worker_it_is_on() {
    let slow = Behaviour::from(Response::pong()).after(Duration::from_millis(400));
    let sick = Upstream::always(slow);
    let settings = "max_in_flight = 1";
    let pair = Pair::with("server.workers = 2", &sick.url("/"), settings, "").await;
    let first = pair.gateway.aggregate("");
    let rest = async {
        assert!(sick.wait_requests(1, SOON).await);
        // Connections are distributed to the workers in turn, so six reach both of them.
        for _ in 0..6 {
            let answer = pair.gateway.aggregate("").await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.result("well"), "ok");
            assert_eq!(answer.result("sick"), "overload", "{}", answer.text());
            assert_eq!(answer.json()["results"][0]["attempts"], 0);
        }
        assert_eq!(sick.requests().len(), 1, "nothing more was sent");
    };
    let (first, ()) = tokio::join!(first, rest);
    assert_eq!(first.result("sick"), "ok");
    assert_eq!(pair.attempts("overload").await, 6.0);
    // The place is free again.
    pair.ask().await.succeeded("pong");
    pair.assert_idle().await;
}

#[actix_web::test]
async fn a_call_that_fails_or_is_dropped_gives_its_place_back() {
    let sick = Upstream::queue([
        Behaviour::CloseBeforeHead,
        Behaviour::HangBeforeHead,
        Response::pong().into(),
    ]);
    let settings = "max_in_flight = 1\ntimeout = \"100ms\"";
    let pair = Pair::new(&sick.url("/"), settings).await;
    pair.ask().await.failed("protocol", "");
    pair.ask().await.failed("timeout", "");
    pair.ask().await.succeeded("pong");
}

#[actix_web::test]
async fn calls_of_one_request_share_the_limit_too() {
    let slow = Behaviour::from(Response::pong()).after(Duration::from_millis(100));
    let sick = Upstream::always(slow);
    let pair = Pair::new(&sick.url("/"), "max_in_flight = 2").await;
    let answer = pair.gateway.get("/aggregate/many").await;
    let results: Vec<_> = ["sick_0", "sick_1", "sick_2"]
        .map(|name| answer.result(name))
        .into();
    assert_eq!(results, ["ok", "ok", "overload"]);
}

#[actix_web::test]
async fn a_call_that_is_no_longer_needed_is_cancelled_on_the_wire() {
    for hang in [
        Behaviour::HangBeforeHead,
        Behaviour::HangInBody {
            declared: 10,
            sent: 3,
        },
    ] {
        let sick = Upstream::always(hang);
        let slow = Behaviour::from(Response::pong()).after(Duration::from_millis(150));
        let third = Upstream::always(slow);
        let pair = beside(&third, &sick, "wait_for = \"first\"").await;
        let answer = pair.gateway.get("/aggregate/beside").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["outcome"], "complete");
        assert_eq!(answer.result("third"), "ok");
        assert_eq!(answer.result("sick"), "cancelled");
        assert_eq!(sick.requests().len(), 1, "it was under way");
        assert!(sick.wait_closed(CLOSED).await.is_some());
        pair.assert_idle().await;
        assert_eq!(pair.attempts("cancelled").await, 1.0);
    }
}

#[actix_web::test]
async fn a_call_under_way_is_cancelled_when_another_ones_failure_ends_the_plan() {
    // This is the other way round: the sick one answers late and badly, and the healthy one hangs until then.
    let failing = Behaviour::from(Response::new(500)).after(Duration::from_millis(150));
    let sick = Upstream::always(failing);
    let hanging = Upstream::always(Behaviour::HangBeforeHead);
    let pair = beside(&hanging, &sick, "on_failure = \"fail\"").await;
    let answer = pair.gateway.get("/aggregate/beside").await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(answer.result("sick"), "status");
    assert_eq!(answer.result("third"), "cancelled");
    assert_eq!(hanging.requests().len(), 1);
    assert!(hanging.wait_closed(CLOSED).await.is_some());
    pair.assert_idle().await;
}

#[actix_web::test]
async fn calls_after_the_end_of_a_sequential_plan_are_skipped_and_never_sent() {
    let sick = Upstream::always(Response::new(500));
    let strict = "mode = \"sequential\"\non_failure = \"fail\"";
    let pair = Pair::with("", &sick.url("/"), "", strict).await;
    let answer = pair.gateway.aggregate("").await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(answer.result("sick"), "status");
    assert_eq!(answer.result("well"), "skipped");
    assert_eq!(answer.json()["results"][1]["attempts"], 0);
    assert_eq!(pair.well.connections(), 0);
    pair.assert_idle().await;
}

#[actix_web::test]
async fn calls_after_the_deadline_of_a_sequential_plan_are_skipped_and_the_answer_blames_time() {
    let sick = Upstream::always(Behaviour::HangBeforeHead);
    let late = "mode = \"sequential\"\ndeadline = \"150ms\"";
    let pair = Pair::with("", &sick.url("/"), "", late).await;
    let answer = pair.gateway.aggregate("").await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert_eq!(answer.result("sick"), "deadline");
    assert_eq!(answer.result("well"), "skipped");
    assert_eq!(pair.well.connections(), 0);
    assert!(sick.wait_closed(CLOSED).await.is_some());
}

#[actix_web::test]
async fn many_requests_at_once_leave_nothing_behind() {
    let sick = Upstream::start(|request| match request.connection % 4 {
        0 => Behaviour::CloseBeforeHead,
        1 => Behaviour::HangBeforeHead,
        2 => Behaviour::CutChunked { sent: 4 },
        _ => Response::pong().into(),
    });
    let settings = "timeout = \"200ms\"";
    let pair = Pair::with("server.workers = 2", &sick.url("/"), settings, "").await;
    let mut asked: FuturesUnordered<_> = (0..60).map(|_| pair.gateway.aggregate("")).collect();
    while let Some(answer) = asked.next().await {
        assert_eq!(answer.result("well"), "ok");
        let sick = answer.result("sick");
        assert!(
            ["ok", "timeout", "protocol"].contains(&sick.as_str()),
            "{sick}"
        );
    }
    pair.assert_idle().await;
}
