//! The built gateway under callgrind: started, stopped and let go at will, its instructions counted between two moments. It
//! must not know what is asked of it.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::script::{self, Gateway as _, LONG};

/// How long it may take to start: seconds under valgrind, more on a busy machine.
const START: Duration = Duration::from_secs(120);

/// glibc chooses its memcpy and its like by the processor, and so would the count: even more so as callgrind counts a repeated
/// string instruction (`rep movsb`) once a byte. This leaves the variants that every x86-64 has. What is unknown to a glibc it
/// ignores. Libraries that look at the processor themselves, such as httparse, are not bound by it: they ask for AVX2 at most,
/// and valgrind knows nothing beyond it.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,\
    -SSE4_2,-SSE4_1,-SSSE3,-BMI2,-LZCNT,-MOVBE,-RTM";

/// jemalloc tidies its caches every ten milliseconds and its pages every ten seconds. Valgrind is so slow that this would come
/// every few aggregates, instead of every few hundred, and the busier the machine, the more often. So it never does.
const ALLOCATOR: &str = "tcache_gc_incr_bytes:1073741824,dirty_decay_ms:-1,muzzy_decay_ms:-1";

/// A gateway under callgrind; dropping it kills it.
pub struct Gateway {
    address: SocketAddr,
    child: Child,
    files: tempfile::TempDir,
    dumps: u32,
}

impl Gateway {
    /// Starts a gateway with one worker; `toml` is its configuration but for the `server.…` keys.
    pub fn start(program: &Path, toml: &str) -> io::Result<Self> {
        let files = tempfile::tempdir()?;
        let file = files.path().join("gather.toml");
        let text = format!("server = {{ listen = \"127.0.0.1:0\", workers = 1 }}\n{toml}");
        fs::write(&file, text)?;
        let child = Command::new("valgrind")
            .args(["--tool=callgrind", "--quiet"])
            .arg(format!(
                "--callgrind-out-file={}",
                files.path().join("dump").display()
            ))
            .arg(format!(
                "--vgdb-prefix={}",
                files.path().join("vgdb").display()
            ))
            .arg(program)
            .arg("serve")
            .arg("-c")
            .arg(&file)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GLIBC_TUNABLES", TUNABLES)
            .env("_RJEM_MALLOC_CONF", ALLOCATOR)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()?;
        let mut gateway = Self {
            // Until it listens.
            address: SocketAddr::from(([0; 4], 0)),
            child,
            files,
            dumps: 0,
        };
        gateway.address = gateway.wait_listening()?;
        Ok(gateway)
    }

    /// Waits until it listens. It says so at `info` only, and a line for each request is not what is counted here; so the
    /// kernel is asked.
    fn wait_listening(&mut self) -> io::Result<SocketAddr> {
        let since = Instant::now();
        loop {
            if let Some(address) = self.listening()? {
                return Ok(address);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("the gateway ended: {status}")));
            }
            if since.elapsed() > START {
                return Err(io::Error::other("the gateway did not start under valgrind"));
            }
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Where this process listens on loopback.
    fn listening(&self) -> io::Result<Option<SocketAddr>> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let mut sockets = Vec::new();
        for descriptor in fs::read_dir(process.join("fd"))? {
            // A descriptor may have been closed meanwhile.
            let name = fs::read_link(descriptor?.path()).unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            sockets.extend(
                name.strip_prefix("socket:[")
                    .and_then(|rest| rest.strip_suffix(']'))
                    .map(str::to_owned),
            );
        }
        let table = fs::read_to_string(process.join("net/tcp"))?;
        Ok(table.lines().find_map(|line| {
            // number, own address, other address, state, …, inode
            let fields: Vec<_> = line.split_whitespace().collect();
            let listens = fields.get(3) == Some(&"0A")
                && sockets
                    .iter()
                    .any(|socket| Some(&socket.as_str()) == fields.get(9));
            let port = fields.get(1)?.rsplit_once(':')?.1;
            listens
                .then(|| u16::from_str_radix(port, 16).ok())?
                .map(|port| SocketAddr::from(([127, 0, 0, 1], port)))
        }))
    }

    /// Begins to count anew.
    pub fn zero(&self) -> io::Result<()> {
        self.wait_idle()?;
        self.monitor("zero")
    }

    /// The instructions of all threads since the last count or [`Gateway::zero`], and the file that has them by function.
    pub fn count(&mut self) -> io::Result<(u64, PathBuf)> {
        self.wait_idle()?;
        self.monitor("dump")?;
        self.dumps += 1;
        let file = self.files.path().join(format!("dump.{}", self.dumps));
        let total = BufReader::new(fs::File::open(&file)?)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
            .ok_or_else(|| io::Error::other("callgrind wrote no total"))?;
        Ok((total, file))
    }

    fn pid(&self) -> io::Result<Pid> {
        i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("no process id"))
    }

    /// Tells valgrind something.
    fn monitor(&self, command: &str) -> io::Result<()> {
        let output = Command::new("vgdb")
            .arg(format!(
                "--vgdb-prefix={}",
                self.files.path().join("vgdb").display()
            ))
            .arg(format!("--pid={}", self.child.id()))
            .arg(command)
            .output()?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(io::Error::other(format!("vgdb {command}: {said}")))
    }

    fn sleeps(&self) -> io::Result<bool> {
        for thread in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // A thread may have ended meanwhile.
            let stat = fs::read_to_string(thread?.path().join("stat")).unwrap_or_default();
            let state = stat
                .rsplit_once(") ")
                .and_then(|(_, rest)| rest.chars().next());
            if !matches!(state, Some('S') | None) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl script::Gateway for Gateway {
    fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until every thread sleeps: nothing is left to do before something happens.
    fn wait_idle(&self) -> io::Result<()> {
        let since = Instant::now();
        // One look may fall between two threads, where one hands over to the other.
        let mut looks = 0;
        while looks < 2 {
            match self.sleeps()? {
                true => looks += 1,
                false => looks = 0,
            }
            if since.elapsed() > LONG {
                return Err(io::Error::other("the gateway is never idle"));
            }
            thread::park_timeout(Duration::from_micros(50));
        }
        Ok(())
    }

    /// Stops it where it waits for something to happen, does this, and lets it go on: so all that this did happens at once
    /// for it, however the machine is loaded. The stop interrupts what it waits in: it waits once more, which is counted.
    fn at_once(&self, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        self.wait_idle()?;
        let pid = self.pid()?;
        kill_process(pid, Signal::STOP)?;
        match waitpid(Some(pid), WaitOptions::UNTRACED)? {
            Some((_, status)) if status.stopped() => {}
            _ => return Err(io::Error::other("the gateway has ended")),
        }
        let done = act();
        kill_process(pid, Signal::CONT)?;
        done
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
