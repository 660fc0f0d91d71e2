//! The functions of texts. Characters are code points of Unicode. It must not know where the texts come from.

use super::{
    arithmetic,
    fault::{Fault, Reason},
    functions::Function,
    meter::{MOST_ELEMENTS, Meter},
    value::{Evaluated, Open, Text, Value},
};

/// Calls a function on a text, or `join` on a list of them.
pub(super) fn call<'e>(
    function: Function,
    value: &Open<'e>,
    arguments: &[Value<'e>],
    meter: &Meter,
) -> Evaluated<'e> {
    let mut others = Vec::with_capacity(arguments.len());
    for argument in arguments {
        others.push(argument.open(meter)?);
    }
    if function == Function::Join {
        return join(value, others.first(), meter);
    }
    let own = text(value, function)?;
    meter.read(own.len())?;
    let other = |place: usize| match others.get(place) {
        Some(other) => text(other, function),
        None => Ok(""),
    };
    match function {
        Function::StartsWith => Ok(Value::Bool(own.starts_with(other(0)?))),
        Function::EndsWith => Ok(Value::Bool(own.ends_with(other(0)?))),
        Function::Contains => Ok(Value::Bool(own.contains(other(0)?))),
        Function::LowerAscii => Value::text(&own.to_ascii_lowercase(), meter),
        Function::UpperAscii => Value::text(&own.to_ascii_uppercase(), meter),
        Function::Trim => Value::text(own.trim(), meter),
        Function::Split => split(own, other(0)?, meter),
        Function::Replace => replace(own, other(0)?, other(1)?, meter),
        _ => substring(own, others.first(), others.get(1), meter),
    }
}

fn text<'v>(value: &'v Open<'_>, function: Function) -> Result<&'v str, Fault> {
    match value {
        Open::Text(text) => Ok(text.as_str()),
        other => Err(Reason::Operand(function.name(), other.kind()).into()),
    }
}

fn join<'e>(list: &Open<'e>, separator: Option<&Open<'e>>, meter: &Meter) -> Evaluated<'e> {
    let separator = match separator {
        Some(separator) => text(separator, Function::Join)?,
        None => "",
    };
    let (Open::Array(_) | Open::List(_)) = list else {
        return Err(Reason::Operand("join", list.kind()).into());
    };
    let mut items = list.items("join", meter)?;
    let mut joined = String::new();
    let mut is_first = true;
    while let Some(item) = items.next(meter)? {
        let item = item.open(meter)?;
        let item = text(&item, Function::Join)?;
        meter.make(item.len() + separator.len())?;
        if !is_first {
            joined.push_str(separator);
        }
        is_first = false;
        joined.push_str(item);
    }
    Value::text(&joined, meter)
}

/// Splits at a separator. An empty one splits between all characters.
fn split<'e>(own: &str, separator: &str, meter: &Meter) -> Evaluated<'e> {
    let mut items = Vec::new();
    let mut add = |piece: &str| -> Result<(), Fault> {
        Meter::elements(items.len() + 1)?;
        items.push(Value::text(piece, meter)?);
        Ok(())
    };
    if separator.is_empty() {
        for (at, letter) in own.char_indices() {
            add(&own[at..at + letter.len_utf8()])?;
        }
    } else {
        for piece in own.split(separator).take(MOST_ELEMENTS + 1) {
            add(piece)?;
        }
    }
    Value::list(items, meter)
}

fn replace<'e>(own: &str, from: &str, to: &str, meter: &Meter) -> Evaluated<'e> {
    let times = own.matches(from).count();
    meter.make(own.len() + times.saturating_mul(to.len()))?;
    Value::text(&own.replace(from, to), meter)
}

/// Returns the characters from one index up to another.
fn substring<'e>(
    own: &str,
    from: Option<&Open<'e>>,
    to: Option<&Open<'e>>,
    meter: &Meter,
) -> Evaluated<'e> {
    let place = |index: Option<&Open<'e>>| match index {
        None => Ok(own.len()),
        Some(Open::Int(index)) => {
            let characters = own.char_indices().map(|(at, _)| at).chain([own.len()]);
            let index = usize::try_from(*index).ok();
            let at = index.and_then(|index| characters.into_iter().nth(index));
            at.ok_or(Fault::from(Reason::Other("is beyond the text")))
        }
        Some(other) => Err(Reason::Operand("substring", other.kind()).into()),
    };
    let part = own.get(place(from)?..place(to)?);
    let part = part.ok_or(Reason::Other("ends before it begins"))?;
    Ok(Value::Text(Text::made(part, meter)?))
}

/// Returns the index that a value is: an integer, or a double that is one.
#[expect(clippy::cast_possible_truncation, reason = "it is compared")]
pub(super) fn index(value: &Open<'_>) -> Option<i64> {
    match value {
        Open::Int(index) => Some(*index),
        Open::Double(double) => {
            let index = *double as i64;
            let back = arithmetic::double(arithmetic::Number::Int(index));
            back.eq(double).then_some(index)
        }
        _ => None,
    }
}
