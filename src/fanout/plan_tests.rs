//! Choices within an aggregate: those that can be planned, and the reasons why others can't. No plan is run here.

use super::*;
use crate::fanout::{
    PolicySettings,
    fixture::{self, Scripted, Step, calls, ms, policy},
};

fn aggregate(count: usize) -> Aggregate<Scripted> {
    let upstream = Rc::new(Scripted::new([Step::good(1)]));
    fixture::aggregate(calls(count, &upstream, &policy(PolicySettings::default())))
}

fn far() -> Instant {
    Instant::now() + ms(1_000_000)
}

#[test]
fn a_subset_is_planned_in_the_order_given() {
    let aggregate = aggregate(3);
    let choice = Choice {
        calls: Some(vec!["call_2", "call_0"]),
        ..Choice::default()
    };
    let plan = aggregate.plan(&choice, Mode::Concurrent, far()).unwrap();
    let names: Vec<_> = plan.calls.iter().map(|call| &*call.name).collect();
    assert_eq!(names, ["call_2", "call_0"]);
}

#[test]
fn a_choice_that_cannot_be_planned_says_why() {
    let aggregate = aggregate(2);
    let plan = |calls: Option<Vec<&'static str>>, completion| {
        let choice = Choice {
            calls,
            completion,
            ..Choice::default()
        };
        aggregate
            .plan(&choice, Mode::Concurrent, far())
            .map(drop)
            .unwrap_err()
    };
    assert_eq!(
        plan(Some(vec!["nobody"]), None),
        PlanError::UnknownCall("nobody".into())
    );
    assert_eq!(
        plan(Some(vec!["call_0", "call_0"]), None),
        PlanError::RepeatedCall("call_0".into())
    );
    let three = NonZeroUsize::new(3).map(Completion::Quorum);
    assert_eq!(
        plan(None, three),
        PlanError::QuorumTooLarge {
            needed: 3,
            calls: 2
        }
    );
}

#[test]
fn required_calls_can_be_waited_for_only_where_there_is_one() {
    let mut aggregate = aggregate(2);
    aggregate.rules.completion = Completion::Required;
    aggregate.calls[1].need = Need::Optional;
    let plan = |name| {
        let choice = Choice {
            calls: Some(vec![name]),
            ..Choice::default()
        };
        let plan = aggregate.plan(&choice, Mode::Concurrent, far());
        plan.map(drop)
    };
    assert_eq!(plan("call_0"), Ok(()));
    assert_eq!(plan("call_1"), Err(PlanError::NothingRequired));
}
