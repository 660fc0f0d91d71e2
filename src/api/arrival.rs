//! How requests arrive on one client's connection: whether a head is under way, read along without being parsed, and
//! whether requests are being answered meanwhile. Knows neither sockets nor timers.

use std::{cell::Cell, rc::Rc};

/// Follows the heads in what a client sends. A body is no head, but no route takes one: whatever announces a body is
/// the last request of its connection, see [`Progress::owes_body`].
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// A head has begun and is not whole.
    under_way: bool,
    /// How many bytes the current line has so far, its end not counted.
    line: usize,
    /// How many bytes the first line of the last head that began has so far.
    first_line: usize,
    in_first_line: bool,
}

impl Heads {
    /// Reads on; says whether a head became whole.
    pub(super) fn read(&mut self, bytes: &[u8]) -> bool {
        let mut ended = false;
        for byte in bytes {
            match byte {
                b'\r' => {}
                // Empty lines before a head are passed over (RFC 9112, section 2.2).
                b'\n' if !self.under_way => {}
                b'\n' => {
                    if self.line == 0 {
                        self.under_way = false;
                        ended = true;
                    }
                    self.line = 0;
                    self.in_first_line = false;
                }
                _ => self.take(),
            }
        }
        ended
    }

    fn take(&mut self) {
        if !self.under_way {
            self.under_way = true;
            self.in_first_line = true;
            self.first_line = 0;
        }
        self.line += 1;
        self.first_line += usize::from(self.in_first_line);
    }

    /// Whether a head has begun and is not whole.
    pub(super) const fn under_way(&self) -> bool {
        self.under_way
    }

    /// The length of the first line of the head that began last, in bytes.
    pub(super) const fn first_line(&self) -> usize {
        self.first_line
    }
}

/// What the requests of one connection let its edge know.
#[derive(Debug, Default)]
pub struct Progress {
    answering: Cell<usize>,
    owes_body: Cell<bool>,
}

impl Progress {
    /// Counts a request as being answered, until the result is dropped.
    pub(super) fn answering(self: &Rc<Self>) -> Answering {
        self.answering.set(self.answering.get() + 1);
        Answering(Rc::clone(self))
    }

    /// Notes that a request announced a body that nobody will read.
    pub(super) fn announce_body(&self) {
        self.owes_body.set(true);
    }

    /// Whether some request is being answered now.
    pub(super) const fn is_answering(&self) -> bool {
        self.answering.get() > 0
    }

    /// Whether what comes on this connection is the rest of a request that was answered before.
    pub(super) const fn owes_body(&self) -> bool {
        self.owes_body.get()
    }
}

/// One request that is being answered.
#[derive(Debug)]
pub(super) struct Answering(Rc<Progress>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.set(self.0.answering.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_under_way_from_its_first_byte_to_its_empty_line() {
        for head in ["GET / HTTP/1.1\r\nA: b\r\n\r\n", "GET / HTTP/1.1\nA: b\n\n"] {
            let mut heads = Heads::default();
            let (last, before) = head.as_bytes().split_last().unwrap();
            for byte in before {
                assert!(!heads.read(&[*byte]));
                assert!(heads.under_way());
            }
            assert!(heads.read(&[*last]));
            assert!(!heads.under_way());
        }
    }

    #[test]
    fn empty_lines_between_heads_begin_none() {
        let mut heads = Heads::default();
        heads.read(b"\r\n\r\n");
        assert!(!heads.under_way());
        assert!(heads.read(b"GET / HTTP/1.1\r\n\r\n\r\nG"));
        assert!(heads.under_way());
    }

    #[test]
    fn the_first_line_is_measured_of_the_last_head() {
        let mut heads = Heads::default();
        heads.read(b"GET /long HTTP/1.1\r\nA: b\r\n\r\nGET");
        assert_eq!(heads.first_line(), 3);
        heads.read(b" / HTTP/1.1\r\nHost: x");
        assert_eq!(heads.first_line(), "GET / HTTP/1.1".len());
    }

    #[test]
    fn a_dropped_request_is_no_longer_answered() {
        let progress = Rc::new(Progress::default());
        let (one, two) = (progress.answering(), progress.answering());
        drop(one);
        assert!(progress.is_answering());
        drop(two);
        assert!(!progress.is_answering());
    }
}
