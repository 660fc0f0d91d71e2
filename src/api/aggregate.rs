//! `GET /aggregate` and `GET /aggregate/{name}`: reads the request, runs its aggregate and delivers the answer. It must
//! not know how an answer is composed.

use std::{rc::Rc, time::Duration};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use super::{
    account::Account,
    caller,
    client_upstream::ClientUpstream,
    excerpt::excerpt,
    execution::Execution,
    gateway::Gateway,
    held_body::HeldBody,
    methods, negotiation,
    problem::Problem,
    problem_kind::ProblemKind,
    query::{Query, preferred_wait},
    request_id::RequestId,
    routes::{AGGREGATE, NAMED},
    stream, whole,
};
use crate::{
    endpoint::{DEFAULT, Endpoint},
    exchange::{Allowance, ClientContext},
};

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// The number of fields up to which a walk through all of them is faster than looking a few names up.
const FEW: usize = 4;

/// Answers with the aggregate that `/aggregate` alone means.
pub(super) async fn default<U>(
    gateway: &Rc<Gateway<U>>,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem>
where
    U: ClientUpstream,
{
    answer(gateway, request, DEFAULT, AGGREGATE).await
}

/// Answers with the aggregate that `segment`, the last one of the path, names.
pub(super) async fn named<U>(
    gateway: &Rc<Gateway<U>>,
    request: &HttpRequest,
    segment: &str,
) -> Result<HttpResponse, Problem>
where
    U: ClientUpstream,
{
    let name = percent_decode_str(segment).decode_utf8_lossy();
    if !methods::reads(request.method()) {
        gateway.find(&name).ok_or_else(|| unknown(&name))?;
        return methods::other(request);
    }
    answer(gateway, request, &name, NAMED).await
}

async fn answer<U>(
    gateway: &Rc<Gateway<U>>,
    request: &HttpRequest,
    name: &str,
    route: &'static str,
) -> Result<HttpResponse, Problem>
where
    U: ClientUpstream,
{
    let began = Instant::now();
    let account = request.extensions().get::<Rc<Account>>().cloned();
    if let Some(account) = &account {
        account.set_route(route);
    }
    let (id, exposed) = gateway.find(name).ok_or_else(|| unknown(name))?;
    let endpoint = &*exposed.endpoint;
    let hops = gateway.deployment.before(request.headers())?;
    let streamed = negotiation::wanted(request);
    // Before anything is read or planned, as a refusal must cost next to nothing.
    let head = account.as_ref().map_or(0, |account| account.head);
    let (permit, charge) = gateway.admit(id, head)?;
    let mut query = Query::parse(request.query_string(), &endpoint.forward_query)?;
    let plain = is_plain(request, &endpoint.forward_headers);
    let preferred = if plain { None } else { preferred(request) };
    let request_id = account.as_ref().map(|account| account.id.clone());
    let forwarded = std::mem::take(&mut query.forwarded);
    let mut client = client_context(request, plain, request_id, endpoint, forwarded);
    client.allowance = Allowance::new(endpoint.limits.max_body).charged_to(charge);
    client.hops = hops;
    client.trace = account.as_ref().and_then(|account| account.trace());
    if let Some(account) = &account {
        account.set_run(&endpoint.name, query.run.mode(endpoint.rules.mode));
    }
    let wait = preferred.map(Duration::from_secs);
    let bound = match &*endpoint.deadline_headers {
        [] => wait,
        names => caller::shortest(wait, request.headers(), names, || {
            gateway.metrics.process().ignored_deadline_header();
        }),
    };
    let choice = query.choice(bound);
    // True only if this bound was the one in force.
    let held =
        wait.is_some_and(|wait| choice.timeout == Some(wait) && wait < endpoint.rules.deadline);
    let execution = Execution {
        gateway: Rc::clone(gateway),
        id,
        client,
        began,
        account,
    };
    let mut response = match (streamed, query.run) {
        (None, run) => {
            let report = execution.run(run, &choice, &()).await?;
            let response = whole::answer(&execution, report);
            HeldBody::keeping(permit, execution.client.allowance.into_charge(), response)
        }
        (Some(wanted), _) if negotiation::has_ended(request, wanted.framing) => {
            stream::over(&execution, &query, bound)?
        }
        (Some(wanted), _) => stream::start(execution, wanted, query.into_owned(), bound, permit)?,
    };
    if held
        && let Some(seconds) = preferred
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={seconds}"))
    {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    Ok(response)
}

fn unknown(name: &str) -> Problem {
    let detail = format!("no aggregate is named `{}`", excerpt(name));
    Problem::new(ProblemKind::UnknownAggregate, detail)
}

/// Returns true for a small head without a preference and without a field that is passed on.
fn is_plain(request: &HttpRequest, forwarded: &[HeaderName]) -> bool {
    let headers = request.headers();
    let is_read = |name: &HeaderName| *name == PREFER || forwarded.contains(name);
    headers.len_keys() <= FEW && !headers.keys().any(is_read)
}

/// Returns the seconds that the client is willing to wait, by `Prefer: wait=…` (RFC 7240).
fn preferred(request: &HttpRequest) -> Option<u64> {
    let fields = request.headers().get_all(PREFER);
    fields
        .filter_map(|field| field.to_str().ok())
        .find_map(preferred_wait)
}

/// Takes the parts of the request that its calls may pass on: no field of a `plain` head. Fields that the client's
/// `Connection` names end here (RFC 9110, section 7.6.1).
fn client_context(
    request: &HttpRequest,
    plain: bool,
    id: Option<RequestId>,
    endpoint: &Endpoint,
    query: Vec<(String, String)>,
) -> ClientContext {
    let request_id = id.unwrap_or_else(RequestId::random).0;
    let headers = request.headers();
    let is_hop = |name: &HeaderName| {
        headers
            .get_all(header::CONNECTION)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|option| option.trim().eq_ignore_ascii_case(name.as_str()))
    };
    let passed = endpoint
        .forward_headers
        .iter()
        .filter(|name| headers.contains_key(*name) && !is_hop(name))
        .flat_map(|name| {
            let values = headers.get_all(name);
            values.map(|value| (name.clone(), value.clone()))
        });
    ClientContext {
        headers: if plain { Vec::new() } else { passed.collect() },
        query,
        ..ClientContext::new(request_id)
    }
}
