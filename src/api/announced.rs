//! The body that a request's head announces, and refusals that hold for it on every route that takes none. It must not
//! know the routes.

use actix_web::{
    HttpRequest,
    http::{
        Method,
        header::{self, HeaderMap},
    },
};

use super::{problem::Problem, problem_kind::ProblemKind};
use crate::endpoint::may_have_body;

/// The largest declared body that is answered as "not taken here" and not as too large.
const MAX_BODY: u64 = 256 * 1024;

/// Returns true if a body is to follow the request's head.
pub(super) fn is_announced(headers: &HeaderMap) -> bool {
    declared(headers) > 0 || headers.contains_key(header::TRANSFER_ENCODING)
}

/// Returns the declared length of the request's body.
fn declared(headers: &HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH);
    length
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0)
}

/// Refuses a large body where no route takes one.
pub(super) fn refuse_large(request: &HttpRequest) -> Result<(), Problem> {
    too_large(request.headers()).map_or(Ok(()), Err)
}

/// Returns the problem of a body whose method has none here, or is too large for all routes that take the method. A
/// route decides on the body of any other method.
#[cold]
pub(super) fn refused(method: &Method, headers: &HeaderMap) -> Option<Problem> {
    if may_have_body(method) {
        return None;
    }
    let unexpected = || {
        let detail = format!("{method} takes no body here; send parameters in the query");
        Problem::new(ProblemKind::UnexpectedBody, detail)
    };
    let has_none = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    too_large(headers).or_else(|| has_none.then(unexpected))
}

fn too_large(headers: &HeaderMap) -> Option<Problem> {
    let declared = declared(headers);
    (declared > MAX_BODY).then(|| {
        let detail =
            format!("the request announces a body of {declared} bytes; no route takes one");
        Problem::new(ProblemKind::BodyTooLarge, detail)
    })
}
