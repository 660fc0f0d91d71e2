//! The upstreams that the gateway's handlers run on. It must not know the adapter.

use crate::{exchange::ClientContext, fanout::Upstream};

/// An upstream whose calls see the client's request. A short name for the bound that all handlers have.
pub trait ClientUpstream: Upstream<Context = ClientContext> + 'static {}

impl<U: Upstream<Context = ClientContext> + 'static> ClientUpstream for U {}
