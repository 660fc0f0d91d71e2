//! Recognises a request that has come through this deployment before, by its `CDN-Loop` (RFC 8586). Pure.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{problem::Problem, problem_kind::ProblemKind};

/// The CDNs and gateways that a request has come through, first to last. It is static, so that a look-up makes no name.
static CDN_LOOP: HeaderName = HeaderName::from_static("cdn-loop");

/// Gather's name among them.
const NAME: &str = "gather";

const DETAIL: &str = "the request has come through this gateway before, so an upstream leads back to it: give that upstream \
                      the URL of the service itself (gateways that call one another on purpose need different configurations)";

/// The identity shared by all processes with the same upstreams and aggregates. They recognise their own requests by
/// it.
#[derive(Debug, Clone)]
pub struct Deployment {
    id: String,
}

impl Deployment {
    /// Makes a deployment with this number, which should follow from its configuration.
    #[must_use]
    pub fn new(id: u64) -> Self {
        Self {
            id: format!("{id:016x}"),
        }
    }

    /// Returns its member of the list, which every request upstream carries.
    ///
    /// # Panics
    /// Never: the text is visible ASCII.
    #[must_use]
    pub fn member(&self) -> HeaderValue {
        let member = format!("{NAME}; id={}", self.id);
        HeaderValue::from_str(&member).expect("visible ASCII")
    }

    /// Reads the `CDN-Loop` of the client as one value; `None` if there is none.
    ///
    /// # Errors
    /// Fails if the request has come through this deployment, or through a gateway of this name without an id.
    pub(super) fn before(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Problem> {
        if !headers.contains_key(&CDN_LOOP) {
            return Ok(None);
        }
        self.read(headers)
    }

    #[cold]
    fn read(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Problem> {
        let mut before = Vec::new();
        for line in headers.get_all(&CDN_LOOP) {
            let line = line.as_bytes().trim_ascii();
            // A quote that doesn't end would hide what the next gateway appends, so such a line goes no further.
            let Some(members) = split(line, b',').filter(|_| !line.is_empty()) else {
                continue;
            };
            if members.iter().any(|member| self.is_named_by(member)) {
                return Err(looped());
            }
            if !before.is_empty() {
                before.extend_from_slice(b", ");
            }
            before.extend_from_slice(line);
        }
        let before = HeaderValue::from_bytes(&before).ok();
        Ok(before.filter(|before| !before.is_empty()))
    }

    /// Returns true for a member that names this deployment, or a `gather` without an id. A malformed member names
    /// nothing.
    fn is_named_by(&self, member: &[u8]) -> bool {
        let mut parts = split(member, b';').unwrap_or_default().into_iter();
        let name = parts.next().unwrap_or_default().trim_ascii();
        if !name.eq_ignore_ascii_case(NAME.as_bytes()) {
            return false;
        }
        let mut has_no_id = true;
        for parameter in parts.map(<[u8]>::trim_ascii) {
            if parameter.is_empty() {
                continue;
            }
            let mut sides = parameter.splitn(2, |byte| *byte == b'=');
            let name = sides.next().unwrap_or_default();
            let value = sides.next().map(unquoted).unwrap_or_default();
            if name.trim_ascii().eq_ignore_ascii_case(b"id") {
                if value.eq_ignore_ascii_case(self.id.as_bytes()) {
                    return true;
                }
                has_no_id = false;
            }
            has_no_id &= !value.is_empty();
        }
        has_no_id
    }
}

/// Returns the answer to a request that goes in a circle.
pub(crate) fn looped() -> Problem {
    Problem::new(ProblemKind::LoopDetected, DETAIL)
}

/// Splits text at separators that are not quoted; `None` if a quote doesn't end.
fn split(text: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if *byte == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// Returns a token as it is, and a quoted string without its quotes and escapes (RFC 9110, section 5.6.4).
fn unquoted(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    let Some(inner) = inner else {
        return value.to_vec();
    };
    let mut escaped = false;
    let mut plain = Vec::with_capacity(inner.len());
    for byte in inner {
        if *byte == b'\\' && !escaped {
            escaped = true;
        } else {
            escaped = false;
            plain.push(*byte);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: u64 = 0x00c0_ffee_0000_0001;

    fn before(lines: &[&str]) -> Result<Option<String>, ()> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                CDN_LOOP.clone(),
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        let before = Deployment::new(OURS).before(&headers).map_err(|_| ())?;
        Ok(before.map(|before| before.to_str().unwrap().to_owned()))
    }

    #[test]
    fn its_member_has_the_name_and_sixteen_digits() {
        let member = Deployment::new(OURS).member();
        assert_eq!(member, "gather; id=00c0ffee00000001");
    }

    #[test]
    fn a_request_that_says_nothing_has_come_through_nothing() {
        assert_eq!(before(&[]), Ok(None));
        for empty in [&[""][..], &["", "  "]] {
            assert_eq!(before(empty), Ok(None), "{empty:?}");
        }
    }

    #[test]
    fn it_knows_itself_however_the_list_is_written() {
        for lines in [
            &["gather; id=00c0ffee00000001"][..],
            &["gather;id=00c0ffee00000001"],
            &["GATHER ; ID=00C0FFEE00000001"],
            &["gather; id=\"00c0ffee00000001\""],
            &["gather; id=\"00c0ffee0000000\\1\""],
            &["gather; v=1; id=00c0ffee00000001"],
            &["gather; id=1; id=00c0ffee00000001"],
            &["a,gather; id=00c0ffee00000001,b"],
            &["a; x=\"1,2;3\" ,\tgather; id=00c0ffee00000001"],
            &["a", "b, gather; id=00c0ffee00000001"],
            &["gather"],
            &["a , Gather ,"],
            &["gather;"],
            &["gather; v=\"a b\""],
            // The next line is whole.
            &["x=\"", "gather; id=00c0ffee00000001"],
        ] {
            assert_eq!(before(lines), Err(()), "{lines:?}");
        }
    }

    #[test]
    fn others_are_passed_on_in_their_order() {
        for (lines, passed) in [
            (&["cloudflare"][..], "cloudflare"),
            (&["a; v=1", "b"], "a; v=1, b"),
            (
                &["gather; id=00c0ffee00000002,fastly"],
                "gather; id=00c0ffee00000002,fastly",
            ),
            (
                &["gather; id=00c0ffee000000010"],
                "gather; id=00c0ffee000000010",
            ),
            (
                &["agather", "gather:80", "gather.example"],
                "agather, gather:80, gather.example",
            ),
            (&["a; x=\", gather\""], "a; x=\", gather\""),
            (&["a; x=\"\\\", gather, \""], "a; x=\"\\\", gather, \""),
        ] {
            assert_eq!(before(lines), Ok(Some(passed.to_owned())), "{lines:?}");
        }
    }

    #[test]
    fn what_is_malformed_is_no_loop_and_never_hides_one() {
        for line in [
            "gather x",
            "gather=1",
            "gather; id",
            "gather; id=",
            "gather; id=\"\"",
            "gather; v",
            "\"gather\"",
            ",;=,",
            "g ather",
        ] {
            assert_eq!(before(&[line]), Ok(Some(line.to_owned())), "{line}");
        }
        // Text that is appended to it would be within the quote.
        for line in [
            "a; x=\"1",
            "a; x=\"1, gather; id=00c0ffee00000001",
            "\\\"",
            "\"",
        ] {
            assert_eq!(before(&[line]), Ok(None), "{line}");
            assert_eq!(before(&["a", line]), Ok(Some("a".to_owned())), "{line}");
        }
    }
}
