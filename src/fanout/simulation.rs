//! Properties of every plan. A plan calls upstreams that follow a script, on paused time, and `checks` holds what must
//! be true of it. It must not know who makes the scripts (a property test, a fuzzer).

use std::rc::Rc;

use tokio::time::{Instant, sleep};

pub(crate) use self::case::{Case, End, Script, Step, UpstreamRules, Waits};
use self::{
    case::{at_least_one, ms, settings},
    checks::Ledger,
};
use crate::fanout::{
    Aggregate, Choice, Need, OnFailure, Repeatable, Rules, UpstreamId,
    fixture::{self, Scripted, Traffic, call, policy},
    run,
};

mod case;
mod checks;

/// Builds the aggregate of a case. The upstreams of a policy count their attempts in its `traffic`.
fn aggregate(case: &Case, traffic: &[Rc<Traffic>]) -> Aggregate<Scripted> {
    let policies: Vec<_> = case
        .policies
        .iter()
        .map(|rules| policy(settings(rules)))
        .collect();
    let calls = case.scripts.iter().enumerate().map(|(index, script)| {
        let own = case.policy(index);
        let steps = script.steps.iter().map(|step| step.scripted());
        let mut upstream = Scripted::new(steps);
        upstream.traffic = Rc::clone(&traffic[own]);
        let mut call = call(&format!("call_{index}"), &Rc::new(upstream), &policies[own]);
        call.id = UpstreamId(own);
        call.timeout = ms(script.timeout);
        if script.optional {
            call.need = Need::Optional;
        }
        if !case.rules(index).repeatable {
            call.repeatable = Repeatable::No;
        }
        call
    });
    let mut aggregate = fixture::aggregate(calls);
    aggregate.rules = Rules {
        mode: case.mode,
        concurrency: at_least_one(case.width),
        deadline: ms(case.deadline),
        completion: case.completion(),
        on_failure: if case.strict {
            OnFailure::Fail
        } else {
            OnFailure::Partial
        },
    };
    aggregate
}

/// Runs the plan and checks all properties.
///
/// # Panics
/// Panics if a property does not hold.
pub(crate) fn check(case: &Case) {
    fastrand::seed(case.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without sockets needs nothing");
    runtime.block_on(async {
        let traffic: Vec<_> = case.policies.iter().map(|_| Rc::default()).collect();
        let aggregate = aggregate(case, &traffic);
        let ledger = Ledger::new(case);
        let choice = Choice::default();
        let deadline = aggregate.deadline(&choice, Instant::now());
        sleep(ms(case.spent)).await;
        let plan = aggregate
            .plan(&choice, case.mode, deadline)
            .expect("a quorum that can be met");
        let began = Instant::now();
        let work = run(&plan, &(), &ledger);
        let outcome = match case.leaves {
            None => Some(work.await),
            Some(after) => tokio::time::timeout(ms(after), work).await.ok(),
        };
        ledger.close();
        let took = began.elapsed();
        checks::check_traffic(case, &traffic);
        // An attempt that still ran would be seen now.
        let seen = checks::attempts(&traffic);
        sleep(ms(2_000)).await;
        assert_eq!(checks::attempts(&traffic), seen, "an attempt after the end");

        assert!(took <= case.time() + ms(1), "{took:?} after the deadline");
        checks::check_ledger(case, &ledger, took);
        if let Some(outcome) = outcome {
            checks::check_outcome(case, &outcome, &ledger);
        }
    });
}
