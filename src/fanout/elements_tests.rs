//! A call with one request for each element of a list, on paused time.

use std::time::Duration;

use http::StatusCode;

use crate::fanout::{
    Aggregate, Blame, Body, CallResult, Choice, EachFailure, EachReport, Failure, FailureKind,
    Mode, Outcome, PolicySettings, Reply, Retry, Verdict,
    fixture::{
        Scene, Scripted, Step, When, aggregate, call_each, failure, ms, outcome, plan, policy,
        refusal,
    },
    run,
};

type Element = Result<Vec<Step>, Failure>;

/// An aggregate with one call that has these elements.
fn of(elements: Vec<Element>, concurrency: usize, tolerate: usize) -> Aggregate<Scripted> {
    let upstream = Scripted::new([Step::good(0)]).deciding(move |_| Scene::Each {
        elements: elements.clone(),
        concurrency,
        tolerate,
    });
    aggregate(call_each([upstream]))
}

/// An element that is answered with a number after `delay` milliseconds.
fn number(number: usize, delay: u64) -> Element {
    let body = Body::Json(number.to_string().into());
    Ok(vec![Step {
        when: When::After(ms(delay)),
        result: Ok(Reply::new(StatusCode::OK, body)),
    }])
}

fn bad(delay: u64, status: u16) -> Element {
    let failure = refusal(StatusCode::from_u16(status).unwrap());
    Ok(vec![Step::failed(delay, failure)])
}

async fn result(aggregate: &Aggregate<Scripted>) -> (CallResult, Outcome) {
    let outcome = outcome(aggregate, &()).await;
    (outcome.results[0].clone(), outcome)
}

fn body(call: &CallResult) -> String {
    match &call.result {
        Ok(Reply {
            body: Body::Json(json),
            ..
        }) => String::from_utf8(json.to_vec()).unwrap(),
        other => panic!("no list: {other:?}"),
    }
}

fn report(call: &CallResult) -> &EachReport {
    call.each().expect("a report")
}

fn failed(index: usize, kind: FailureKind, status: Option<StatusCode>) -> EachFailure {
    EachFailure {
        index,
        kind,
        status,
    }
}

#[tokio::test(start_paused = true)]
async fn every_number_of_elements_makes_one_list_in_their_order() {
    for total in [0, 1, 100, 101, 10_000] {
        // Many a later one is quicker than the one before.
        let elements = (0..total).map(|index| number(index, 7 - index as u64 % 7));
        let aggregate = of(elements.collect(), 10, 0);
        let (call, outcome) = result(&aggregate).await;
        let numbers: Vec<_> = (0..total).map(|number| number.to_string()).collect();
        assert_eq!(body(&call), format!("[{}]", numbers.join(",")));
        let expected = EachReport {
            total,
            ok: total,
            failures: Vec::new(),
        };
        assert_eq!(*report(&call), expected);
        assert_eq!(call.attempts as usize, total);
        assert_eq!(outcome.verdict, Verdict::Complete);
        let traffic = &aggregate.calls[0].upstream.traffic;
        assert_eq!(traffic.attempts(), total);
        assert_eq!(traffic.peak.get(), total.min(10));
        aggregate.calls[0].policy.limit.acquire().expect("a permit");
    }
}

#[tokio::test(start_paused = true)]
async fn no_element_takes_no_time() {
    let (call, outcome) = result(&of(Vec::new(), 1, 0)).await;
    assert_eq!(body(&call), "[]");
    assert_eq!(outcome.elapsed, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn at_most_so_many_elements_are_under_way() {
    let elements = (0..10).map(|index| number(index, 100)).collect();
    let (call, _) = result(&of(elements, 3, 0)).await;
    assert_eq!(call.elapsed, ms(400));
}

#[tokio::test(start_paused = true)]
async fn as_many_failures_as_are_tolerated_leave_a_list_with_nulls() {
    let mut elements: Vec<_> = (0..6).map(|index| number(index, 10)).collect();
    elements[1] = bad(30, 503);
    elements[4] = Err(Failure::skipped("`{item.sku}` is missing"));
    let (call, outcome) = result(&of(elements, 10, 2)).await;
    assert_eq!(body(&call), "[0,null,2,3,null,5]");
    let expected = EachReport {
        total: 6,
        ok: 4,
        failures: vec![
            failed(
                1,
                FailureKind::Status,
                Some(StatusCode::SERVICE_UNAVAILABLE),
            ),
            failed(4, FailureKind::Skipped, None),
        ],
    };
    assert_eq!(*report(&call), expected);
    assert_eq!(call.attempts, 5);
    assert_eq!(outcome.verdict, Verdict::Complete);
}

#[tokio::test(start_paused = true)]
async fn one_failure_too_many_ends_the_call_at_once_and_gives_the_others_up() {
    let mut elements: Vec<_> = (0..6).map(|index| number(index, 100)).collect();
    elements[0] = number(0, 5);
    elements[2] = bad(20, 404);
    let aggregate = of(elements, 4, 0);
    let (call, outcome) = result(&aggregate).await;
    assert_eq!(call.elapsed, ms(20));
    let failure = call.result.as_ref().unwrap_err();
    assert_eq!(failure.kind, FailureKind::Status);
    assert_eq!(failure.status, Some(StatusCode::NOT_FOUND));
    assert_eq!(
        failure.detail,
        "1 of 6 elements failed, more than 0 are not tolerated; element 2: as scripted"
    );
    let cancelled = |index| failed(index, FailureKind::Cancelled, None);
    let expected = EachReport {
        total: 6,
        ok: 1,
        failures: vec![
            cancelled(1),
            failed(2, FailureKind::Status, Some(StatusCode::NOT_FOUND)),
            cancelled(3),
            cancelled(4),
            cancelled(5),
        ],
    };
    assert_eq!(*report(&call), expected);
    let traffic = &aggregate.calls[0].upstream.traffic;
    assert_eq!((traffic.attempts(), traffic.in_flight.get()), (5, 0));
    assert_eq!(outcome.verdict, Verdict::Failed(Blame::Upstream));
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_its_own_stands_for_the_call_before_one_of_time() {
    let late = |delay| Ok(vec![Step::failed(delay, failure(FailureKind::Timeout))]);
    let (call, outcome) = result(&of(vec![late(1), late(2)], 2, 1)).await;
    assert_eq!(call.result.unwrap_err().kind, FailureKind::Timeout);
    assert_eq!(outcome.verdict, Verdict::Failed(Blame::Time));
    let (call, outcome) = result(&of(vec![late(1), bad(2, 500)], 2, 1)).await;
    let failure = call.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Status);
    assert!(failure.detail.contains("; element 1: "), "{failure:?}");
    assert_eq!(outcome.verdict, Verdict::Failed(Blame::Upstream));
}

#[tokio::test(start_paused = true)]
async fn elements_that_can_not_be_made_fail_without_an_attempt() {
    let missing = || Err(Failure::skipped("`{item.sku}` is missing"));
    let (call, outcome) = result(&of(vec![missing(), missing()], 1, 0)).await;
    let failure = call.result.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Skipped);
    assert_eq!(call.attempts, 0);
    assert_eq!(outcome.verdict, Verdict::Failed(Blame::Upstream));
}

#[tokio::test(start_paused = true)]
async fn each_element_is_tried_again_by_itself_and_attempts_have_numbers_of_their_own() {
    let retried = |number: usize| {
        let mut steps = vec![Step::failed(10, failure(FailureKind::Connect))];
        let body = Body::Json(number.to_string().into());
        steps.push(Step {
            when: When::After(ms(10)),
            result: Ok(Reply::new(StatusCode::OK, body)),
        });
        Ok(steps)
    };
    let mut aggregate = of((0..5).map(retried).collect(), 2, 0);
    aggregate.calls[0].policy = policy(PolicySettings {
        retry: Retry {
            attempts: 2.try_into().unwrap(),
            backoff: ms(5),
            ..Retry::default()
        },
        ..PolicySettings::default()
    });
    let (call, _) = result(&aggregate).await;
    assert_eq!(body(&call), "[0,1,2,3,4]");
    assert_eq!(call.attempts, 10);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_counts_the_elements_that_it_has_cut_off() {
    let elements = (0..4).map(|index| number(index, 8_000)).collect();
    let aggregate = of(elements, 2, 4);
    let (call, outcome) = result(&aggregate).await;
    assert_eq!(outcome.elapsed, ms(10_000));
    assert_eq!(
        call.result.as_ref().unwrap_err().kind,
        FailureKind::Deadline
    );
    let late = |index| failed(index, FailureKind::Deadline, None);
    let expected = EachReport {
        total: 4,
        ok: 2,
        failures: vec![late(2), late(3)],
    };
    assert_eq!(*report(&call), expected);
    assert_eq!(aggregate.calls[0].upstream.traffic.in_flight.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_plan_ends_the_attempts_of_all_elements() {
    let elements = (0..100).map(|index| number(index, 1_000)).collect();
    let aggregate = of(elements, 10, 0);
    let plan = plan(&aggregate, Mode::Concurrent, &Choice::default());
    let work = tokio::time::timeout(ms(1_500), run(&plan, &(), &()));
    assert!(work.await.is_err());
    let traffic = &aggregate.calls[0].upstream.traffic;
    assert_eq!((traffic.attempts(), traffic.in_flight.get()), (20, 0));
}
