//! A value as JSON. What nothing has changed is written with the bytes that it came with. It must not know who reads
//! it.

use super::{
    fault::{Fault, Reason},
    meter::Meter,
    value::Value,
};
use crate::pick;

/// The most bytes that a value takes when it is written.
pub(super) const MOST_WRITTEN: usize = 16 * 1024 * 1024;

/// Appends a value to `out`, whose first `before` bytes are not of it.
pub(super) fn write(
    value: &Value<'_>,
    before: usize,
    out: &mut Vec<u8>,
    meter: &Meter,
) -> Result<(), Fault> {
    let begin = out.len();
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Value::Int(value) => scalar(value, out),
        Value::Double(value) if value.is_finite() => scalar(value, out),
        Value::Double(_) => return Err(Reason::Other("is a double that JSON can't hold").into()),
        Value::Text(text) => pick::quote(text.as_str(), out),
        Value::Raw(bytes) => {
            room(out.len() - before + bytes.len())?;
            out.extend_from_slice(bytes);
        }
        Value::List(list) => {
            out.push(b'[');
            for (place, item) in list.items.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                write(item, before, out, meter)?;
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (place, (key, value)) in map.entries.iter().enumerate() {
                if place > 0 {
                    out.push(b',');
                }
                pick::quote(key.as_str(), out);
                out.push(b':');
                write(value, before, out, meter)?;
            }
            out.push(b'}');
        }
    }
    room(out.len() - before)?;
    meter.step()?;
    debug_assert!(out.len() > begin, "a value has bytes");
    Ok(())
}

fn room(written: usize) -> Result<(), Fault> {
    match written <= MOST_WRITTEN {
        true => Ok(()),
        false => Err(Reason::Other("is larger than 16 MiB").into()),
    }
}

/// Appends a number. It always has a form, and a vector takes it.
fn scalar(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}
