//! Tests of bodies in any pieces, and of the codec's agreement about them.

use actix_codec::Decoder as _;
use actix_http::h1::{Codec, Message};
use bytes::BytesMut;
use proptest::{prelude::*, test_runner::TestRunner};

use super::{super::properties, *};

#[test]
fn a_body_of_a_declared_length_takes_that_many_bytes() {
    let mut incoming = Incoming::new(Some(5), 5).unwrap();
    assert_eq!(incoming.feed(b"abc"), Ok(3));
    assert!(!incoming.is_over());
    assert_eq!(incoming.feed(b"deGET /"), Ok(2));
    assert!(incoming.is_over());
    assert_eq!(incoming.feed(b"GET /"), Ok(0));
    assert_eq!(incoming.into_content(), "abcde");
    for length in [6, u64::MAX] {
        let refused = Incoming::new(Some(length), 5).map(|_| ());
        assert_eq!(refused, Err(Unread::TooLarge));
    }
}

#[test]
fn no_more_is_reserved_than_may_come_and_nothing_before_it_comes() {
    for length in [None, Some(1000)] {
        let mut incoming = Incoming::new(length, 1000).unwrap();
        assert_eq!(incoming.content.capacity(), 0);
        if length.is_none() {
            incoming.feed(b"3e8\r\n").unwrap();
        }
        for size in 1..=1000 {
            incoming.feed(b"a").unwrap();
            assert_eq!(incoming.content.len(), size);
            assert!(incoming.content.capacity() <= 1000.min(2 * size));
        }
    }
}

/// Generates chunked bodies, good and bad, with bytes behind them.
fn chunked() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![12 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("")];
    let extension = prop_oneof![
        6 => Just(String::new()),
        2 => "[ \t]?;[ \t]?[a-z]{1,2}([ \t]?=[ \t]?([a-z]{1,2}|\"[a-z;=\\\\ ]{0,3}\"))?",
        1 => "[;=a\"\\\\ \t\r]{0,4}",
    ];
    let chunk = (
        "0{0,2}",
        "[a-z\r\n]{1,20}",
        extension.clone(),
        line.clone(),
        line.clone(),
        prop_oneof![12 => Just(0_usize), 1 => Just(1)],
    )
        .prop_map(|(zeros, content, extension, one, other, more)| {
            let size = content.len() + more;
            format!("{zeros}{size:x}{extension}{one}{content}{other}")
        });
    let trailer = prop_oneof![
        4 => Just(String::new()),
        2 => "[a-z]{1,3}:[ -~]{0,4}\r\n",
        1 => "[a-z: \t]{0,4}\r?\n",
        1 => Just("Content-Length: 5\r\n".to_owned()),
    ];
    let chunks = prop::collection::vec(chunk, 0..4);
    (
        chunks,
        "0{1,3}",
        extension,
        line.clone(),
        trailer,
        line,
        "(GET / HTTP)?",
    )
        .prop_map(|(chunks, last, extension, one, trailer, other, rest)| {
            let chunks = chunks.concat();
            format!("{chunks}{last}{extension}{one}{trailer}{other}{rest}").into_bytes()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_body_keeps_its_promises(bytes in chunked(), choices in any::<[u8; 3]>()) {
        properties::bodies(&[&choices[..], &bytes].concat());
    }

    #[test]
    fn any_bytes_keep_the_promises_of_a_body(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        properties::bodies(&bytes);
    }
}

/// The test runs in a system of actix, because the codec asks it for the date.
#[actix_web::test]
async fn what_is_read_is_what_the_codec_reads() {
    let head = b"POST / HTTP/1.1\r\nHost: gather\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut read = 0;
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2_000));
    let mut check = |bytes: Vec<u8>| {
        let mut incoming = Incoming::new(None, 1000).unwrap();
        let Ok(used) = incoming.feed(&bytes) else {
            return;
        };
        if !incoming.is_over() {
            return;
        }
        read += 1;
        let mut codec = Codec::default();
        let mut rest = BytesMut::from(&head[..]);
        rest.extend_from_slice(&bytes);
        assert!(matches!(
            codec.decode(&mut rest),
            Ok(Some(Message::Item(_)))
        ));
        let mut content = Vec::new();
        while let Ok(Some(Message::Chunk(Some(piece)))) = codec.decode(&mut rest) {
            content.extend_from_slice(&piece);
        }
        assert_eq!(incoming.into_content(), content, "{bytes:?}");
        assert_eq!(rest, bytes[used..], "{bytes:?}");
    };
    for _ in 0..2_000 {
        let tree = chunked().new_tree(&mut runner).unwrap();
        check(prop::strategy::ValueTree::current(&tree));
    }
    assert!(read > 200, "only {read} bodies were whole");
}
