//! The functions of an expression: sizes, conversions and folds. It must not know where the values come from.

use std::cmp::Ordering;

use super::{
    arithmetic::{self, Number, OVERFLOW},
    compare::{self, BEYOND},
    fault::{Fault, Reason},
    functions::Function,
    meter::Meter,
    term::Operator,
    texts,
    value::{Evaluated, Items, Open, Value, entries},
};
use crate::pick;

/// Calls a function. `arguments` has the value before the dot first. Their number has been checked at start.
pub(super) fn call<'e>(
    function: Function,
    arguments: &[Value<'e>],
    meter: &Meter,
) -> Evaluated<'e> {
    let Some((first, rest)) = arguments.split_first() else {
        return Err(Reason::Other("has no argument").into());
    };
    if function == Function::Dyn {
        return Ok(first.clone());
    }
    let value = first.open(meter)?;
    match function {
        Function::Size => size(&value, meter).map(Value::Int),
        Function::Int => int(&value).map(Value::Int),
        Function::Double => double(&value).map(Value::Double),
        Function::Bool => boolean(&value).map(Value::Bool),
        Function::String => string(value, meter),
        Function::Sum => sum(&value, meter),
        Function::Min => extreme(&value, Ordering::Less, "min", meter),
        Function::Max => extreme(&value, Ordering::Greater, "max", meter),
        _ => texts::call(function, &value, rest, meter),
    }
}

fn wrong<T>(user: &'static str, value: &Open<'_>) -> Result<T, Fault> {
    Err(Reason::Operand(user, value.kind()).into())
}

fn size(value: &Open<'_>, meter: &Meter) -> Result<i64, Fault> {
    let size = match value {
        Open::Text(text) => {
            meter.read(text.as_str().len())?;
            text.as_str().chars().count()
        }
        Open::Array(json) => {
            meter.read(json.len())?;
            pick::elements(json).count()
        }
        Open::Object(json) => entries(json, meter)?.len(),
        Open::List(list) => list.items.len(),
        Open::Map(map) => map.entries.len(),
        other => return wrong("size", other),
    };
    Ok(i64::try_from(size).map_err(|_| OVERFLOW)?)
}

#[expect(clippy::cast_possible_truncation, reason = "its range is checked")]
fn int(value: &Open<'_>) -> Result<i64, Fault> {
    match value {
        Open::Int(int) => Ok(*int),
        Open::Double(double) if (-BEYOND..BEYOND).contains(double) => Ok(*double as i64),
        Open::Double(_) | Open::Big(_) => Err(OVERFLOW.into()),
        Open::Text(text) => {
            let int = text.as_str().parse();
            Ok(int.map_err(|_| Reason::Other("is of a text that is no integer"))?)
        }
        other => wrong("int", other),
    }
}

fn double(value: &Open<'_>) -> Result<f64, Fault> {
    if let Some(double) = arithmetic::to_double(value) {
        return Ok(double);
    }
    match value {
        Open::Text(text) => {
            let double = text.as_str().parse().ok();
            let double = double.filter(|double: &f64| double.is_finite());
            Ok(double.ok_or(Reason::Other("is of a text that is no number"))?)
        }
        other => wrong("double", other),
    }
}

fn boolean(value: &Open<'_>) -> Result<bool, Fault> {
    match value {
        Open::Bool(value) => Ok(*value),
        Open::Text(text) => match text.as_str() {
            "true" | "TRUE" | "True" | "t" | "1" => Ok(true),
            "false" | "FALSE" | "False" | "f" | "0" => Ok(false),
            _ => Err(Reason::Other("is of a text that is neither true nor false").into()),
        },
        other => wrong("bool", other),
    }
}

fn string<'e>(value: Open<'e>, meter: &Meter) -> Evaluated<'e> {
    match value {
        Open::Text(text) => Ok(Value::Text(text)),
        Open::Bool(value) => Value::text(if value { "true" } else { "false" }, meter),
        Open::Int(int) => Value::text(&int.to_string(), meter),
        // The digits as they came.
        Open::Big(digits) => Value::text(digits, meter),
        Open::Double(double) if double.is_finite() => Value::text(&double.to_string(), meter),
        Open::Double(_) => Err(Reason::Other("is of a double that JSON can't hold").into()),
        other => wrong("string", &other),
    }
}

/// Adds up all elements. Of none it is 0.
fn sum<'e>(list: &Open<'e>, meter: &Meter) -> Evaluated<'e> {
    let mut items = elements(list, "sum", meter)?;
    let mut sum = Number::Int(0);
    while let Some(item) = items.next(meter)? {
        let item = item.open(meter)?;
        let Some(number) = arithmetic::number(&item)? else {
            return wrong("sum", &item);
        };
        sum = match arithmetic::numbers(Operator::Add, sum, number)? {
            Value::Int(int) => Number::Int(int),
            Value::Double(double) => Number::Double(double),
            _ => return wrong("sum", &item),
        };
    }
    Ok(match sum {
        Number::Int(int) => Value::Int(int),
        Number::Double(double) => Value::Double(double),
    })
}

/// Returns the least or the greatest element.
fn extreme<'e>(
    list: &Open<'e>,
    wanted: Ordering,
    user: &'static str,
    meter: &Meter,
) -> Evaluated<'e> {
    let mut items = elements(list, user, meter)?;
    let first = items.next(meter)?;
    let mut found = first.ok_or(Reason::Other("is of an empty list"))?;
    while let Some(item) = items.next(meter)? {
        let (old, new) = (found.open(meter)?, item.open(meter)?);
        let Some(ordering) = compare::order(&new, &old) else {
            return Err(Reason::Operands(user, new.kind(), old.kind()).into());
        };
        if ordering == Some(wanted) {
            found = item;
        }
    }
    Ok(found)
}

/// Returns the elements of a list. The keys of a map are none.
fn elements<'e>(list: &Open<'e>, user: &'static str, meter: &Meter) -> Result<Items<'e>, Fault> {
    match list {
        Open::Array(_) | Open::List(_) => list.items(user, meter),
        other => wrong(user, other),
    }
}
