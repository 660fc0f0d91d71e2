//! Gather before servers as their users run them: the outcomes of their answers, and the POSTs that are lost. All
//! servers run side by side, once for all tests here. docs/upstreams.md has the table of the results.

mod idle;
mod page;
mod program;
mod seen;
mod sites;

use std::{panic::resume_unwind, sync::LazyLock, thread};

use program::Kind;
use seen::{Framing, Seen};
use serde_json::{Value, json};

/// The observations of every server that could be started.
static SEEN: LazyLock<Vec<Seen>> = LazyLock::new(|| {
    let observers = Kind::ALL.map(|kind| thread::spawn(move || seen::observe(&kind.start()?)));
    observers
        .into_iter()
        .filter_map(|observer| joined(observer.join()))
        .collect()
});

/// Returns a thread's result, or resumes its panic.
fn joined<T>(ended: thread::Result<T>) -> T {
    ended.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Asserts that nothing is wrong with any server. Otherwise it shows the number of faults, and the first one.
fn nothing_wrong(wrong: impl Fn(&Seen) -> Vec<String>) {
    let found = SEEN.iter().filter_map(|seen| {
        let wrong = wrong(seen);
        let first = wrong.first()?;
        Some(format!("{}: {}, first {first}\n", seen.name, wrong.len()))
    });
    let found: String = found.collect();
    assert!(found.is_empty(), "\n{found}");
}

#[test]
fn the_values_of_real_servers_come_through() {
    nothing_wrong(|seen| {
        let values = [
            (&seen.json, json!({"user": 1, "name": "Ada"})),
            (&seen.text, json!("pong")),
            (&seen.nothing, Value::Null),
            (&seen.taken, json!({"bytes": 100_000})),
            (&seen.stream.plain, json!("one two three four")),
        ];
        let wrong = values.iter().filter(|(outcome, body)| !outcome.is(body));
        wrong.map(|wrong| format!("{wrong:?}")).collect()
    });
}

#[test]
fn what_real_servers_cut_is_never_ok() {
    nothing_wrong(|seen| {
        let failing = [&seen.broken, &seen.broken_length, &seen.broken_json];
        let cut = failing.iter().filter(|call| !call.wire.whole);
        let wrong = cut.filter(|call| call.plain.class == "ok" || call.framed.class == "ok");
        wrong.map(|call| format!("{call:?}")).collect()
    });
}

#[test]
fn json_of_which_a_part_is_missing_is_never_ok_however_it_ends() {
    nothing_wrong(|seen| {
        let broken = &seen.broken_json;
        let wrong = broken.plain.class == "ok" || broken.framed.class == "ok";
        wrong.then(|| format!("{broken:?}")).into_iter().collect()
    });
}

#[test]
fn framed_refuses_what_only_a_close_ends_and_nothing_else() {
    nothing_wrong(|seen| {
        let calls = [
            &seen.stream,
            &seen.broken,
            &seen.broken_length,
            &seen.broken_json,
        ];
        let wrong = calls.iter().filter(|call| {
            let wanted = match call.wire.framing {
                Framing::Close => "protocol",
                Framing::Length | Framing::Chunked => &call.plain.class,
            };
            call.framed.class != wanted
        });
        wrong.map(|call| format!("{call:?}")).collect()
    });
}

#[test]
fn posts_around_the_idle_close_of_real_servers_are_not_lost() {
    nothing_wrong(|seen| seen.idle.clone());
}

#[test]
fn posts_to_real_servers_of_which_every_other_handler_raises_are_not_lost() {
    nothing_wrong(|seen| seen.raising.clone());
}

#[test]
fn posts_that_real_servers_refuse_unread_are_lost_no_oftener_than_by_curl() {
    nothing_wrong(|seen| {
        // A POST that curl loses as well is not Gather's fault.
        let more = seen.refused.get(seen.refused_by_curl..);
        more.unwrap_or_default().to_vec()
    });
}

#[test]
fn the_page_about_upstreams_has_what_was_seen_of_real_servers() {
    page::compare(&SEEN);
}
