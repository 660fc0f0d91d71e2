//! Answers whose first bytes are not HTTP.

use super::*;
use crate::{
    exchange::Allowance,
    fanout::{HeadStatus, StatusSet},
    upstream::body::Bounds,
};

fn reading<'a>(
    shared: &'a Allowance,
    success: &'a StatusSet,
    status: &'a HeadStatus,
) -> Reading<'a> {
    Reading::new(Rules {
        head_only: false,
        success,
        refuses_close: false,
        bounds: Bounds { own: 1000, shared },
        depth: 64,
        status,
        advised: None,
        kept: &[],
        expected: None,
    })
}

#[test]
fn bytes_that_begin_no_answer_are_told_from_an_answer_that_is_broken() {
    for (bytes, garbled) in [
        (&b"gone\nHTTP/1.1 200 OK\r\n\r\n"[..], true),
        (b"0\r\n\r\n", true),
        (b"HTML", true),
        (b"\r\nxHTTP/1.1 200 OK\r\n\r\n", true),
        (b"HTTP/1.1 2x0 OK\r\n\r\n", false),
        (b"HTTP/2 200\r\n\r\n", false),
        (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", false),
        (b"HTTP/1.1 100 Continue\r\n\r\ngone", false),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\ngone", false),
        (b"\r\nHTT", false),
    ] {
        let (shared, success) = (Allowance::new(1000), StatusSet::successful());
        let status = HeadStatus::default();
        let mut whole = reading(&shared, &success, &status);
        whole.push(bytes);
        assert_eq!(whole.is_garbled(), garbled, "{bytes:?}");
        let mut cut = reading(&shared, &success, &status);
        for byte in bytes.chunks(1) {
            if !cut.is_over() {
                cut.push(byte);
            }
        }
        assert_eq!(cut.is_garbled(), garbled, "{bytes:?} byte by byte");
    }
}
