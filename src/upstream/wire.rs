//! The way to one service from one worker: the connections that all requests to the service share, and the rules by
//! which they are kept. It must not know the contents of requests.

use std::{cell::Cell, rc::Rc, time::Duration};

use http::StatusCode;
use tokio::time::Instant;

use super::{
    observer::{ConnectionObserver, ResendBudget},
    pool::{Connection, Pool, Spare, Stream, Wait},
    prepare::PreparedService,
    request::SMALL,
};
use crate::fanout::{Failure, FailureKind, Party, Repeatable, Reply};

/// The divisor of `keep_alive` that gives the longest wait after which a connection still takes a request that may not
/// be sent twice: a second by default. Of the servers that keep connections at all, those that close earliest do so
/// after two.
const YOUNG: u32 = 4;

/// The largest request body, in bytes, after which the connection takes another request that may not be sent twice. A
/// server that has answered without reading all of a larger one may close the connection without notice. A smaller one
/// comes with its head.
const READ_FOR_SURE: usize = SMALL;

/// The connections of one service on one worker, and the worker's memory of how the service answers.
pub struct Wire {
    service: PreparedService,
    pool: Pool,
    /// The time that a connection may wait for its next request.
    keep_alive: Duration,
    /// True if some request to this service may be sent twice. Otherwise no connection waits longer than the other
    /// requests can use it.
    repeats: Cell<bool>,
    /// True if the last attempt that ended here brought a reply.
    answering: Cell<bool>,
    observer: Rc<dyn ConnectionObserver>,
    resends: Rc<dyn ResendBudget>,
}

impl Wire {
    /// Opens an empty pool. It must be called on the thread that will run the attempts.
    ///
    /// All wires of a thread share `spare`: if descriptors run out, each closes the idle connections of the others.
    #[must_use]
    pub fn new(
        service: &PreparedService,
        observer: Rc<dyn ConnectionObserver>,
        resends: Rc<dyn ResendBudget>,
        spare: &Rc<Spare>,
    ) -> Self {
        Self {
            pool: service.pool(&observer, spare),
            keep_alive: service.keep_alive(),
            service: service.clone(),
            repeats: Cell::new(false),
            answering: Cell::new(false),
            observer,
            resends,
        }
    }

    /// Returns the service at the other end.
    pub(super) const fn service(&self) -> &PreparedService {
        &self.service
    }

    /// Announces requests of this kind. The pool keeps only connections that some announced request may take.
    pub(super) fn announce(&self, repeatable: Repeatable) {
        if repeatable == Repeatable::Yes {
            self.repeats.set(true);
        }
    }

    /// Returns a connection that is open already, for a request of this kind. A request that may not be sent twice only
    /// takes one that surely takes another request.
    pub(super) async fn kept(&self, repeatable: Repeatable) -> Option<Connection> {
        match repeatable {
            Repeatable::Yes => self.pool.kept().await,
            Repeatable::No => self.pool.sure().await,
        }
    }

    /// Opens a connection, before `until`.
    pub(super) async fn open(&self, until: Instant) -> Result<Connection, Failure> {
        self.pool.open(until).await
    }

    /// Opens a connection for one request, that no other will use.
    pub(super) async fn open_alone(&self) -> Result<Box<dyn Stream>, Failure> {
        // The caller bounds the time. The dialer's own limit comes first.
        let until = Instant::now() + 2 * self.service.connect_timeout();
        Ok(self.pool.open(until).await?.stream)
    }

    /// Takes back a connection whose answer was read to its end. Needs the answer's status, if it is known, the
    /// length of the request's body, and the time that the service lets the connection wait.
    ///
    /// Some servers close a connection without notice once a handler has failed or a request was refused. A request
    /// that can be sent again survives that, and another never gets such a connection.
    pub(super) fn keep(
        &self,
        connection: Connection,
        status: Option<StatusCode>,
        sent: usize,
        idle: Duration,
    ) {
        let is_sure = sent <= READ_FOR_SURE && status.is_some_and(is_good);
        let sure = match is_sure {
            true => idle.min(self.keep_alive / YOUNG),
            false => Duration::ZERO,
        };
        let all = match self.repeats.get() {
            true => idle.min(self.keep_alive),
            false => sure,
        };
        self.pool.keep(connection, Wait { all, sure });
    }

    /// Returns true if a request whose pooled connection was closed may be sent once more. With a service that answers
    /// well, it is only the end of a connection, and costs nothing. With a service that fails, it may be another
    /// failure, so the budget pays for it as for one more attempt.
    pub(super) fn may_resend(&self) -> bool {
        self.answering.get() || self.resends.withdraw()
    }

    /// Tells the observer that a request was sent again.
    pub(super) fn resent(&self) {
        self.observer.resent();
    }

    /// Remembers if the service answers well. A shortage of the gateway itself, of memory or a descriptor, says nothing
    /// of that.
    pub(super) fn answered(&self, result: &Result<Reply, Failure>) {
        let is_ours = |failure: &Failure| {
            failure.kind == FailureKind::Overload || failure.fault == Party::Gateway
        };
        if !result.as_ref().is_err_and(is_ours) {
            self.answering.set(result.is_ok());
        }
    }
}

fn is_good(status: StatusCode) -> bool {
    status.as_u16() < 400
}
