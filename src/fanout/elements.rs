//! Runs a call with one request for each element of a list: at most so many at a time, and one result of all of them. It
//! must not know what the elements are.

use std::cell::Cell;

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use http::StatusCode;
use tokio::time::Instant;

use super::{
    Body, EachFailure, EachReport, Elements, Failure, FailureKind, Observer, Reply, Upstream,
    attempt::Scope, call::send,
};

/// Sends the requests of all elements and makes one reply of theirs. Once it is certain that too many fail, the others
/// are given up. The counts go to the call's progress, also if this is dropped.
///
/// # Errors
/// Fails if more elements fail than are tolerated, or if there is no room for the list.
pub(super) async fn send_each<U: Upstream, O: Observer>(
    scope: &Scope<'_, U, O>,
    elements: Elements<'_, U::Request>,
) -> Result<Reply, Failure> {
    let Elements {
        total,
        mut requests,
        concurrency,
        tolerate,
    } = elements;
    let mut roll = Roll::new(total, scope);
    // Declared after the roll: elements that are dropped end their attempts before they are counted.
    let mut running = FuturesUnordered::new();
    let mut next = 0;
    while roll.failures.len() <= tolerate {
        if running.len() < concurrency.get()
            && next < total
            && Instant::now() < scope.run.deadline
            && let Some(request) = requests.next()
        {
            let index = next;
            next += 1;
            match request {
                Ok(request) => running.push(async move {
                    let result = send(scope, &request).await;
                    (index, result)
                }),
                Err(failure) => roll.failed(index, failure),
            }
            continue;
        }
        match running.next().await {
            Some((index, Ok(reply))) => roll.bodies[index] = Some(reply.body),
            Some((index, Err(failure))) => roll.failed(index, failure),
            None => break,
        }
    }
    if roll.failures.len() > tolerate {
        return Err(roll.too_many(tolerate));
    }
    if next < total {
        let detail = "the request's time was over before every element had its turn";
        return Err(Failure::new(FailureKind::Deadline, detail));
    }
    let body = scope
        .call
        .upstream
        .list(scope.run.context, roll.take_bodies())?;
    Ok(Reply::new(StatusCode::OK, body))
}

/// The results of the elements so far.
struct Roll<'a> {
    total: usize,
    /// By element. It is empty when all have settled.
    bodies: Vec<Option<Body>>,
    failures: Vec<EachFailure>,
    /// The failure that stands for all: one that is no matter of time before one that is, and then the first.
    chosen: Option<(Weight, usize, Failure)>,
    deadline: Instant,
    /// The failure of an element that is given up.
    ending: &'a Cell<FailureKind>,
    report: &'a Cell<Option<Box<EachReport>>>,
}

/// The weight of a failure among others, the heaviest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Own,
    Time,
    GivenUp,
}

impl From<&Failure> for Weight {
    fn from(failure: &Failure) -> Self {
        match failure.kind {
            kind if kind.is_time() => Self::Time,
            _ if failure.is_given_up() => Self::GivenUp,
            _ => Self::Own,
        }
    }
}

impl<'a> Roll<'a> {
    fn new<U: Upstream, O>(total: usize, scope: &Scope<'a, U, O>) -> Self {
        Self {
            total,
            bodies: (0..total).map(|_| None).collect(),
            failures: Vec::new(),
            chosen: None,
            deadline: scope.run.deadline,
            ending: &scope.run.ending,
            report: &scope.progress.each,
        }
    }

    fn failed(&mut self, index: usize, failure: Failure) {
        self.failures.push(EachFailure {
            index,
            kind: failure.kind,
            status: failure.status,
        });
        let weight = Weight::from(&failure);
        if self
            .chosen
            .as_ref()
            .is_none_or(|&(most, first, _)| (weight, index) < (most, first))
        {
            self.chosen = Some((weight, index, failure));
        }
    }

    /// Returns the failure of the call.
    fn too_many(&mut self, tolerate: usize) -> Failure {
        let (failed, total) = (self.failures.len(), self.total);
        let chosen = self.chosen.take();
        let (index, mut failure) = chosen.map_or_else(
            || (0, Failure::new(FailureKind::Cancelled, "")),
            |(_, index, failure)| (index, failure),
        );
        failure.detail = format!(
            "{failed} of {total} elements failed, more than {tolerate} are not tolerated; element {index}: {}",
            failure.detail
        )
        .into();
        failure
    }

    fn take_bodies(&mut self) -> Vec<Option<Body>> {
        std::mem::take(&mut self.bodies)
    }
}

impl Drop for Roll<'_> {
    /// Counts the elements. Those that have not settled are given up.
    fn drop(&mut self) {
        let mut failures = std::mem::take(&mut self.failures);
        let mut is_open: Vec<bool> = self.bodies.iter().map(Option::is_none).collect();
        for failure in &failures {
            if let Some(is_open) = is_open.get_mut(failure.index) {
                *is_open = false;
            }
        }
        let kind = if Instant::now() >= self.deadline {
            FailureKind::Deadline
        } else {
            self.ending.get()
        };
        let open = is_open.iter().enumerate().filter(|&(_, &is_open)| is_open);
        failures.extend(open.map(|(index, _)| EachFailure {
            index,
            kind,
            status: None,
        }));
        failures.sort_unstable_by_key(|failure| failure.index);
        self.report.set(Some(Box::new(EachReport {
            total: self.total,
            ok: self.total - failures.len(),
            failures,
        })));
    }
}

#[cfg(test)]
#[path = "elements_tests.rs"]
mod tests;
