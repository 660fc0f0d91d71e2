//! Describes what one call sends, from where its parts come, and what becomes of its answer: as texts for a person, and
//! without secrets. It must not know how they are laid out, nor the other calls.

use std::time::Duration;

use super::{
    call_values::{PairValue, Pairs, RawTolerance},
    calls::RawCallTable,
    checked::{Call, Services},
    effective_calls, headers,
    masking::MASK,
    urls,
    values::{Count, Texts},
};
use crate::{
    exchange::{TRACE_PARENT, TRACE_STATE},
    fanout::Need,
    upstream::Request,
};

/// A call, described in texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The name of the upstream.
    pub upstream: String,
    /// The method and the URL, with the references in its path: `GET http://users:8080/users/{path.id}`.
    pub request: String,
    /// The time that one attempt may take.
    pub timeout: Duration,
    /// The other parts in a fixed order, each with its key. A key may come more than once.
    pub parts: Vec<(&'static str, String)>,
}

/// Describes a call. `None` if the services have no such upstream.
#[must_use]
pub fn explained(services: &Services, call: &Call) -> Option<Explained> {
    let upstream = services.called(call)?;
    let request = services.request(call)?;
    let written = effective_calls::masked(&call.written);
    let url = urls::masked(&upstream.url());
    let (before, query) = match url.split_once('?') {
        Some((before, query)) => (before, format!("?{query}")),
        None => (&*url, String::new()),
    };
    let url = match &written.path {
        Some(path) => format!("{}{path}{query}", before.trim_end_matches('/')),
        None => format!("{before}{query}"),
    };
    let mut parts = Vec::new();
    sent(&written, request, &mut parts);
    decided(&written, call, &mut parts);
    shown(&written, &mut parts);
    Some(Explained {
        upstream: upstream.service.name.to_string(),
        request: format!("{} {url}", request.method),
        timeout: request.timeout,
        parts,
    })
}

type Parts = Vec<(&'static str, String)>;

/// Adds the parts of the request after its URL.
fn sent(written: &RawCallTable, request: &Request, parts: &mut Parts) {
    let pairs = written.query.iter().flat_map(pairs);
    parts.extend(pairs.map(|pair| ("query", pair)));
    let forwarded = request.forward_query.iter();
    parts.extend(forwarded.map(|name| ("query", format!("{name} {OF_CLIENT}"))));
    let own = written.headers.as_ref();
    let is_own = |name: &str| {
        let mut names = own.iter().flat_map(|own| own.keys());
        names.any(|own| own.eq_ignore_ascii_case(name))
    };
    for (name, value) in own.into_iter().flatten() {
        parts.push(("header", format!("{name}: {value}")));
    }
    for (name, value) in &request.headers {
        if !is_own(name.as_str()) {
            let value = value.to_str().ok().filter(|_| headers::is_shown(name));
            parts.push(("header", format!("{name}: {}", value.unwrap_or(MASK))));
        }
    }
    // A caller's trace goes everywhere, as the request's id does.
    let traces = [TRACE_PARENT, TRACE_STATE];
    let forwarded = request.forward_headers.iter();
    let forwarded = forwarded.filter(|name| !traces.contains(name));
    parts.extend(forwarded.map(|name| ("header", format!("{name} {OF_CLIENT}"))));
    if written.idempotency_key == Some(true) {
        let key = "idempotency-key: generated, one for all attempts";
        parts.push(("header", key.to_owned()));
    }
    if let Some(json) = &written.json {
        parts.push(("json", json.to_string()));
    }
    let pairs = written.form.iter().flat_map(self::pairs);
    parts.extend(pairs.map(|pair| ("form", pair)));
    if written.forward_body == Some(true) {
        parts.push(("body", "as the client sent it, with its type".to_owned()));
    } else if request.body.is_some() && written.json.is_none() && written.form.is_none() {
        parts.push(("body", MASK.to_owned()));
    }
}

/// The words for a part that is the client's own.
const OF_CLIENT: &str = "as the client sent it";

/// Adds the parts that decide if the call is made, how often, and if it has succeeded.
fn decided(written: &RawCallTable, call: &Call, parts: &mut Parts) {
    let text = |key, value: &Option<String>| Some((key, value.clone()?));
    parts.extend(text("when", &written.when));
    if let Some(list) = &written.each {
        let (Some(Count(most)), Some(Count(at_a_time))) = (written.max, written.concurrency) else {
            return;
        };
        let at_a_time = match at_a_time {
            1 => "one at a time".to_owned(),
            many => format!("{many} at a time"),
        };
        let tolerated = match written.tolerate {
            None | Some(RawTolerance::Count(0)) => "none may fail".to_owned(),
            Some(RawTolerance::Count(most)) => format!("{most} may fail"),
            Some(RawTolerance::Percent(share)) => format!("{share}% may fail"),
        };
        parts.push((
            "each",
            format!("{list}: at most {most} elements, {at_a_time}, {tolerated}"),
        ));
    }
    parts.extend(text("expect", &written.expect));
    if let Some(value) = &written.fallback {
        parts.push(("fallback", value.to_string()));
    }
    if call.need == Need::Optional {
        let meaning = "the aggregate can do without it";
        parts.push(("optional", meaning.to_owned()));
    }
    if !call.pass_status.is_empty() {
        let statuses = call.pass_status.iter().map(|status| status.as_str());
        parts.push(("pass_status", statuses.collect::<Vec<_>>().join(", ")));
    }
}

/// Adds the part of the body that goes into the answer.
fn shown(written: &RawCallTable, parts: &mut Parts) {
    if let Some(select) = &written.select {
        parts.push(("select", select.clone()));
    }
    for (key, members) in [("keep", &written.keep), ("drop", &written.drop)] {
        if let Some(members) = members {
            parts.push((key, listed(members)));
        }
    }
    if written.answer == Some(false) {
        let meaning = "false: its body stays inside";
        parts.push(("answer", meaning.to_owned()));
    }
}

fn listed(texts: &Texts) -> String {
    let texts: Vec<_> = texts.iter().flatten().map(String::as_str).collect();
    texts.join(", ")
}

/// Returns each pair as `name=value`.
fn pairs(pairs: &Pairs) -> Vec<String> {
    let mut all = Vec::new();
    for (name, value) in pairs {
        match value {
            PairValue::One(text) => all.push(format!("{name}={text}")),
            PairValue::Several(texts) => {
                let texts = texts.iter().flatten();
                all.extend(texts.map(|text| format!("{name}={}", text.0)));
            }
        }
    }
    all
}
