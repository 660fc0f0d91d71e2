//! The kind of answer that a request wants: the whole, or a stream, by its `Accept`. It must not know how either is
//! made.

use std::{ops::RangeInclusive, time::Duration};

use actix_web::{
    HttpRequest,
    http::{
        Method,
        header::{self, Header as _, HeaderName, Quality, QualityItem},
    },
};
use mime::Mime;

use crate::compose::{END, Framing};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The longest silence of a stream of events. It is well within the time that balancers and proxies allow a silent
/// connection: at least 30 s.
pub(super) const HEARTBEATS: Duration = Duration::from_secs(5);

/// The parameter of a media type by which a reader of lines asks for heartbeats, in seconds.
const HEARTBEAT_PARAMETER: &str = "heartbeat";

/// The range of the time between heartbeats of lines, in seconds.
const HEARTBEAT_SECONDS: RangeInclusive<u64> = 1..=300;

/// A stream as its client wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The framing of its messages.
    pub(super) framing: Framing,
    /// The longest silence before it sends a heartbeat.
    pub(super) heartbeats: Option<Duration>,
}

/// Returns the stream that a request wants: the request names one, and doesn't prefer JSON.
pub(super) fn wanted(request: &HttpRequest) -> Option<Wanted> {
    let field = request.headers().get(header::ACCEPT)?;
    let names = |media_type: &str| {
        let bytes = field.as_bytes();
        let mut parts = bytes.windows(media_type.len());
        parts.any(|part| part.eq_ignore_ascii_case(media_type.as_bytes()))
    };
    // Nearly no request names one, and reading the field costs more.
    let named = [Framing::Lines, Framing::Events]
        .iter()
        .any(|framing| names(framing.media_type()));
    if request.method() == Method::HEAD || !(named || has_more(request)) {
        return None;
    }
    let accept = header::Accept::parse(request).ok()?;
    let item = |media_type: &str| {
        let items = accept.iter();
        items
            .filter(|item| item.item.essence_str() == media_type)
            .max_by_key(|item| item.quality)
    };
    let json = item("application/json").map(|item| item.quality);
    // The most specific range counts (RFC 9110, section 12.5.1). A client that names a stream prefers it to types that
    // only a range covers.
    let ranged = ["application/*", "*/*"].into_iter().find_map(item);
    let ranged = ranged.map(|item| item.quality);
    let is_preferred = |weight: Quality| match (json, ranged) {
        (Some(json), _) => weight > json,
        (None, Some(ranged)) => weight >= ranged,
        (None, None) => true,
    };
    [Framing::Lines, Framing::Events]
        .into_iter()
        .filter_map(|framing| Some((framing, item(framing.media_type())?)))
        .filter(|(_, item)| item.quality > Quality::ZERO && is_preferred(item.quality))
        // Reversed, so that the first of equal weight is taken.
        .rev()
        .max_by_key(|(_, item)| item.quality)
        .map(|(framing, item)| Wanted {
            framing,
            heartbeats: heartbeats(framing, item),
        })
}

/// Returns the longest silence of a stream. Events have a bound of their own. Lines have one only if their reader asks
/// for it, as the reader then has to skip empty lines.
fn heartbeats(framing: Framing, item: &QualityItem<Mime>) -> Option<Duration> {
    match framing {
        Framing::Events => Some(HEARTBEATS),
        Framing::Lines => {
            let seconds = item.item.get_param(HEARTBEAT_PARAMETER)?.as_str();
            let seconds = seconds.parse().ok();
            seconds
                .filter(|seconds| HEARTBEAT_SECONDS.contains(seconds))
                .map(Duration::from_secs)
        }
    }
}

/// Returns true if the field that was looked at is not the only one of its name.
fn has_more(request: &HttpRequest) -> bool {
    request.headers().get_all(header::ACCEPT).nth(1).is_some()
}

/// Returns true if a browser connects again after its stream's end, as `EventSource` does unless it is closed. An
/// answer of 204 tells it to stop. Any other would run the aggregate again and again.
pub(super) fn has_ended(request: &HttpRequest, framing: Framing) -> bool {
    let last = request.headers().get(LAST_EVENT_ID);
    framing == Framing::Events && last.is_some_and(|id| id.as_bytes() == END.as_bytes())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn asked(accept: &[&str]) -> Option<Framing> {
        let mut request = TestRequest::get();
        for field in accept {
            request = request.append_header((header::ACCEPT, *field));
        }
        wanted(&request.to_http_request()).map(|wanted| wanted.framing)
    }

    #[test]
    fn a_stream_is_for_who_names_one_and_does_not_rather_have_json() {
        for (accept, expected) in [
            (&[][..], None),
            (&["*/*"], None),
            (&["application/json"], None),
            (&["application/x-ndjson"], Some(Framing::Lines)),
            (
                &["Application/X-NDJSON; charset=utf-8"],
                Some(Framing::Lines),
            ),
            (&["text/event-stream"], Some(Framing::Events)),
            (&["text/event-stream, */*"], Some(Framing::Events)),
            (&["text/event-stream;q=0.5, */*"], None),
            (&["application/*, text/event-stream;q=0.9"], None),
            (
                &["application/*;q=0.1, */*, text/event-stream;q=0.9"],
                Some(Framing::Events),
            ),
            (
                &["application/json;q=0.1, */*, text/event-stream;q=0.9"],
                Some(Framing::Events),
            ),
            (&["*/*", "text/event-stream"], Some(Framing::Events)),
            (&["application/json, application/x-ndjson"], None),
            (
                &["application/json;q=0.9, application/x-ndjson"],
                Some(Framing::Lines),
            ),
            (&["application/json, application/x-ndjson;q=0.9"], None),
            (&["application/x-ndjson;q=0"], None),
            (
                &["text/event-stream, application/x-ndjson"],
                Some(Framing::Lines),
            ),
            (
                &["text/event-stream, application/x-ndjson;q=0.5"],
                Some(Framing::Events),
            ),
            (&["nonsense, application/x-ndjson-not"], None),
        ] {
            assert_eq!(asked(accept), expected, "{accept:?}");
        }
        let head = TestRequest::with_uri("/").method(Method::HEAD);
        let head = head.insert_header((header::ACCEPT, "application/x-ndjson"));
        assert_eq!(wanted(&head.to_http_request()), None);
    }

    #[test]
    fn who_reads_lines_may_ask_for_heartbeats_and_who_reads_events_has_them() {
        for (accept, expected) in [
            ("application/x-ndjson", None),
            ("application/x-ndjson;heartbeat=10", Some(10)),
            (
                "application/x-ndjson; charset=utf-8; heartbeat=300",
                Some(300),
            ),
            ("application/x-ndjson;heartbeat=0", None),
            ("application/x-ndjson;heartbeat=301", None),
            ("application/x-ndjson;heartbeat=soon", None),
            ("application/x-ndjson;heartbeat=10, */*;q=0.1", Some(10)),
            ("text/event-stream", Some(5)),
            ("text/event-stream;heartbeat=10", Some(5)),
        ] {
            let request = TestRequest::get().insert_header((header::ACCEPT, accept));
            let wanted = wanted(&request.to_http_request()).unwrap();
            let expected = expected.map(Duration::from_secs);
            assert_eq!(wanted.heartbeats, expected, "{accept}");
        }
    }
}
