//! A stream's body on paused time.

use std::{future::poll_fn, num::NonZeroUsize, sync::Arc};

use futures_util::FutureExt as _;

use super::*;
use crate::{api::negotiation::HEARTBEATS, fanout::Limit};

fn stream(
    framing: Framing,
    run: impl Future<Output = ()> + 'static,
    outbox: &Rc<Outbox>,
) -> Stream {
    let limit = Arc::new(Limit::new(NonZeroUsize::MIN));
    Stream {
        run: Some(Box::pin(run)),
        outbox: Rc::clone(outbox),
        rest: Bytes::new(),
        heartbeat: (framing == Framing::Events).then(|| Heartbeat::every(HEARTBEATS)),
        handed: None,
        _permit: limit.acquire().unwrap(),
    }
}

async fn next(body: &mut Stream) -> Option<Bytes> {
    let piece = poll_fn(|cx| Pin::new(&mut *body).poll_next(cx)).await;
    piece.map(|piece| piece.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_of_events_says_every_five_seconds_that_it_is_alive() {
    let outbox = Rc::new(Outbox::new(Framing::Events));
    let mut body = stream(Framing::Events, std::future::pending(), &outbox);
    let began = Instant::now();
    for beats in 1..=3 {
        assert_eq!(
            next(&mut body).await.as_deref(),
            Some(Framing::Events.heartbeat())
        );
        assert_eq!(began.elapsed(), HEARTBEATS * beats);
    }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_only_after_silence() {
    let outbox = Rc::new(Outbox::new(Framing::Events));
    let run = {
        let outbox = Rc::clone(&outbox);
        async move {
            for _ in 0..3 {
                sleep(Duration::from_secs(4)).await;
                outbox.write(|_, out| out.extend_from_slice(b"said"));
            }
        }
    };
    let mut body = stream(Framing::Events, run, &outbox);
    for _ in 0..3 {
        assert_eq!(next(&mut body).await.as_deref(), Some(&b"said"[..]));
    }
    assert_eq!(next(&mut body).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_lines_has_no_heartbeat() {
    let outbox = Rc::new(Outbox::new(Framing::Lines));
    let mut body = stream(Framing::Lines, std::future::pending(), &outbox);
    let waited = tokio::time::timeout(HEARTBEATS * 10, next(&mut body)).await;
    assert!(waited.is_err());
}

#[tokio::test(start_paused = true)]
async fn lines_whose_reader_asks_for_it_have_an_empty_one_after_silence() {
    let outbox = Rc::new(Outbox::new(Framing::Lines));
    let mut body = stream(Framing::Lines, std::future::pending(), &outbox);
    body.heartbeat = Some(Heartbeat::every(Duration::from_secs(10)));
    let began = Instant::now();
    assert_eq!(next(&mut body).await.as_deref(), Some(&b"\n"[..]));
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_run_is_told_when_it_was_kept_waiting_and_not_when_it_was_not() {
    let outbox = Rc::new(Outbox::new(Framing::Lines));
    let run = {
        let outbox = Rc::clone(&outbox);
        async move {
            for _ in 0..3 {
                outbox.write(|_, out| out.extend_from_slice(b"said"));
                tokio::task::yield_now().await;
            }
        }
    };
    let mut body = stream(Framing::Lines, run, &outbox);
    next(&mut body).await;
    next(&mut body).await;
    assert_eq!(outbox.pace.holds(), 0);
    sleep(UNNOTICED * 2).await;
    next(&mut body).await;
    assert_eq!(outbox.pace.holds(), 1);
}

#[tokio::test]
async fn a_large_message_leaves_in_pieces_and_the_run_waits_for_the_last() {
    let outbox = Rc::new(Outbox::new(Framing::Lines));
    let run = {
        let outbox = Rc::clone(&outbox);
        async move {
            outbox.write(|_, out| out.extend_from_slice(&[b'1'; 3 * PIECE]));
            tokio::task::yield_now().await;
            outbox.write(|_, out| out.extend_from_slice(b"2"));
        }
    };
    let mut body = stream(Framing::Lines, run, &outbox);
    for _ in 0..3 {
        assert_eq!(
            next(&mut body).now_or_never().flatten(),
            Some(vec![b'1'; PIECE].into())
        );
        assert!(outbox.bytes.borrow().is_empty());
    }
    assert_eq!(next(&mut body).await.as_deref(), Some(&b"2"[..]));
    assert_eq!(next(&mut body).await, None);
}
