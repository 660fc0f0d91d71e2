//! Bodies that are refused by their heads, those that are read, and the answers to methods that a route doesn't take.

use std::rc::Rc;

use actix_web::{
    HttpMessage as _, HttpRequest, ResponseError as _,
    http::{Method, StatusCode, header},
    test::TestRequest,
};
use bytes::Bytes;
use futures_util::FutureExt as _;

use super::*;
use crate::{
    api::other_method,
    endpoint::{Takes, fixture::endpoint},
};

const JSON: &str = "application/json";

fn taking(body: bool, json: bool) -> Takes {
    Takes {
        body,
        json,
        ..Takes::default()
    }
}

/// Makes a request with a body of this length, if it has one.
fn request(method: &str, fields: &[(&str, &str)], length: Option<u64>) -> HttpRequest {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = TestRequest::default().method(method);
    for field in fields {
        request = request.append_header(*field);
    }
    let request = request.to_http_request();
    if let Some(length) = length {
        let incoming = Rc::new(IncomingBody::new(Some(length)));
        request.extensions_mut().insert(incoming);
    }
    request
}

/// Returns the kind of the problem of a request's head, or `None` if it may go on.
fn refused(endpoint: &Endpoint, request: &HttpRequest) -> Option<ProblemKind> {
    let announced = Content::announced(request, endpoint);
    announced.err().map(|problem| problem.kind())
}

#[test]
fn a_body_that_no_call_takes_is_unexpected() {
    let none = endpoint(&["POST", "DELETE"], None, taking(false, false));
    let json = endpoint(&["POST", "DELETE"], None, taking(false, true));
    let unexpected = Some(ProblemKind::UnexpectedBody);
    let typed = [("content-type", JSON)];
    for method in ["POST", "DELETE"] {
        assert_eq!(
            refused(&none, &request(method, &typed, Some(2))),
            unexpected
        );
        assert_eq!(refused(&none, &request(method, &[], None)), None);
    }
    assert_eq!(
        refused(&json, &request("DELETE", &typed, Some(2))),
        unexpected
    );
    assert_eq!(refused(&json, &request("POST", &typed, Some(2))), None);
}

#[test]
fn where_a_part_is_taken_the_type_has_to_be_json() {
    let endpoint = endpoint(&["POST"], None, taking(true, true));
    for (content_type, is_taken) in [
        (JSON, true),
        ("Application/JSON; charset=utf-8", true),
        ("application/vnd.api+json", true),
        ("text/plain", false),
        ("application/x-www-form-urlencoded", false),
        ("text/json", false),
        ("json", false),
        ("", false),
        ("application/json, application/json", false),
    ] {
        let request = request("POST", &[("content-type", content_type)], Some(2));
        let expected = (!is_taken).then_some(ProblemKind::UnsupportedMediaType);
        assert_eq!(refused(&endpoint, &request), expected, "{content_type}");
    }
    let unsupported = Some(ProblemKind::UnsupportedMediaType);
    let typed = ("content-type", JSON);
    for fields in [
        &[][..],
        &[typed, typed],
        &[typed, ("content-encoding", "gzip")],
    ] {
        assert_eq!(
            refused(&endpoint, &request("POST", fields, Some(2))),
            unsupported
        );
    }
    let plain = [typed, ("content-encoding", "identity")];
    assert_eq!(refused(&endpoint, &request("POST", &plain, Some(2))), None);
}

#[test]
fn a_body_that_goes_on_as_it_came_may_have_any_type() {
    let endpoint = endpoint(&["POST", "QUERY"], None, taking(true, false));
    let typed = [("content-type", "text/csv")];
    for (method, fields) in [("POST", &[][..]), ("POST", &typed), ("QUERY", &typed)] {
        assert_eq!(refused(&endpoint, &request(method, fields, Some(2))), None);
    }
    assert_eq!(refused(&endpoint, &request("POST", &[], None)), None);
}

#[test]
fn a_query_needs_a_type_and_a_body() {
    for takes in [taking(true, false), taking(false, true)] {
        let endpoint = endpoint(&["QUERY"], None, takes);
        let typed = [("content-type", JSON)];
        for (fields, length, expected) in [
            (&[][..], Some(2), Some(ProblemKind::UnsupportedMediaType)),
            (&[], None, Some(ProblemKind::UnsupportedMediaType)),
            (&typed, None, Some(ProblemKind::InvalidBody)),
            (&typed, Some(2), None),
        ] {
            assert_eq!(
                refused(&endpoint, &request("QUERY", fields, length)),
                expected
            );
        }
    }
}

#[test]
fn a_refused_type_comes_with_those_that_are_taken() {
    let fields = |methods: &[&str], takes, request: HttpRequest| {
        let problem = Content::announced(&request, &endpoint(methods, None, takes)).unwrap_err();
        let response = problem.error_response();
        assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        [
            header::ACCEPT,
            "accept-query".parse().unwrap(),
            header::ACCEPT_ENCODING,
        ]
        .map(|name| {
            let field = response.headers().get(name)?;
            Some(field.to_str().unwrap().to_owned())
        })
    };
    let json = Some(JSON.to_owned());
    let quoted = Some("\"application/json\"".to_owned());
    let untyped = request("POST", &[], Some(2));
    assert_eq!(
        fields(&["POST"], taking(false, true), untyped),
        [json.clone(), None, None]
    );
    let untyped = request("QUERY", &[], Some(2));
    assert_eq!(
        fields(&["QUERY"], taking(false, true), untyped),
        [json, quoted, None]
    );
    let packed = request("POST", &[("content-encoding", "gzip")], Some(2));
    let identity = Some("identity".to_owned());
    assert_eq!(
        fields(&["POST"], taking(true, false), packed),
        [None, None, identity]
    );
}

#[test]
fn a_body_that_says_it_is_too_large_is_not_even_asked_for() {
    let endpoint = endpoint(&["POST"], None, taking(false, true));
    let typed = [("content-type", JSON)];
    assert_eq!(
        refused(&endpoint, &request("POST", &typed, Some(1000))),
        None
    );
    let large = Some(ProblemKind::BodyTooLarge);
    assert_eq!(
        refused(&endpoint, &request("POST", &typed, Some(1001))),
        large
    );
    let most = request("POST", &typed, Some(u64::MAX));
    assert_eq!(refused(&endpoint, &most), large);
}

/// Reads a body that comes to this end.
fn read(
    takes: Takes,
    method: &str,
    settled: Result<&'static [u8], Unread>,
) -> Result<ClientBody, Problem> {
    let endpoint = endpoint(&[method], None, takes);
    let request = request(method, &[("content-type", JSON)], Some(5));
    let content = Content::announced(&request, &endpoint).unwrap().unwrap();
    assert_eq!(content.size(), 5);
    content.incoming.settle(settled.map(Bytes::from_static));
    let read = content.read(request.method()).now_or_never().unwrap();
    read.map(Option::unwrap)
}

#[test]
fn a_body_is_read_and_checked_where_a_part_of_it_is_taken() {
    let body = read(taking(true, true), "POST", Ok(b"[1.0]")).unwrap();
    assert_eq!((&*body.bytes, body.is_json), (&b"[1.0]"[..], true));
    assert_eq!(body.content_type.unwrap(), JSON);
    let body = read(taking(true, false), "POST", Ok(b"{oops")).unwrap();
    assert_eq!((&*body.bytes, body.is_json), (&b"{oops"[..], false));
    for wrong in [&b"{oops"[..], b"", b"    ", b"\"\xff\" ", b"{}{} "] {
        let problem = read(taking(false, true), "POST", Ok(wrong)).unwrap_err();
        assert_eq!(problem.kind(), ProblemKind::InvalidBody);
    }
    // Chunks may turn out to be empty.
    assert!(read(taking(true, false), "POST", Ok(b"")).is_ok());
    let problem = read(taking(true, false), "QUERY", Ok(b"")).unwrap_err();
    assert_eq!(problem.kind(), ProblemKind::InvalidBody);
}

#[test]
fn a_body_that_does_not_come_is_a_problem_by_its_reason() {
    for (unread, kind) in [
        (Unread::TooLarge, ProblemKind::BodyTooLarge),
        (Unread::Late, ProblemKind::RequestTimeout),
        (Unread::Malformed, ProblemKind::MalformedRequest),
        (Unread::Gone, ProblemKind::MalformedRequest),
    ] {
        let problem = read(taking(true, false), "POST", Err(unread)).unwrap_err();
        assert_eq!(problem.kind(), kind);
    }
}

#[test]
fn chunks_of_which_there_are_none_are_no_body() {
    let chunks = |fields: &[(&str, &str)]| {
        let request = request("DELETE", fields, None);
        let incoming = Rc::new(IncomingBody::new(None));
        request.extensions_mut().insert(Rc::clone(&incoming));
        let endpoint = endpoint(&["DELETE"], None, taking(true, true));
        let content = Content::announced(&request, &endpoint);
        (incoming, content.map(Option::unwrap))
    };
    for (settled, kind) in [
        (Ok(Bytes::new()), None),
        (Err(Unread::TooLarge), Some(ProblemKind::UnexpectedBody)),
        (Err(Unread::Malformed), Some(ProblemKind::MalformedRequest)),
    ] {
        let (incoming, content) = chunks(&[]);
        let content = content.unwrap();
        assert_eq!(content.size(), 0);
        incoming.settle(settled);
        let read = content.read(&Method::DELETE).now_or_never().unwrap();
        assert_eq!(read.err().map(|problem| problem.kind()), kind);
    }
    // Who waits to be told to go on has one.
    let (_, content) = chunks(&[("expect", "100-continue")]);
    assert_eq!(content.unwrap_err().kind(), ProblemKind::UnexpectedBody);
}

/// Returns the status, `Allow` and `Accept-Query` of the answer to a method that an aggregate doesn't take.
fn other(methods: &[&str], takes: Takes, method: &str) -> (u16, String, Option<String>) {
    let endpoint = endpoint(methods, None, takes);
    let request = request(method, &[], None);
    assert!(!methods::takes(&endpoint, request.method()));
    let response = other_method::of_aggregate(&request, &endpoint);
    let response = response.unwrap_or_else(|problem| problem.error_response());
    let field = |name: &str| {
        let field = response.headers().get(name)?;
        Some(field.to_str().unwrap().to_owned())
    };
    (
        response.status().as_u16(),
        field("allow").unwrap(),
        field("accept-query"),
    )
}

#[test]
fn what_a_route_takes_is_told_by_options_and_by_refusals() {
    for (methods, allowed) in [
        (&["GET"][..], "GET, HEAD, OPTIONS"),
        (&["POST"], "POST, OPTIONS"),
        (&["DELETE", "PUT", "GET"], "GET, HEAD, PUT, DELETE, OPTIONS"),
        (&["PATCH"], "PATCH, OPTIONS"),
    ] {
        for (method, status) in [("OPTIONS", 204), ("TRACE", 405), ("QUERY", 405)] {
            let expected = (status, allowed.to_owned(), None);
            assert_eq!(other(methods, taking(false, true), method), expected);
        }
    }
    for (takes, types) in [
        (taking(false, true), "\"application/json\""),
        (taking(true, false), "\"*/*\""),
    ] {
        for (method, status) in [("OPTIONS", 204), ("GET", 405), ("HEAD", 405)] {
            let allowed = "POST, QUERY, OPTIONS".to_owned();
            let expected = (status, allowed, Some(types.to_owned()));
            assert_eq!(other(&["QUERY"], takes.clone(), method), expected);
        }
    }
}

#[test]
fn a_method_in_another_case_is_told_so() {
    let get = Method::from_bytes(b"get").unwrap();
    let problem = methods::not_implemented(&get).unwrap();
    insta::assert_snapshot!(problem, @"method-not-implemented: the method get is not implemented: methods are case-sensitive, and GET is another one");
    let other = Method::from_bytes(b"PROPFIND").unwrap();
    let problem = methods::not_implemented(&other).unwrap();
    insta::assert_snapshot!(problem, @"method-not-implemented: the method PROPFIND is not implemented: GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE and QUERY are");
}
