//! `/aggregate`, `/aggregate/{name}` and the routes of aggregates: reads the request, runs its aggregate and delivers
//! the answer. It must not know how an answer is composed.

use std::{borrow::Cow, rc::Rc, time::Duration};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::header::{HeaderName, HeaderValue},
};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use super::{
    account::{Account, RouteName},
    announced::refuse_large,
    caller,
    client_upstream::ClientUpstream,
    content::Content,
    excerpt::excerpt,
    execution::Execution,
    gateway::Gateway,
    held_body::HeldBody,
    methods, negotiation, other_method, path,
    problem::Problem,
    problem_kind::ProblemKind,
    query::{Declared, Query},
    request_id::RequestId,
    routes::{AGGREGATE, NAMED},
    stream,
    taken_fields::{is_plain, preferred, taken},
    whole,
};
use crate::{
    endpoint::{DEFAULT, Endpoint, Found},
    exchange::{Allowance, Charge, ClientBody, ClientContext},
    fanout::AggregateId,
};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Answers with the aggregate that `/aggregate` alone means.
pub(super) async fn default<U>(
    gateway: &Rc<Gateway<U>>,
    request: &HttpRequest,
) -> Result<HttpResponse, Problem>
where
    U: ClientUpstream,
{
    let Some((id, _)) = gateway.find(DEFAULT) else {
        return match methods::reads(request.method()) {
            true => Err(unnamed(request, DEFAULT, AGGREGATE)),
            false => other_method::of_own(request),
        };
    };
    answer(gateway, request, id, Way::ByName(AGGREGATE)).await
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
    let name = match segment.contains('%') {
        false => Cow::Borrowed(segment),
        true => percent_decode_str(segment).decode_utf8_lossy(),
    };
    let Some((id, _)) = gateway.find(&name) else {
        if !methods::reads(request.method()) {
            refuse_large(request)?;
        }
        return Err(unnamed(request, &name, NAMED));
    };
    answer(gateway, request, id, Way::ByName(NAMED)).await
}

/// Answers with the aggregate whose own route was found.
pub(super) async fn routed<U>(
    gateway: &Rc<Gateway<U>>,
    request: &HttpRequest,
    found: Found<'_, AggregateId>,
) -> Result<HttpResponse, Problem>
where
    U: ClientUpstream,
{
    let way = Way::ByRoute(found.parameters);
    answer(gateway, request, found.value, way).await
}

/// The way by which a request found its aggregate.
enum Way<'a> {
    /// By its name, over a path of Gather's own. The parameters of its route are in the query.
    ByName(&'static str),
    /// By its own route, with these segments for its parameters.
    ByRoute(Vec<&'a str>),
}

impl Way<'_> {
    /// Returns the name of the route, for spans.
    fn name<U>(&self, gateway: &Gateway<U>, id: AggregateId) -> RouteName {
        match self {
            Self::ByName(route) => RouteName::Own(route),
            Self::ByRoute(_) => {
                let template = gateway.template(id);
                template.map_or(RouteName::Own(NAMED), RouteName::Configured)
            }
        }
    }
}

async fn answer<U>(
    gateway: &Rc<Gateway<U>>,
    request: &HttpRequest,
    id: AggregateId,
    way: Way<'_>,
) -> Result<HttpResponse, Problem>
where
    U: ClientUpstream,
{
    let mut began = Instant::now();
    let endpoint = &*gateway.exposed(id).endpoint;
    if !methods::takes(endpoint, request.method()) {
        return other_method::of_aggregate(request, endpoint);
    }
    let account = request.extensions().get::<Rc<Account>>().cloned();
    if let Some(account) = &account {
        account.set_route(way.name(gateway, id));
    }
    let (segments, declared) = parameters(endpoint, way)?;
    let hops = gateway.deployment.before(request.headers())?;
    let content = match methods::reads(request.method()) {
        true => None,
        false => Content::announced(request, endpoint)?,
    };
    let streamed = negotiation::wanted(request);
    // Before anything is read or planned, as a refusal must cost next to nothing.
    let head = account.as_ref().map_or(0, |account| account.head);
    let (permit, mut charge) = gateway.admit(id, head)?;
    let mut query = Query::parse(request.query_string(), declared)?;
    let mut body = None;
    if let Some(content) = content {
        // On the heap: nearly no request has one.
        let read = Box::pin(read(gateway, request, id, content, &mut charge));
        body = read.await?;
        // The run's time is that of its calls.
        began = Instant::now();
    }
    let plain = is_plain(request, &endpoint.forward_headers);
    let execution = Execution {
        gateway: Rc::clone(gateway),
        id,
        client: ClientContext {
            request_id: id_of(account.as_deref()),
            headers: taken(request, plain, endpoint),
            path: segments.unwrap_or_else(|| std::mem::take(&mut query.path)),
            query: std::mem::take(&mut query.forwarded),
            body,
            hops,
            allowance: Allowance::new(endpoint.limits.max_body).charged_to(charge),
            trace: account.as_ref().and_then(|account| account.trace()),
        },
        began,
        account,
    };
    if let Some(account) = &execution.account {
        account.set_run(&endpoint.name, query.run.mode(endpoint.rules.mode));
    }
    let preferred = if plain { None } else { preferred(request) };
    let bound = bound(&execution, request, preferred);
    let choice = query.choice(bound);
    // True only if this bound was the one in force.
    let held = preferred
        .is_some_and(|wait| choice.timeout == Some(wait) && wait < endpoint.rules.deadline);
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
        && let Some(preferred) = preferred
        && let Ok(applied) = HeaderValue::from_str(&format!("wait={}", preferred.as_secs()))
    {
        response.headers_mut().insert(PREFERENCE_APPLIED, applied);
    }
    Ok(response)
}

/// Returns the id of the request.
fn id_of(account: Option<&Account>) -> HeaderValue {
    let id = account.map(|account| account.id.clone());
    id.unwrap_or_else(RequestId::random).0
}

/// Returns the longest time that the client waits, by its preference and by the headers that say so.
fn bound<U: ClientUpstream>(
    execution: &Execution<U>,
    request: &HttpRequest,
    preferred: Option<Duration>,
) -> Option<Duration> {
    match &*execution.exposed().endpoint.deadline_headers {
        [] => preferred,
        names => caller::shortest(preferred, request.headers(), names, || {
            let metrics = &execution.gateway.metrics;
            metrics.process().ignored_deadline_header();
        }),
    }
}

/// Returns the problem of a name that no aggregate has.
#[cold]
fn unnamed(request: &HttpRequest, name: &str, route: &'static str) -> Problem {
    let account = request.extensions().get::<Rc<Account>>().cloned();
    if let Some(account) = account.filter(|_| methods::reads(request.method())) {
        account.set_route(RouteName::Own(route));
    }
    let detail = format!("no aggregate is named `{}`", excerpt(name));
    Problem::new(ProblemKind::UnknownAggregate, detail)
}

/// Returns the values of the route's parameters, if the path has them, and what the query may have. That is the
/// parameters otherwise.
fn parameters<'e>(
    endpoint: &'e Endpoint,
    way: Way<'_>,
) -> Result<(Option<Vec<String>>, Declared<'e>), Problem> {
    let route = endpoint.route.as_ref();
    let parameters = route.map_or(&[][..], |route| &route.parameters);
    let declared = |path| Declared {
        own: endpoint.limits.parameters,
        forwarded: &endpoint.forward_query,
        path,
    };
    match way {
        Way::ByName(_) => Ok((None, declared(parameters))),
        Way::ByRoute(segments) => {
            let read = |(parameter, segment)| path::read(parameter, segment);
            let values = parameters.iter().zip(segments).map(read);
            Ok((Some(values.collect::<Result<_, _>>()?), declared(&[])))
        }
    }
}

/// Reads the body of a request and charges it to the gateway's memory, before it comes.
async fn read<U>(
    gateway: &Gateway<U>,
    request: &HttpRequest,
    id: AggregateId,
    content: Content,
    charge: &mut Charge,
) -> Result<Option<ClientBody>, Problem> {
    let size = content.size();
    gateway.hold(id, charge, size)?;
    let body = content.read(request.method()).await?;
    let kept = body.as_ref().map_or(0, |body| body.bytes.len());
    charge.release(size.saturating_sub(kept));
    Ok(body)
}
