//! Checks `[upstreams.NAME]`, with the defaults under it, and `[defaults]` alone. It must not know aggregates.

use std::{collections::BTreeSet, time::Duration};

use bytes::Bytes;
use http::{Method, Uri, uri::Scheme};

use super::{
    checked::TlsFiles,
    defaults, headers,
    inheritance::{DEFAULTS, UPSTREAMS},
    mistake::KeyPath,
    policies,
    quantities::{HumanDuration, Size},
    raw::{Named, RawMethod, RawUpstream},
    review::{Review, Slot},
    tls::{self, Material},
    urls,
    values::{Table, Texts, count},
};
use crate::{
    fanout::{PARAMETERS, PolicySettings, Repeatable, StatusSet},
    upstream::{Address, Request, Service, Settings},
};

/// One upstream, checked.
pub(super) struct Checked {
    pub(super) settings: Settings,
    pub(super) files: TlsFiles,
    /// True if it trusts the roots that upstreams share.
    pub(super) shares_roots: bool,
}

/// Checks all upstreams, by name. Some calls of those in `repeated` may be sent more than once. If the review has no
/// mistake, none of them is missing.
pub(super) fn check(
    raw: Option<Named<RawUpstream>>,
    defaults: Option<Table<RawUpstream>>,
    repeated: &BTreeSet<String>,
    review: &mut Review<'_>,
) -> Vec<Checked> {
    let table = KeyPath::of([UPSTREAMS]);
    if review.names(&table).is_empty() && !review.refused.contains(&table) {
        let message =
            "missing; expected at least one upstream, such as [upstreams.users] with a url";
        review.mistake(&table, message);
    }
    for name in review.names(&table) {
        review.check_name(&table.key(&name), &name);
    }
    let mut material = Material::default();
    if let Some(Table(defaults)) = defaults {
        // Each upstream has them already. This finds mistakes in defaults that each upstream replaces.
        let table = KeyPath::of([DEFAULTS]);
        settings(&table, "", &nowhere(), defaults, &mut material, review);
    }
    let mut upstreams = Vec::new();
    for (name, Table(raw)) in raw.unwrap_or_default() {
        let is_repeated = repeated.contains(&name);
        upstreams.extend(upstream(&name, raw, is_repeated, &mut material, review));
    }
    upstreams
}

/// Checks one upstream. Its settings have the defaults under them.
fn upstream(
    name: &str,
    mut raw: RawUpstream,
    is_repeated: bool,
    material: &mut Material,
    review: &mut Review<'_>,
) -> Option<Checked> {
    let path = KeyPath::of([UPSTREAMS, name]);
    let url = url(&path.key("url"), raw.url.take(), review);
    let is_secure = (url.as_ref()).is_none_or(|url| url.scheme() == Some(&Scheme::HTTPS));
    let tls = path.key("tls");
    if !is_secure && !review.is_own(&tls) {
        // A default is for all upstreams, and an upstream without https does not need this one.
        raw.tls = None;
    } else if !is_secure && raw.tls.is_some() {
        let message = "`tls` is only for https, and the url of this upstream is http";
        review.mistake(&tls, message);
    }
    let shares_roots = is_secure && !review.is_refused(&tls) && !review.is_set(&tls.key("ca"));
    let is_retried = raw.retry.is_some();
    let is_known = url.is_some();
    let url = url.unwrap_or_else(nowhere);
    let (settings, files) = settings(&path, name, &url, raw, material, review)?;
    if !review.is_refused(&path.key("method")) {
        check_body(&path, &settings, review);
        if !is_repeated {
            check_repeats(&path, &settings, is_retried, review);
        }
    }
    check_forwarded(&path.key("forward_headers"), &settings, review);
    is_known.then_some(Checked {
        settings,
        files,
        shares_roots,
    })
}

/// Checks the settings of a table one by one. A refused setting gets some value that is never used, as its
/// mistake refuses the whole configuration.
fn settings(
    path: &KeyPath,
    name: &str,
    url: &Uri,
    raw: RawUpstream,
    material: &mut Material,
    review: &mut Review<'_>,
) -> Option<(Settings, TlsFiles)> {
    let at = |key| path.key(key);
    let tls = raw
        .tls
        .map(|Table(raw)| tls::read(&at("tls"), raw, material, review));
    let tls = tls.unwrap_or_default();
    // Every field is named here and below, so that the compiler finds a setting that is not read.
    let built_in = Service::new(name, Address::of(url)?);
    let service = Service {
        name: built_in.name,
        address: built_in.address,
        tls: tls.settings,
        connect_timeout: review
            .duration(&at("connect_timeout"), raw.connect_timeout)
            .unwrap_or(built_in.connect_timeout),
        keep_alive: keep_alive(
            &at("keep_alive"),
            raw.keep_alive,
            built_in.keep_alive,
            review,
        ),
        policy: PolicySettings {
            max_in_flight: count(raw.max_in_flight, built_in.policy.max_in_flight.get()),
            retry: raw.retry.map_or(built_in.policy.retry, |Table(raw)| {
                policies::retry(&at("retry"), raw, review)
            }),
            hedge: raw
                .hedge
                .and_then(|Table(raw)| policies::hedge(&at("hedge"), raw, review)),
            budget: raw
                .budget
                .map_or(built_in.policy.budget, |Table(raw)| policies::budget(raw)),
            breaker: raw
                .breaker
                .map(|Table(raw)| policies::breaker(&at("breaker"), raw, review)),
        },
    };
    let built_in = Request::get(url.path_and_query()?.clone());
    let request = Request {
        method: raw.method.map_or(built_in.method, method),
        target: built_in.target,
        headers: headers::fixed(&at("headers"), raw.headers, review)
            .into_values()
            .collect(),
        body: raw.body.map(Bytes::from),
        timeout: review
            .duration(&at("timeout"), raw.timeout)
            .unwrap_or(built_in.timeout),
        success: raw.success.map_or(built_in.success, |texts| {
            statuses(&at("success"), texts, review)
        }),
        max_body: raw
            .max_body
            .and_then(|Size(bytes)| bytes.try_into().ok())
            .unwrap_or(built_in.max_body),
        max_depth: count(raw.max_depth, built_in.max_depth).get(),
        framed: raw.framed.unwrap_or(built_in.framed),
        compressed: raw.compressed.unwrap_or(built_in.compressed),
        forward_headers: raw
            .forward_headers
            .map_or(built_in.forward_headers, |texts| {
                headers::forwarded(&at("forward_headers"), texts, review)
            }),
        forward_query: raw.forward_query.map_or(built_in.forward_query, |texts| {
            parameters(&at("forward_query"), texts, review)
        }),
        composed: None,
        kept_fields: Vec::new(),
    };
    Some((Settings { service, request }, tls.files))
}

/// Returns the URL of settings that are only checked: `[defaults]`, or an upstream whose own URL was refused.
fn nowhere() -> Uri {
    Uri::from_static("http://nowhere/")
}

fn url(path: &KeyPath, raw: Option<String>, review: &mut Review<'_>) -> Option<Uri> {
    match review.slot(path, raw) {
        Slot::Given(text) => urls::parse(&text)
            .map_err(|message| review.mistake(path, message))
            .ok(),
        Slot::Refused => None,
        Slot::Absent => {
            review.mistake(path, format!("missing; expected {}", urls::EXPECTED));
            None
        }
    }
}

/// Returns the time that a connection may idle. Zero is allowed, and keeps none.
fn keep_alive(
    path: &KeyPath,
    raw: Option<HumanDuration>,
    built_in: Duration,
    review: &mut Review<'_>,
) -> Duration {
    let keep_alive = raw.map_or(built_in, |HumanDuration(duration)| duration);
    if keep_alive > defaults::LONGEST_KEEP_ALIVE {
        review.mistake(path, "found more than an hour, expected at most \"1h\"");
    }
    keep_alive
}

fn method(raw: RawMethod) -> Method {
    match raw {
        RawMethod::Get => Method::GET,
        RawMethod::Head => Method::HEAD,
        RawMethod::Post => Method::POST,
        RawMethod::Put => Method::PUT,
        RawMethod::Patch => Method::PATCH,
        RawMethod::Delete => Method::DELETE,
        RawMethod::Options => Method::OPTIONS,
    }
}

fn statuses(path: &KeyPath, texts: Texts, review: &mut Review<'_>) -> StatusSet {
    let mut set = StatusSet::empty();
    if texts.is_empty() {
        review.mistake(
            path,
            r#"found an empty list, expected statuses such as ["2xx", "404"]"#,
        );
    }
    for (index, text) in texts.iter().enumerate() {
        if let Some(text) = text
            && let Err(error) = set.add(text)
        {
            review.mistake(&path.index(index), format!("found {text:?}, {error}"));
        }
    }
    set
}

fn parameters(path: &KeyPath, texts: Texts, review: &mut Review<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for (index, name) in texts.into_iter().enumerate() {
        let Some(name) = name else { continue };
        let refusal = match name.as_str() {
            "" => "found an empty text, expected the name of a query parameter".to_owned(),
            own if PARAMETERS.contains(&own) => {
                format!("the parameter `{own}` is Gather's own and is not forwarded")
            }
            twice if names.iter().any(|name| name == twice) => {
                format!("the parameter `{twice}` is listed twice")
            }
            _ => {
                names.push(name);
                continue;
            }
        };
        review.mistake(&path.index(index), refusal);
    }
    names
}

/// Checks that the method of an upstream allows its body.
fn check_body(path: &KeyPath, settings: &Settings, review: &mut Review<'_>) {
    let (name, method) = (&settings.service.name, &settings.request.method);
    if settings.request.body.is_some() && [Method::GET, Method::HEAD].contains(method) {
        let message = format!("the upstream `{name}` has the method {method}, which takes no body");
        review.mistake(&path.key("body"), message);
    }
}

/// Checks that the method of an upstream allows its retries and its hedges. Those of `[defaults]` are no mistake: a
/// method that may not be sent twice leaves them without effect.
fn check_repeats(path: &KeyPath, settings: &Settings, is_retried: bool, review: &mut Review<'_>) {
    let method = &settings.request.method;
    let is_hedged = settings.service.policy.hedge.is_some();
    for (key, is_set) in [("retry", is_retried), ("hedge", is_hedged)] {
        let path = path.key(key);
        if settings.request.repeatable() == Repeatable::No && is_set && review.is_own(&path) {
            let message = format!("{method} is not idempotent: it may not be sent twice");
            review.mistake(&path, message);
        }
    }
}

/// Refuses a header that is both fixed and passed on.
fn check_forwarded(path: &KeyPath, settings: &Settings, review: &mut Review<'_>) {
    let (name, headers) = (&settings.service.name, &settings.request.headers);
    for header in &settings.request.forward_headers {
        if headers.iter().any(|(fixed, _)| fixed == header) {
            let message =
                format!("the header `{header}` of the upstream `{name}` stands in `headers` too");
            review.mistake(path, message);
        }
    }
}
