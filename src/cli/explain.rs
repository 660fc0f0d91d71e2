//! `gather check --explain`: draws the plan of an aggregate as text: what waits for what, what goes upstream from
//! where, and the answer. It must not know how a call is made.

mod graph;
mod lines;

use std::{io::Write, time::Duration};

use anyhow::bail;
use http::Method;

use self::{
    graph::{critical, layers},
    lines::Lines,
};
use crate::{
    compose::{Place, Shape},
    config::{Aggregate, Call, Config, Explained, explained, order},
    endpoint::{ParameterKind, Route},
    fanout::{Completion, Mode},
    spelling::nearest,
};

/// Writes the plan of the aggregate with this name, or of all.
///
/// # Errors
/// Fails if there is no such aggregate, or with any error of `out`.
pub(super) fn explain(
    config: &Config,
    name: Option<&str>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let all = &config.services.aggregates;
    let chosen: Vec<_> = match name {
        None => all.iter().collect(),
        Some(name) => vec![find(all, name)?],
    };
    for (place, aggregate) in chosen.into_iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        write!(out, "{}", drawn(config, aggregate))?;
    }
    Ok(())
}

/// Finds an aggregate by its name.
///
/// # Errors
/// Fails with a suggestion if there is none.
pub(super) fn find<'a>(all: &'a [Aggregate], name: &str) -> anyhow::Result<&'a Aggregate> {
    if let Some(found) = all.iter().find(|aggregate| *aggregate.name == *name) {
        return Ok(found);
    }
    let names = || all.iter().map(|aggregate| &*aggregate.name);
    if let Some(meant) = nearest(name, names()) {
        bail!("there is no aggregate `{name}`, did you mean `{meant}`?");
    }
    let names: Vec<_> = names().map(|name| format!("`{name}`")).collect();
    bail!(
        "there is no aggregate `{name}`; the configuration has {}",
        names.join(", ")
    );
}

fn drawn(config: &Config, aggregate: &Aggregate) -> String {
    let calls: Vec<_> = aggregate
        .calls
        .iter()
        .filter_map(|call| Some((call, explained(&config.services, call)?)))
        .collect();
    let mut lines = Lines::default();
    lines.line(&aggregate.name);
    lines.list("runs", &rules(aggregate));
    entry(aggregate, &mut lines);
    answer(aggregate, &mut lines);
    plan(aggregate, &calls, &mut lines);
    for (call, explained) in &calls {
        sent(call, explained, &mut lines);
    }
    lines.into_text()
}

/// Returns the aggregate's rules.
fn rules(aggregate: &Aggregate) -> [String; 3] {
    let rules = &aggregate.rules;
    let mode = match rules.mode {
        Mode::Sequential => "one call after another".to_owned(),
        Mode::Concurrent if rules.concurrency.get() < aggregate.calls.len() => {
            format!("at most {} calls at a time", rules.concurrency)
        }
        Mode::Concurrent => "calls start as soon as they can".to_owned(),
    };
    let awaited = match rules.completion {
        Completion::All => "all calls".to_owned(),
        Completion::Required => "the calls that are not optional".to_owned(),
        Completion::FIRST => "the first success".to_owned(),
        Completion::Quorum(needed) => format!("{needed} successes"),
    };
    let deadline = humantime::format_duration(rules.deadline);
    [
        mode,
        format!("waits for {awaited}"),
        format!("at most {deadline}"),
    ]
}

/// Writes the routes, and the parts of the client's request that some call takes.
fn entry(aggregate: &Aggregate, lines: &mut Lines) {
    let methods = aggregate.methods.iter().map(Method::as_str);
    let methods = methods.collect::<Vec<_>>().join(", ");
    if let Some(route) = &aggregate.route {
        lines.entry("route", &format!("{methods} {}", route.path));
    }
    let query = aggregate.route.as_ref().map_or_else(String::new, by_query);
    let named = format!("{methods} /aggregate/{}{query}", aggregate.name);
    lines.entry("route", &named);
    let mut parts = Vec::new();
    for parameter in aggregate.route.iter().flat_map(|route| &route.parameters) {
        parts.push(format!("path {}{}", parameter.name, kind(parameter.kind)));
    }
    let takes = || aggregate.calls.iter().map(|call| &call.takes);
    let mut query: Vec<_> = takes().flat_map(|takes| &takes.query).collect();
    query.sort_unstable();
    query.dedup();
    parts.extend(query.into_iter().map(|name| format!("query {name}")));
    let mut headers: Vec<_> = takes()
        .flat_map(|takes| &takes.headers)
        .map(|name| name.as_str())
        .collect();
    headers.sort_unstable();
    headers.dedup();
    parts.extend(headers.into_iter().map(|name| format!("header {name}")));
    let takes_json = takes().any(|takes| takes.json);
    if takes_json || takes().any(|takes| takes.body) {
        let kind = if takes_json { "JSON body" } else { "body" };
        parts.push(format!(
            "{kind} of at most {}",
            crate::config::Bytes(aggregate.limits.max_request_body as u64)
        ));
    }
    if !parts.is_empty() {
        lines.list("client", &parts);
    }
}

/// Returns the route's parameters as those of a query.
fn by_query(route: &Route) -> String {
    let parameters = route.parameters.iter();
    let pairs: Vec<_> = parameters
        .map(|parameter| {
            let name = &parameter.name;
            format!("{name}={{{name}{}}}", kind(parameter.kind))
        })
        .collect();
    match pairs.is_empty() {
        true => String::new(),
        false => format!("?{}", pairs.join("&")),
    }
}

const fn kind(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Text => "",
        ParameterKind::Int => ":int",
        ParameterKind::Uuid => ":uuid",
    }
}

/// Writes the shape of the answer, with the places of a merged one.
fn answer(aggregate: &Aggregate, lines: &mut Lines) {
    match &aggregate.shape {
        Shape::Report => lines.entry("answer", "the report of all calls"),
        Shape::Value(expression) => lines.entry("answer", expression.source()),
        Shape::Merge => {
            let seen = aggregate.calls.iter().filter(|call| !call.shape.is_hidden);
            let mut places: Vec<_> = seen
                .map(|call| match &call.shape.into {
                    None => call.name.to_string(),
                    Some(Place::Spread) => format!("the members of {}", call.name),
                    Some(Place::At(names)) => format!("{} = {}", names.join("."), call.name),
                })
                .collect();
            if let Some(first) = places.first_mut() {
                first.insert_str(0, "one object: ");
            }
            lines.list("answer", &places);
        }
    }
    if !aggregate.response_headers.is_empty() {
        let names = aggregate.response_headers.iter();
        let names: Vec<_> = names.map(ToString::to_string).collect();
        lines.list("headers", &names);
    }
}

/// Writes a line for each call, layer by layer, and the critical path.
fn plan(aggregate: &Aggregate, calls: &[(&Call, Explained)], lines: &mut Lines) {
    let after: Vec<_> = calls.iter().map(|(call, _)| &*call.after).collect();
    let times: Vec<_> = calls.iter().map(|(_, call)| call.timeout).collect();
    let layers = layers(&after);
    let is_sequential = aggregate.rules.mode == Mode::Sequential;
    let (path, longest) = match is_sequential {
        true => (order(&after), times.iter().sum()),
        false => critical(&after, &times),
    };
    let mut rows: Vec<_> = (0..calls.len()).collect();
    rows.sort_by_key(|&call| layers[call]);
    let widest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
    let name = widest(&mut calls.iter().map(|(call, _)| call.name.len()));
    let shown: Vec<_> = times.iter().map(|time| time_of(*time)).collect();
    let time = widest(&mut shown.iter().map(String::len));
    lines.blank();
    for call in rows {
        let is_marked = !is_sequential && path.contains(&call);
        let mark = if is_marked { '*' } else { ' ' };
        let (layer, own) = (layers[call] + 1, &calls[call].0.name);
        let start = format!("{layer:>3} {mark} {own:name$}  {:>time$}", shown[call]);
        let names: Vec<_> = after[call]
            .iter()
            .map(|&earlier| calls[earlier].0.name.to_string())
            .collect();
        match names.is_empty() {
            true => lines.line(&start),
            false => lines.wrapped(&format!("{start}  after "), &names),
        }
    }
    let names: Vec<_> = path.iter().map(|&call| &*calls[call].0.name).collect();
    lines.blank();
    let past = match longest > aggregate.rules.deadline {
        true => format!(
            ", beyond the deadline of {}",
            humantime::format_duration(aggregate.rules.deadline)
        ),
        false => String::new(),
    };
    let (title, rule) = match is_sequential {
        true => ("in this order", "the sum of the timeouts"),
        false => (
            "* critical path",
            "the chain with the largest sum of timeouts",
        ),
    };
    lines.line(&format!(
        "  {title}: {}, at most {}{past}",
        names.join(" → "),
        time_of(longest)
    ));
    lines.line(&format!("    ({rule}; one attempt and one element each)"));
}

/// Writes what a call sends, from where, and what becomes of its answer.
fn sent(call: &Call, explained: &Explained, lines: &mut Lines) {
    lines.blank();
    let of = match *explained.upstream == *call.name {
        true => String::new(),
        false => format!(" (upstream {})", explained.upstream),
    };
    lines.line(&format!("  {}{of}", call.name));
    lines.line(&format!("    {}", explained.request));
    for (key, text) in &explained.parts {
        lines.line(&format!("    {key:<9} {text}"));
    }
}

fn time_of(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}
