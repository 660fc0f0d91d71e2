//! The order in which the calls of a plan may start: each after those that it waits for, and among these in plan order.
//! It must not know how a call is made.

use std::collections::BTreeSet;

use super::Plan;

/// The calls of a plan that have not had their turn.
#[derive(Debug)]
pub(super) enum Ready {
    /// No call waits for another: they come in plan order.
    List {
        /// The next one.
        next: usize,
        /// The number of all calls.
        calls: usize,
    },
    /// Some wait for others.
    Graph {
        /// The number of calls that each still waits for.
        waits: Vec<usize>,
        /// Those that wait for none, and have not had their turn.
        ready: BTreeSet<usize>,
    },
}

impl Ready {
    pub(super) fn new<U>(plan: &Plan<'_, U>) -> Self {
        if plan.calls.iter().all(|call| call.after.is_empty()) {
            return Self::List {
                next: 0,
                calls: plan.calls.len(),
            };
        }
        let waits: Vec<_> = plan.calls.iter().map(|call| call.after.len()).collect();
        let ready = (0..waits.len()).filter(|&index| waits[index] == 0);
        Self::Graph {
            ready: ready.collect(),
            waits,
        }
    }

    /// Takes the next call whose turn it is, in plan order.
    #[inline]
    pub(super) fn take(&mut self) -> Option<usize> {
        match self {
            Self::List { next, calls } => {
                let index = *next;
                (index < *calls).then(|| {
                    *next += 1;
                    index
                })
            }
            Self::Graph { ready, .. } => first(ready),
        }
    }

    /// Notes that a call has settled. Those that waited for it alone may then start.
    #[inline]
    pub(super) fn settled<U>(&mut self, plan: &Plan<'_, U>, settled: usize) {
        if let Self::Graph { waits, ready } = self {
            release(waits, ready, plan, settled);
        }
    }
}

/// A graph's part of [`Ready::take`] is a function of its own, so that a list pays for a few instructions alone.
#[inline(never)]
fn first(ready: &mut BTreeSet<usize>) -> Option<usize> {
    ready.pop_first()
}

/// Counts a settled call for those that wait for it. Those that wait for no other are ready.
#[inline(never)]
fn release<U>(
    waits: &mut [usize],
    ready: &mut BTreeSet<usize>,
    plan: &Plan<'_, U>,
    settled: usize,
) {
    for (index, waits) in waits.iter_mut().enumerate() {
        if *waits > 0 && plan.inputs(index).any(|input| input == settled) {
            *waits -= 1;
            if *waits == 0 {
                ready.insert(index);
            }
        }
    }
}
