//! The built program as a child process: run to its end, or started, followed line by line, signalled and waited for.
//! Every wait has a limit, and what was started ends with the test. It must not know what a command means.

// Every test crate includes this file and uses its own part of it.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

#[path = "program/lines.rs"]
mod lines;

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use lines::Lines;

use crate::gateway::{Answer, parse};

/// How long anything may take that should take no time: far more than a slow machine needs.
pub const SOON: Duration = Duration::from_secs(30);

/// The program with nothing of this process's environment but the way to other programs, in the root directory, where
/// no default file is.
pub fn gather() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gather"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

/// A run that is over.
#[derive(Debug)]
pub struct Finished {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Asserts the exit status, showing all output if it is another.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// The last line of standard error, where a job that had begun to log failed.
    pub fn last_line(self) -> String {
        let finished = self.expect(1);
        let last = finished.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: "), "{finished:#?}");
        last.to_owned()
    }

    /// Asserts that the job failed with one sentence on standard error and nothing on standard output.
    pub fn one_sentence(self) -> String {
        let finished = self.expect(1);
        assert_eq!(finished.stdout, "", "{finished:#?}");
        let sentence = finished.stderr.trim_end();
        let is_one = sentence.starts_with("error: ") && !sentence.contains('\n');
        assert!(is_one, "{finished:#?}");
        // What a Debug representation or a panic would look like.
        for trace in [
            "Error {",
            "Os {",
            "Some(",
            "kind:",
            "panicked",
            "RUST_BACKTRACE",
            "\\\"",
        ] {
            assert!(!sentence.contains(trace), "{sentence}");
        }
        sentence.to_owned()
    }
}

/// Runs a command to its end.
pub fn finish(command: Command) -> Finished {
    let output = assert_cmd::Command::from_std(command)
        .timeout(SOON)
        .output()
        .unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs the program with these arguments.
pub fn run(arguments: &[&str]) -> Finished {
    let mut command = gather();
    command.args(arguments);
    finish(command)
}

/// A program that goes on until it is told to stop. Dropping it kills it.
pub struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
    /// It leads a process group of all that it has started.
    leads: bool,
    _files: Option<tempfile::TempDir>,
}

/// Becomes the program in its arguments. What it leaves behind ends the whole process group when standard input ends, which is
/// when whoever started it is gone, whatever the reason.
const LEADER: &str = r#"exec 3<&0
{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 &
exec "$@" <&- 3<&- </dev/null"#;

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            stdout: Lines::follow(child.stdout.take().unwrap()),
            stderr: Lines::follow(child.stderr.take().unwrap()),
            child,
            leads: false,
            _files: None,
        }
    }

    /// Starts a program that starts others, in a process group of its own: they all end with it, at the latest when this
    /// process does.
    pub fn start_group(command: &Command) -> Self {
        let mut leader = Command::new("sh");
        leader
            .args(["-c", LEADER, "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .process_group(0)
            .stdin(Stdio::piped());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        let mut running = Self::start(leader);
        running.leads = true;
        running
    }

    /// A gateway with this configuration, on a free port; it listens when this returns. The configuration begins with
    /// its `server.…` keys, if it has any.
    pub fn serve(toml: &str) -> (Self, SocketAddr) {
        Self::serve_at((Ipv4Addr::LOCALHOST, 0).into(), toml)
    }

    /// The same on this address.
    pub fn serve_at(listen: SocketAddr, toml: &str) -> (Self, SocketAddr) {
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("gather.toml");
        let text = format!("server.listen = \"{listen}\"\nserver.workers = 1\n{toml}");
        std::fs::write(&file, text).unwrap();
        let mut command = gather();
        command.arg("serve").arg("-c").arg(file);
        let mut running = Self::start(command);
        running._files = Some(files);
        let address = running.address("address");
        (running, address)
    }

    /// The address that the line about listening names under `key`, in either format of the log.
    pub fn address(&self, key: &str) -> SocketAddr {
        self.line(|line| line.contains("listening").then(|| address_in(line, key))?)
    }

    /// The first line of standard error, past or to come, of which `find` makes something.
    pub fn line<T>(&self, find: impl FnMut(&str) -> Option<T>) -> T {
        self.stderr.wait(find)
    }

    /// The first line of standard output, past or to come, of which `find` makes something.
    pub fn output_line<T>(&self, find: impl FnMut(&str) -> Option<T>) -> T {
        self.stdout.wait(find)
    }

    /// The lines of standard error so far.
    pub fn lines(&self) -> Vec<String> {
        self.stderr.so_far()
    }

    /// Sends a signal by its short name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id();
        assert!(kill(name, &pid.to_string()), "no process {pid} to signal");
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end, which must come within [`SOON`].
    pub fn wait(mut self) -> Finished {
        let status = self.exit_status();
        Finished {
            code: status.code(),
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
        }
    }

    /// Asks for a stop and waits for it.
    pub fn stop(self) -> Finished {
        self.signal("TERM");
        self.wait()
    }

    /// The process's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn exit_status(&mut self) -> ExitStatus {
        eventually("the end of the process", || self.child.try_wait().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.leads {
            // Its number is not free before it is waited for, so this is no other group.
            kill("KILL", &format!("-{}", self.child.id()));
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process, or to the process group of a negative number.
fn kill(signal: &str, target: &str) -> bool {
    let status = Command::new("sh")
        .args(["-c", &format!("kill -s {signal} -- {target}")])
        .status();
    status.unwrap().success()
}

fn address_in(line: &str, key: &str) -> Option<SocketAddr> {
    let starts = [format!("{key}="), format!("\"{key}\":\"")];
    let rest = starts
        .iter()
        .find_map(|start| Some(line.split_once(start.as_str())?.1))?;
    let end = rest.find([' ', '"']).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// Asks again and again until there is an answer, within [`SOON`].
pub fn eventually<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    within(SOON, what, probe)
}

/// Asks again and again until there is an answer, within `limit`.
pub fn within<T>(limit: Duration, what: &str, probe: impl FnMut() -> Option<T>) -> T {
    try_within(limit, probe).unwrap_or_else(|| panic!("{what} did not come within {limit:?}"))
}

/// Asks again and again until there is an answer, or `None` when `limit` is over.
#[allow(
    clippy::disallowed_methods,
    reason = "nothing tells when another process has got on: it has to be asked again"
)]
pub fn try_within<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        let answer = probe();
        if answer.is_some() || began.elapsed() > limit {
            return answer;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// One GET on a connection of its own.
///
/// # Errors
/// When nobody listens there, or the connection ends early.
pub fn try_get(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
    read(send(address, target, headers)?)
}

/// Reads an answer to the connection's end.
///
/// # Errors
/// When the connection ends early.
pub fn read(mut tcp: TcpStream) -> io::Result<Answer> {
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(parse(&answer))
}

/// The same where an answer must come.
pub fn get(address: SocketAddr, target: &str) -> Answer {
    try_get(address, target, &[]).unwrap_or_else(|error| panic!("{address}{target}: {error}"))
}

/// Sends a GET and returns the connection, on which the answer is to come.
///
/// # Errors
/// When nobody listens there.
pub fn send(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> io::Result<TcpStream> {
    let mut head = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    write(address, &head)
}

/// Opens a connection, sends these bytes and returns it.
///
/// # Errors
/// When nobody listens there.
pub fn write(address: SocketAddr, bytes: &str) -> io::Result<TcpStream> {
    let mut tcp = TcpStream::connect_timeout(&address, SOON)?;
    tcp.set_read_timeout(Some(SOON))?;
    tcp.write_all(bytes.as_bytes())?;
    Ok(tcp)
}

/// An address that was free a moment ago, for a program that can't be asked which port it took.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A file of this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Where a program is, by the search path.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Servers are often outside an ordinary user's search path.
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
