//! One request's head as it comes, checked whole before anything else sees it (RFC 9112, RFC 9110). Whatever passes here,
//! the codec's own parser takes too, and reads the same in it. Knows neither sockets nor timers.

use std::ops::Range;

use super::{
    MAX_FIELDS, MAX_HEAD, MAX_TARGET,
    fault::Fault,
    grammar::{self, Method, RequestLine, Version},
};

/// What a request line has beside its target, at most; methods are short.
const MAX_REQUEST_LINE: usize = MAX_TARGET + 64;

/// Empty lines that may stand before a head, in bytes: RFC 9112, section 2.2 asks for one; old clients send it after a body.
const MAX_EMPTY: usize = 4 * b"\r\n".len();

/// A head that is whole and valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// Where it stands in the bytes that were read; empty lines before it are left out (RFC 9112, section 2.2).
    pub(super) range: Range<usize>,
    /// Whether a body follows it.
    pub(super) body: bool,
    /// The lines of its `Expect` fields.
    pub(super) expect: Vec<Range<usize>>,
}

/// Reads one head; every byte is looked at once, in however many pieces it comes.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// The head's first byte.
    start: usize,
    /// Lines before this are checked.
    line: usize,
    /// There is no line end between `line` and this.
    scanned: usize,
    request: Option<RequestLine>,
    seen: Seen,
}

/// What the fields so far say.
#[derive(Debug, Default)]
struct Seen {
    fields: usize,
    host: bool,
    length: Option<u64>,
    coding: bool,
    expect: Vec<Range<usize>>,
}

impl Heads {
    /// Whether a head has begun: empty lines before it are none.
    pub(super) const fn under_way(&self) -> bool {
        self.request.is_some() || self.scanned > self.line
    }

    /// Reads on. `held` is all that has come since the last head, what was there at the last call included.
    pub(super) fn read(&mut self, held: &[u8]) -> Result<Option<Head>, Fault> {
        loop {
            let unseen = &held[self.scanned..];
            let Some(feed) = unseen.iter().position(|byte| *byte == b'\n') else {
                self.check_partial(held)?;
                self.scanned = held.len();
                return Ok(None);
            };
            let (from, to) = (self.line, self.scanned + feed);
            let line = &held[from..to];
            self.line = to + 1;
            self.scanned = self.line;
            let line = line.strip_suffix(b"\r").ok_or(Fault::BareLineFeed)?;
            if self.request.is_some() && self.line - self.start > MAX_HEAD {
                return Err(Fault::TooLarge);
            }
            match (self.request, line) {
                (None, []) if self.line > MAX_EMPTY => return Err(Fault::EmptyLines),
                (None, []) => self.start = self.line,
                (None, line) => self.request = Some(grammar::request_line(line)?),
                (Some(request), []) => return self.whole(request).map(Some),
                (Some(request), line) => self.seen.field(request, line, from..to + 1)?,
            }
        }
    }

    /// What can be said before a line is whole, so that who doesn't speak HTTP is not waited for.
    fn check_partial(&self, held: &[u8]) -> Result<(), Fault> {
        if held.len() - self.start > MAX_HEAD {
            return Err(if self.request.is_some() {
                Fault::TooLarge
            } else {
                Fault::TargetTooLong
            });
        }
        if self.request.is_some() {
            return Ok(());
        }
        if held.len() - self.line > MAX_REQUEST_LINE {
            return Err(Fault::TargetTooLong);
        }
        // A carriage return at the end of what was seen was the beginning of a line end, or wasn't.
        let new = &held[self.scanned.saturating_sub(1).max(self.line)..];
        let text = new.strip_suffix(b"\r").unwrap_or(new);
        if text.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            Ok(())
        } else {
            Err(Fault::RequestLine)
        }
    }

    fn whole(&mut self, request: RequestLine) -> Result<Head, Fault> {
        let seen = std::mem::take(&mut self.seen);
        if !seen.host && request.version == Version::Http11 {
            return Err(Fault::NoHost);
        }
        let old_post = request.version == Version::Http10 && request.method == Method::Post;
        if old_post && seen.length.is_none() {
            return Err(Fault::NoLengthInHttp10);
        }
        Ok(Head {
            range: self.start..self.line,
            body: seen.coding || seen.length.is_some_and(|length| length > 0),
            expect: seen.expect,
        })
    }
}

impl Seen {
    fn field(&mut self, request: RequestLine, line: &[u8], at: Range<usize>) -> Result<(), Fault> {
        let (name, value) = grammar::field(line)?;
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(Fault::TooManyFields);
        }
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"host") => self.host(value),
            6 if is(b"expect") => {
                self.expect.push(at);
                Ok(())
            }
            14 if is(b"content-length") => self.length(value),
            17 if is(b"transfer-encoding") => self.coding(request.version, value),
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.host {
            return Err(Fault::TwoHosts);
        }
        self.host = true;
        if grammar::is_host(value) {
            Ok(())
        } else {
            Err(Fault::Host)
        }
    }

    fn length(&mut self, value: &[u8]) -> Result<(), Fault> {
        if self.length.is_some() {
            return Err(Fault::TwoLengths);
        }
        if self.coding {
            return Err(Fault::LengthAndCoding);
        }
        // A sign would be taken by the standard library's own reading.
        let digits = Some(value).filter(|value| value.iter().all(u8::is_ascii_digit));
        let length = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        self.length = Some(length.ok_or(Fault::Length)?);
        Ok(())
    }

    fn coding(&mut self, version: Version, value: &[u8]) -> Result<(), Fault> {
        if version == Version::Http10 {
            return Err(Fault::CodingInHttp10);
        }
        if self.length.is_some() {
            return Err(Fault::LengthAndCoding);
        }
        if self.coding || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Fault::Coding);
        }
        self.coding = true;
        Ok(())
    }
}

#[cfg(test)]
#[path = "heads_tests.rs"]
mod tests;
