//! A log whose reader stands still. The pipe is full, and the gateway goes on as if it were read.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Stdio},
};

use crate::{
    before,
    program::{eventually, gather, get, try_get},
    upstream::{Response, Upstream},
};

/// A gateway whose standard error is a pipe that nobody reads yet. Dropping it kills it.
struct Unread {
    child: Child,
    address: SocketAddr,
    _files: tempfile::TempDir,
}

impl Unread {
    fn serve(format: &str, upstream: &Upstream) -> Self {
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("gather.toml");
        let address = crate::program::free_address();
        let text = format!(
            "server.listen = \"{address}\"\nserver.workers = 1\nserver.grace = \"0s\"\nlog.format = \"{format}\"\n{}",
            before(&[upstream.url("/ping")])
        );
        std::fs::write(&file, text).unwrap();
        let mut command = gather();
        command.arg("serve").arg("-c").arg(file);
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let unread = Self {
            child,
            address,
            _files: files,
        };
        eventually("a gateway that is ready", || {
            try_get(address, "/readyz", &[])
                .ok()
                .filter(|answer| answer.status == 200)
        });
        unread
    }

    /// Makes the log larger than the pipe and the gateway hold: it has the path of each refused request.
    fn fill(&self) {
        let path = format!("/{}", "x".repeat(6000));
        for _ in 0..300 {
            assert_eq!(get(self.address, &path).status, 404);
        }
    }

    /// Does the same by malformed requests, for which the edge of the gateway writes the lines itself.
    fn fill_with_malformed(&self) {
        // This is far more than the pipe and the queue before it hold.
        for _ in 0..300 {
            if self.dropped() > 0 {
                return;
            }
            for _ in 0..100 {
                let mut client = TcpStream::connect(self.address).unwrap();
                client.write_all(b"no request\r\n\r\n").unwrap();
                let mut answer = String::new();
                client.read_to_string(&mut answer).unwrap();
                assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            }
        }
    }

    fn dropped(&self) -> u64 {
        let answer = get(self.address, "/metrics");
        let metrics = answer.text();
        let line = metrics
            .lines()
            .find_map(|line| line.strip_prefix("gather_log_lines_dropped_total "));
        line.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
    }

    fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_stops_no_answer_and_what_was_lost_is_counted_and_told() {
    for (format, told) in [("text", "lines="), ("json", "\"lines\":")] {
        let upstream = Upstream::always(Response::pong());
        let mut gateway = Unread::serve(format, &upstream);
        assert_eq!(gateway.dropped(), 0);
        gateway.fill();
        let dropped = gateway.dropped();
        assert!(dropped > 0, "the log still has room");
        let answer = get(gateway.address, "/aggregate");
        assert_eq!(answer.json()["outcome"], "complete", "{}", answer.text());

        // The log's reader goes on.
        let log = BufReader::new(gateway.child.stderr.take().unwrap());
        let mut lines = log.lines().map(Result::unwrap);
        let line = lines.find(|line| line.contains("log lines were dropped"));
        let line = line.unwrap();
        let (_, number) = line.split_once(told).unwrap_or_else(|| panic!("{line}"));
        let digits = number
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(number.len());
        assert!(
            number[..digits].parse::<u64>().unwrap() >= dropped,
            "{line}"
        );
    }
}

#[test]
fn a_log_that_nobody_reads_does_not_hold_up_a_stop() {
    let upstream = Upstream::always(Response::pong());
    let mut gateway = Unread::serve("text", &upstream);
    gateway.fill();
    assert!(gateway.dropped() > 0, "the log still has room");
    gateway.terminate();
    let status = eventually("the end of the gateway", || {
        gateway.child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0));
}

#[test]
fn malformed_requests_of_a_client_stop_nothing_either() {
    let upstream = Upstream::always(Response::pong());
    let mut gateway = Unread::serve("text", &upstream);
    gateway.fill_with_malformed();
    assert!(gateway.dropped() > 0, "the log still has room");
    let answer = get(gateway.address, "/aggregate");
    assert_eq!(answer.json()["outcome"], "complete", "{}", answer.text());
    assert_eq!(get(gateway.address, "/readyz").status, 200);
    gateway.terminate();
    let status = eventually("the end of the gateway", || {
        gateway.child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(0));
}
