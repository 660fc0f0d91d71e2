//! Finds the upstreams of which some call may be sent more than once, whatever the method of the upstream itself. It
//! must not know if the calls are right.

use std::collections::BTreeSet;

use http::Method;

use super::{
    calls::RawCall,
    raw::{Named, RawAggregate},
    values::Table,
};

/// Returns the names of the upstreams that have such a call: one with an idempotent method of its own (RFC 9110,
/// section 9.2.2), or with a key for its attempts.
pub(super) fn of_calls(aggregates: Option<&Named<RawAggregate>>) -> BTreeSet<String> {
    let aggregates = aggregates.into_iter().flat_map(|all| all.values());
    let calls = aggregates.flat_map(|Table(raw)| raw.calls.iter().flatten());
    let tables = calls.filter_map(|call| match call {
        RawCall::Table(table) => Some(table),
        RawCall::Name(_) | RawCall::Refused => None,
    });
    let repeated = tables.filter(|table| {
        let method = table.method.map(Method::from);
        let is_idempotent = |method: Method| ![Method::POST, Method::PATCH].contains(&method);
        table.idempotency_key == Some(true) || method.is_some_and(is_idempotent)
    });
    repeated
        .filter_map(|table| table.upstream.clone())
        .collect()
}
