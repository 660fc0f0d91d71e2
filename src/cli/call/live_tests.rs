//! Tests of a streamed answer that is drawn at fixed moments, and of streams that are refused.

use super::*;
use crate::cli::call::lines::Lines;

const NARROW: Style = Style {
    width: 60,
    colour: false,
    whole_notes: false,
    unicode: true,
};

fn live(mode: &str, names: &[&str], concurrency: Option<usize>) -> Live {
    Live::new(Announced {
        mode: mode.to_owned(),
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        concurrency,
    })
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn result(run: &str, index: usize, name: &str, start: u64, elapsed: u64) -> String {
    format!(
        "{{{run}\"index\":{index},\"name\":\"{name}\",\"ok\":true,\"status\":200,\"start_ms\":{start}.0,\
         \"elapsed_ms\":{elapsed}.0,\"attempts\":1,\"body\":1}}\n"
    )
}

const OUTCOME: &str = "{\"aggregate\":\"x\",\"mode\":\"concurrent\",\"outcome\":\"complete\",\"elapsed_ms\":1,\
                       \"sequential_ms\":1,\"server_timing\":\"total;dur=1.0\"}\n";

/// The last line of a comparison.
fn compared() -> String {
    let run = |mode: &str| {
        format!(
            "{{\"aggregate\":\"x\",\"mode\":\"{mode}\",\"outcome\":\"complete\",\"elapsed_ms\":1,\"sequential_ms\":1}}"
        )
    };
    format!(
        "{{\"aggregate\":\"x\",\"mode\":\"compare\",\"outcome\":\"complete\",\"elapsed_ms\":2,\"sequential_ms\":2,\
         \"sequential\":{},\"concurrent\":{},\"speedup\":2.0,\"server_timing\":\"total;dur=2.0\"}}\n",
        run("sequential"),
        run("concurrent")
    )
}

/// Takes lines that come `now` after the beginning.
fn told(live: &mut Live, text: &str, now: Duration) -> anyhow::Result<()> {
    Lines::default().push(text.as_bytes(), |message| live.take(message, now))
}

fn drawn(live: &Live, now: Duration) -> String {
    let mut out = Vec::new();
    live.draw(&mut out, NARROW, now).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn calls_that_run_together_grow_together() {
    let mut live = live("concurrent", &["users", "orders", "stock"], None);
    told(&mut live, &result("", 1, "orders", 0, 250), ms(251)).unwrap();
    let failed = r#"{"index":2,"name":"stock","ok":false,"start_ms":0.0,"elapsed_ms":300.0,"attempts":3,"failure":"connect","detail":"refused"}"#;
    told(&mut live, &format!("{failed}\n"), ms(300)).unwrap();
    insta::assert_snapshot!(drawn(&live, ms(400)));
    insta::assert_snapshot!(drawn(&live, ms(900)));
}

#[test]
fn in_a_row_only_the_call_whose_turn_it_is_grows() {
    let mut live = live("sequential", &["users", "orders", "stock"], None);
    told(&mut live, &result("", 0, "users", 0, 300), ms(301)).unwrap();
    insta::assert_snapshot!(drawn(&live, ms(500)));
}

#[test]
fn a_bound_lets_as_many_run_and_the_next_begins_where_one_ended() {
    let mut live = live("concurrent", &["a", "b", "c", "d"], Some(2));
    told(&mut live, &result("", 0, "a", 0, 200), ms(200)).unwrap();
    insta::assert_snapshot!(drawn(&live, ms(400)));
}

#[test]
fn both_runs_of_a_comparison_are_on_one_axis_and_the_second_waits_for_the_first() {
    let mut live = live("compare", &["a", "b"], None);
    let first = "\"mode\":\"sequential\",";
    told(&mut live, &result(first, 0, "a", 0, 300), ms(300)).unwrap();
    assert!(drawn(&live, ms(400)).contains("waiting"));
    told(&mut live, &result(first, 1, "b", 300, 300), ms(600)).unwrap();
    insta::assert_snapshot!(drawn(&live, ms(750)));
    let second = "\"mode\":\"concurrent\",";
    for (index, name) in ["a", "b"].into_iter().enumerate() {
        told(&mut live, &result(second, index, name, 0, 300), ms(900)).unwrap();
    }
    told(&mut live, &compared(), ms(901)).unwrap();
    assert!(live.is_whole());
    assert!(live.answer().unwrap().answer.is_complete());
}

#[test]
fn without_names_rows_appear_as_results_come() {
    let mut live = live("concurrent", &[], None);
    told(&mut live, &result("", 1, "b", 0, 100), ms(100)).unwrap();
    told(&mut live, &result("", 0, "a", 0, 200), ms(200)).unwrap();
    let shown = drawn(&live, ms(400));
    assert!(shown.find("  a  ") < shown.find("  b  "), "{shown}");
    // More results may come, so the run goes on.
    assert!(shown.contains("400.0 ms"), "{shown}");
    assert_eq!(live.progress(), "2");
    assert_eq!(live.broken_off(), "the answer broke off after 2 results");
    told(&mut live, OUTCOME, ms(401)).unwrap();
    assert!(live.is_whole());
    assert_eq!(live.progress(), "2 of 2");
}

#[test]
fn without_names_a_result_that_is_missing_at_the_end_is_missed() {
    let mut live = live("concurrent", &[], None);
    told(&mut live, &result("", 2, "c", 0, 100), ms(100)).unwrap();
    told(&mut live, OUTCOME, ms(200)).unwrap();
    assert!(!live.is_whole());
    let error = live.answer().unwrap_err().to_string();
    assert_eq!(error, "the answer ended with 1 of 3 results");
}

#[test]
fn the_second_run_of_a_comparison_has_the_names_of_the_first() {
    let mut live = live("compare", &[], None);
    for (index, name) in ["a", "b", "c"].into_iter().enumerate() {
        let line = result("\"mode\":\"sequential\",", index, name, 0, 100);
        told(&mut live, &line, ms(300)).unwrap();
    }
    assert_eq!(live.progress(), "3");
    let line = result("\"mode\":\"concurrent\",", 1, "b", 0, 100);
    told(&mut live, &line, ms(400)).unwrap();
    assert_eq!(live.progress(), "4 of 6");
    let drawn = drawn(&live, ms(500));
    assert_eq!(drawn.matches("running").count(), 2, "{drawn}");
    let error = told(
        &mut live,
        &result("\"mode\":\"concurrent\",", 3, "d", 0, 1),
        ms(500),
    );
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "the gateway sent result 3 of 3");
    for (index, name) in [(0, "a"), (2, "c")] {
        let line = result("\"mode\":\"concurrent\",", index, name, 0, 100);
        told(&mut live, &line, ms(500)).unwrap();
    }
    told(&mut live, &compared(), ms(501)).unwrap();
    assert!(live.is_whole());
    assert!(live.answer().unwrap().answer.is_complete());
}

#[test]
fn what_no_gateway_sends_is_refused() {
    let whole = result("", 0, "a", 0, 1);
    for (text, said) in [
        (whole.repeat(2), "result 0 twice"),
        (result("", 2, "c", 0, 1), "result 2 of 2"),
        (
            result("\"mode\":\"other\",", 0, "a", 0, 1),
            "a run that nobody asked for",
        ),
        (OUTCOME.repeat(2), "after its answer's last line"),
        ("nonsense\n".to_owned(), "none of an answer"),
    ] {
        let mut live = live("concurrent", &["a", "b"], None);
        let error = told(&mut live, &text, ms(1)).unwrap_err();
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn an_answer_that_breaks_off_says_how_much_there_was() {
    let mut cut = live("concurrent", &["a", "b"], None);
    told(&mut cut, &result("", 0, "a", 0, 1), ms(1)).unwrap();
    let error = cut.answer().unwrap_err().to_string();
    assert_eq!(error, "the answer broke off after 1 of 2 results");
    let mut short = live("concurrent", &["a", "b"], None);
    told(&mut short, OUTCOME, ms(1)).unwrap();
    let error = short.answer().unwrap_err().to_string();
    assert_eq!(error, "the answer ended with 0 of 2 results");
}

#[test]
fn an_axis_ends_at_a_round_time() {
    for (time, end) in [
        (0, 50),
        (51, 100),
        (100, 100),
        (101, 200),
        (2_001, 5_000),
        (6_000, 10_000),
    ] {
        assert_eq!(round_up(ms(time)), ms(end), "{time}");
    }
}
