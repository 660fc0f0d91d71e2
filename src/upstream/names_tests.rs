//! Tests of look-ups with a name service that hangs, panics and counts.

use std::{
    pin::pin,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
};

use futures_util::FutureExt as _;
use tokio::task::yield_now;

use super::*;

fn some_address() -> Found {
    Ok(Arc::new([SocketAddr::from(([127, 0, 0, 1], 0))]))
}

/// Makes a name service that counts its look-ups. For names that begin with `hang`, it hangs until it is released.
fn hanging() -> (Names, Arc<AtomicUsize>, Sender<()>) {
    let (let_go, gate) = channel();
    let gate: Mutex<Receiver<()>> = Mutex::new(gate);
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let names = Names::asking(move |host| {
        counted.fetch_add(1, Ordering::SeqCst);
        if host.starts_with("hang") {
            // This ends when the other end of the channel is dropped.
            let _ = locked(&gate).recv();
        }
        some_address()
    });
    (names, asked, let_go)
}

#[tokio::test]
async fn a_look_up_that_hangs_is_joined_and_not_begun_again() {
    let (mut names, asked, let_go) = hanging();
    let name = names.name("hang").unwrap();
    let other_upstream = names.name("hang").unwrap();
    for _ in 0..10 {
        assert!(name.find().now_or_never().is_none());
        assert!(other_upstream.find().now_or_never().is_none());
    }
    // It must wait before the look-up is released: a look-up that has ended can't be joined.
    let mut waiting = pin!(name.find());
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(let_go);
    assert_eq!(waiting.await.unwrap().len(), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_look_up_that_has_ended_is_not_taken_for_a_new_one() {
    let port = AtomicUsize::new(0);
    let mut names = Names::asking(move |_| {
        let port = u16::try_from(port.fetch_add(1, Ordering::SeqCst)).unwrap();
        Ok(Arc::new([SocketAddr::from(([127, 0, 0, 1], port))]))
    });
    let name = names.name("a").unwrap();
    for port in 0..3 {
        assert_eq!(name.find().await.unwrap()[0].port(), port);
        // The answer is there just before its look-up is over.
        while name
            .under_way
            .lock()
            .unwrap()
            .as_ref()
            .unwrap()
            .has_changed()
            .is_ok()
        {
            yield_now().await;
        }
    }
}

#[tokio::test]
async fn names_that_hang_leave_the_others_their_threads() {
    let (mut names, _, _let_go) = hanging();
    for index in 1..LOOK_UPS {
        let name = names.name(&format!("hang-{index}")).unwrap();
        assert!(name.find().now_or_never().is_none());
    }
    let name = names.name("other").unwrap();
    assert_eq!(name.find().await.unwrap().len(), 1);
}

#[tokio::test]
async fn more_names_that_hang_than_there_are_threads_let_another_wait_but_not_for_ever() {
    let (mut names, _, let_go) = hanging();
    for index in 0..2 * LOOK_UPS {
        let name = names.name(&format!("hang-{index}")).unwrap();
        assert!(name.find().now_or_never().is_none());
    }
    assert_eq!(names.threads, LOOK_UPS);
    let name = names.name("other").unwrap();
    assert!(name.find().now_or_never().is_none());
    // As many as were before it.
    for _ in 0..2 * LOOK_UPS {
        let_go.send(()).unwrap();
    }
    assert_eq!(name.find().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_look_up_that_panics_has_no_address_and_spoils_no_later_one() {
    let asked = AtomicUsize::new(0);
    let mut names = Names::asking(move |_| {
        let time = asked.fetch_add(1, Ordering::SeqCst);
        assert!(time >= 2, "on purpose");
        some_address()
    });
    let name = names.name("a").unwrap();
    assert!(name.find().await.unwrap().is_empty());
    assert!(name.find().await.unwrap().is_empty());
    assert_eq!(name.find().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_name_without_threads_has_no_address_and_nobody_waits() {
    let names = Names::asking(|_| some_address());
    let name = Name {
        host: "a".into(),
        queue: names.queue.clone(),
        under_way: Arc::default(),
    };
    drop(names);
    for _ in 0..2 {
        assert!(name.find().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_system_knows_this_host_and_not_what_does_not_exist() {
    let mut names = Names::default();
    assert!(
        !names
            .name("localhost")
            .unwrap()
            .find()
            .await
            .unwrap()
            .is_empty()
    );
    assert!(
        names
            .name("nothing.invalid")
            .unwrap()
            .find()
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn the_threads_end_with_the_last_name() {
    let held = Arc::new(());
    let inside = Arc::downgrade(&held);
    let mut names = Names::asking(move |_| {
        let _ = &held;
        some_address()
    });
    let name = names.name("a").unwrap();
    name.find().await.unwrap();
    drop(names);
    assert_eq!(inside.strong_count(), 1, "a name is left");
    drop(name);
    while inside.strong_count() > 0 {
        yield_now().await;
    }
}
