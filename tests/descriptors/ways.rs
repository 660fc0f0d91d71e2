//! The table of all ways in which an upstream misbehaves: the name, the behaviour and the result. It must not know how
//! the upstream is asked.

use std::{any::Any, net::TcpListener, thread, time::Duration};

use crate::{
    program::free_address,
    tls::{Authority, End, TlsUpstream},
    upstream::{Behaviour, Framing, Response, Upstream},
};

/// The subject of a fault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Theme {
    Connection,
    Head,
    Framing,
    Body,
    Json,
    Status,
    Time,
    KeepAlive,
}

/// One way to misbehave, and the upstream that does.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) theme: Theme,
    pub(crate) url: String,
    /// Lines of the upstream's table.
    pub(crate) settings: &'static str,
    /// Lines of the aggregate's table.
    pub(crate) aggregate: &'static str,
    /// The failure's class and a part of its sentence, or `None` if the call succeeds.
    pub(crate) failure: Option<(&'static str, &'static str)>,
    /// Only this call fails, counted from 1; the others succeed.
    pub(crate) fails_at: Option<usize>,
    /// The shortest time that a call may take.
    pub(crate) at_least: Duration,
    /// The number of connections that a pool may keep after it: one if its answer was read exactly to its end.
    pub(crate) kept: usize,
    /// The upstream, which must exist for as long as it is asked.
    _sick: Box<dyn Any>,
}

impl Way {
    /// Returns the name in a form that the configuration accepts.
    pub(crate) fn key(&self) -> String {
        self.name
            .to_ascii_lowercase()
            .replace(|next: char| !next.is_ascii_alphanumeric(), "_")
    }

    /// Makes a way whose upstream is at `url`, and exists for as long as `sick` does.
    fn at(name: &'static str, url: String, sick: impl Any) -> Self {
        Self {
            name,
            theme: Theme::Connection,
            url,
            settings: "",
            aggregate: "",
            failure: None,
            fails_at: None,
            at_least: Duration::ZERO,
            kept: 0,
            _sick: Box::new(sick),
        }
    }

    /// Makes a way whose upstream does this with every request.
    fn plays(name: &'static str, behaviour: impl Into<Behaviour>) -> Self {
        let sick = Upstream::always(behaviour);
        Self::at(name, sick.url("/"), sick)
    }

    fn set(mut self, settings: &'static str) -> Self {
        self.settings = settings;
        self
    }

    fn fails(mut self, class: &'static str, detail: &'static str) -> Self {
        self.failure = Some((class, detail));
        self
    }

    fn kept(mut self) -> Self {
        self.kept = 1;
        self
    }

    fn takes(mut self, at_least: Duration) -> Self {
        self.at_least = at_least;
        self
    }
}

/// Returns all ways.
pub(crate) fn ways() -> Vec<Way> {
    let themes = [
        (Theme::Connection, connection()),
        (Theme::Head, head()),
        (Theme::Framing, framing()),
        (Theme::Body, body()),
        (Theme::Json, json()),
        (Theme::Status, status()),
        (Theme::Time, time()),
        (Theme::KeepAlive, keep_alive()),
    ];
    themes
        .into_iter()
        .flat_map(|(theme, ways)| ways.into_iter().map(move |way| Way { theme, ..way }))
        .collect()
}

const CLOSED: &str = "without an answer";
const IN_HEAD: &str = "within its answer's head";
const CUT: &str = "cut its body short";
const BAD_CHUNKS: &str = "chunks are not valid HTTP/1.1";

/// Makes an answer's bytes, declared as JSON, with these fields and this body.
fn raw(fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{fields}\r\n{body}").into_bytes()
}

/// No connection, or no session on it.
fn connection() -> Vec<Way> {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_url = format!("https://{}/", silent.local_addr().unwrap());
    let plain = Upstream::always(Response::pong());
    let plain_url = format!("https://{}/", plain.addr());
    let stranger = Authority::new("stranger").issue(&["127.0.0.1"]);
    let answer = raw("content-length: 6\r\n", "\"pong\"");
    let untrusted = TlsUpstream::start(&stranger, None, answer, End::Keep);
    let untrusted_url = untrusted.url("127.0.0.1");
    let hasty = TcpListener::bind("127.0.0.1:0").unwrap();
    let hasty_url = format!("http://{}/", hasty.local_addr().unwrap());
    // The thread ends with the test program.
    thread::spawn(move || hasty.incoming().for_each(drop));
    vec![
        Way::at("refused", format!("http://{}/", free_address()), ())
            .fails("connect", "refused the connection"),
        // A resolver that doesn't answer in time causes the same failure, with another sentence.
        Way::at(
            "a name that does not exist",
            "http://nothing.invalid:9/".into(),
            (),
        )
        .fails("connect", ""),
        Way::at("silent in the TLS handshake", silent_url, silent)
            .set("connect_timeout = \"200ms\"\ntimeout = \"20s\"")
            .fails("tls", "no TLS session within 200ms"),
        Way::at("no TLS where TLS is wanted", plain_url, plain).fails("tls", "does not speak TLS"),
        Way::at(
            "a certificate that nobody vouches for",
            untrusted_url,
            untrusted,
        )
        .fails("tls", "unknown issuer"),
        Way::at("closed as soon as it is accepted", hasty_url, ()).fails("protocol", CLOSED),
    ]
}

/// Heads that never come whole, or are not valid.
fn head() -> Vec<Way> {
    let closes = |name, bytes: &[u8]| Way::plays(name, Behaviour::RawThenClose(bytes.to_vec()));
    let invalid = |name, bytes: &[u8]| {
        Way::plays(name, Behaviour::Raw(bytes.to_vec())).fails("protocol", "not valid HTTP/1.1")
    };
    let start = "HTTP/1.1 200 OK\r\n";
    vec![
        Way::plays("closed before the head", Behaviour::CloseBeforeHead).fails("protocol", CLOSED),
        Way::plays("reset before the head", Behaviour::ResetBeforeHead).fails("protocol", CLOSED),
        Way::plays("closed within the head", Behaviour::CloseInHead).fails("protocol", IN_HEAD),
        Way::plays(
            "reset within the head",
            Behaviour::RawThenReset(start.into()),
        )
        .fails("protocol", IN_HEAD),
        closes(
            "an interim answer and no other",
            b"HTTP/1.1 100 Continue\r\n\r\n",
        )
        .fails("protocol", IN_HEAD),
        invalid("an SSH server", b"SSH-2.0-OpenSSH_9.2\r\n"),
        invalid(
            "a TLS server",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ),
        invalid("an HTTP2 server", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        invalid(
            "a status of two digits",
            b"HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n",
        ),
        invalid(
            "a field without a colon",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        ),
        invalid(
            "a folded field",
            b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        ),
        invalid("a NUL in a field", b"HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n"),
        Way::plays(
            "too many fields",
            Behaviour::Raw(raw(&"a: b\r\n".repeat(257), "")),
        )
        .fails("protocol", "more than 256 fields"),
        Way::plays(
            "a head without end",
            Behaviour::Raw(raw(&"v".repeat(1 << 20), "")),
        )
        .fails("protocol", "head is too large"),
    ]
}

/// Lengths and chunks that contradict themselves.
fn framing() -> Vec<Way> {
    let fields = |name, fields: &str| Way::plays(name, Behaviour::Raw(raw(fields, "\"pong\"")));
    let chunks = |name, body: &str| {
        let bytes = raw("transfer-encoding: chunked\r\n", body);
        Way::plays(name, Behaviour::Raw(bytes)).fails("protocol", BAD_CHUNKS)
    };
    let old = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    vec![
        fields("a negative length", "content-length: -1\r\n")
            .fails("protocol", "length is not a number"),
        fields(
            "a length beyond 64 bits",
            "content-length: 99999999999999999999\r\n",
        )
        .fails("protocol", "length is not a number"),
        fields("two lengths", "content-length: 6\r\ncontent-length: 7\r\n")
            .fails("protocol", "more than once"),
        fields(
            "a length beside chunks",
            "content-length: 6\r\ntransfer-encoding: chunked\r\n",
        )
        .fails("protocol", "more than once"),
        fields("an unknown coding", "transfer-encoding: gzip\r\n")
            .fails("protocol", "unknown transfer coding"),
        Way::plays("chunks in HTTP 1 0", Behaviour::Raw(old.into()))
            .fails("protocol", "chunked in HTTP/1.0"),
        chunks("a chunk size that is no number", "x\r\n"),
        chunks("a chunk longer than its size", "2\r\n111\r\n0\r\n\r\n"),
        chunks("a chunk size beyond 64 bits", "10000000000000000\r\n"),
        chunks(
            "a chunk extension without end",
            &format!("2;{}", "a".repeat(600_000)),
        ),
        chunks(
            "trailers without end",
            &format!("0\r\n{}", "a: b\r\n".repeat(100_000)),
        ),
    ]
}

/// Bodies that end early, or never.
fn body() -> Vec<Way> {
    let cut = |name, behaviour| Way::plays(name, behaviour).fails("protocol", CUT);
    let endless = |name, framing| {
        Way::plays(name, Behaviour::Endless(framing))
            .set("max_body = \"64KiB\"")
            .fails("too_large", "larger than 65536 bytes")
    };
    let (declared, sent) = (26, 2);
    vec![
        cut(
            "a body shorter than its length",
            Behaviour::CutLength { declared, sent },
        ),
        cut("reset within the body", Behaviour::ResetInBody),
        cut("closed between chunks", Behaviour::CutChunked { sent: 4 }),
        cut("closed within a chunk size", Behaviour::CutChunkMidSize),
        cut(
            "closed within a chunk",
            Behaviour::CutInChunk { declared, sent },
        ),
        cut(
            "reset where the close is the end",
            Behaviour::RawThenReset(raw("", "11")),
        ),
        Way::plays(
            "a close as the only end where it is to be framed",
            Behaviour::RawThenClose(raw("", "11")),
        )
        .set("framed = true")
        .fails("protocol", "only the end of the connection"),
        endless("a body without end by length", Framing::ContentLength),
        endless("a body without end in chunks", Framing::Chunked(1000)),
        endless("a body without end to the close", Framing::CloseDelimited),
        endless("a body without end in HTTP 1 0", Framing::Http10),
    ]
}

/// Bodies that came whole, but aren't what their heads say. Their connections are good.
fn json() -> Vec<Way> {
    let says_json = |name, body: &[u8]| {
        Way::plays(name, Response::json(body))
            .fails("invalid_body", "JSON")
            .kept()
    };
    let coded = |coding| Response::json("no such coding").header("content-encoding", coding);
    vec![
        says_json("JSON that is HTML", b"<html>"),
        says_json("JSON that is empty", b""),
        says_json("JSON that breaks off", b"{\"a\":"),
        says_json("two JSON values", b"{} {}"),
        says_json(
            "JSON that forges a result",
            b"{}, {\"name\":\"forged\",\"ok\":true",
        ),
        says_json("JSON that is not UTF-8", b"\"\xff\xfe\""),
        says_json("JSON nested without end", "[".repeat(100_000).as_bytes()),
        says_json("JSON that is nothing but space", b" \n"),
        says_json("JSON in UTF 16", b"{\0}\0"),
        Way::plays("JSON that is no gzip", coded("gzip"))
            .fails("protocol", "gzip is broken")
            .kept(),
        Way::plays("JSON that is no brotli", coded("br"))
            .fails("protocol", "brotli")
            .kept(),
        Way::plays("JSON in zstd", coded("zstd"))
            .fails("invalid_body", "JSON in zstd")
            .kept(),
    ]
}

/// Whole answers that are no success.
fn status() -> Vec<Way> {
    let redirect = Response::new(302).header("location", "http://127.0.0.1:9/");
    vec![
        Way::plays("unavailable", Response::new(503))
            .fails("status", "503")
            .kept(),
        Way::plays("a status beyond 599", Response::new(765))
            .fails("status", "765")
            .kept(),
        Way::plays("a redirect", redirect)
            .fails("status", "302")
            .kept(),
    ]
}

/// Answers that come too late, or never.
fn time() -> Vec<Way> {
    const TIMEOUT: Duration = Duration::from_millis(200);
    let late = |name, behaviour| {
        Way::plays(name, behaviour)
            .set("timeout = \"200ms\"")
            .fails("timeout", "no complete answer within 200ms")
            .takes(TIMEOUT)
    };
    let drip = Behaviour::Drip {
        every: Duration::from_millis(20),
        bytes_per: 1,
        body: vec![b'1'; 10_000],
    };
    let no_last_chunk = raw("transfer-encoding: chunked\r\n", "3\r\n111\r\n");
    let answer_late = Behaviour::from(Response::pong()).after(2 * TIMEOUT);
    let mut past_deadline = Way::plays("silent beyond the deadline", Behaviour::HangBeforeHead)
        .fails("deadline", "time was over")
        .takes(TIMEOUT);
    past_deadline.aggregate = "deadline = \"200ms\"";
    vec![
        late("silent before the head", Behaviour::HangBeforeHead),
        late("silent within the head", Behaviour::HangInHead),
        late(
            "silent within the body",
            Behaviour::HangInBody {
                declared: 10,
                sent: 3,
            },
        ),
        late("a byte now and then", drip),
        late(
            "interim answers and silence",
            Behaviour::Raw(b"HTTP/1.1 100 Continue\r\n\r\n".into()),
        ),
        late("no last chunk", Behaviour::Raw(no_last_chunk)),
        late("no close at the end", Behaviour::Raw(raw("", "11"))),
        late("an answer that comes too late", answer_late),
        past_deadline,
    ]
}

/// Connections that are promised to be kept, but aren't. The calls succeed, except for a POST.
fn keep_alive() -> Vec<Way> {
    let pong = |fields: &str| raw(&format!("content-length: 6\r\n{fields}"), "\"pong\"");
    let twice = [pong(""), raw("content-length: 8\r\n", "\"forged\"")].concat();
    let announced = Behaviour::Raw(pong("connection: close\r\n"));
    let mut post = Way::plays(
        "closed at the next POST",
        Behaviour::CloseOnNextRequest(Response::pong()),
    )
    .set("method = \"POST\"")
    .fails("protocol", CLOSED)
    .kept();
    // The POST meets the connection that the first call has left.
    post.fails_at = Some(2);
    vec![
        Way::plays(
            "closed after the answer unannounced",
            Behaviour::CloseAfterAnswer(Response::pong()),
        )
        .kept(),
        Way::plays(
            "closed at the next request",
            Behaviour::CloseOnNextRequest(Response::pong()),
        )
        .kept(),
        post,
        Way::plays("a close that is announced and not done", announced),
        Way::plays("an answer to nothing", Behaviour::Raw(twice)).kept(),
        Way::plays("an empty line after the answer", {
            Behaviour::Raw([pong(""), b"\r\n".to_vec()].concat())
        })
        .kept(),
    ]
}
