//! Writes an outcome as a stream: each result as soon as it is settled, and the rest at the end. A message is a line of
//! NDJSON or a server-sent event (WHATWG HTML, section 9.2). It must not know how the stream is sent.

use super::{json, shaping::Shaping, written::put};
use crate::fanout::{CallResult, Mode};

/// The format that separates the messages of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `application/x-ndjson`: one line for each message.
    Lines,
    /// `text/event-stream`: one event for each message.
    Events,
}

/// The id of the last event. A browser that connects again after it sends it in `Last-Event-ID`.
pub const END: &str = "end";

impl Framing {
    /// The stream's media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        }
    }

    /// Returns an empty message, so that no proxy on the way takes the connection for dead. Among events it is a
    /// comment, which every reader skips. Among lines it is an empty line, which not every reader skips.
    #[must_use]
    pub const fn heartbeat(self) -> &'static [u8] {
        match self {
            Self::Lines => b"\n",
            Self::Events => b":\n\n",
        }
    }

    /// Appends one call's result with `index`, its position in the plan. In a comparison it has the mode of its run
    /// too. Its body goes in as it came, or as `shaping` has it.
    pub fn result(
        self,
        out: &mut Vec<u8>,
        run: Option<Mode>,
        index: usize,
        call: &CallResult,
        shaping: Option<&Shaping<'_>>,
    ) {
        let shaping = shaping.map(|shaping| (shaping, index));
        // This includes the text before and after the result.
        out.reserve(json::room(call, shaping) + 64);
        self.message(out, b"event: result\n", |json| {
            json::result(json, call, shaping, |json| {
                if let Some(mode) = run {
                    put(json, format_args!("\"mode\":\"{mode}\","));
                }
                put(json, format_args!("\"index\":{index},"));
            });
        });
    }

    /// Appends the last message, an object of these members.
    pub fn outcome(self, out: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
        self.message(out, b"event: outcome\nid: end\n", |json| {
            json.push(b'{');
            members(json);
            json.push(b'}');
        });
    }

    fn message(self, out: &mut Vec<u8>, head: &[u8], value: impl FnOnce(&mut Vec<u8>)) {
        if self == Self::Events {
            out.extend_from_slice(head);
            out.extend_from_slice(b"data: ");
        }
        let start = out.len();
        value(out);
        // An upstream's JSON may have many lines. In valid JSON a line end is outside of strings, where a space means
        // the same.
        for byte in &mut out[start..] {
            if matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
        out.extend_from_slice(match self {
            Self::Lines => b"\n",
            Self::Events => b"\n\n",
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::StatusCode;

    use super::*;
    use crate::fanout::{Body, Reply};

    fn call(body: &'static [u8]) -> CallResult {
        let reply = Reply::new(StatusCode::OK, Body::Json(Bytes::from_static(body)));
        let (start, elapsed) = (Duration::from_micros(41), Duration::from_millis(2));
        CallResult::new("users", start, elapsed, Ok(reply))
    }

    fn text(framing: Framing, run: Option<Mode>, body: &'static [u8]) -> String {
        let mut out = Vec::new();
        framing.result(&mut out, run, 7, &call(body), None);
        framing.outcome(&mut out, |json| {
            json.extend_from_slice(b"\"outcome\":\"complete\"")
        });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_a_result_with_its_place_and_the_last_one_all_the_rest() {
        insta::assert_snapshot!(text(Framing::Lines, None, b"\"pong\""), @r#"
        {"index":7,"name":"users","ok":true,"status":200,"start_ms":0.041,"elapsed_ms":2.000,"attempts":1,"body":"pong"}
        {"outcome":"complete"}
        "#);
    }

    #[test]
    fn a_line_of_a_comparison_begins_with_its_runs_mode() {
        let text = text(Framing::Lines, Some(Mode::Sequential), b"1");
        assert!(
            text.starts_with(r#"{"mode":"sequential","index":7,"name":"#),
            "{text}"
        );
    }

    #[test]
    fn an_event_has_a_name_and_one_line_of_data_and_the_last_one_an_id() {
        insta::assert_snapshot!(text(Framing::Events, None, b"\"pong\""), @r#"
        event: result
        data: {"index":7,"name":"users","ok":true,"status":200,"start_ms":0.041,"elapsed_ms":2.000,"attempts":1,"body":"pong"}

        event: outcome
        id: end
        data: {"outcome":"complete"}
        "#);
    }

    #[test]
    fn json_on_many_lines_stays_on_the_one_of_its_message() {
        for framing in [Framing::Lines, Framing::Events] {
            let text = text(framing, None, b"{\r\n  \"a\": [1,\n 2],\r\"b\": \"\\n\"\n}");
            assert!(
                text.contains(r#""body":{    "a": [1,  2], "b": "\n" }}"#),
                "{text}"
            );
            assert!(!text.contains('\r'));
        }
    }
}
