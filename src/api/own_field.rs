//! Gather's own header fields that several kinds of answer have. It must not know the answers.

use actix_web::{
    HttpResponse,
    http::header::{HeaderName, HeaderValue},
};

/// The mode in which the calls were run.
pub(super) const GATHER_MODE: HeaderName = HeaderName::from_static("gather-mode");

/// Sets a field to a text of the program's own, which is not copied.
pub(super) fn put_static(response: &mut HttpResponse, name: HeaderName, value: &'static str) {
    let value = HeaderValue::from_static(value);
    response.headers_mut().insert(name, value);
}

/// Sets a field. All values are visible ASCII of our own making.
pub(super) fn put(response: &mut HttpResponse, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
