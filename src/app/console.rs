//! The facts of a checked configuration that the console's page is told: names, modes and bounds, and no upstream's address.

use std::sync::Arc;

use anyhow::Context as _;

use crate::{
    config,
    console::{Console, Facts, Listed, ListedCall, Waits},
    fanout::{Completion, Need},
    upstream,
};

use super::surface;

/// The console of these aggregates, whose calls go to these upstreams. `metrics` says whether its listener has
/// `/metrics`.
pub(super) fn console(
    aggregates: &[config::Aggregate],
    upstreams: &[upstream::Settings],
    metrics: bool,
) -> anyhow::Result<Arc<Console>> {
    let facts = Facts {
        version: env!("CARGO_PKG_VERSION"),
        metrics,
        breakers: upstreams
            .iter()
            .filter(|upstream| upstream.service.policy.breaker.is_some())
            .map(|upstream| &*upstream.service.name)
            .collect(),
        aggregates: aggregates
            .iter()
            .map(|aggregate| listed(aggregate, upstreams))
            .collect(),
    };
    let console = Console::new(&facts).context("the console's facts can't be written")?;
    Ok(Arc::new(console))
}

fn listed<'a>(aggregate: &'a config::Aggregate, upstreams: &'a [upstream::Settings]) -> Listed<'a> {
    let called = || {
        let calls = aggregate.calls.iter();
        calls.map(|call| &upstreams[call.upstream.0].request)
    };
    let calls = aggregate.calls.iter().map(|call| ListedCall {
        name: &call.name,
        upstream: &upstreams[call.upstream.0].service.name,
        optional: call.need == Need::Optional,
    });
    Listed {
        name: &aggregate.name,
        mode: aggregate.rules.mode.as_str(),
        deadline_ms: aggregate.rules.deadline.as_millis(),
        concurrency: aggregate.rules.concurrency.get(),
        wait_for: match aggregate.rules.completion {
            Completion::All => None,
            Completion::Required => Some(Waits::Word("required")),
            Completion::Quorum(needed) => Some(Waits::Successes(needed.get())),
        },
        compare: aggregate.compare,
        forward_query: surface::forward_query(called()),
        forward_headers: surface::forward_headers(called())
            .iter()
            .map(|name| name.as_str().to_owned())
            .collect(),
        calls: calls.collect(),
    }
}
