//! Tests of the heads that pass, in any pieces, and of the codec's agreement about them.

use actix_http::{ConnectionType, Request, h1::Codec};
use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    super::{
        decode,
        properties::{self, MAX_FIELDS, edited, in_pieces},
    },
    *,
};

/// Reads these bytes at once.
fn read(bytes: &[u8]) -> Result<Option<Head>, Fault> {
    Heads::default().read(bytes, MAX_FIELDS)
}

const PLAIN: &[u8] = b"GET /aggregate?mode=async HTTP/1.1\r\nHost: gather\r\nA: b\r\n\r\n";

#[test]
fn a_head_is_under_way_from_its_first_byte_to_its_empty_line() {
    let mut heads = Heads::default();
    assert!(!heads.under_way());
    for end in 1..PLAIN.len() {
        assert_eq!(heads.read(&PLAIN[..end], 1000), Ok(None));
        assert!(heads.under_way(), "{end}");
    }
    assert!(heads.read(PLAIN, 1000).unwrap().is_some());
}

#[test]
fn empty_lines_before_a_head_are_no_part_of_it() {
    let mut heads = Heads::default();
    assert_eq!(heads.read(b"\r\n\r\n", 1000), Ok(None));
    assert!(!heads.under_way());
    let both = [b"\r\n\r\n", PLAIN, b"GET"].concat();
    let head = heads.read(&both, 1000).unwrap().unwrap();
    assert_eq!(head.range, 4..4 + PLAIN.len());
}

#[test]
fn a_body_is_announced_by_a_length_or_by_chunks() {
    let post = |field: &str| {
        let head = format!("POST / HTTP/1.1\r\nHost: gather\r\n{field}\r\n\r\n");
        read(head.as_bytes())
            .unwrap()
            .unwrap()
            .body
            .map(|body| body.length)
    };
    assert_eq!(post("Content-Length: 1"), Some(Some(1)));
    assert_eq!(post("content-length:00007 "), Some(Some(7)));
    assert_eq!(post("TRANSFER-encoding: Chunked"), Some(None));
    assert_eq!(post("Content-Length: 0"), None);
    assert_eq!(post("Content-Type: text/plain"), None);
}

#[test]
fn only_a_client_of_http_1_1_waits_for_100_continue() {
    let waits = |version: &str, field: &str| {
        let head = format!(
            "POST / HTTP/{version}\r\nHost: gather\r\nContent-Length: 5\r\n{field}\r\n\r\n"
        );
        let head = read(head.as_bytes()).unwrap().unwrap();
        head.body.unwrap().is_awaiting
    };
    for field in [
        "Expect: 100-continue",
        "expect:100-Continue ",
        "Expect: a=b, 100-continue",
        "Expect: 100-continue\r\nExpect: a",
    ] {
        assert!(waits("1.1", field), "{field}");
        assert!(waits("1.2", field), "{field}");
        assert!(!waits("1.0", field), "{field}");
    }
    for field in [
        "Expect:",
        "Expect: 100",
        "Expect: 100-continued",
        "Expect: \"100-continue\"",
        "Expected: 100-continue",
    ] {
        assert!(!waits("1.1", field), "{field}");
    }
}

/// Returns a head as the codec gets it.
fn passed(bytes: &str) -> String {
    let head = read(bytes.as_bytes()).unwrap().unwrap();
    String::from_utf8(edited(bytes.as_bytes(), &head).into()).unwrap()
}

#[test]
fn what_the_codec_must_not_see_is_taken_out() {
    for (came, passed) in [
        (
            "Expect: 100-continue\r\nHost: gather\r\nexpect:\r\n",
            "Host: gather\r\n",
        ),
        (
            "UPGRADE: websocket\r\nHost: gather\r\nUpgrade: h2c\r\n",
            "Host: gather\r\n",
        ),
        (
            "Host: gather\r\nConnection: Upgrade, HTTP2-Settings\r\n",
            "Host: gather\r\nConnection:        , HTTP2-Settings\r\n",
        ),
        (
            "connection:upgrade,close ,UPGRADE\t\r\nHost: gather\r\n",
            "connection:       ,close ,        \r\nHost: gather\r\n",
        ),
        (
            "Host: gather\r\nConnection: upgraded, x-upgrade, up grade\r\n",
            "Host: gather\r\nConnection: upgraded, x-upgrade, up grade\r\n",
        ),
    ] {
        let line = |fields: &str| format!("GET / HTTP/1.1\r\n{fields}\r\n");
        assert_eq!(super::tests::passed(&line(came)), line(passed));
    }
}

#[test]
fn a_later_minor_version_is_1_1() {
    for minor in 2..=9 {
        let head = format!("GET / HTTP/1.{minor}\r\nHost: gather\r\n\r\n");
        assert_eq!(passed(&head), "GET / HTTP/1.1\r\nHost: gather\r\n\r\n");
    }
    for version in ["HTTP/0.9", "HTTP/2.0", "HTTP/2.1", "HTTP/3.0", "HTTP/9.9"] {
        let head = format!("GET / {version}\r\n");
        assert_eq!(read(head.as_bytes()), Err(Fault::OtherVersion), "{version}");
    }
    for version in [
        "HTTP/1",
        "HTTP/1.10",
        "HTTP/2",
        "HTTP/a.1",
        "http/1.2",
        "HTTP/1.1 ",
    ] {
        let head = format!("GET / {version}\r\n");
        assert!(matches!(
            read(head.as_bytes()),
            Err(Fault::Version | Fault::RequestLine)
        ));
    }
}

#[test]
fn an_empty_chunked_body_belongs_to_the_head_that_announces_it() {
    let head = "GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: gather\r\n\r\n";
    for body in ["0\r\n\r\n", "000;a=\"b\"\r\n\r\n", "0\r\nDigest: x\r\n\r\n"] {
        let came = format!("{head}{body}GET");
        let found = read(came.as_bytes()).unwrap().unwrap();
        assert_eq!(found.body, None);
        assert_eq!(found.range, 0..head.len() + body.len());
        assert_eq!(passed(&came), "GET / HTTP/1.1\r\nHost: gather\r\n\r\n");
        for end in head.len()..head.len() + body.len() {
            let mut heads = Heads::default();
            assert_eq!(heads.read(&came.as_bytes()[..end], 1000), Ok(None));
            assert!(heads.under_way());
            assert_eq!(heads.late(), Fault::LateBody);
            assert_eq!(heads.read(came.as_bytes(), 1000), Ok(Some(found.clone())));
        }
    }
    let with = |body: &str| read(format!("{head}{body}").as_bytes());
    let content = with("00a").unwrap().unwrap();
    assert!(content.body.is_some());
    assert_eq!(content.range, 0..head.len());
    for (body, fault) in [
        ("x", Fault::Chunk),
        ("0\n\r\n", Fault::Chunk),
        ("0 \r\n\r\n", Fault::Chunk),
        ("0\r\n\n", Fault::BareLineFeed),
        ("0\r\nHost: a\r\n\r\n", Fault::Trailer),
        ("0\r\nGET / HTTP/1.1\r\n\r\n", Fault::FieldName),
    ] {
        assert_eq!(with(body), Err(fault), "{body:?}");
    }
    let many = format!("0\r\n{}", "a:b\r\n".repeat(MAX_FIELDS));
    assert_eq!(with(&many), Err(Fault::TooManyFields(MAX_FIELDS)));
    let large = format!("0\r\na: {}", "b".repeat(MAX_HEAD));
    assert_eq!(with(&large), Err(Fault::TooLarge));
}

#[test]
fn only_who_reads_may_say_so_with_an_empty_body() {
    let ask = |method: &str, field: &str| {
        let head = format!(
            "{method} / HTTP/1.1\r\nHost: gather\r\nTransfer-Encoding: chunked\r\n{field}\r\n"
        );
        read(head.as_bytes()).unwrap()
    };
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(ask(method, ""), None, "{method} is not over");
        // The client would send its body only after an answer.
        let asked = ask(method, "Expect: 100-continue\r\n").unwrap();
        assert!(asked.body.is_some());
    }
    for method in ["POST", "PUT", "DELETE"] {
        assert!(
            ask(method, "").unwrap().body.is_some(),
            "{method} is answered at once"
        );
    }
}

#[test]
fn a_method_that_is_too_long_is_unknown_and_one_of_other_letters_is_none() {
    for method in ["x".repeat(33), "x".repeat(9_000), "GET&".to_owned()] {
        let head = format!("{method} / HTTP/1.1\r\nHost: gather\r\n\r\n");
        assert_eq!(read(head.as_bytes()), Err(Fault::UnknownMethod));
    }
    for begun in [
        "x".repeat(9_000),
        format!("{} /{}", "x".repeat(33), "x".repeat(9_000)),
    ] {
        assert_eq!(read(begun.as_bytes()), Err(Fault::UnknownMethod));
    }
    assert_eq!(read("(".repeat(9_000).as_bytes()), Err(Fault::Method));
}

#[test]
fn a_carriage_return_at_the_end_of_a_piece_is_looked_at_again_with_the_next() {
    let bytes = b"GET /\rx";
    assert_eq!(read(bytes), Err(Fault::RequestLine));
    assert_eq!(in_pieces(bytes, &[6]), Err(Fault::RequestLine));
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
        Err(Fault::UnknownMethod)
    );
    let target = [b"GET /", &[b'a'; MAX_REQUEST_LINE][..]].concat();
    assert_eq!(read(&target), Err(Fault::TargetTooLong));
    let field = [PLAIN.strip_suffix(b"\r\n").unwrap(), &[b'a'; MAX_HEAD]].concat();
    assert_eq!(read(&field), Err(Fault::TooLarge));
    assert_eq!(read(&b"\r\n".repeat(4)), Ok(None));
    assert_eq!(read(&b"\r\n".repeat(5)), Err(Fault::EmptyLines));
}

/// The parts of a request that are used: method, target, version, the connection's end, and fields. `Connection` is one
/// field here, made of all lines that the codec reads.
type Read = (
    String,
    String,
    String,
    ConnectionType,
    Vec<(String, Vec<u8>)>,
);

fn shown(request: &Request) -> Read {
    let head = request.head();
    let mut options = Vec::new();
    let mut fields = Vec::new();
    for (name, value) in head.headers() {
        if name == "connection" {
            let value = value.to_str().unwrap_or_default();
            let said = value.split(',').map(|option| option.trim().to_owned());
            options.extend(said.filter(|option| !option.is_empty()));
        } else {
            fields.push((name.to_string(), value.as_bytes().to_vec()));
        }
    }
    fields.push(("connection".to_owned(), options.join(",").into()));
    fields.sort_unstable();
    (
        head.method.to_string(),
        head.uri.to_string(),
        format!("{:?}", head.version),
        head.connection_type(),
        fields,
    )
}

/// Generates pieces of requests, good and bad, in an order that often makes a head.
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
        8 => Just("HTTP/1.1"), 2 => Just("HTTP/1.0"), 1 => Just("HTTP/1.2"), 1 => Just("http/1.1"), 1 => Just("HTTP/2.0")
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
        1 => "Connection: (upgrade|close|Keep-Alive|é), ?(close|Upgrade|keep-alive|x)",
        1 => "[a-zA-Z: \\t\r\u{b}\u{c}\u{0}-\u{ff}]{0,8}",
    ];
    (
        method,
        target,
        version,
        prop::collection::vec((field, end.clone()), 0..5),
        end,
        prop_oneof![
            3 => "(0{1,3}( ?;a(=\"?b\"?)?)?\r\n(A: b\r\n)?\r\n)?",
            1 => "[05a;=:\"\\\\ \t]{0,6}\r\n[A:a \r\n]{0,6}(\r\n)?",
        ],
    )
        .prop_map(|(method, target, version, fields, end, body)| {
            let mut text = format!("{method} {target} {version}{end}");
            for (field, end) in fields {
                text += &field;
                text += end;
            }
            text += "\r\n";
            text += &body;
            text.into_bytes()
        })
}

/// The test runs in a system of actix, because the codec asks it for the date.
#[actix_web::test]
async fn what_passes_is_what_the_codec_takes_and_the_same_with_any_number_of_fields() {
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2_000));
    let ran = runner.run(&requests(), |bytes| {
        let Ok(Some(head)) = read(&bytes) else {
            return Ok(());
        };
        let head = edited(&bytes, &head);
        let text = String::from_utf8_lossy(&head).into_owned();
        let [mut one, mut other] = [Codec::default(), Codec::default()];
        let taken = decode::request(&mut one, head.clone(), 0).map(|request| shown(&request));
        let large = decode::large(&mut other, &head, 100).map(|request| shown(&request));
        prop_assert_eq!(&taken, &large);
        prop_assert_eq!(one.keep_alive(), other.keep_alive());
        prop_assert!(!one.upgrade() && !other.upgrade());
        let Some((method, target, version, _, fields)) = taken else {
            return Err(TestCaseError::fail(format!("{text:?}")));
        };
        let line = text.lines().next().unwrap_or_default();
        let said: Vec<_> = line.split(' ').collect();
        prop_assert_eq!(method, said[0]);
        prop_assert_eq!(version, said[2]);
        // An absolute target with an empty path gets its slash.
        let same = target == said[1] || said[1].contains("://");
        prop_assert!(same, "{target} {text:?}");
        let named = text
            .lines()
            .filter(|line| !line.to_lowercase().starts_with("connection:"));
        prop_assert_eq!(fields.len() - 1, named.count() - 2, "{:?}", text);
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
        // A fault may be found before another one that comes first in a complete line.
        prop_assert!(whole == pieces || whole.is_err() && pieces.is_err(), "{whole:?} {pieces:?}");
    }

    #[test]
    fn a_head_that_passes_keeps_its_promises(bytes in requests(), places in any::<[u8; 2]>()) {
        properties::heads(&[&places[..], &bytes].concat());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&bytes);
    }
}
