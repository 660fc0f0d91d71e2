//! The critical path of a run, from the times of its calls alone: an answer does not say which call waited for which.
//! It must not know how the calls are drawn.

use std::{io, time::Duration};

use super::{
    times::{end, millis},
    waterfall::{self, Style},
};
use crate::compose::types::{CallReport, Run};

/// The longest time between the end of a call and the start of one that waited for it.
const GAP: Duration = Duration::from_millis(1);

/// Writes a line with the critical path, if some call waited for another. Calls one after another have no other path.
pub(super) fn draw(run: &Run, out: &mut dyn io::Write, style: Style) -> io::Result<()> {
    if run.summary.mode.0 == "sequential" {
        return Ok(());
    }
    let path = path(&run.results);
    if path.len() < 2 {
        return Ok(());
    }
    let names: Vec<_> = path
        .iter()
        .map(|call| waterfall::shown(&call.times().name, style.unicode))
        .collect();
    let arrow = if style.unicode { " → " } else { " -> " };
    writeln!(
        out,
        "critical path: {} (each began as the one before it ended)",
        names.join(arrow)
    )
}

/// Returns the chain of calls that ends with the last, in which each began as soon as the one before it had ended.
fn path(calls: &[CallReport]) -> Vec<&CallReport> {
    let sent = || calls.iter().filter(|call| call.times().attempts > 0);
    let mut path = Vec::new();
    let mut last = sent().max_by_key(|call| end(call));
    while let Some(call) = last {
        path.push(call);
        let start = millis(call.times().start_ms);
        // The first calls of a run begin together. Times are rounded to a microsecond.
        let before = sent().filter(|earlier| {
            let end = end(earlier);
            start > GAP && end <= start + Duration::from_micros(3) && end + GAP >= start
        });
        last = before
            .filter(|earlier| millis(earlier.times().start_ms) < start)
            .max_by_key(|earlier| end(earlier));
    }
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, start: f64, elapsed: f64, attempts: u32) -> CallReport {
        let json = format!(
            r#"{{"name":"{name}","ok":true,"status":200,"start_ms":{start},"elapsed_ms":{elapsed},"attempts":{attempts},"body":null}}"#
        );
        serde_json::from_str(&json).unwrap()
    }

    fn names(calls: &[CallReport]) -> Vec<&str> {
        let path = path(calls).into_iter();
        path.map(|call| &*call.times().name).collect()
    }

    #[test]
    fn the_critical_path_ends_with_the_last_call_and_has_no_gap() {
        let calls = [
            call("users", 0.03, 50.0, 1),
            call("orders", 0.04, 30.0, 1),
            call("stock", 30.1, 5.0, 1),
            call("page", 50.2, 20.0, 1),
            call("skipped", 71.0, 0.0, 0),
        ];
        assert_eq!(names(&calls), ["users", "page"]);
    }

    #[test]
    fn calls_that_begin_together_make_no_path() {
        let calls = [call("a", 0.0, 0.2, 1), call("b", 0.3, 0.2, 1)];
        assert_eq!(names(&calls), ["b"]);
        let calls = [call("a", 0.0, 10.0, 1), call("b", 30.0, 10.0, 1)];
        assert_eq!(names(&calls), ["b"]);
        assert!(names(&[]).is_empty());
    }
}
