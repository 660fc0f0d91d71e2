//! The header fields of upstreams' answers that go to the client by name (`response_headers`). The configuration names
//! none of Gather's own, and none of the framing. It must not know the answer's body.

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderName, HeaderValue},
};

use crate::fanout::{CallResult, Outcome, Reply};

/// Adds the fields of these names to an answer to `outcome`, and returns the bytes that they take in its head. A
/// problem gets `Set-Cookie` alone, as that speaks of the client and not of the answer.
pub(super) fn put(response: &mut HttpResponse, names: &[HeaderName], outcome: &Outcome) -> usize {
    let is_problem = !response.status().is_success();
    let mut taken = 0;
    for name in names {
        let fields = match name {
            &header::SET_COOKIE => all(name, outcome),
            _ if is_problem => continue,
            _ => first(name, outcome),
        };
        for value in fields {
            taken += name.as_str().len() + ": \r\n".len() + value.len();
            response.headers_mut().append(name.clone(), value.clone());
        }
    }
    taken
}

/// Returns the values of this field in the answers to all calls, in plan order.
fn all<'a>(name: &HeaderName, outcome: &'a Outcome) -> Vec<&'a HeaderValue> {
    let calls = outcome.results.iter();
    calls.flat_map(|call| values(name, call)).collect()
}

/// Returns the values of this field in the first answer in plan order that has it. On several lines it is one list.
fn first<'a>(name: &HeaderName, outcome: &'a Outcome) -> Vec<&'a HeaderValue> {
    let mut calls = outcome.results.iter().map(|call| values(name, call));
    let found = calls.find(|values| !values.is_empty());
    found.unwrap_or_default()
}

fn values<'a>(name: &HeaderName, call: &'a CallResult) -> Vec<&'a HeaderValue> {
    let fields = call.result.as_ref().map_or(&[][..], Reply::fields);
    let named = fields.iter().filter(|(own, _)| own == name);
    named.map(|(_, value)| value).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::http::StatusCode;

    use super::*;
    use crate::fanout::{Body, Mode, Verdict};

    fn outcome(calls: &[&[(&'static str, &'static str)]]) -> Outcome {
        let results = calls.iter().map(|fields| {
            let fields = fields.iter().map(|&(name, value)| {
                let value = HeaderValue::from_static(value);
                (HeaderName::from_static(name), value)
            });
            let reply = Reply {
                fields: Some(fields.collect()),
                ..Reply::new(StatusCode::OK, Body::Empty)
            };
            CallResult::new("users", Duration::ZERO, Duration::ZERO, Ok(reply))
        });
        Outcome {
            mode: Mode::Concurrent,
            verdict: Verdict::Partial,
            elapsed: Duration::ZERO,
            results: results.collect(),
            positions: None,
        }
    }

    fn answer(status: StatusCode, names: &[HeaderName], outcome: &Outcome) -> (String, usize) {
        let mut response = HttpResponse::build(status)
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish();
        let taken = put(&mut response, names, outcome);
        let mut lines: Vec<_> = response
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort_by_key(|line| line.split(':').next().map(str::to_owned));
        (lines.join(" | "), taken)
    }

    const NAMES: [HeaderName; 2] = [header::SET_COOKIE, header::ETAG];

    #[test]
    fn every_cookie_goes_in_plan_order_and_of_other_fields_those_of_the_first_call_that_has_them() {
        let calls: [&[_]; 3] = [
            &[
                ("set-cookie", "a=1"),
                ("x-other", "1"),
                ("set-cookie", "b=2"),
            ],
            &[("etag", "\"1\"")],
            &[("etag", "\"2\""), ("set-cookie", "c=3")],
        ];
        let (lines, taken) = answer(StatusCode::OK, &NAMES, &outcome(&calls));
        let expected = "cache-control: no-store | etag: \"1\" | set-cookie: a=1 | set-cookie: b=2 | set-cookie: c=3";
        assert_eq!(lines, expected);
        assert_eq!(
            taken,
            3 * "set-cookie: a=1\r\n".len() + "etag: \"1\"\r\n".len()
        );
    }

    #[test]
    fn a_problem_has_the_cookies_alone() {
        let calls: [&[_]; 1] = [&[("set-cookie", "a=1"), ("etag", "\"1\"")]];
        let outcome = outcome(&calls);
        let (lines, _) = answer(StatusCode::NOT_FOUND, &NAMES, &outcome);
        assert_eq!(lines, "cache-control: no-store | set-cookie: a=1");
    }
}
