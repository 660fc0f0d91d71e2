//! The built gateway under callgrind. It is started, stopped and continued at will, and its instructions between two
//! moments are counted. It must not know what it is asked.

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

/// The longest time for a start: seconds under valgrind, more on a busy machine.
const START: Duration = Duration::from_secs(120);

/// Settings for glibc. It chooses memcpy and similar functions by the processor, and the count would depend on that
/// choice. The effect is large, as callgrind counts a repeated string instruction (`rep movsb`) once a byte. These
/// settings leave the variants that every x86-64 has. A glibc ignores the names that it does not know. Libraries that
/// check the processor themselves, such as httparse, don't follow the settings. They use AVX2 at most, and valgrind
/// knows nothing beyond AVX2.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-AVX_Fast_Unaligned_Load,-ERMS,-FSRM,\
    -SSE4_2,-SSE4_1,-SSSE3,-BMI2,-LZCNT,-MOVBE,-RTM";

/// Settings for jemalloc. It tidies its caches every ten milliseconds and its pages every ten seconds. Valgrind is so
/// slow that this would come every few aggregates instead of every few hundred, and more often on a busier machine. So
/// it is switched off.
const ALLOCATOR: &str = "tcache_gc_incr_bytes:1073741824,dirty_decay_ms:-1,muzzy_decay_ms:-1";

/// A gateway under callgrind; dropping it kills it.
pub struct Gateway {
    address: SocketAddr,
    child: Child,
    files: tempfile::TempDir,
    dumps: u32,
}

impl Gateway {
    /// Starts a gateway with one worker. `toml` is its configuration without the `server.…` keys.
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
            // This stands until the gateway listens.
            address: SocketAddr::from(([0; 4], 0)),
            child,
            files,
            dumps: 0,
        };
        gateway.address = gateway.wait_listening()?;
        Ok(gateway)
    }

    /// Waits until the gateway listens. Its log says so only at `info`, but a line for each request must not be
    /// counted. So the kernel is asked instead.
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

    /// Returns the loopback address on which this process listens.
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

    /// Starts a new count.
    pub fn zero(&self) -> io::Result<()> {
        self.wait_idle()?;
        self.monitor("zero")
    }

    /// Returns the instructions of all threads since the last count or [`Gateway::zero`], and the file that has them by
    /// function.
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

    /// Sends a command to valgrind.
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

    /// Waits until every thread sleeps: nothing is left to do until something happens.
    fn wait_idle(&self) -> io::Result<()> {
        let since = Instant::now();
        // One look may fall into the moment when one thread hands over to another.
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

    /// Stops the gateway while it waits, runs `act`, and lets it continue. So everything in `act` happens at once for
    /// the gateway, however the machine is loaded. The stop interrupts its wait, so it waits once more, which is
    /// counted.
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
        // The gateway may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
