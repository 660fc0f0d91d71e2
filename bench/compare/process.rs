//! A child process: its cores, its use of time and its memory, read from `/proc`. It must not know what the process
//! does.

use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

/// A running program; dropping it kills it.
pub struct Process(Child);

impl Process {
    /// Starts a process, on these cores if there are any. Its standard error is shown.
    pub fn start(command: Command, cores: Option<&str>) -> io::Result<Self> {
        let mut command = pinned(command, cores);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Ok(Self(command.spawn()?))
    }

    /// Starts a process in the same way, and returns the first line that it prints.
    pub fn start_and_read(command: Command, cores: Option<&str>) -> io::Result<(Self, String)> {
        let mut command = pinned(command, cores);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        Ok((Self(child), line))
    }

    /// Returns true if the process has not ended by itself.
    pub fn runs(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Returns the user and system time of all its threads, and of its children's.
    pub fn cpu(&self) -> Duration {
        let of_process = |process: u32| -> Duration {
            let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
                return Duration::ZERO;
            };
            threads
                .flatten()
                .map(|thread| of_thread(&thread.path()))
                .sum()
        };
        tree(self.0.id()).into_iter().map(of_process).sum()
    }

    /// Returns the resident memory of the process and its children, in bytes.
    pub fn memory(&self) -> u64 {
        let of_process = |process: u32| -> Option<u64> {
            let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
            let line = status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:"))?;
            let kilobytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
            Some(kilobytes * 1024)
        };
        tree(self.0.id()).into_iter().filter_map(of_process).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes a command that runs only on these cores.
fn pinned(command: Command, cores: Option<&str>) -> Command {
    let Some(cores) = cores else { return command };
    let mut pinned = Command::new("taskset");
    pinned
        .args(["-c", cores])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(name, value),
            None => pinned.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        pinned.current_dir(folder);
    }
    pinned
}

/// Returns a process and all its descendants.
fn tree(process: u32) -> Vec<u32> {
    let mut all = vec![process];
    let mut seen = 0;
    while let Some(parent) = all.get(seen).copied() {
        seen += 1;
        let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else {
            continue;
        };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children"));
            let children = children.unwrap_or_default();
            all.extend(
                children
                    .split_whitespace()
                    .filter_map(|child| child.parse::<u32>().ok()),
            );
        }
    }
    all
}

/// Returns a thread's time on a core: in nanoseconds if the kernel counts them, or else in ticks.
fn of_thread(folder: &Path) -> Duration {
    if let Ok(text) = fs::read_to_string(folder.join("schedstat"))
        && let Some(nanoseconds) = text.split(' ').next().and_then(|text| text.parse().ok())
    {
        return Duration::from_nanos(nanoseconds);
    }
    let text = fs::read_to_string(folder.join("stat")).unwrap_or_default();
    // The times are fields 14 and 15. The name before them may have spaces.
    let (_, rest) = text.rsplit_once(')').unwrap_or_default();
    let fields = rest.split_whitespace().skip(11).take(2);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
