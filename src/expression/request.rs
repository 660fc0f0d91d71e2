//! The values of a request, as an expression takes them over. It must not know what is done with them.

use std::borrow::Cow;

use super::{
    arithmetic::OVERFLOW,
    meter::Meter,
    value::{Evaluated, Text, Value},
};
use crate::values;

/// Takes a value over. JSON stays the bytes that it is.
pub(super) fn value<'e>(value: values::Value<'e>, meter: &Meter) -> Evaluated<'e> {
    Ok(match value {
        values::Value::Json(json) => Value::Raw(json.trim_ascii()),
        values::Value::Text(text) => Value::Text(self::text(text)),
        values::Value::Bool(value) => Value::Bool(value),
        values::Value::Number(number) => Value::Int(i64::try_from(number).map_err(|_| OVERFLOW)?),
        values::Value::List(parts) => {
            let parts = parts.into_iter().map(<[u8]>::trim_ascii).map(Value::Raw);
            Value::list(parts.collect(), meter)?
        }
        values::Value::Texts(texts) => {
            let texts = texts.into_iter().map(self::text).map(Value::Text);
            Value::list(texts.collect(), meter)?
        }
    })
}

fn text(text: Cow<'_, str>) -> Text<'_> {
    match text {
        Cow::Borrowed(text) => Text::Lent(text),
        Cow::Owned(text) => Text::Made(text.into()),
    }
}
