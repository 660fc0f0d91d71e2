//! The upstreams: nginx, which answers at once, and this program started again as one that takes its time. It must not
//! know who calls.

use std::{
    env, fs,
    io::{self, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::client::Connection;

use super::{
    nginx::{filled, free_address, nginx},
    process::Process,
    programs::DESCRIPTORS,
    scenario::{Scenario, Upstream},
};

/// The sizes of nginx's files, in bytes. The smallest is in its configuration.
const FILES: [usize; 2] = [4 << 10, 256 << 10];
const START: Duration = Duration::from_secs(10);

/// The nginx for the whole run.
pub struct Instantly {
    keeping: SocketAddr,
    closing: SocketAddr,
    _process: Process,
    _files: TempDir,
}

impl Instantly {
    /// Starts nginx on the cores of this program.
    pub fn start() -> io::Result<Self> {
        let files = tempfile::tempdir()?;
        let place = files.path().display().to_string();
        for size in FILES {
            fs::write(files.path().join(size.to_string()), document(size))?;
        }
        let [keeping, closing] = [free_address()?, free_address()?];
        let text = filled(
            "bench/peers/upstream.conf",
            &[
                ("place", &place),
                ("descriptors", &DESCRIPTORS.to_string()),
                ("connections", &(DESCRIPTORS - 100).to_string()),
                ("listen", &keeping.to_string()),
                ("closing", &closing.to_string()),
            ],
        )?;
        let file = files.path().join("nginx.conf");
        fs::File::create(&file)?.write_all(text.as_bytes())?;
        let mut process = Process::start(nginx(&place, file), None)?;
        let began = Instant::now();
        while TcpStream::connect(keeping).is_err() {
            if !process.runs() || began.elapsed() > START {
                return Err(io::Error::other("nginx did not start"));
            }
            thread::park_timeout(Duration::from_millis(5));
        }
        Ok(Self {
            keeping,
            closing,
            _process: process,
            _files: files,
        })
    }

    /// Returns the address for a scenario's calls, and the path that they ask for.
    pub fn place(&self, scenario: &Scenario) -> (SocketAddr, String) {
        let address = match scenario.upstream {
            Upstream::Closing => self.closing,
            _ => self.keeping,
        };
        (address, format!("/{}", scenario.body))
    }
}

/// Makes JSON of exactly this size: a list of small objects, such as services answer.
fn document(size: usize) -> String {
    let mut text = String::from("[");
    let mut number = 0;
    while text.len() + 120 < size {
        number += 1;
        text.push_str(&format!(
            "{{\"id\":{number},\"name\":\"item {number}\",\"price\":12.50,\"tags\":[\"a\",\"b\"]}},"
        ));
    }
    text.push('"');
    text.push_str(&"x".repeat(size - text.len() - 2));
    text.push_str("\"]");
    text
}

/// The upstream that takes its time. Each measurement starts a new one, so that no port waits for its end.
pub struct Delayed {
    pub address: SocketAddr,
    _process: Process,
}

impl Delayed {
    /// Starts it without a delay.
    pub fn start() -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg(super::UPSTREAM);
        let (process, line) = Process::start_and_read(command, None)?;
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self {
            address,
            _process: process,
        })
    }

    /// Sets the delay of all further answers.
    pub fn delay(&self, runtime: &Runtime, milliseconds: u64) -> io::Result<()> {
        self.ask(runtime, &format!("/delay/{milliseconds}"))
            .map(|_| ())
    }

    /// Returns the most calls that it has held at the same time since the delay was set.
    pub fn most(&self, runtime: &Runtime) -> io::Result<f64> {
        self.ask(runtime, "/most")?
            .parse()
            .map_err(io::Error::other)
    }

    fn ask(&self, runtime: &Runtime, path: &str) -> io::Result<String> {
        let answer =
            runtime.block_on(async { Connection::open(self.address).await?.ask(path).await })?;
        String::from_utf8(answer.body).map_err(io::Error::other)
    }
}
