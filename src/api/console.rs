//! `GET /console` and the paths below it: sends the console's files, with the headers that keep the page to itself. It
//! must not know what is in them.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, EntityTag, Header as _, IfNoneMatch},
};

use super::{methods, other_method, problem::Problem};
use crate::console::Console;

/// Allows only the console's own files and requests to its own origin, no script in the page, and no frame around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Answers with one of the console's files.
pub(super) fn serve(
    request: &HttpRequest,
    console: Option<&Console>,
) -> Result<HttpResponse, Problem> {
    let Some(console) = console else {
        return Err(Problem::not_found(request));
    };
    let is_folder = request.path() == "/console/";
    let file = console.find(request.path());
    if !methods::reads(request.method()) && (is_folder || file.is_some()) {
        return other_method::of_own(request);
    }
    if is_folder {
        // Relative, so that it still holds behind a proxy that removes a prefix.
        return Ok(HttpResponse::PermanentRedirect()
            .insert_header((header::LOCATION, "../console"))
            .finish());
    }
    let Some(file) = file else {
        return Err(Problem::not_found(request));
    };
    // Weak, as the bytes on the wire may be compressed.
    let tag = EntityTag::new_weak(file.tag.clone());
    let known = is_known(request, &tag);
    let mut response = match known {
        true => HttpResponse::NotModified(),
        false => HttpResponse::Ok(),
    };
    response
        .insert_header((header::CONTENT_TYPE, file.media_type))
        .insert_header(header::ETag(tag))
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    // actix would send a body with any status.
    Ok(match known {
        true => response.finish(),
        false => response.body(file.bytes.clone()),
    })
}

/// Returns true if the client has the file already (RFC 9110, section 13.1.2).
fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    if !request.headers().contains_key(header::IF_NONE_MATCH) {
        return false;
    }
    match IfNoneMatch::parse(request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(tag)),
        Err(_) => false,
    }
}
