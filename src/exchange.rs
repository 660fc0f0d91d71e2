//! The client's request as its calls see it: the parts that go upstream, the trace that it belongs to, and the memory
//! that its bodies may take. It must not know how a request comes in, nor how a call is sent. The core does not know
//! this module.

mod allowance;
mod client_context;
mod field;
mod memory;
mod trace;

pub use allowance::{Allowance, Exceeded, Share};
pub use client_context::{ClientBody, ClientContext};
pub use field::{REQUEST_ID, TRACE_PARENT, TRACE_STATE};
pub use memory::{Charge, Memory, fixed, large};
pub use trace::{Parent, Trace, TraceParent};
