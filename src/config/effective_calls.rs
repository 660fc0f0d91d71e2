//! Writes a checked call back as an entry of a file, without its secrets. It must not know the other calls.

use super::{
    call_values::{PairValue, Pairs, RawTolerance, Scalar},
    calls::{RawCall, RawCallTable},
    checked::Call,
    defaults, headers, masking, pass_status,
    values::Count,
};
use crate::fanout::Need;

/// Returns the raw form of a call of this upstream, masked.
pub(super) fn raw(call: &Call, upstream: Option<&str>) -> RawCall {
    let optional = call.need == Need::Optional;
    let composed = masked(&call.written);
    let is_plain = upstream == Some(&*call.name) && !optional && call.pass_status.is_empty();
    if is_plain && composed == RawCallTable::default() {
        return RawCall::Name(call.name.to_string());
    }
    RawCall::Table(Box::new(RawCallTable {
        upstream: upstream.map(ToOwned::to_owned),
        name: Some(call.name.to_string()),
        optional: Some(optional),
        pass_status: pass_status::raw(&call.pass_status),
        ..composed
    }))
}

/// Returns the keys of a call without their secrets, and with the defaults that go with them.
pub(super) fn masked(written: &RawCallTable) -> RawCallTable {
    let is_each = written.each.is_some();
    let each = |count: Option<usize>, default| is_each.then(|| count.unwrap_or(default));
    let concurrency = written.concurrency.map(|Count(count)| count);
    let max = written.max.map(|Count(count)| count);
    let headers = written.headers.as_ref().map(|headers| {
        let all = headers.iter();
        let all = all.map(|(name, value)| (name.clone(), header(name, value)));
        all.collect()
    });
    // A body that is not to be shown in the answer is not to be shown here.
    let is_hidden = written.answer == Some(false);
    let fallback = written.fallback.as_ref();
    RawCallTable {
        query: written.query.as_ref().map(pairs),
        headers,
        json: written.json.as_ref().map(masking::json),
        form: written.form.as_ref().map(pairs),
        body: (written.body.as_ref()).map(|_| masking::MASK.to_owned()),
        fallback: fallback.map(|value| match is_hidden {
            true => masking::json(value),
            false => value.clone(),
        }),
        concurrency: each(concurrency, defaults::EACH_CONCURRENCY).map(Count),
        max: each(max, defaults::EACH_MAX).map(Count),
        tolerate: is_each.then(|| written.tolerate.unwrap_or(RawTolerance::Count(0))),
        ..written.clone()
    }
}

fn header(name: &str, value: &str) -> String {
    match name.parse() {
        Ok(shown) if headers::is_shown(&shown) => value.to_owned(),
        _ => masking::text(name, value),
    }
}

fn pairs(pairs: &Pairs) -> Pairs {
    let masked = |name: &str, value: &PairValue| match value {
        PairValue::One(text) => PairValue::One(masking::text(name, text)),
        PairValue::Several(all) => {
            let all = all.iter().flatten();
            let texts = all.map(|Scalar(text)| Some(Scalar(masking::text(name, text))));
            PairValue::Several(texts.collect())
        }
    };
    let all = pairs.iter();
    all.map(|(name, value)| (name.clone(), masked(name, value)))
        .collect()
}
