//! Tests of inflating: every format, whole, cut, broken and without end.

use std::{cell::Cell, future::Future, io::Write as _, pin::pin};

use brotli::CompressorWriter;
use flate2::{Compression, GzBuilder, write};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{exchange::Allowance, fanout::FailureKind, upstream::body::Bounds};

const FORMATS: [Format; 3] = [Format::Gzip, Format::Deflate, Format::Brotli];

/// Compresses the bytes with an encoder of this format.
fn deflated(format: Format, bytes: &[u8]) -> Vec<u8> {
    let level = Compression::default();
    match format {
        Format::Gzip => {
            let mut encoder = write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Format::Deflate => {
            let mut encoder = write::ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Format::Brotli => brotli(bytes, 22),
    }
}

fn bare(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = write::DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn brotli(bytes: &[u8], window: u32) -> Vec<u8> {
    let mut packed = Vec::new();
    let mut encoder = CompressorWriter::new(&mut packed, 4096, 4, window);
    encoder.write_all(bytes).unwrap();
    drop(encoder);
    packed
}

/// Inflates bytes step by step.
fn steps(format: Format, packed: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut inflater = Inflater::new(format, packed);
    let mut space = vec![0; STEP_OUT];
    let mut bytes = Vec::new();
    loop {
        match inflater.step(&mut space)? {
            Step::More(size) => bytes.extend_from_slice(&space[..size]),
            Step::Last(size) => {
                bytes.extend_from_slice(&space[..size]);
                return Ok(bytes);
            }
            Step::Again => bytes.clear(),
        }
    }
}

/// Returns bytes that no coding makes smaller. They are the same each time.
fn noise(size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..size).map(|_| random.u8(..)).collect()
}

#[test]
fn what_was_compressed_comes_back_whatever_its_size() {
    for size in [0, 1, 100, STEP_OUT, STEP_OUT + 1, 300_000] {
        let texts = [vec![b'1'; size], noise(size)];
        for text in texts {
            for format in FORMATS {
                let packed = deflated(format, &text);
                assert!(steps(format, &packed).unwrap() == text, "{format:?} {size}");
            }
            assert!(
                steps(Format::Deflate, &bare(&text)).unwrap() == text,
                "{size}"
            );
        }
    }
}

#[test]
fn all_members_of_a_gzip_file_are_its_bytes_and_its_header_may_say_anything() {
    let mut named = GzBuilder::new()
        .filename("a name")
        .comment("a comment")
        .extra(b"extra".to_vec())
        .write(Vec::new(), Compression::best());
    named.write_all(b"and this").unwrap();
    let mut packed = deflated(Format::Gzip, b"this ");
    packed.extend(deflated(Format::Gzip, b""));
    packed.extend(named.finish().unwrap());
    assert_eq!(steps(Format::Gzip, &packed).unwrap(), b"this and this");

    // This header has a checksum.
    let mut summed = deflated(Format::Gzip, b"x");
    summed[3] = 1 << 1;
    let mut sum = Crc::new();
    sum.update(&summed[..10]);
    let stated = u16::try_from(sum.sum() & 0xffff).unwrap();
    summed.splice(10..10, stated.to_le_bytes());
    assert_eq!(steps(Format::Gzip, &summed).unwrap(), b"x");
    summed[10] ^= 1;
    assert_eq!(steps(Format::Gzip, &summed), Err(Fault::Broken));
}

#[test]
fn what_follows_the_end_is_left_out_unless_it_is_one_more_member() {
    for format in FORMATS {
        for rest in [
            &b"\n"[..],
            b"\0\0\0\0\0\0\0\0",
            b"garbage that is no member",
        ] {
            let packed = [deflated(format, b"body"), rest.to_vec()].concat();
            assert_eq!(steps(format, &packed).unwrap(), b"body", "{format:?}");
        }
    }
    let member = deflated(Format::Gzip, b"body");
    for cut in 1..member.len() {
        let packed = [&member, &member[..cut]].concat();
        assert_eq!(steps(Format::Gzip, &packed), Err(Fault::Cut), "{cut}");
    }
}

#[test]
fn what_was_cut_anywhere_is_cut() {
    let text = "a text that is worth it, worth it, worth it".repeat(3);
    for format in FORMATS {
        let packed = deflated(format, text.as_bytes());
        for cut in 1..packed.len() {
            let cut = &packed[..cut];
            assert_eq!(steps(format, cut), Err(Fault::Cut), "{format:?} {cut:?}");
        }
    }
    let packed = bare(text.as_bytes());
    for cut in 1..packed.len() {
        assert_eq!(
            steps(Format::Deflate, &packed[..cut]),
            Err(Fault::Cut),
            "{cut}"
        );
    }
}

#[test]
fn what_is_not_what_it_says_is_broken() {
    for format in FORMATS {
        for bytes in [
            &b"{\"a\":1}"[..],
            b"<html></html>",
            b"\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert!(steps(format, bytes).is_err(), "{format:?} {bytes:?}");
        }
    }
    // These checksums don't fit: gzip's two, zlib's one.
    let text = [b'1'; 1000];
    for (format, place) in [(Format::Gzip, 8), (Format::Gzip, 4), (Format::Deflate, 4)] {
        let mut packed = deflated(format, &text);
        let at = packed.len() - place;
        packed[at] ^= 1;
        assert_eq!(
            steps(format, &packed),
            Err(Fault::Broken),
            "{format:?} {place}"
        );
    }
    let mut reserved = deflated(Format::Gzip, &text);
    reserved[3] = 0x20;
    assert_eq!(steps(Format::Gzip, &reserved), Err(Fault::Broken));
}

#[test]
fn a_brotli_window_is_no_larger_than_what_comes_needs() {
    let windows = |text: &[u8], asked: u32| {
        let packed = brotli(text, asked);
        let mut inflater = Brotli::new(&packed);
        let mut space = vec![0; STEP_OUT];
        let (mut bytes, mut windows) = (Vec::new(), vec![inflater.window]);
        loop {
            match inflater.step(&mut space).unwrap() {
                Step::More(size) => bytes.extend_from_slice(&space[..size]),
                Step::Last(size) => {
                    bytes.extend_from_slice(&space[..size]);
                    assert!(bytes == text, "asked {asked}");
                    return windows;
                }
                Step::Again => {
                    bytes.clear();
                    windows.push(inflater.window);
                }
            }
        }
    };
    // Repeats over a long distance need the whole window.
    let far = |size: usize| [noise(size / 2), noise(size / 2)].concat();
    assert_eq!(windows(b"tiny", 24), [18]);
    assert_eq!(windows(&far(1 << 19), 18), [18], "it is small as it is");
    assert_eq!(windows(&far((1 << 18) - 16), 24), [18]);
    assert_eq!(windows(&far((1 << 18) - 14), 24), [18, 21]);
    assert_eq!(windows(&far(1 << 19), 20), [18, 20]);
    assert_eq!(windows(&far(1 << 21), 24), [18, 21, 24]);
    for asked in [10, 16, 17] {
        assert_eq!(windows(&far(1 << 17), asked), [0]);
    }
    // This stream asks for larger distances than brotli's own 16 MiB allow.
    assert_eq!(steps(Format::Brotli, &[0x11, 0, 0]), Err(Fault::Broken));
}

/// Inflates within bounds, and counts the turns that others had.
fn within(
    format: Format,
    packed: &[u8],
    own: usize,
    shared: &Allowance,
) -> (Result<Vec<u8>, Failure>, usize) {
    let bounds = Bounds { own, shared };
    let mut share = shared.share();
    assert!(share.cover(packed.len().min(own)).is_ok());
    let mut body = Growing::inflated(bounds, share);
    let turns = Cell::new(0);
    let result = {
        let mut work = pin!(inflate(format, packed, &mut body));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(std::future::poll_fn(|cx| {
            let polled = work.as_mut().poll(cx);
            if polled.is_pending() {
                turns.set(turns.get() + 1);
            }
            polled
        }))
    };
    let result = result.map(|()| {
        let (bytes, share) = body.finish();
        assert!(share.keep(0).is_ok());
        bytes.to_vec()
    });
    (result, turns.get())
}

#[test]
fn a_bomb_is_too_large_as_soon_as_it_is() {
    let text = vec![0; 64 << 20];
    for format in FORMATS {
        let packed = deflated(format, &text);
        assert!(packed.len() < 100_000, "{format:?}");
        let shared = Allowance::new(8 << 20);
        let (result, _) = within(format, &packed, 1 << 20, &shared);
        let failure = result.unwrap_err();
        assert_eq!(failure.kind, FailureKind::TooLarge, "{format:?}");
        assert!(failure.detail.contains("larger than 1048576 bytes"));
        let (result, _) = within(format, &packed, 16 << 20, &shared);
        let failure = result.unwrap_err();
        assert!(
            failure
                .detail
                .contains("together larger than 8388608 bytes")
        );
        assert_eq!(shared.left(), 8 << 20, "all is given back");
    }
}

#[test]
fn a_body_draws_the_larger_of_what_came_and_what_it_is() {
    for (text, compresses) in [(vec![b'1'; 100_000], true), (noise(100_000), false)] {
        for format in FORMATS {
            let packed = deflated(format, &text);
            assert_eq!(packed.len() < text.len(), compresses);
            let shared = Allowance::new(100_000);
            let (result, _) = within(format, &packed, text.len(), &shared);
            assert!(result.unwrap() == text);
            assert_eq!(shared.left(), 0);
        }
    }
}

#[test]
fn others_have_their_turns_while_a_large_body_is_inflated() {
    let text = vec![0; 4 << 20];
    // Thousands of empty members, tables or blocks bring no bytes, but they take time all the same.
    let empty = deflated(Format::Gzip, b"").repeat(2_000);
    let mut blocks = [0, 0, 0, 0xff, 0xff].repeat(100_000);
    blocks.extend([1, 0, 0, 0xff, 0xff]);
    let shared = Allowance::new(1 << 30);
    for format in FORMATS {
        let packed = deflated(format, &text);
        let (result, turns) = within(format, &packed, 1 << 30, &shared);
        assert!(result.is_ok() && turns > 1, "{format:?} {turns}");
    }
    for (format, packed) in [(Format::Gzip, empty), (Format::Deflate, blocks)] {
        let (result, turns) = within(format, &packed, 1 << 30, &shared);
        assert!(
            result.unwrap().is_empty() && turns > 1,
            "{format:?} {turns}"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_come_back_by_any_window(
        parts in vec((any::<u8>(), 1..3000_usize), 0..20),
        window in 10..=24_u32,
    ) {
        let text: Vec<u8> = parts
            .iter()
            .flat_map(|(byte, times)| std::iter::repeat_n(*byte, *times))
            .collect();
        prop_assert_eq!(&steps(Format::Brotli, &brotli(&text, window)).unwrap(), &text);
        prop_assert_eq!(&steps(Format::Deflate, &bare(&text)).unwrap(), &text);
        for format in FORMATS {
            prop_assert_eq!(&steps(format, &deflated(format, &text)).unwrap(), &text);
        }
    }

    #[test]
    fn any_bytes_at_all_come_to_an_end(
        bytes in vec(any::<u8>(), 1..200),
        start in proptest::sample::select(vec![&b""[..], b"\x1f\x8b\x08\0\0\0\0\0\0\0", b"\x78\x9c", b"\x0f"]),
    ) {
        let bytes = [start, &bytes].concat();
        for format in FORMATS {
            let _ = steps(format, &bytes);
        }
    }
}
