//! The output of a process, followed line by line on a thread of its own, so that the process never waits for its
//! reader.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Instant,
};

use super::SOON;

/// The lines that a process writes, as they come.
#[derive(Clone, Default)]
pub(super) struct Lines(Arc<(Mutex<Written>, Condvar)>);

#[derive(Default)]
struct Written {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    pub(super) fn follow(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let shared = Arc::clone(&lines.0);
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                let Ok(line) = line else { break };
                shared.0.lock().unwrap().lines.push(line);
                shared.1.notify_all();
            }
            shared.0.lock().unwrap().ended = true;
            shared.1.notify_all();
        });
        lines
    }

    pub(super) fn wait<T>(&self, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + SOON;
        let (written, changed) = &*self.0;
        let mut written = written.lock().unwrap();
        let mut seen = 0;
        loop {
            let found = written.lines[seen..].iter().find_map(|line| find(line));
            if let Some(found) = found {
                return found;
            }
            seen = written.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !written.ended && !left.is_zero(),
                "the line never came; there are only\n{}",
                written.lines.join("\n")
            );
            written = changed.wait_timeout(written, left).unwrap().0;
        }
    }

    pub(super) fn so_far(&self) -> Vec<String> {
        self.0.0.lock().unwrap().lines.clone()
    }

    /// Returns everything, once the process has ended.
    pub(super) fn whole(&self) -> String {
        let (written, changed) = &*self.0;
        let written = changed
            .wait_timeout_while(written.lock().unwrap(), SOON, |written| !written.ended)
            .unwrap()
            .0;
        assert!(written.ended, "somebody still holds the process's output");
        written
            .lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect()
    }
}
