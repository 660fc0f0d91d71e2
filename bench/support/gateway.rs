//! The built gateway as a child process with a written configuration, on a free port. It must not know what is
//! measured.
#![allow(dead_code, unreachable_pub, reason = "each bench uses a part of it")]

use std::{
    collections::VecDeque,
    fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

/// The number of log lines that are kept for the end. Lines at `info` are not kept.
const LAST_LINES: usize = 20;

/// The longest time for a start.
const START: Duration = Duration::from_secs(30);

/// A running gateway; dropping it kills it.
pub struct Gateway {
    pub address: SocketAddr,
    child: Child,
    log: Arc<Mutex<VecDeque<String>>>,
    _files: tempfile::TempDir,
}

/// The resources that a process holds.
#[derive(Debug, Clone, Copy)]
pub struct Holdings {
    /// The resident memory, in bytes.
    pub memory: u64,
    /// The number of open file descriptors.
    pub descriptors: u64,
}

impl Gateway {
    /// Starts a gateway. `toml` begins with its `server.…` keys, if it has any.
    pub fn start(toml: &str) -> io::Result<Self> {
        let files = tempfile::tempdir()?;
        let file = files.path().join("gather.toml");
        fs::write(&file, format!("server.listen = \"127.0.0.1:0\"\n{toml}"))?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_gather"))
            .arg("serve")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = Arc::new(Mutex::new(VecDeque::new()));
        let (told, listening) = mpsc::channel();
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            // The output is read to its end, so that the gateway never waits for its reader.
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if let Some(address) = address(&line) {
                        let _ = told.send(address);
                    }
                    if line.contains(" INFO ") {
                        continue;
                    }
                    let mut log = log.lock().expect("the log");
                    log.push_back(line);
                    if log.len() > LAST_LINES {
                        log.pop_front();
                    }
                }
            });
        }
        let Ok(address) = listening.recv_timeout(START) else {
            let _ = child.kill();
            let log = log.lock().expect("the log");
            return Err(io::Error::other(format!("it did not start: {log:?}")));
        };
        Ok(Self {
            address,
            child,
            log,
            _files: files,
        })
    }

    /// Returns the resources that the gateway holds now, by `/proc`.
    pub fn holdings(&self) -> io::Result<Holdings> {
        let folder = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{folder}/status"))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB"))
            .and_then(|number| number.trim().parse::<u64>().ok())
            .ok_or_else(|| io::Error::other("no VmRSS"))?;
        Ok(Holdings {
            memory: kilobytes * 1024,
            descriptors: fs::read_dir(format!("{folder}/fd"))?.count() as u64,
        })
    }

    /// Returns the last warnings and errors that the gateway logged.
    pub fn last_lines(&self) -> Vec<String> {
        self.log.lock().expect("the log").iter().cloned().collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // The gateway may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the address in the log line that says that the gateway listens.
fn address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening")?;
    let (_, rest) = rest.split_once("address=")?;
    rest.split_whitespace().next()?.parse().ok()
}
