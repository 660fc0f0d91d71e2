//! Writes a checked configuration back as a file: complete, with the defaults, and without its secrets. It must not
//! know where a value came from.

use std::path::Path;

use http::{Method, StatusCode};

use super::{
    call_values::{RawRouteMethod, RawShape},
    calls::WaitFor,
    checked::{Aggregate, Config, Process, Services, TlsFiles},
    effective_calls, headers,
    masking::MASK,
    policy_values::{Failures, HedgeAfter, Ratio},
    quantities::{HumanDuration, MemorySize, Size},
    raw::{
        RawAdmin, RawAggregate, RawBreaker, RawBudget, RawConfig, RawHedge, RawLog, RawMethod,
        RawMode, RawOnFailure, RawRetry, RawServer, RawTls, RawTracing, RawUpstream,
    },
    urls,
    values::{Count, Listen, Table, Texts},
};
use crate::{
    compose::Shape,
    fanout::{
        BreakerSettings, BudgetSettings, Completion, Hedge, Mode, OnFailure, Repeatable, Retry,
        StatusSet, Trip,
    },
    upstream::Settings,
};

/// Returns the raw form of `config`, masked.
pub(super) fn raw(config: &Config) -> RawConfig {
    let Process {
        server,
        admin,
        log,
        tracing,
    } = &config.process;
    let upstreams = config.services.each().map(|(id, upstream)| {
        let files = config.services.tls_files.get(&upstream.service.name);
        // As a mistake where nothing is ever sent twice.
        let repeats =
            upstream.request.repeatable() == Repeatable::Yes || config.services.is_repeated(id);
        (
            upstream.service.name.to_string(),
            Table(self::upstream(upstream, repeats, files)),
        )
    });
    let aggregates = config.services.aggregates.iter().map(|aggregate| {
        (
            aggregate.name.to_string(),
            Table(self::aggregate(aggregate, &config.services)),
        )
    });
    RawConfig {
        schema: None,
        server: Some(Table(RawServer {
            listen: Some(Listen(server.listen)),
            workers: Some(Count(server.workers.get())),
            max_connections: Some(Count(server.max_connections.get())),
            max_in_flight: Some(Count(server.max_in_flight.get())),
            memory: Some(MemorySize(server.memory)),
            max_headers: Some(Count(server.max_headers.get())),
            header_timeout: Some(HumanDuration(server.header_timeout)),
            write_timeout: Some(HumanDuration(server.write_timeout)),
            keep_alive: Some(HumanDuration(server.keep_alive)),
            half_close: Some(server.half_close),
            deadline_headers: Some(
                (server.deadline_headers.iter())
                    .map(|name| Some(name.to_string()))
                    .collect(),
            ),
            drain: Some(HumanDuration(server.drain)),
            grace: Some(HumanDuration(server.grace)),
            reuse_port: Some(server.reuse_port),
            compression: Some(server.compression),
            console: Some(server.console),
        })),
        admin: admin.map(|admin| {
            Table(RawAdmin {
                listen: Some(Listen(admin.listen)),
            })
        }),
        log: Some(Table(RawLog {
            format: Some(log.format),
            level: Some(log.level),
        })),
        tracing: Some(Table(RawTracing {
            otlp_endpoint: tracing.otlp_endpoint.as_ref().map(urls::masked),
            sample: Some(Ratio(tracing.sample)),
        })),
        defaults: None,
        upstreams: Some(upstreams.collect()),
        aggregates: Some(aggregates.collect()),
    }
}

fn upstream(settings: &Settings, repeats: bool, files: Option<&TlsFiles>) -> RawUpstream {
    let headers = settings.request.headers.iter().map(|(name, value)| {
        let shown = value.to_str().ok().filter(|_| headers::is_shown(name));
        (name.to_string(), shown.unwrap_or(MASK).to_owned())
    });
    let names = settings
        .request
        .forward_headers
        .iter()
        .map(|name| Some(name.to_string()));
    let parameters = settings
        .request
        .forward_query
        .iter()
        .map(|name| Some(name.clone()));
    let policy = &settings.service.policy;
    RawUpstream {
        url: Some(urls::masked(&settings.url())),
        method: Some(method(&settings.request.method)),
        body: settings.request.body.as_ref().map(|_| MASK.to_owned()),
        timeout: Some(HumanDuration(settings.request.timeout)),
        connect_timeout: Some(HumanDuration(settings.service.connect_timeout)),
        keep_alive: Some(HumanDuration(settings.service.keep_alive)),
        max_body: Some(Size(settings.request.max_body as u64)),
        max_depth: Some(Count(settings.request.max_depth)),
        framed: Some(settings.request.framed),
        compressed: Some(settings.request.compressed),
        success: Some(statuses(&settings.request.success)),
        max_in_flight: Some(Count(policy.max_in_flight.get())),
        retry: repeats.then(|| retry(&policy.retry)),
        hedge: policy.hedge.map(hedge).filter(|_| repeats),
        budget: Some(budget(policy.budget)),
        breaker: policy.breaker.map(breaker),
        forward_headers: Some(names.collect()),
        forward_query: Some(parameters.collect()),
        headers: (!settings.request.headers.is_empty()).then(|| headers.collect()),
        tls: tls(settings, files),
    }
}

fn retry(retry: &Retry) -> Table<RawRetry> {
    let kinds = retry.on.kinds().iter();
    let mut on: Texts = kinds.map(|kind| Some(kind.as_str().to_owned())).collect();
    on.extend(statuses(retry.on.statuses()));
    Table(RawRetry {
        attempts: Some(Count(retry.attempts.get() as usize)),
        backoff: Some(HumanDuration(retry.backoff)),
        on: Some(on),
    })
}

fn hedge(hedge: Hedge) -> Table<RawHedge> {
    Table(RawHedge {
        after: Some(match hedge {
            Hedge::After(time) => HedgeAfter::Time(time),
            Hedge::Percentile(percentile) => HedgeAfter::Percentile(percentile),
        }),
    })
}

fn budget(budget: BudgetSettings) -> Table<RawBudget> {
    Table(RawBudget {
        ratio: Some(Ratio(budget.ratio)),
        min_per_second: Some(Count(budget.min_per_second as usize)),
    })
}

fn breaker(breaker: BreakerSettings) -> Table<RawBreaker> {
    let (failures, window) = match breaker.trip {
        Trip::InARow(count) => (Failures::InARow(count.get()), None),
        Trip::Share { share, window } => (Failures::Share(share), Some(HumanDuration(window))),
    };
    Table(RawBreaker {
        failures: Some(failures),
        window,
        open_for: Some(HumanDuration(breaker.open_for)),
    })
}

/// The file's `method` accepts no others.
fn method(method: &Method) -> RawMethod {
    match *method {
        Method::HEAD => RawMethod::Head,
        Method::POST => RawMethod::Post,
        Method::PUT => RawMethod::Put,
        Method::PATCH => RawMethod::Patch,
        Method::DELETE => RawMethod::Delete,
        Method::OPTIONS => RawMethod::Options,
        _ => RawMethod::Get,
    }
}

/// Writes whole classes as such, and the rest one by one.
fn statuses(set: &StatusSet) -> Texts {
    let holds = |status: u16| StatusCode::from_u16(status).is_ok_and(|status| set.contains(status));
    let mut texts = Texts::new();
    for class in 1..=5 {
        let members = class * 100..class * 100 + 100;
        if members.clone().all(holds) {
            texts.push(Some(format!("{class}xx")));
        } else {
            texts.extend(
                members
                    .filter(|&status| holds(status))
                    .map(|status| Some(status.to_string())),
            );
        }
    }
    texts
}

fn tls(settings: &Settings, files: Option<&TlsFiles>) -> Option<Table<RawTls>> {
    let shown = |file: &Option<_>| {
        file.as_deref()
            .map(|file: &Path| file.display().to_string())
    };
    let server_name = settings.service.tls.server_name.clone();
    if files.is_none() && server_name.is_none() {
        return None;
    }
    let none = TlsFiles::default();
    let files = files.unwrap_or(&none);
    Some(Table(RawTls {
        ca: shown(&files.ca),
        cert: shown(&files.cert),
        key: shown(&files.key),
        server_name,
    }))
}

fn aggregate(aggregate: &Aggregate, services: &Services) -> RawAggregate {
    let calls = aggregate.calls.iter().map(|call| {
        let upstream = services
            .called(call)
            .map(|upstream| &*upstream.service.name);
        effective_calls::raw(call, upstream)
    });
    let methods = aggregate.methods.iter().map(RawRouteMethod::of);
    let response_headers = aggregate.response_headers.iter();
    RawAggregate {
        mode: Some(match aggregate.rules.mode {
            Mode::Sequential => RawMode::Sequential,
            Mode::Concurrent => RawMode::Concurrent,
        }),
        concurrency: Some(Count(aggregate.rules.concurrency.get())),
        deadline: Some(HumanDuration(aggregate.rules.deadline)),
        max_body: Some(Size(aggregate.limits.max_body as u64)),
        wait_for: Some(match aggregate.rules.completion {
            Completion::All => WaitFor::All,
            Completion::Required => WaitFor::Required,
            Completion::FIRST => WaitFor::First,
            Completion::Quorum(needed) => WaitFor::Count(needed.get()),
        }),
        on_failure: Some(match aggregate.rules.on_failure {
            OnFailure::Partial => RawOnFailure::Partial,
            OnFailure::Fail => RawOnFailure::Fail,
        }),
        compare: Some(aggregate.limits.compare),
        path: aggregate.route.as_ref().map(|route| route.path.to_string()),
        methods: Some(methods.collect()),
        max_request_body: Some(Size(aggregate.limits.max_request_body as u64)),
        shape: Some(match &aggregate.shape {
            Shape::Report => RawShape::Report,
            Shape::Merge => RawShape::Merge,
            Shape::Value(expression) => RawShape::Value(Some(expression.source().to_owned())),
        }),
        response_headers: Some(
            response_headers
                .map(|name| Some(name.to_string()))
                .collect(),
        ),
        parameters: Some(aggregate.limits.parameters),
        calls: Some(calls.collect()),
    }
}
