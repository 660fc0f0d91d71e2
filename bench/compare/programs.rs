//! Starts a program with a plan and waits until it is ready. It must not know what is measured.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    nginx::{filled, free_address, nginx},
    peers::{How, Program},
    process::Process,
};

/// The longest time for a start.
const START: Duration = Duration::from_secs(30);
/// The time between two checks that a program is ready.
const PAUSE: Duration = Duration::from_micros(200);
/// The number of sockets that a program may have: those of 4,000 aggregates of three calls, and some more.
pub const DESCRIPTORS: u64 = 18_000;

/// The work of a program for one request.
pub struct Plan {
    pub calls: usize,
    /// The one upstream of all calls.
    pub upstream: SocketAddr,
    /// The path that is asked for there, beginning with `/`.
    pub path: String,
}

impl Plan {
    fn url(&self) -> String {
        format!("http://{}{}", self.upstream, self.path)
    }

    fn json(&self) -> String {
        let calls: Vec<_> = self
            .names()
            .map(|name| format!("{{\"name\":\"{name}\",\"url\":\"{}\"}}", self.url()))
            .collect();
        format!("[{}]", calls.join(","))
    }

    fn names(&self) -> impl Iterator<Item = String> {
        (1..=self.calls).map(|number| format!("call_{number}"))
    }

    /// Returns Gather's configuration, with all that is on by default. Only limits that would refuse these requests are
    /// raised, and only the log's level is named.
    fn gather(&self, listen: SocketAddr, workers: usize) -> String {
        let calls: Vec<_> = self
            .names()
            .map(|name| format!("{{ upstream = \"service\", name = \"{name}\" }}"))
            .collect();
        format!(
            "[server]\nlisten = \"{listen}\"\nworkers = {workers}\n[log]\nlevel = \"warn\"\n\
             [upstreams.service]\nurl = \"{}\"\ntimeout = \"30s\"\nconnect_timeout = \"10s\"\nmax_in_flight = 100000\n\
             [aggregates.default]\ncalls = [{}]\ndeadline = \"30s\"\n",
            self.url(),
            calls.join(", ")
        )
    }

    fn nginx(&self, listen: SocketAddr, modules: &str, place: &str) -> io::Result<String> {
        let (mut names, mut requests) = (String::new(), String::new());
        for name in self.names() {
            let _ = write!(names, "\"{name}\",");
            let _ = write!(requests, "{{\"/upstream{}\"}},", self.path);
        }
        filled(
            "bench/peers/nginx.conf",
            &[
                ("place", place),
                ("modules", modules),
                ("descriptors", &DESCRIPTORS.to_string()),
                ("connections", &(DESCRIPTORS - 100).to_string()),
                ("listen", &listen.to_string()),
                ("upstream", &self.upstream.to_string()),
                ("names", &names),
                ("requests", &requests),
            ],
        )
    }
}

/// A program that is ready to answer.
pub struct Running {
    pub process: Process,
    pub address: SocketAddr,
    /// The time from its start to its first 200.
    pub started: Duration,
    _files: TempDir,
}

impl Program {
    /// Starts a program on these cores. `workers` applies to programs that can have more than one.
    pub fn start(&self, plan: &Plan, cores: Option<&str>, workers: usize) -> io::Result<Running> {
        let files = tempfile::tempdir()?;
        let address = free_address()?;
        let place = files.path().display().to_string();
        let write = |name: &str, text: String| {
            let file = files.path().join(name);
            fs::write(&file, text).map(|()| file)
        };
        let command = match &self.how {
            How::Gather(program) => {
                let file = write("gather.toml", plan.gather(address, workers))?;
                let mut command = Command::new(program);
                command.args(["serve", "-c"]).arg(file);
                command
            }
            How::Compiled(program) => {
                let mut command = Command::new(program);
                command
                    .arg(address.to_string())
                    .arg(write("plan.json", plan.json())?);
                command
            }
            How::NginxLua(modules) => {
                let text = plan.nginx(address, &modules.display().to_string(), &place)?;
                nginx(&place, write("nginx.conf", text)?)
            }
            How::Fastify(folder) => {
                let mut command = Command::new("node");
                command.arg(folder.join("server.js"));
                command
                    .arg(address.port().to_string())
                    .arg(write("plan.json", plan.json())?);
                command.env("NODE_ENV", "production");
                command
            }
            How::FastApi(python) => {
                let mut command = Command::new(python);
                command.arg(python.with_file_name("../server.py"));
                command
                    .arg(address.port().to_string())
                    .arg(write("plan.json", plan.json())?);
                command
            }
        };
        let began = Instant::now();
        let mut process = Process::start(command, cores)?;
        while ready(address).is_err() {
            if !process.runs() || began.elapsed() > START {
                return Err(io::Error::other(format!("{} did not start", self.title)));
            }
            thread::park_timeout(PAUSE);
        }
        Ok(Running {
            process,
            address,
            started: began.elapsed(),
            _files: files,
        })
    }
}

/// Asks on a new connection if the program is ready. Fails if it is not.
fn ready(address: SocketAddr) -> io::Result<()> {
    let mut tcp = TcpStream::connect_timeout(&address, START)?;
    tcp.set_read_timeout(Some(START))?;
    tcp.write_all(b"GET /readyz HTTP/1.1\r\nHost: ready\r\n\r\n")?;
    let mut status = [0; 12];
    tcp.read_exact(&mut status)?;
    if &status == b"HTTP/1.1 200" {
        Ok(())
    } else {
        Err(io::ErrorKind::NotConnected.into())
    }
}
