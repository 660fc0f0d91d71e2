//! The places of a request, each with a template of its own. It must not know the rest of the request.
//!
//! Nothing that a value holds can change the structure around it. It is encoded for its place, or the call is skipped.

mod form;
mod header;
mod json;
mod path;
mod query;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub use form::FormTemplate;
pub use header::HeaderTemplate;
pub use json::JsonTemplate;
pub use path::PathTemplate;
pub use query::QueryTemplate;

/// The bytes that are percent-encoded: all but the unreserved characters of RFC 3986, section 2.3. A space is `%20`,
/// which every reader of a path, a query or a form takes for one.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Appends a text, percent-encoded.
fn encode(text: &str, out: &mut Vec<u8>) {
    for part in utf8_percent_encode(text, RESERVED) {
        out.extend_from_slice(part.as_bytes());
    }
}
