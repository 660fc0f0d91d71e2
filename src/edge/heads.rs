//! One request's head as it comes, checked completely before any other part sees it (RFC 9112, RFC 9110). The codec's
//! own parser also accepts every head that passes here, and reads the same in it. It must not know sockets or timers.

use std::ops::Range;

use super::{
    bounds::{MAX_HEAD, MAX_TARGET},
    chunk_lines::{self, Beginning},
    edits::Edit,
    fault::Fault,
    grammar::{self, Method, RequestLine, Version},
};

/// The longest request line, in bytes: the longest target, and 64 for the rest, as methods are short.
const MAX_REQUEST_LINE: usize = MAX_TARGET + 64;

/// The most bytes of empty lines before a head. RFC 9112, section 2.2, asks for one line; old clients send it after a
/// body.
const MAX_EMPTY: usize = 4 * b"\r\n".len();

/// A complete and valid head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The head's range in the bytes that were read. Empty lines before it are left out (RFC 9112, section 2.2). A
    /// chunked body without content is included.
    pub(super) range: Range<usize>,
    /// The body that follows the head.
    pub(super) body: Option<Announced>,
    /// The number of its fields, including those after an empty body.
    pub(super) fields: usize,
    /// The edits that hide parts from the codec, in the order of their positions.
    pub(super) edits: Vec<Edit>,
}

/// A body that a head announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    /// The length that the head declares; `None` for chunks.
    pub(super) length: Option<u64>,
    /// True if the client waits for `100 Continue` before it sends the body.
    pub(super) is_awaiting: bool,
}

/// A line without its end, and its range including the end.
type Line<'a> = (&'a [u8], Range<usize>);

/// Reads one head. Every byte is looked at once, however many pieces it comes in.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// The index of the head's first byte.
    start: usize,
    /// The end of the lines that are checked.
    line: usize,
    /// The end of the bytes that were searched. No line ends between `line` and this index.
    scanned: usize,
    request: Option<RequestLine>,
    /// The end of the head, set while a chunked body is looked at.
    ended: Option<usize>,
    seen: Seen,
}

/// The facts from the fields so far.
#[derive(Debug, Default)]
struct Seen {
    fields: usize,
    host: bool,
    length: Option<u64>,
    /// The range of the line with `Transfer-Encoding`.
    coding: Option<Range<usize>>,
    /// True if the client expects anything.
    expects: bool,
    /// True if it expects `100 Continue`.
    is_awaiting: bool,
    /// True once the last chunk's line has come. Trailers follow it.
    last_chunk: bool,
    edits: Vec<Edit>,
}

impl Heads {
    /// Returns true if a head has begun. Empty lines before it don't begin one.
    pub(super) const fn under_way(&self) -> bool {
        self.request.is_some() || self.scanned > self.line
    }

    /// Returns true if a HEAD has begun, whatever else is wrong with it. Its answer has no body.
    pub(super) fn is_head(&self, held: &[u8]) -> bool {
        held.get(self.start..)
            .is_some_and(|begun| begun.starts_with(b"HEAD "))
    }

    /// Returns the fault of a head that did not come in time.
    pub(super) const fn late(&self) -> Fault {
        match self.ended {
            None => Fault::Late,
            Some(_) => Fault::LateBody,
        }
    }

    /// Reads on. `held` has all bytes since the last head, including those of earlier calls.
    pub(super) fn read(&mut self, held: &[u8], max_fields: usize) -> Result<Option<Head>, Fault> {
        if let Some(ended) = self.ended {
            return self.read_body(ended, held, max_fields);
        }
        while let Some((line, at)) = self.next_line(held)? {
            match (self.request, line) {
                (None, []) if self.line > MAX_EMPTY => return Err(Fault::EmptyLines),
                (None, []) => self.start = self.line,
                (None, line) => self.request = Some(self.seen.request_line(line, &at)?),
                (Some(request), []) => return self.whole(request, held, max_fields),
                (Some(request), line) => self.seen.field(request, line, at, max_fields)?,
            }
        }
        Ok(None)
    }

    /// Takes the next line without its end, once it is complete.
    #[inline]
    fn next_line<'a>(&mut self, held: &'a [u8]) -> Result<Option<Line<'a>>, Fault> {
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
        Ok(Some((line, from..to + 1)))
    }

    /// Checks a line that is not complete yet, so that a client that doesn't speak HTTP is not waited for.
    fn check_partial(&self, held: &[u8]) -> Result<(), Fault> {
        if self.request.is_some() {
            return if held.len() - self.start > MAX_HEAD {
                Err(Fault::TooLarge)
            } else {
                Ok(())
            };
        }
        if held.len() - self.line > MAX_REQUEST_LINE {
            return Err(too_long(&held[self.line..]));
        }
        // A carriage return at the end of the earlier bytes may or may not have begun a line end.
        let new = &held[self.scanned.saturating_sub(1).max(self.line)..];
        let text = new.strip_suffix(b"\r").unwrap_or(new);
        if text.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            Ok(())
        } else {
            Err(Fault::RequestLine)
        }
    }

    fn whole(
        &mut self,
        request: RequestLine,
        held: &[u8],
        max_fields: usize,
    ) -> Result<Option<Head>, Fault> {
        let seen = &self.seen;
        if !seen.host && request.version == Version::Http11 {
            return Err(Fault::NoHost);
        }
        let old_post = request.version == Version::Http10 && request.method == Method::Post;
        if old_post && seen.length.is_none() {
            return Err(Fault::NoLengthInHttp10);
        }
        // A client that expects an answer before it sends the body gets the answer at once.
        if seen.coding.is_some() && !seen.expects && reads(request.method) {
            self.ended = Some(self.line);
            return self.read_body(self.line, held, max_fields);
        }
        let body = Announced {
            length: seen.length,
            // HTTP/1.0 has no interim answers (RFC 9110, section 15.2).
            is_awaiting: seen.is_awaiting && request.version == Version::Http11,
        };
        let body = (seen.coding.is_some() || seen.length > Some(0)).then_some(body);
        Ok(Some(self.ends_at(self.line, body)))
    }

    /// Reads a chunked body as long as it may be empty. An empty one is removed, together with the field that announced
    /// it.
    #[cold]
    fn read_body(
        &mut self,
        ended: usize,
        held: &[u8],
        max_fields: usize,
    ) -> Result<Option<Head>, Fault> {
        if !self.seen.last_chunk {
            match chunk_lines::beginning(&held[ended..])? {
                Beginning::Unclear => return Ok(None),
                Beginning::Content => {
                    let body = Announced {
                        length: None,
                        is_awaiting: false,
                    };
                    return Ok(Some(self.ends_at(ended, Some(body))));
                }
                Beginning::Last => {}
            }
        }
        while let Some((line, at)) = self.next_line(held)? {
            if !self.seen.last_chunk {
                chunk_lines::check(line)?;
                self.seen.last_chunk = true;
            } else if !line.is_empty() {
                self.seen.count(max_fields)?;
                chunk_lines::check_trailer(line)?;
            } else {
                let edits = &mut self.seen.edits;
                edits.extend(self.seen.coding.take().map(Edit::Cut));
                edits.push(Edit::Cut(ended..at.end));
                edits.sort_unstable_by_key(Edit::place);
                return Ok(Some(self.ends_at(at.end, None)));
            }
        }
        Ok(None)
    }

    fn ends_at(&mut self, end: usize, body: Option<Announced>) -> Head {
        Head {
            range: self.start..end,
            body,
            fields: self.seen.fields,
            edits: std::mem::take(&mut self.seen.edits),
        }
    }
}

/// Returns true if the method only reads. Such a request has no content here, but it may announce an empty body.
const fn reads(method: Method) -> bool {
    matches!(method, Method::Get | Method::Head | Method::Options)
}

/// Names the part that is too long in a request line without an end.
#[cold]
fn too_long(line: &[u8]) -> Fault {
    let method = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    if method.len() > grammar::MAX_METHOD {
        grammar::other_method(method)
    } else {
        Fault::TargetTooLong
    }
}

impl Seen {
    fn request_line(&mut self, line: &[u8], at: &Range<usize>) -> Result<RequestLine, Fault> {
        let request = grammar::request_line(line)?;
        if let Some(b'2'..=b'9') = line.last() {
            self.edits.push(Edit::Minor(at.start + line.len() - 1));
        }
        Ok(request)
    }

    fn field(
        &mut self,
        request: RequestLine,
        line: &[u8],
        at: Range<usize>,
        max_fields: usize,
    ) -> Result<(), Fault> {
        let (name, value) = grammar::field(line)?;
        self.count(max_fields)?;
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        match name.len() {
            4 if is(b"host") => self.host(value),
            6 if is(b"expect") => {
                self.expects = true;
                // Other expectations are ignored, as RFC 9110, section 10.1.1, allows.
                let mut members = value.split(|byte| *byte == b',').map(grammar::trim);
                self.is_awaiting |=
                    members.any(|member| member.eq_ignore_ascii_case(b"100-continue"));
                self.edits.push(Edit::Cut(at));
                Ok(())
            }
            7 if is(b"upgrade") => {
                self.edits.push(Edit::Cut(at));
                Ok(())
            }
            10 if is(b"connection") => {
                self.pass_upgrades_over(&line[name.len() + 1..], at.start + name.len() + 1);
                Ok(())
            }
            14 if is(b"content-length") => self.length(value),
            17 if is(b"transfer-encoding") => self.coding(request.version, value, at),
            _ => Ok(()),
        }
    }

    fn count(&mut self, max_fields: usize) -> Result<(), Fault> {
        self.fields += 1;
        if self.fields > max_fields {
            return Err(Fault::TooManyFields(max_fields));
        }
        Ok(())
    }

    /// Finds the option `upgrade` among those of `Connection`, to blank it. The protocol is never changed here, and the
    /// codec would end the connection because of it.
    fn pass_upgrades_over(&mut self, options: &[u8], mut from: usize) {
        for option in options.split(|byte| *byte == b',') {
            let to = from + option.len();
            if grammar::trim(option).eq_ignore_ascii_case(b"upgrade") {
                self.edits.push(Edit::Blank(from..to));
            }
            from = to + 1;
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
        if self.coding.is_some() {
            return Err(Fault::LengthAndCoding);
        }
        // The standard library's parser would accept a sign.
        let digits = Some(value).filter(|value| value.iter().all(u8::is_ascii_digit));
        let length = digits.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        self.length = Some(length.ok_or(Fault::Length)?);
        Ok(())
    }

    fn coding(&mut self, version: Version, value: &[u8], at: Range<usize>) -> Result<(), Fault> {
        if version == Version::Http10 {
            return Err(Fault::CodingInHttp10);
        }
        if self.length.is_some() {
            return Err(Fault::LengthAndCoding);
        }
        if self.coding.is_some() || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(Fault::Coding);
        }
        self.coding = Some(at);
        Ok(())
    }
}

#[cfg(test)]
#[path = "heads_tests.rs"]
mod tests;
