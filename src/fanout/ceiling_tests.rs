//! Retries and hedges that an upstream's ceiling refuses: they are not sent, change no result and cost nothing.

use super::*;

/// One extra attempt in all.
const ONE: BudgetSettings = BudgetSettings {
    ratio: 0.0,
    min_per_second: 1,
};

fn one_at_a_time(settings: PolicySettings) -> PolicySettings {
    PolicySettings {
        max_in_flight: NonZeroUsize::MIN,
        budget: ONE,
        ..settings
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_before_a_retry_that_the_ceiling_refuses_is_the_calls_own() {
    let bench = Bench::new(one_at_a_time(retrying(3)), [bad(10, later(100)), good(500)]);
    let log = Log::default();
    let other = async {
        sleep(ms(50)).await;
        bench.run().await
    };
    let (outcome, other) = tokio::join!(bench.run_watched(&log), other);
    assert_eq!(kind(&other), None);
    assert_eq!(kind(&outcome), Some(FailureKind::Status));
    let failure = outcome.results[0].result.as_ref().unwrap_err();
    assert_eq!(failure.status, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(outcome.results[0].attempts, 1);
    assert_eq!(log.refusals(), ["Retry refused: limit"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_own_attempt_the_ceiling_refuses_is_an_overload() {
    let bench = Bench::new(one_at_a_time(retrying(3)), [good(500)]);
    let (first, second) = tokio::join!(bench.run(), bench.run());
    assert_eq!(kind(&first), None);
    assert_eq!(kind(&second), Some(FailureKind::Overload));
    assert_eq!(second.results[0].attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_the_ceiling_refuses_is_not_paid_for() {
    let bench = Bench::new(
        one_at_a_time(retrying(2)),
        [bad(10, later(100)), good(500), bad(10, sick()), good(10)],
    );
    let other = async {
        sleep(ms(50)).await;
        bench.run().await
    };
    tokio::join!(bench.run(), other);
    assert_eq!(kind(&bench.run().await), None);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_the_ceiling_refuses_is_neither_announced_nor_paid_for() {
    let bench = Bench::new(one_at_a_time(hedging(Hedge::After(ms(50)))), [good(68)]);
    let log = Log::default();
    for _ in 0..5 {
        bench.run_watched(&log).await;
    }
    assert_eq!(log.refusals(), vec!["Hedge refused: limit"; 5]);
    assert!(!log.0.borrow().iter().any(|line| line.starts_with("hedge")));
}
