//! The built program as a child process. It is run to its end, or it is started, followed line by line, signalled and
//! waited for. Every wait has a limit, and every process ends with the test. It must not know what a command means.

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

/// The longest time for anything that should take no time. It is far more than a slow machine needs.
pub const SOON: Duration = Duration::from_secs(30);

/// Makes a command for the program. Of this process's environment it has only the search path. It runs in the root
/// directory, where there is no default file.
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

/// Makes a command that runs the program of [`gather`] with this limit of file descriptors, soft and hard, from its
/// start.
pub fn limited(descriptors: usize, inner: &Command) -> Command {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -n $0 && exec \"$@\"",
            &descriptors.to_string(),
        ])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .envs(
            inner
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir("/")
        .stdin(Stdio::null());
    command
}

/// The result of a run that is over.
#[derive(Debug)]
pub struct Finished {
    /// The exit status, or `None` if a signal ended the run.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Finished {
    /// Asserts the exit status. All output is shown if it is another one.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Returns the last line of standard error, for a job that failed after it had begun to log.
    pub fn last_line(self) -> String {
        let finished = self.expect(1);
        let last = finished.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: "), "{finished:#?}");
        last.to_owned()
    }

    /// Asserts that the job failed with one sentence on standard error, and nothing on standard output.
    pub fn one_sentence(self) -> String {
        let finished = self.expect(1);
        assert_eq!(finished.stdout, "", "{finished:#?}");
        let sentence = finished.stderr.trim_end();
        let is_one = sentence.starts_with("error: ") && !sentence.contains('\n');
        assert!(is_one, "{finished:#?}");
        // A Debug representation or a panic would contain one of these.
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

/// A program that runs until it is told to stop. Dropping it kills the program.
pub struct Running {
    child: Child,
    stdout: Lines,
    stderr: Lines,
    /// True if it leads a process group of all processes that it has started.
    leads: bool,
    _files: Option<tempfile::TempDir>,
}

/// A script that becomes the program in its arguments. Before that, it leaves a watcher behind, which ends the whole
/// process group when standard input ends. That happens when the starting process is gone, for whatever reason.
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

    /// Starts a program that starts others, in a process group of its own. They all end with it, or at the latest with
    /// this process.
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

    /// Starts a gateway with this configuration on a free port. It listens when this returns. The configuration begins
    /// with its `server.…` keys, if it has any.
    pub fn serve(toml: &str) -> (Self, SocketAddr) {
        Self::serve_at((Ipv4Addr::LOCALHOST, 0).into(), toml)
    }

    /// Starts a gateway in the same way, on this address.
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

    /// Returns the address that the line about listening names under `key`, in either format of the log.
    pub fn address(&self, key: &str) -> SocketAddr {
        self.line(|line| line.contains("listening").then(|| address_in(line, key))?)
    }

    /// Returns the result of `find` for the first line of standard error that has one. The line may be past or to come.
    pub fn line<T>(&self, find: impl FnMut(&str) -> Option<T>) -> T {
        self.stderr.wait(find)
    }

    /// Returns the result of `find` for the first line of standard output that has one. The line may be past or to
    /// come.
    pub fn output_line<T>(&self, find: impl FnMut(&str) -> Option<T>) -> T {
        self.stdout.wait(find)
    }

    /// Returns the lines of standard error so far.
    pub fn lines(&self) -> Vec<String> {
        self.stderr.so_far()
    }

    /// Standard output so far.
    pub fn output(&self) -> String {
        self.stdout.so_far().join("\n")
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

    /// Returns the process's id.
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
            // Its number stays taken until it is waited for, so this can't be another group.
            kill("KILL", &format!("-{}", self.child.id()));
        }
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process, or to the process group of a negative number. Returns true on success.
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

/// Sends one GET on a connection of its own.
///
/// # Errors
/// Fails if nobody listens there, or if the connection ends early.
pub fn try_get(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> io::Result<Answer> {
    read(send(address, target, headers)?)
}

/// Reads an answer to the connection's end.
///
/// # Errors
/// Fails if the connection ends early.
pub fn read(mut tcp: TcpStream) -> io::Result<Answer> {
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer)?;
    if answer.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(parse(&answer))
}

/// Sends one GET whose answer must come.
pub fn get(address: SocketAddr, target: &str) -> Answer {
    try_get(address, target, &[]).unwrap_or_else(|error| panic!("{address}{target}: {error}"))
}

/// Returns the value of one series of `/metrics`, written as Prometheus writes it. Panics where there is none.
pub fn metric(address: SocketAddr, series: &str) -> f64 {
    let metrics = get(address, "/metrics");
    let value = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = value.unwrap_or_else(|| panic!("no {series}"));
    value.parse().unwrap()
}

/// Sends a GET and returns the connection for its answer.
///
/// # Errors
/// Fails if nobody listens there.
pub fn send(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> io::Result<TcpStream> {
    let mut head = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    write(address, &head)
}

/// Opens a connection, sends these bytes and returns the connection.
///
/// # Errors
/// Fails if nobody listens there.
pub fn write(address: SocketAddr, bytes: &str) -> io::Result<TcpStream> {
    let mut tcp = TcpStream::connect_timeout(&address, SOON)?;
    tcp.set_read_timeout(Some(SOON))?;
    tcp.write_all(bytes.as_bytes())?;
    Ok(tcp)
}

/// Returns an address that was free a moment ago, for a program that can't be asked which port it took.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// Returns the path of a file in this repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns true if a test may go on that needs `what`. If it is missing, a line says so, and with `CI` the test fails.
#[allow(clippy::print_stdout, reason = "a test that can't be run says why")]
pub fn has(what: &str, is_there: bool) -> bool {
    if !is_there {
        assert!(!is_ci(), "{what} is missing, and CI has to have it");
        println!("skipped: {what} is missing");
    }
    is_there
}

/// Returns true in CI, where a missing program is a failure.
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Returns the path of a program, by the search path.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    // Servers are often outside an ordinary user's search path.
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
