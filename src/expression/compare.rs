//! Equality and order of values. Numbers are compared by what they are worth, whatever their kinds. It must not know
//! where the values come from.

use std::{cmp::Ordering, collections::HashMap};

use super::{
    fault::{Fault, Reason},
    meter::Meter,
    term::Operator,
    value::{Entry, Items, Open, Value, entries},
};

/// 2^63, the least double beyond all integers of 64 bits.
pub(super) const BEYOND: f64 = 9_223_372_036_854_775_808.0;

/// The deepest nesting that is compared.
const MOST_COMPARED: u8 = 128;

/// Returns true if two values are equal. Those of different kinds never are, except numbers.
pub(super) fn equal(left: &Value<'_>, right: &Value<'_>, meter: &Meter) -> Result<bool, Fault> {
    equal_within(left, right, MOST_COMPARED, meter)
}

fn equal_within(
    left: &Value<'_>,
    right: &Value<'_>,
    levels: u8,
    meter: &Meter,
) -> Result<bool, Fault> {
    meter.step()?;
    if let (Value::Raw(left), Value::Raw(right)) = (left, right) {
        meter.read(left.len().min(right.len()))?;
        if left == right {
            return Ok(true);
        }
    }
    let (left, right) = (left.open(meter)?, right.open(meter)?);
    if let Some(ordering) = numbers(&left, &right) {
        return Ok(ordering == Some(Ordering::Equal));
    }
    match (&left, &right) {
        (Open::Null, Open::Null) => Ok(true),
        (Open::Bool(left), Open::Bool(right)) => Ok(left == right),
        (Open::Text(left), Open::Text(right)) => {
            meter.read(left.as_str().len())?;
            Ok(left.as_str() == right.as_str())
        }
        _ if left.kind() != right.kind() => Ok(false),
        _ => {
            let levels = levels.checked_sub(1);
            let levels = levels.ok_or(Reason::Other("compares what is nested too deep"))?;
            match (members(&left, meter)?, members(&right, meter)?) {
                (Some(left), Some(right)) => maps(&left, &right, levels, meter),
                _ => lists(&left, &right, levels, meter),
            }
        }
    }
}

fn lists(left: &Open<'_>, right: &Open<'_>, levels: u8, meter: &Meter) -> Result<bool, Fault> {
    let mut left: Items<'_> = left.items("==", meter)?;
    let mut right = right.items("==", meter)?;
    loop {
        match (left.next(meter)?, right.next(meter)?) {
            (None, None) => return Ok(true),
            (Some(left), Some(right)) if equal_within(&left, &right, levels, meter)? => {}
            _ => return Ok(false),
        }
    }
}

/// Returns the entries of a map; `None` of anything else.
fn members<'e>(value: &Open<'e>, meter: &Meter) -> Result<Option<Vec<Entry<'e>>>, Fault> {
    match value {
        Open::Object(json) => entries(json, meter).map(Some),
        Open::Map(map) => {
            meter.make(map.entries.len() * size_of::<Entry<'_>>())?;
            Ok(Some(map.entries.clone()))
        }
        _ => Ok(None),
    }
}

fn maps(left: &[Entry<'_>], right: &[Entry<'_>], levels: u8, meter: &Meter) -> Result<bool, Fault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    let right: HashMap<&str, &Value<'_>> = right
        .iter()
        .map(|(key, value)| (key.as_str(), value))
        .collect();
    for (key, value) in left {
        let other = right.get(key.as_str());
        match other {
            Some(other) if equal_within(value, other, levels, meter)? => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// Returns true if the relation holds between two values that have an order.
pub(super) fn ordered(
    operator: Operator,
    left: &Value<'_>,
    right: &Value<'_>,
    meter: &Meter,
) -> Result<bool, Fault> {
    let (left, right) = (left.open(meter)?, right.open(meter)?);
    let Some(ordering) = order(&left, &right) else {
        let (left, right) = (left.kind(), right.kind());
        return Err(Reason::Operands(operator.sign(), left, right).into());
    };
    // Nothing is before or after a double that is no number.
    Ok(ordering.is_some_and(|ordering| match operator {
        Operator::Less => ordering.is_lt(),
        Operator::LessOrEqual => ordering.is_le(),
        Operator::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    }))
}

/// Returns the order of two values; `None` if their kinds have none.
#[expect(
    clippy::option_option,
    reason = "the inner one is a double that is no number"
)]
pub(super) fn order(left: &Open<'_>, right: &Open<'_>) -> Option<Option<Ordering>> {
    match (left, right) {
        (Open::Text(left), Open::Text(right)) => Some(Some(left.as_str().cmp(right.as_str()))),
        (Open::Bool(left), Open::Bool(right)) => Some(Some(left.cmp(right))),
        _ => numbers(left, right),
    }
}

/// Returns the order of two numbers; `None` if one of them is no number.
#[expect(
    clippy::option_option,
    reason = "the inner one is a double that is no number"
)]
fn numbers(left: &Open<'_>, right: &Open<'_>) -> Option<Option<Ordering>> {
    Some(match (left, right) {
        (Open::Int(left), Open::Int(right)) => Some(left.cmp(right)),
        (Open::Double(left), Open::Double(right)) => left.partial_cmp(right),
        (Open::Int(left), Open::Double(right)) => int_and_double(*left, *right),
        (Open::Double(left), Open::Int(right)) => {
            int_and_double(*right, *left).map(Ordering::reverse)
        }
        (Open::Big(left), Open::Big(right)) => Some(bigs(left, right)),
        (Open::Big(big), Open::Int(_)) => Some(sign(big)),
        (Open::Int(_), Open::Big(big)) => Some(sign(big).reverse()),
        (Open::Big(big), Open::Double(double)) => big_and_double(big, *double),
        (Open::Double(double), Open::Big(big)) => {
            big_and_double(big, *double).map(Ordering::reverse)
        }
        _ => return None,
    })
}

/// Compares without rounding: 2^53 + 1 is greater than 2^53.
#[expect(
    clippy::cast_possible_truncation,
    reason = "it is cut where it is in the range of integers"
)]
fn int_and_double(int: i64, double: f64) -> Option<Ordering> {
    if double.is_nan() {
        return None;
    }
    if double >= BEYOND {
        return Some(Ordering::Less);
    }
    if double < -BEYOND {
        return Some(Ordering::Greater);
    }
    let whole = double.trunc();
    let ordering = int.cmp(&(whole as i64));
    let fraction = || whole.partial_cmp(&double).unwrap_or(Ordering::Equal);
    Some(ordering.then_with(fraction))
}

/// Compares an integer beyond 64 bits with a double, without rounding.
fn big_and_double(big: &str, double: f64) -> Option<Ordering> {
    if !double.is_finite() {
        return rounded(big).partial_cmp(&double);
    }
    // All digits of the double. Where it has a fraction, it is closer to zero than any such integer.
    Some(bigs(big, &format!("{:.0}", double.trunc())))
}

/// Compares an integer beyond 64 bits with one that is not.
fn sign(big: &str) -> Ordering {
    match big.starts_with('-') {
        true => Ordering::Less,
        false => Ordering::Greater,
    }
}

/// Compares by the digits. JSON has no zeros before them.
fn bigs(left: &str, right: &str) -> Ordering {
    let by_digits = |left: &str, right: &str| {
        let by_length = left.len().cmp(&right.len());
        by_length.then_with(|| left.cmp(right))
    };
    match (left.strip_prefix('-'), right.strip_prefix('-')) {
        (None, None) => by_digits(left, right),
        (Some(left), Some(right)) => by_digits(right, left),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
    }
}

/// Returns the nearest double.
pub(super) fn rounded(big: &str) -> f64 {
    big.parse().unwrap_or_default()
}
