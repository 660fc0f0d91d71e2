//! Arithmetic: of numbers, and the addition of texts and lists. An integer that leaves 64 bits is an error. It must not
//! know where the values come from.

use super::{
    compare::rounded,
    fault::{Fault, Reason},
    meter::Meter,
    term::Operator,
    value::{Evaluated, Items, Open, Value},
};

pub(super) const OVERFLOW: Reason = Reason::Other("is beyond integers of 64 bits");

/// A number that can be calculated with.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

/// Returns the number that a value is; `None` if it is none.
pub(super) fn number(value: &Open<'_>) -> Result<Option<Number>, Fault> {
    Ok(match value {
        Open::Int(int) => Some(Number::Int(*int)),
        Open::Double(double) => Some(Number::Double(*double)),
        Open::Big(_) => return Err(OVERFLOW.into()),
        _ => None,
    })
}

/// Calculates with two values.
pub(super) fn calculate<'e>(
    operator: Operator,
    left: &Value<'e>,
    right: &Value<'e>,
    meter: &Meter,
) -> Evaluated<'e> {
    let (left, right) = (left.open(meter)?, right.open(meter)?);
    if let (Some(left), Some(right)) = (number(&left)?, number(&right)?) {
        return numbers(operator, left, right);
    }
    match (&left, &right, operator) {
        (Open::Text(left), Open::Text(right), Operator::Add) => {
            let (left, right) = (left.as_str(), right.as_str());
            meter.make(left.len() + right.len())?;
            Value::text(&[left, right].concat(), meter)
        }
        (Open::Array(_) | Open::List(_), Open::Array(_) | Open::List(_), Operator::Add) => {
            let mut items = Vec::new();
            collect(left.items("+", meter)?, &mut items, meter)?;
            collect(right.items("+", meter)?, &mut items, meter)?;
            Value::list(items, meter)
        }
        _ => {
            let (left, right) = (left.kind(), right.kind());
            Err(Reason::Operands(operator.sign(), left, right).into())
        }
    }
}

/// Appends all that are left.
pub(super) fn collect<'e>(
    mut from: Items<'e>,
    items: &mut Vec<Value<'e>>,
    meter: &Meter,
) -> Result<(), Fault> {
    while let Some(item) = from.next(meter)? {
        Meter::elements(items.len() + 1)?;
        items.push(item);
    }
    Ok(())
}

/// Calculates with two numbers. If one is a double, so is the result.
pub(super) fn numbers<'e>(operator: Operator, left: Number, right: Number) -> Evaluated<'e> {
    match (left, right) {
        (Number::Int(left), Number::Int(right)) => ints(operator, left, right).map(Value::Int),
        _ => doubles(operator, double(left), double(right)).map(Value::Double),
    }
}

fn ints(operator: Operator, left: i64, right: i64) -> Result<i64, Fault> {
    let result = match operator {
        Operator::Add => left.checked_add(right),
        Operator::Subtract => left.checked_sub(right),
        Operator::Multiply => left.checked_mul(right),
        _ if right == 0 => return Err(Reason::Other("divides by zero").into()),
        Operator::Divide => left.checked_div(right),
        _ => left.checked_rem(right),
    };
    Ok(result.ok_or(OVERFLOW)?)
}

fn doubles(operator: Operator, left: f64, right: f64) -> Result<f64, Fault> {
    Ok(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        _ => return Err(Reason::Other("has a remainder of doubles; `%` is for integers").into()),
    })
}

/// Returns the nearest double.
#[expect(clippy::cast_precision_loss, reason = "it is asked for")]
pub(super) const fn double(number: Number) -> f64 {
    match number {
        Number::Int(int) => int as f64,
        Number::Double(double) => double,
    }
}

/// Returns the nearest double of a value that is a number, however large.
pub(super) fn to_double(value: &Open<'_>) -> Option<f64> {
    match value {
        Open::Big(big) => Some(rounded(big)),
        other => number(other).ok()?.map(double),
    }
}

/// `-a`
pub(super) fn negative<'e>(value: &Value<'e>, meter: &Meter) -> Evaluated<'e> {
    let value = value.open(meter)?;
    Ok(match number(&value)? {
        Some(Number::Int(int)) => Value::Int(int.checked_neg().ok_or(OVERFLOW)?),
        Some(Number::Double(double)) => Value::Double(-double),
        None => return Err(Reason::Operand("-", value.kind()).into()),
    })
}
