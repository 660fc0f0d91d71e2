//! Makes plans from bytes, for the core's simulation.

use arbitrary::{Result, Unstructured};

use crate::fanout::{
    Mode,
    simulation::{Act, Case, End, Script, Step, UpstreamRules, Waits, check},
};

/// Makes a plan from `bytes` and runs it.
///
/// # Panics
/// Panics if a property does not hold.
pub fn engine(bytes: &[u8]) {
    if let Ok(case) = case(&mut Unstructured::new(bytes)) {
        check(&case);
    }
}

fn case(bytes: &mut Unstructured<'_>) -> Result<Case> {
    let mut scripts = Vec::new();
    for _ in 0..bytes.int_in_range(1..=8)? {
        scripts.push(script(bytes)?);
    }
    let mut policies = Vec::new();
    for _ in 0..bytes.int_in_range(1..=scripts.len())? {
        policies.push(rules(bytes)?);
    }
    Ok(Case {
        scripts,
        policies,
        mode: *bytes.choose(&[Mode::Sequential, Mode::Concurrent])?,
        width: bytes.int_in_range(1..=9)?,
        deadline: bytes.int_in_range(1..=1000)?,
        spent: if bytes.ratio(1, 5)? {
            bytes.int_in_range(0..=1000)?
        } else {
            0
        },
        waits: match bytes.int_in_range(0..=3)? {
            0 => Waits::Quorum(bytes.int_in_range(1..=9)?),
            1 => Waits::Required,
            _ => Waits::All,
        },
        strict: bytes.arbitrary()?,
        leaves: sometimes(bytes, |bytes| bytes.int_in_range(0..=1000))?,
        seed: bytes.arbitrary()?,
    })
}

fn script(bytes: &mut Unstructured<'_>) -> Result<Script> {
    let mut steps = Vec::new();
    for _ in 0..bytes.int_in_range(1..=4)? {
        let end = match bytes.int_in_range(0..=9)? {
            0..=3 => End::Good,
            4..=5 => End::Refused,
            6..=7 => End::Unavailable(sometimes(bytes, |bytes| bytes.int_in_range(0..=3))?),
            8 => End::Invalid,
            _ => End::Never,
        };
        steps.push(Step {
            delay: bytes.int_in_range(0..=400)?,
            end,
        });
    }
    let act = match bytes.int_in_range(0..=9)? {
        0..=3 => Act::Send,
        4..=5 => Act::Need,
        6 => Act::Omit,
        7 => Act::Fail,
        _ => Act::Each {
            elements: bytes.int_in_range(0..=6)?,
            concurrency: bytes.int_in_range(1..=3)?,
            tolerate: bytes.int_in_range(0..=3)?,
            broken: bytes.int_in_range(0..=9)?,
        },
    };
    Ok(Script {
        steps,
        act,
        after: bytes.arbitrary()?,
        rank: bytes.int_in_range(0..=3)?,
        optional: bytes.arbitrary()?,
        timeout: bytes.int_in_range(1..=500)?,
        policy: bytes.int_in_range(0..=7)?,
    })
}

fn rules(bytes: &mut Unstructured<'_>) -> Result<UpstreamRules> {
    Ok(UpstreamRules {
        repeatable: bytes.ratio(7, 8)?,
        attempts: bytes.int_in_range(1..=5)?,
        hedge: sometimes(bytes, |bytes| bytes.int_in_range(0..=200))?,
        max_in_flight: bytes.int_in_range(1..=5)?,
        breaker: sometimes(bytes, |bytes| bytes.int_in_range(1..=3))?,
        floor: bytes.int_in_range(0..=4)?,
        tenths: bytes.int_in_range(0..=10)?,
    })
}

fn sometimes<'b, T>(
    bytes: &mut Unstructured<'b>,
    make: impl FnOnce(&mut Unstructured<'b>) -> Result<T>,
) -> Result<Option<T>> {
    let made: bool = bytes.arbitrary()?;
    made.then(|| make(bytes)).transpose()
}
