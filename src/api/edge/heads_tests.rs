//! What passes as a head, in any pieces, and that the codec's own parser agrees with it.

use actix_codec::Decoder as _;
use actix_http::h1::{Codec, Message};
use bytes::BytesMut;
use proptest::{prelude::*, test_runner::TestRunner};

use super::{super::properties::in_pieces, *};

/// Reads these bytes at once.
fn read(bytes: &[u8]) -> Result<Option<Head>, Fault> {
    Heads::default().read(bytes)
}

const PLAIN: &[u8] = b"GET /aggregate?mode=async HTTP/1.1\r\nHost: gather\r\nA: b\r\n\r\n";

#[test]
fn a_head_is_under_way_from_its_first_byte_to_its_empty_line() {
    let mut heads = Heads::default();
    assert!(!heads.under_way());
    for end in 1..PLAIN.len() {
        assert_eq!(heads.read(&PLAIN[..end]), Ok(None));
        assert!(heads.under_way(), "{end}");
    }
    assert!(heads.read(PLAIN).unwrap().is_some());
}

#[test]
fn empty_lines_before_a_head_are_no_part_of_it() {
    let mut heads = Heads::default();
    assert_eq!(heads.read(b"\r\n\r\n"), Ok(None));
    assert!(!heads.under_way());
    let both = [b"\r\n\r\n", PLAIN, b"GET"].concat();
    let head = heads.read(&both).unwrap().unwrap();
    assert_eq!(head.range, 4..4 + PLAIN.len());
}

#[test]
fn a_body_is_announced_by_a_length_or_by_chunks() {
    let post = |field: &str| {
        let head = format!("POST / HTTP/1.1\r\nHost: gather\r\n{field}\r\n\r\n");
        read(head.as_bytes()).unwrap().unwrap().body
    };
    assert!(post("Content-Length: 1"));
    assert!(post("content-length:00007 "));
    assert!(post("TRANSFER-encoding: Chunked"));
    assert!(!post("Content-Length: 0"));
    assert!(!post("Content-Type: text/plain"));
}

#[test]
fn the_lines_of_expectations_are_found() {
    let head = b"GET / HTTP/1.1\r\nExpect: 100-continue\r\nHost: gather\r\nexpect:\r\n\r\n";
    let found = read(head).unwrap().unwrap();
    let lines: Vec<_> = found
        .expect
        .iter()
        .map(|line| &head[line.clone()])
        .collect();
    assert_eq!(lines, [&b"Expect: 100-continue\r\n"[..], b"expect:\r\n"]);
}

#[test]
fn a_carriage_return_at_the_end_of_a_piece_is_looked_at_again_with_the_next() {
    let bytes = b"GET /\rx";
    assert_eq!(read(bytes), Err(Fault::RequestLine));
    assert_eq!(in_pieces(bytes, &[6]), Err(Fault::RequestLine));
}

#[test]
fn a_method_that_the_codec_does_not_know_is_refused_here() {
    let head = b"GET& / HTTP/1.1\r\nHost: gather\r\n\r\n";
    assert_eq!(read(head), Err(Fault::Method));
}

#[test]
fn a_host_that_the_codec_does_not_know_is_refused_here() {
    let head = b"GET http://a%65/ HTTP/1.1\r\nHost: gather\r\n\r\n";
    assert_eq!(read(head), Err(Fault::Target));
}

#[test]
fn a_head_is_no_larger_than_it_may_be_with_its_last_line() {
    let with = |size: usize| {
        let start = PLAIN.strip_suffix(b"\r\n").unwrap();
        let field = [b"A: ", &*vec![b'a'; size - start.len() - 7], b"\r\n"].concat();
        [start, &field, b"\r\n"].concat()
    };
    assert_eq!(with(MAX_HEAD).len(), MAX_HEAD);
    assert!(read(&with(MAX_HEAD)).unwrap().is_some());
    assert_eq!(read(&with(MAX_HEAD + 1)), Err(Fault::TooLarge));
}

#[test]
fn who_speaks_something_else_is_not_waited_for() {
    for bytes in [
        &b"\x16\x03\x01\x02"[..],
        b"GE\0",
        b"SSH-2.0-x\r\n",
        b"\n",
        b"GET\t/",
    ] {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
    assert_eq!(
        read(&[b'a'; MAX_REQUEST_LINE + 1]),
        Err(Fault::TargetTooLong)
    );
    let field = [PLAIN.strip_suffix(b"\r\n").unwrap(), &[b'a'; MAX_HEAD]].concat();
    assert_eq!(read(&field), Err(Fault::TooLarge));
    assert_eq!(read(&b"\r\n".repeat(4)), Ok(None));
    assert_eq!(read(&b"\r\n".repeat(5)), Err(Fault::EmptyLines));
}

/// The head as the codec's parser reads it: method, target, version, fields; `None` where it refuses.
fn by_the_codec(bytes: &[u8]) -> Option<(String, String, String, usize)> {
    let mut codec = Codec::default();
    let decoded = codec.decode(&mut BytesMut::from(bytes));
    let Ok(Some(Message::Item(request))) = decoded else {
        return None;
    };
    Some((
        request.method().to_string(),
        request.uri().to_string(),
        format!("{:?}", request.version()),
        request.head().headers().len(),
    ))
}

/// Pieces of requests, good and bad, in an order that often makes a head.
fn requests() -> impl Strategy<Value = Vec<u8>> {
    let method = prop_oneof![
        6 => Just("GET"), 1 => Just("POST"), 1 => Just("OPTIONS"), 1 => Just("CONNECT"), 1 => Just("G@T"), 1 => Just("")
    ];
    let target = prop_oneof![
        4 => "/[a-zA-Z0-9._~!$&'()*+,;=:@/|\\[\\]-]{0,20}(\\?[ -~]{0,12})?",
        2 => "/[ -~]{0,20}",
        1 => "(http|HTTPS)://[a-z0-9.:@\\[\\]-]{0,12}(/[a-z%0-9]{0,5})?",
        1 => Just("*".to_owned()),
        1 => "[a-z.]{1,5}:[0-9]{0,6}",
    ];
    let version = prop_oneof![
        8 => Just("HTTP/1.1"), 2 => Just("HTTP/1.0"), 1 => Just("HTTP/1.2"), 1 => Just("http/1.1")
    ];
    let end = prop_oneof![20 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    let field = prop_oneof![
        4 => Just("Host: gather".to_owned()),
        1 => "Host:[ -~]{0,10}",
        2 => "[!-~]{1,6}:[ \\t\r\u{c}]{0,2}[ -~\\t\r]{0,10}",
        1 => "Content-Length: ?[0-9+-]{0,4}",
        1 => "Transfer-Encoding: (chunked|gzip|identity|)",
        1 => Just("Expect: 100-continue".to_owned()),
        1 => Just("Upgrade: websocket".to_owned()),
        1 => Just("Connection: upgrade, close".to_owned()),
        1 => "[a-zA-Z: \\t\r\u{b}\u{c}\u{0}-\u{ff}]{0,8}",
    ];
    (
        method,
        target,
        version,
        prop::collection::vec((field, end.clone()), 0..5),
        end,
    )
        .prop_map(|(method, target, version, fields, end)| {
            let mut text = format!("{method} {target} {version}{end}");
            for (field, end) in fields {
                text += &field;
                text += end;
            }
            text += "\r\n";
            text.into_bytes()
        })
}

/// What a system of actix must be around: the codec asks it for the date.
#[actix_web::test]
async fn what_passes_is_what_the_codec_takes() {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2_000));
    let ran = runner.run(&requests(), |bytes| {
        let Ok(Some(head)) = read(&bytes) else {
            return Ok(());
        };
        let head = &bytes[head.range];
        let shown = String::from_utf8_lossy(head);
        let Some(taken) = by_the_codec(head) else {
            return Err(TestCaseError::fail(format!("{shown:?}")));
        };
        let (method, target, version, fields) = taken;
        let line = shown.lines().next().unwrap_or_default();
        let said: Vec<_> = line.split(' ').collect();
        prop_assert_eq!(method, said[0]);
        prop_assert_eq!(version, said[2]);
        // An absolute target's empty path is written out.
        let same = target == said[1] || said[1].contains("://");
        prop_assert!(same, "{target} {shown:?}");
        prop_assert_eq!(fields, shown.lines().count() - 2, "{:?}", shown);
        Ok(())
    });
    ran.unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_does_not_matter_in_which_pieces_a_head_comes(
        bytes in requests(),
        mut ends in prop::collection::vec(0_usize..200, 0..6),
    ) {
        ends.sort_unstable();
        let whole = read(&bytes);
        let pieces = in_pieces(&bytes, &ends);
        // A fault may be found before another one that comes first in a whole line.
        prop_assert!(whole == pieces || whole.is_err() && pieces.is_err(), "{whole:?} {pieces:?}");
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }
}
