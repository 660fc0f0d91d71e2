//! What the wire saw during one attempt, for the attempt to judge by: the codec between them swallows it. It is found by
//! a task-local, because the codec gives no other way back to the attempt.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use super::head::Framing;
use crate::fanout::Failure;

tokio::task_local! {
    /// The attempt that is being polled on this thread.
    pub(super) static TRACE: Rc<Trace>;
}

/// The events of one attempt; a resent request's too.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The request's method was HEAD, so that the answer has no body whatever its head says.
    pub(super) head_only: bool,
    /// Pooled connections are not good enough.
    fresh: Cell<bool>,
    /// A connection was opened.
    opened: Cell<bool>,
    /// Something of the request was written.
    wrote: Cell<bool>,
    /// Something of an answer was read.
    answered: Cell<bool>,
    /// The upstream closed its side while an answer was expected or under way.
    ended: Cell<bool>,
    /// How the answer's body ends, once its head was read.
    framing: Cell<Option<Framing>>,
    /// What was wrong with the answer.
    fault: Cell<Option<&'static str>>,
    /// Why no connection could be opened, or why the upstream refused the session before it answered.
    refused: RefCell<Option<Failure>>,
}

impl Trace {
    pub(super) fn new(head_only: bool) -> Self {
        Self {
            head_only,
            ..Self::default()
        }
    }

    /// Starts over, on a new connection.
    pub(super) fn restart(&self) {
        self.fresh.set(true);
        self.wrote.set(false);
        self.ended.set(false);
    }

    pub(super) const fn wants_fresh(&self) -> bool {
        self.fresh.get()
    }

    pub(super) fn note_opened(&self) {
        self.opened.set(true);
    }

    pub(super) fn note_written(&self) {
        self.wrote.set(true);
    }

    pub(super) const fn wrote(&self) -> bool {
        self.wrote.get()
    }

    pub(super) fn note_answered(&self) {
        self.answered.set(true);
    }

    pub(super) const fn answered(&self) -> bool {
        self.answered.get()
    }

    pub(super) fn note_end(&self) {
        self.ended.set(true);
    }

    pub(super) const fn ended(&self) -> bool {
        self.ended.get()
    }

    pub(super) fn note_framing(&self, framing: Framing) {
        self.framing.set(Some(framing));
    }

    pub(super) const fn framing(&self) -> Option<Framing> {
        self.framing.get()
    }

    pub(super) fn note_fault(&self, fault: &'static str) {
        self.fault.set(Some(fault));
    }

    pub(super) const fn fault(&self) -> Option<&'static str> {
        self.fault.get()
    }

    pub(super) fn note_refused(&self, failure: Failure) {
        self.refused.replace(Some(failure));
    }

    pub(super) fn take_refused(&self) -> Option<Failure> {
        self.refused.take()
    }

    /// Whether a pooled connection turned out to be closed before it brought a byte.
    pub(super) const fn was_stale(&self) -> bool {
        self.wrote.get() && !self.opened.get() && !self.answered.get()
    }
}
