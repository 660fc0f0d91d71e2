//! The request of an answer, as far as the log needs it. It must not know how the answer is sent.

use std::rc::Rc;

use actix_web::{HttpMessage as _, HttpRequest, body::BodySize};

use crate::api::Account;

/// The target of these lines. People filter lines by it, so it stays when a file moves.
const TARGET: &str = "gather::api::edge::sending";

/// The request of an answer, for the log line about a client that doesn't read it.
pub(super) enum Asked {
    /// The request itself, which is released only a little later. Looking for its account would cost every answer.
    Request(HttpRequest),
    /// A stream's account, which exists in any case. A stream may last long, so its request is not held.
    Stream(Option<Rc<Account>>),
    /// Nothing is known of it.
    Unknown,
}

impl Asked {
    /// Keeps the needed part of a request. `size` is that of its answer's body.
    pub(super) fn by(request: HttpRequest, size: BodySize) -> Self {
        match size {
            BodySize::Stream => Self::Stream(account(&request)),
            BodySize::None | BodySize::Sized(_) => Self::Request(request),
        }
    }

    /// Writes the log line about a client that was cut off.
    pub(super) fn tell_cut_off(&self) {
        let account = match self {
            Self::Request(request) => account(request),
            Self::Stream(account) => account.clone(),
            Self::Unknown => None,
        };
        tracing::info!(target: TARGET,
            request_id = account.as_ref().map(|account| account.id.as_str()),
            aggregate = account.as_ref().and_then(|account| account.aggregate()),
            "a client was cut off: it did not read its answer in time"
        );
    }
}

fn account(request: &HttpRequest) -> Option<Rc<Account>> {
    request.extensions().get::<Rc<Account>>().cloned()
}
