//! Retries and hedges that were due and are not sent: each is reported with its reason.

use super::*;

/// A budget that allows no extra attempt.
const NOTHING: BudgetSettings = BudgetSettings {
    ratio: 0.0,
    min_per_second: 0,
};

#[tokio::test(start_paused = true)]
async fn a_hedge_or_a_retry_that_the_budget_refuses_is_told_with_its_reason() {
    let settings = PolicySettings {
        hedge: Some(Hedge::After(ms(50))),
        budget: NOTHING,
        ..retrying(3)
    };
    let bench = Bench::new(settings, [bad(68, sick())]);
    let log = Log::default();
    bench.run_watched(&log).await;
    assert_eq!(
        log.refusals(),
        ["Hedge refused: budget", "Retry refused: budget"]
    );
    assert_eq!(bench.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_below_the_median_is_refused_for_most_calls_once_the_budget_is_spent() {
    let settings = PolicySettings {
        budget: BudgetSettings {
            ratio: 0.2,
            min_per_second: 0,
        },
        ..hedging(Hedge::After(ms(50)))
    };
    let bench = Bench::new(settings, [good(68)]);
    let log = Log::default();
    for _ in 0..100 {
        bench.run_watched(&log).await;
    }
    assert_eq!(bench.attempts(), 120);
    assert_eq!(log.refusals(), vec!["Hedge refused: budget"; 80]);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_that_the_ceiling_refuses_is_told_with_its_reason() {
    let settings = PolicySettings {
        max_in_flight: NonZeroUsize::MIN,
        ..hedging(Hedge::After(ms(50)))
    };
    let bench = Bench::new(settings, [good(68)]);
    let log = Log::default();
    bench.run_watched(&log).await;
    assert_eq!(log.refusals(), ["Hedge refused: limit"]);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_beside_the_attempt_that_an_open_circuit_lets_through_is_told_as_refused() {
    let settings = PolicySettings {
        breaker: Some(BreakerSettings {
            trip: Trip::InARow(NonZeroU32::MIN),
            open_for: ms(1_000),
        }),
        ..hedging(Hedge::After(ms(50)))
    };
    let bench = Bench::new(settings, [bad(10, sick()), good(68)]);
    let log = Log::default();
    bench.run_watched(&log).await;
    sleep(ms(1_000)).await;
    assert_eq!(kind(&bench.run_watched(&log).await), None);
    assert_eq!(log.refusals(), ["Hedge refused: breaker"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_whose_circuit_opened_in_its_pause_is_told_as_refused() {
    let settings = PolicySettings {
        breaker: Some(BreakerSettings {
            trip: Trip::InARow(NonZeroU32::new(2).unwrap()),
            open_for: ms(60_000),
        }),
        ..retrying(2)
    };
    let bench = Bench::new(settings, [bad(10, later(1_000)), bad(20, sick())]);
    let log = Log::default();
    // The second call's failure opens the circuit, while the first call pauses.
    let (first, second) = tokio::join!(bench.run_watched(&log), bench.run_watched(&log));
    assert_eq!(kind(&first), Some(FailureKind::Status));
    assert_eq!(kind(&second), Some(FailureKind::Status));
    assert_eq!(log.refusals(), vec!["Retry refused: breaker"; 2]);
    assert_eq!(bench.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_for_which_the_deadline_leaves_no_time_is_told_as_refused() {
    let bench = Bench::new(retrying(5), [bad(10, later(60_000))]);
    let log = Log::default();
    bench.run_watched(&log).await;
    assert_eq!(log.refusals(), ["Retry refused: deadline"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_due_is_not_told_as_refused() {
    let nothing = |settings: PolicySettings| PolicySettings {
        budget: NOTHING,
        ..settings
    };
    for (repeatable, settings, step) in [
        // One attempt is all that is configured, or all that is allowed.
        (Repeatable::Yes, PolicySettings::default(), bad(10, sick())),
        (Repeatable::No, retrying(5), bad(10, sick())),
        // A retry would not help, and nothing was slow.
        (
            Repeatable::Yes,
            retrying(5),
            bad(10, refusal(StatusCode::NOT_FOUND)),
        ),
        (Repeatable::Yes, hedging(Hedge::After(ms(50))), good(10)),
    ] {
        let bench = Bench::new(nothing(settings), [step]).repeatable(repeatable);
        let log = Log::default();
        bench.run_watched(&log).await;
        assert_eq!(log.refusals(), Vec::<String>::new());
    }
}
