//! What the console's page is told of a checked configuration: names, modes and bounds, and no upstream's address.

use std::sync::Arc;

use anyhow::Context as _;

use crate::{
    api::{Console, Facts, Listed, ListedCall},
    config,
    fanout::{Completion, Need},
};

/// The console of these aggregates, whose calls go to the upstreams of these names. `metrics` says whether its listener
/// has `/metrics`.
pub(super) fn console(
    aggregates: &[config::Aggregate],
    upstreams: &[&str],
    metrics: bool,
) -> anyhow::Result<Arc<Console>> {
    let facts = Facts {
        version: env!("CARGO_PKG_VERSION"),
        metrics,
        aggregates: aggregates
            .iter()
            .map(|aggregate| listed(aggregate, upstreams))
            .collect(),
    };
    let console = Console::new(&facts).context("the console's facts can't be written")?;
    Ok(Arc::new(console))
}

fn listed<'a>(aggregate: &'a config::Aggregate, upstreams: &[&'a str]) -> Listed<'a> {
    let calls = aggregate.calls.iter().map(|call| ListedCall {
        name: &call.name,
        upstream: upstreams[call.upstream],
        optional: call.need == Need::Optional,
    });
    Listed {
        name: &aggregate.name,
        mode: aggregate.mode.as_str(),
        deadline_ms: aggregate.deadline.as_millis(),
        concurrency: aggregate.concurrency.get(),
        wait_for: match aggregate.completion {
            Completion::All | Completion::Required => None,
            Completion::Quorum(needed) => Some(needed.get()),
        },
        compare: aggregate.compare,
        calls: calls.collect(),
    }
}
