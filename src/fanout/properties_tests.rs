//! Random plans against random scripted upstreams. `simulation` has the properties of each plan, and the fuzzer uses it
//! too.

use proptest::{collection::vec, option, prelude::*};

use crate::fanout::{
    Mode,
    simulation::{Act, Case, End, Script, Step, UpstreamRules, Waits, check},
};

/// The number of random plans that `cargo test` runs.
const PLANS: u32 = 10_000;

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        6 => Just(End::Good),
        4 => Just(End::Refused),
        2 => option::of(0..3_u8).prop_map(End::Unavailable),
        1 => Just(End::Invalid),
        1 => Just(End::Never),
    ]
}

fn script() -> impl Strategy<Value = Script> {
    let step = (0..400_u16, end()).prop_map(|(delay, end)| Step { delay, end });
    let after = prop_oneof![1 => Just(0), 1 => any::<u8>(), 2 => (any::<u8>(), any::<u8>()).prop_map(|(a, b)| a & b)];
    let order = (act(), after, 0..4_u8);
    (
        vec(step, 1..4),
        any::<bool>(),
        1..500_u16,
        0..8_usize,
        order,
    )
        .prop_map(
            |(steps, optional, timeout, policy, (act, after, rank))| Script {
                steps,
                act,
                after,
                rank,
                optional,
                timeout,
                policy,
            },
        )
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => Just(Act::Send),
        4 => Just(Act::Need),
        1 => Just(Act::Omit),
        1 => Just(Act::Fail),
        2 => (0..7_u8, 1..4_u8, 0..4_u8, 0..10_u8).prop_map(|(elements, concurrency, tolerate, broken)| Act::Each {
            elements,
            concurrency,
            tolerate,
            broken,
        }),
    ]
}

fn rules() -> impl Strategy<Value = UpstreamRules> {
    (
        prop::bool::weighted(0.9),
        1..5_u32,
        option::of(1..200_u16),
        1..5_usize,
        option::of(1..3_u32),
        0..4_u32,
        0..11_u8,
    )
        .prop_map(
            |(repeatable, attempts, hedge, max_in_flight, breaker, floor, tenths)| UpstreamRules {
                repeatable,
                attempts,
                hedge,
                max_in_flight,
                breaker,
                floor,
                tenths,
            },
        )
}

fn case() -> impl Strategy<Value = Case> {
    (
        (vec(script(), 1..8), vec(rules(), 1..8)),
        any::<bool>(),
        1..9_usize,
        1..1_000_u16,
        option::weighted(0.2, 0..1_000_u16),
        waits(),
        any::<bool>(),
        option::weighted(0.2, 0..1_000_u16),
        any::<u64>(),
    )
        .prop_map(
            |(
                (scripts, policies),
                sequential,
                width,
                deadline,
                spent,
                waits,
                strict,
                leaves,
                seed,
            )| {
                Case {
                    scripts,
                    policies,
                    mode: if sequential {
                        Mode::Sequential
                    } else {
                        Mode::Concurrent
                    },
                    width,
                    deadline,
                    spent: spent.unwrap_or(0),
                    waits,
                    strict,
                    leaves,
                    seed,
                }
            },
        )
}

fn waits() -> impl Strategy<Value = Waits> {
    prop_oneof![
        Just(Waits::All),
        Just(Waits::Required),
        (1..9_usize).prop_map(Waits::Quorum),
    ]
}

#[test]
fn every_plan_keeps_its_promises() {
    let config = ProptestConfig {
        cases: PLANS,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(case in case())| check(&case));
}
