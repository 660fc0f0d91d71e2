//! Checks `[upstreams.NAME]` and `[defaults]`, and lays the one over the other. Knows nothing of aggregates.

use std::{collections::BTreeSet, num::NonZeroUsize, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderName, Method, Uri};

use super::{
    checked::TlsFiles,
    defaults,
    headers::{self, Headers},
    lanes,
    mistake::KeyPath,
    quantities::{HumanDuration, Size},
    raw::{Named, RawDefaults, RawMethod, RawUpstream, Texts},
    review::{Review, Slot},
    tls::{self, Material, Tls},
    urls,
    values::{Count, Table},
};
use crate::{
    fanout::{
        BreakerSettings, BudgetSettings, Hedge, PolicySettings, Repeatable, Retry, StatusSet,
    },
    upstream::{Address, Request, Service, Settings, repeatable},
};

/// The query parameters that Gather reads itself.
const OWN_PARAMETERS: [&str; 5] = ["mode", "concurrency", "calls", "timeout", "wait_for"];

/// One table of upstream settings, each checked by itself.
#[derive(Debug, Clone)]
struct Part {
    path: KeyPath,
    url: Slot<Uri>,
    method: Slot<Method>,
    headers: Headers,
    body: Slot<Bytes>,
    timeout: Slot<Duration>,
    connect_timeout: Slot<Duration>,
    keep_alive: Slot<Duration>,
    max_body: Slot<usize>,
    max_depth: Slot<usize>,
    framed: Slot<bool>,
    compressed: Slot<bool>,
    success: Slot<StatusSet>,
    max_in_flight: Slot<usize>,
    retry: Slot<Retry>,
    hedge: Slot<Hedge>,
    budget: Slot<BudgetSettings>,
    breaker: Slot<BreakerSettings>,
    forward_headers: Slot<Vec<HeaderName>>,
    forward_query: Slot<Vec<String>>,
    tls: Slot<Tls>,
}

/// One upstream, checked.
pub(super) struct Checked {
    pub(super) settings: Settings,
    pub(super) files: TlsFiles,
    /// True if it trusts the roots that all share.
    pub(super) shares_roots: bool,
}

/// Checks all upstreams, by name. Without a mistake in the review none is missing.
pub(super) fn check(
    raw: Option<Named<RawUpstream>>,
    defaults: Option<Table<RawDefaults>>,
    review: &mut Review<'_>,
) -> Vec<Checked> {
    let table = KeyPath::of(["upstreams"]);
    if review.names(&table).is_empty() && !review.refused.contains(&table) {
        let message =
            "missing; expected at least one upstream, such as [upstreams.users] with a url";
        review.mistake(&table, message);
    }
    for name in review.names(&table) {
        review.check_name(&table.key(&name), &name);
    }
    let mut material = Material::default();
    let mut part = |path, raw, review: &mut Review<'_>| part(path, raw, &mut material, review);
    let defaults = defaults.unwrap_or_default().0;
    let defaults = part(KeyPath::of(["defaults"]), defaults.into(), review);
    let mut upstreams = Vec::new();
    for (name, Table(raw)) in raw.unwrap_or_default() {
        let own = part(table.key(&name), raw, review);
        upstreams.extend(combine(&name, own, defaults.clone(), review));
    }
    upstreams
}

fn part(path: KeyPath, raw: RawUpstream, material: &mut Material, review: &mut Review<'_>) -> Part {
    let at = |key| path.key(key);
    let url = review.slot(&at("url"), raw.url).and_then(|text| {
        urls::parse(&text)
            .map_err(|message| review.mistake(&at("url"), message))
            .ok()
    });
    let success = review.slot(&at("success"), raw.success);
    let forward_headers = review.slot(&at("forward_headers"), raw.forward_headers);
    let forward_query = review.slot(&at("forward_query"), raw.forward_query);
    let tls = review.slot(&at("tls"), raw.tls);
    let retry = review.slot(&at("retry"), raw.retry);
    let hedge = review.slot(&at("hedge"), raw.hedge);
    let breaker = review.slot(&at("breaker"), raw.breaker);
    Part {
        url,
        method: review.slot(&at("method"), raw.method).map(method),
        headers: headers::fixed(&at("headers"), raw.headers, review),
        body: review.slot(&at("body"), raw.body).map(Bytes::from),
        timeout: review.duration(&at("timeout"), raw.timeout),
        connect_timeout: review.duration(&at("connect_timeout"), raw.connect_timeout),
        keep_alive: keep_alive(&at("keep_alive"), raw.keep_alive, review),
        max_depth: review
            .slot(&at("max_depth"), raw.max_depth)
            .map(|Count(count)| count),
        framed: review.slot(&at("framed"), raw.framed),
        compressed: review.slot(&at("compressed"), raw.compressed),
        max_body: review
            .slot(&at("max_body"), raw.max_body)
            .and_then(|Size(bytes)| bytes.try_into().ok()),
        success: success.map(|texts| statuses(&at("success"), texts, review)),
        max_in_flight: review
            .slot(&at("max_in_flight"), raw.max_in_flight)
            .map(|Count(count)| count),
        retry: retry.map(|Table(raw)| lanes::retry(&at("retry"), raw, review)),
        hedge: hedge.and_then(|Table(raw)| lanes::hedge(&at("hedge"), raw, review)),
        budget: review
            .slot(&at("budget"), raw.budget)
            .map(|Table(raw)| lanes::budget(raw)),
        breaker: breaker.map(|Table(raw)| lanes::breaker(&at("breaker"), raw, review)),
        forward_headers: forward_headers
            .map(|texts| headers::forwarded(&at("forward_headers"), texts, review)),
        forward_query: forward_query.map(|texts| parameters(&at("forward_query"), texts, review)),
        tls: tls.map(|Table(raw)| tls::read(&at("tls"), raw, material, review)),
        path,
    }
}

/// The time that a connection may idle. None at all is allowed, an age is not.
fn keep_alive(
    path: &KeyPath,
    raw: Option<HumanDuration>,
    review: &mut Review<'_>,
) -> Slot<Duration> {
    review.slot(path, raw).and_then(|HumanDuration(duration)| {
        if duration > defaults::LONGEST_KEEP_ALIVE {
            review.mistake(path, "found more than an hour, expected at most \"1h\"");
            return None;
        }
        Some(duration)
    })
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
            own if OWN_PARAMETERS.contains(&own) => {
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

/// One upstream, with the defaults for what it does not set itself.
fn combine(name: &str, own: Part, defaults: Part, review: &mut Review<'_>) -> Option<Checked> {
    // Where a setting stands that may be in either table.
    let at = |key: &str, review: &Review<'_>| {
        let path = own.path.key(key);
        if review.is_set(&path) {
            path
        } else {
            defaults.path.key(key)
        }
    };
    if matches!(own.url, Slot::Absent) {
        review.mistake(
            &own.path.key("url"),
            format!("missing; expected {}", urls::EXPECTED),
        );
    }
    let method = pick(own.method.clone(), defaults.method.clone(), Method::GET);
    check_repeatable(&own, method.as_ref(), review);
    let lane = lane(&own, &defaults, method.as_ref());
    let body = own.body.or(defaults.body);
    if let (Slot::Given(_), Some(method @ (Method::GET | Method::HEAD))) = (&body, &method) {
        let message = format!("the upstream `{name}` has the method {method}, which takes no body");
        review.mistake(&at("body", review), message);
    }
    let mut headers = defaults.headers;
    headers.extend(own.headers);
    let forwarded = own.forward_headers.or(defaults.forward_headers);
    let forwarded = forwarded.or(Slot::Given(Vec::new())).given()?;
    check_forwarded(
        name,
        &forwarded,
        &headers,
        &at("forward_headers", review),
        review,
    );
    let url = own.url.given();
    let (tls, shares_roots) = trust(&own.path, url.as_ref(), own.tls, defaults.tls, review);
    let url = url?;
    let settings = Settings {
        service: Service {
            name: Arc::from(name),
            address: Address::of(&url)?,
            tls: tls.settings,
            connect_timeout: pick(
                own.connect_timeout,
                defaults.connect_timeout,
                defaults::CONNECT_TIMEOUT,
            )?,
            keep_alive: pick(own.keep_alive, defaults.keep_alive, defaults::KEEP_ALIVE)?,
            policy: lane?,
        },
        request: Request {
            method: method?,
            target: url.path_and_query()?.clone(),
            headers: headers.into_values().collect(),
            body: body.given(),
            timeout: pick(own.timeout, defaults.timeout, defaults::TIMEOUT)?,
            success: own
                .success
                .or(defaults.success)
                .given()
                .unwrap_or_else(StatusSet::successful),
            max_body: pick(own.max_body, defaults.max_body, defaults::MAX_BODY)?,
            max_depth: pick(own.max_depth, defaults.max_depth, defaults::MAX_DEPTH)?,
            framed: pick(own.framed, defaults.framed, false)?,
            compressed: pick(own.compressed, defaults.compressed, false)?,
            forward_headers: forwarded,
            forward_query: own
                .forward_query
                .or(defaults.forward_query)
                .given()
                .unwrap_or_default(),
        },
    };
    Some(Checked {
        settings,
        files: tls.files,
        shares_roots,
    })
}

/// Trust and identity of an upstream, and whether it trusts the roots that all share.
fn trust(
    path: &KeyPath,
    url: Option<&Uri>,
    own: Slot<Tls>,
    defaults: Slot<Tls>,
    review: &mut Review<'_>,
) -> (Tls, bool) {
    let secure = url.is_none_or(|url| url.scheme_str() == Some("https"));
    if !secure && matches!(own, Slot::Given(_)) {
        let message = "`tls` is only for https, and the url of this upstream is http";
        review.mistake(&path.key("tls"), message);
    }
    // Defaults are for all upstreams, so those that are not https just have no use for this one.
    let tls = own.or(if secure { defaults } else { Slot::Absent });
    let shares_roots = match &tls {
        Slot::Given(tls) => !tls.names_roots,
        Slot::Absent => true,
        Slot::Refused => false,
    };
    (tls.given().unwrap_or_default(), secure && shares_roots)
}

/// Builds the settings by which calls are made of attempts.
fn lane(own: &Part, defaults: &Part, method: Option<&Method>) -> Option<PolicySettings> {
    let built_in = PolicySettings::default();
    let max_in_flight = pick(
        own.max_in_flight.clone(),
        defaults.max_in_flight.clone(),
        defaults::MAX_IN_FLIGHT,
    )?;
    let breaker = own.breaker.clone().or(defaults.breaker.clone());
    let hedge = own.hedge.clone().or(defaults.hedge.clone());
    Some(PolicySettings {
        max_in_flight: NonZeroUsize::new(max_in_flight)?,
        repeatable: repeatable(method?),
        retry: pick(own.retry.clone(), defaults.retry.clone(), built_in.retry)?,
        hedge: hedge.given(),
        budget: pick(own.budget.clone(), defaults.budget.clone(), built_in.budget)?,
        breaker: breaker.given(),
    })
}

/// Refuses retries and hedges of the upstream's own that its method doesn't allow. Those for all are left out there.
fn check_repeatable(own: &Part, method: Option<&Method>, review: &mut Review<'_>) {
    let Some(method) = method.filter(|method| repeatable(method) == Repeatable::No) else {
        return;
    };
    for (key, is_set) in [
        ("retry", matches!(own.retry, Slot::Given(_))),
        ("hedge", matches!(own.hedge, Slot::Given(_))),
    ] {
        if is_set {
            let message = format!("{method} is not idempotent: it may not be sent twice");
            review.mistake(&own.path.key(key), message);
        }
    }
}

/// An upstream's own setting, else that of all, else the built-in one; `None` where it was refused.
fn pick<T>(own: Slot<T>, all: Slot<T>, built_in: T) -> Option<T> {
    own.or(all).or(Slot::Given(built_in)).given()
}

/// A header is either fixed or passed on.
fn check_forwarded(
    name: &str,
    forwarded: &[HeaderName],
    headers: &Headers,
    at: &KeyPath,
    review: &mut Review<'_>,
) {
    let both: BTreeSet<_> = forwarded.iter().map(HeaderName::as_str).collect();
    for header in both
        .into_iter()
        .filter(|&header| headers.contains_key(header))
    {
        let message =
            format!("the header `{header}` of the upstream `{name}` stands in `headers` too");
        review.mistake(at, message);
    }
}
