//! W3C Trace Context, level 1: the trace of a request, and the ids of the spans in it. It has plain numbers, and must
//! not know who records spans.
//!
//! A span's id follows from its attempt's id and from a random number of the request. The recorder and the sender of an
//! attempt therefore find the same id on their own.

use http::HeaderValue;

use crate::fanout::{AttemptId, Mode};

/// The flag of a trace that is recorded.
const SAMPLED: u8 = 1;

/// The flag of a trace whose id is random (level 2). It is passed on as it came.
const RANDOM: u8 = 2;

/// A `traceparent` as bytes: version, trace, span, flags.
pub type TraceParent = [u8; 55];

/// The caller's trace context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace's id; not 0.
    pub trace: u128,
    /// The id of the caller's span; not 0.
    pub span: u64,
    /// True if the caller records the trace.
    pub sampled: bool,
    random: bool,
}

impl Parent {
    /// Reads a field's value as the recommendation demands: in lower case, without zero ids. In a future version, it
    /// reads the part that is known.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, rest) = value.split_at_checked(size_of::<TraceParent>())?;
        let version = number(&known[..2])?;
        let dashes = [2, 35, 52].iter().all(|&at| known[at] == b'-');
        let is_whole = match version {
            0 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|&next| next == b'-'),
        };
        if !dashes || !is_whole {
            return None;
        }
        let trace = number(&known[3..35]).filter(|&trace| trace != 0)?;
        let span = number(&known[36..52]).filter(|&span| span != 0)?;
        let flags = number(&known[53..])?;
        Some(Self {
            trace,
            span: u64::try_from(span).ok()?,
            sampled: flags & u128::from(SAMPLED) != 0,
            random: flags & u128::from(RANDOM) != 0,
        })
    }
}

/// Reads hexadecimal digits in lower case, at most 32.
fn number(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// The trace of one request.
#[derive(Debug, Clone)]
pub struct Trace {
    id: u128,
    seed: u64,
    sampled: bool,
    random: bool,
    /// The caller's `tracestate`, which is passed on unchanged.
    pub state: Option<HeaderValue>,
}

impl Trace {
    /// Begins a new trace.
    #[must_use]
    pub fn new(sampled: impl FnOnce(u128) -> bool) -> Self {
        let id = fastrand::u128(1..);
        Self {
            id,
            seed: fastrand::u64(..),
            sampled: sampled(id),
            random: false,
            state: None,
        }
    }

    /// Continues the caller's trace. It is recorded if the caller records it.
    #[must_use]
    pub fn following(parent: Parent, state: Option<HeaderValue>) -> Self {
        Self {
            id: parent.trace,
            seed: fastrand::u64(..),
            sampled: parent.sampled,
            random: parent.random,
            state,
        }
    }

    /// Returns the trace's id; not 0.
    #[must_use]
    pub const fn id(&self) -> u128 {
        self.id
    }

    /// Returns true if the trace's spans are recorded.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Returns the id of the request's span.
    #[must_use]
    pub const fn request_span(&self) -> u64 {
        self.span(0)
    }

    /// Returns the id of a call's span.
    #[must_use]
    pub const fn call_span(&self, mode: Mode, call: usize) -> u64 {
        self.attempt_span(AttemptId {
            mode,
            call,
            attempt: 0,
        })
    }

    /// Returns the id of an attempt's span.
    #[must_use]
    pub const fn attempt_span(&self, id: AttemptId) -> u64 {
        let mode = match id.mode {
            Mode::Sequential => 0,
            Mode::Concurrent => 1,
        };
        // The number differs for each id, as a plan has far fewer than 2^31 calls.
        self.span((id.call as u64 + 1) << 33 | (id.attempt as u64) << 1 | mode)
    }

    /// Mixes a span's id from a number. It is a bijection (the last steps of splitmix64), so two numbers of a request
    /// never share an id.
    const fn span(&self, number: u64) -> u64 {
        let mut id = self.seed.wrapping_add(number);
        id = (id ^ id >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        id = (id ^ id >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        match id ^ id >> 31 {
            // No span may have the id 0.
            0 => u64::MAX,
            id => id,
        }
    }

    /// Returns the `traceparent` to send with an attempt. Its span is the parent of the upstream's spans.
    #[must_use]
    pub fn parent_of(&self, id: AttemptId) -> TraceParent {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write(&mut text[3..35], self.id);
        write(&mut text[36..52], self.attempt_span(id).into());
        let sampled = if self.sampled { SAMPLED } else { 0 };
        let random = if self.random { RANDOM } else { 0 };
        text[54] += sampled | random;
        text
    }
}

/// Fills `digits` with the last digits of `number`.
fn write(digits: &mut [u8], mut number: u128) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 15) as usize];
        number >>= 4;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_parent_is_followed() {
        let parent = Parent::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(parent.trace, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(parent.span, 0x00f0_67aa_0ba9_02b7);
        assert!(parent.sampled);
        let not = GOOD.replace("-01", "-00");
        assert!(!Parent::parse(not.as_bytes()).unwrap().sampled);
        // Flags that are not defined yet change nothing.
        let more = GOOD.replace("-01", "-fd");
        assert!(Parent::parse(more.as_bytes()).unwrap().sampled);
    }

    #[test]
    fn a_version_to_come_is_read_as_far_as_it_is_known() {
        for later in [
            GOOD.replace("00-4", "cc-4"),
            GOOD.replace("00-4", "01-4") + "-more",
        ] {
            assert!(Parent::parse(later.as_bytes()).is_some(), "{later}");
        }
    }

    #[test]
    fn anything_else_is_no_parent() {
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-"),
            &format!("{GOOD}-more"),
            &format!("{GOOD} "),
            &GOOD.to_uppercase(),
            &GOOD.replace("00-4", "ff-4"),
            &GOOD.replace("00-4", "cc-4").replace("-01", "-01x"),
            &GOOD.replace("00-4", "0x-4"),
            &GOOD.replace("-01", "-0g"),
            &GOOD.replace("-01", "_01"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-011",
        ] {
            assert_eq!(Parent::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn what_goes_out_is_a_valid_parent_with_the_attempts_span() {
        let id = AttemptId {
            mode: Mode::Concurrent,
            call: 2,
            attempt: 3,
        };
        for sampled in [false, true] {
            let trace = Trace::new(|_| sampled);
            let parent = Parent::parse(&trace.parent_of(id)).unwrap();
            assert_eq!(parent.trace, trace.id());
            assert_eq!(parent.span, trace.attempt_span(id));
            assert_eq!(parent.sampled, sampled);
        }
        // A trace that came with the flag of a random id keeps it.
        let random = Parent::parse(GOOD.replace("-01", "-02").as_bytes()).unwrap();
        let out = Trace::following(random, None).parent_of(id);
        assert!(out.starts_with(b"00-4bf92f3577b34da6a3ce929d0e0e4736-"));
        assert!(out.ends_with(b"-02"));
    }

    #[test]
    fn no_two_spans_of_a_request_share_an_id() {
        let trace = Trace::new(|_| true);
        let mut seen = HashSet::from([trace.request_span()]);
        for mode in Mode::ALL {
            for call in 0..1000 {
                assert!(seen.insert(trace.call_span(mode, call)));
                for attempt in 1..=10 {
                    let id = AttemptId {
                        mode,
                        call,
                        attempt,
                    };
                    assert!(seen.insert(trace.attempt_span(id)));
                    assert_eq!(trace.attempt_span(id), trace.clone().attempt_span(id));
                }
            }
        }
        assert!(!seen.contains(&0));
    }
}
