//! Properties of every plan. A plan calls upstreams that follow a script, on paused time, and `checks` holds what must
//! be true of it. It must not know who makes the scripts (a property test, a fuzzer).

use std::rc::Rc;

use tokio::time::{Instant, sleep};

pub(crate) use self::case::{Act, Case, End, Script, Step, UpstreamRules, Waits};
use self::{
    case::{at_least_one, ms, settings},
    checks::Ledger,
};
use crate::fanout::{
    Aggregate, Choice, Earlier, Failure, Need, OnFailure, Repeatable, Rules, UpstreamId,
    fixture::{self, Scene, Scripted, Traffic, call, policy},
    run,
};

mod case;
mod checks;
mod order;

/// Builds the aggregate of a case. The upstreams of a policy count their attempts in its `traffic`.
fn aggregate(case: &Case, traffic: &[Rc<Traffic>]) -> Aggregate<Scripted> {
    let policies: Vec<_> = case
        .policies
        .iter()
        .map(|rules| policy(settings(rules)))
        .collect();
    let calls = case.scripts.iter().enumerate().map(|(index, script)| {
        let own = case.policy(index);
        let steps: Vec<_> = script.steps.iter().map(|step| step.scripted()).collect();
        let inputs = case.inputs(index);
        let after = inputs.clone().into();
        let act = script.act;
        let elements = steps.clone();
        let mut upstream =
            Scripted::new(steps).deciding(move |earlier| scene(act, &elements, &inputs, earlier));
        upstream.traffic = Rc::clone(&traffic[own]);
        let mut call = call(&format!("call_{index}"), &Rc::new(upstream), &policies[own]);
        call.id = UpstreamId(own);
        call.timeout = ms(script.timeout);
        call.after = after;
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

/// Returns the scripted decision of a call that waits for `inputs`.
///
/// # Panics
/// Panics if one of them has not settled.
fn scene(act: Act, steps: &[fixture::Step], inputs: &[usize], earlier: Earlier<'_>) -> Scene {
    let results = inputs.iter().map(|&input| earlier.get(input));
    let results: Vec<_> = results.map(|call| call.expect("a settled input")).collect();
    let missing = || Failure::skipped("a value is missing");
    match act {
        Act::Send => Scene::Send,
        Act::Need if results.iter().all(|call| call.result.is_ok()) => Scene::Send,
        Act::Need | Act::Fail => Scene::Fail(missing()),
        Act::Omit => Scene::Omit,
        Act::Each {
            elements,
            concurrency,
            tolerate,
            broken,
        } => {
            let element = |index: usize| {
                let mut steps = steps.to_vec();
                let first = index % steps.len();
                steps.rotate_left(first);
                if index == usize::from(broken) {
                    Err(missing())
                } else {
                    Ok(steps)
                }
            };
            Scene::Each {
                elements: (0..elements.into()).map(element).collect(),
                concurrency: usize::from(concurrency.max(1)),
                tolerate: tolerate.into(),
            }
        }
    }
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
        let turns: Vec<_> = aggregate
            .calls
            .iter()
            .map(|call| call.upstream.turns.get())
            .collect();
        checks::check_ledger(case, &ledger, &turns, took);
        if let Some(outcome) = outcome {
            checks::check_outcome(case, &outcome, &ledger);
            order::check(case, &outcome, &turns);
        }
    });
}
