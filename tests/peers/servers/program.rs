//! The servers as their users start them, each in a process group and a folder of its own. It must not know what they
//! are asked.

use std::{net::SocketAddr, path::Path, process::Command};

use tempfile::TempDir;

use super::sites::{apache, lighttpd};
use crate::{
    fastapi::python_with,
    needed,
    program::{Running, eventually, repository, try_get, which},
};

pub(super) const APPS: &str = "tests/peers/servers/apps";

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Uvicorn,
    GunicornThreads,
    GunicornUvicorn,
    Node,
    Apache,
    Lighttpd,
    Php,
}

/// A server that listens. Dropping it ends all its processes.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) address: SocketAddr,
    _running: Running,
    _files: TempDir,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Uvicorn,
        Self::GunicornThreads,
        Self::GunicornUvicorn,
        Self::Node,
        Self::Apache,
        Self::Lighttpd,
        Self::Php,
    ];

    /// Returns the server's name in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uvicorn => "FastAPI on uvicorn",
            Self::GunicornThreads => "gunicorn gthread",
            Self::GunicornUvicorn => "gunicorn UvicornWorker",
            Self::Node => "Node",
            Self::Apache => "Apache and CGI",
            Self::Lighttpd => "lighttpd and CGI",
            Self::Php => "PHP's built-in server",
        }
    }

    /// Starts the server with an idle time of 2 s, if it has one. Returns `None` if a program is missing.
    pub(super) fn start(self) -> Option<Server> {
        let files = tempfile::tempdir().unwrap();
        let (version, running, address) = match self {
            Self::Uvicorn => uvicorn()?,
            Self::GunicornThreads => gunicorn(
                "gunicorn",
                &["--worker-class=gthread", "--threads=8", "wsgi:app"],
            )?,
            Self::GunicornUvicorn => gunicorn(
                "gunicorn, uvicorn_worker",
                &["--worker-class=uvicorn_worker.UvicornWorker", "asgi:app"],
            )?,
            Self::Node => node()?,
            Self::Apache => apache(files.path())?,
            Self::Lighttpd => lighttpd(files.path())?,
            Self::Php => php()?,
        };
        // gunicorn listens before its worker has started.
        eventually("an answer", || answers(address).then_some(()));
        Some(Server {
            name: self.name(),
            version,
            address,
            _running: running,
            _files: files,
        })
    }
}

pub(super) type Started = Option<(String, Running, SocketAddr)>;

fn python(modules: &str) -> Option<Command> {
    let what = format!("a Python with {modules} (pip install -r tests/peers/requirements.txt)");
    let mut command = Command::new(python_with(&what, modules)?);
    command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1");
    Some(command)
}

/// Returns the versions of these modules, as their packages tell them.
fn versions(python: &Command, modules: &str) -> String {
    let mut command = Command::new(python.get_program());
    command.args([
        "-c",
        "import sys; from importlib.metadata import version\n\
         print(', '.join(f'{name} {version(name)}' for name in sys.argv[1].split(', ')))",
        modules,
    ]);
    first_line(command)
}

/// Returns the first line that a command writes, such as its version.
fn first_line(mut command: Command) -> String {
    let written = command.output().unwrap().stdout;
    let written = String::from_utf8(written).unwrap();
    written.lines().next().unwrap_or_default().to_owned()
}

pub(super) fn version(program: &Path, option: &str) -> String {
    let mut command = Command::new(program);
    command.arg(option);
    first_line(command)
}

fn uvicorn() -> Started {
    let modules = "fastapi, uvicorn";
    let mut command = python(modules)?;
    let version = versions(&command, modules);
    command
        .args([
            "-m",
            "uvicorn",
            "asgi:app",
            "--port=0",
            "--no-access-log",
            "--timeout-keep-alive=2",
        ])
        .arg("--app-dir")
        .arg(repository(APPS));
    let running = Running::start_group(&command);
    let address = running.line(|line| address_after(line, "running on http://"));
    Some((version, running, address))
}

fn gunicorn(modules: &str, arguments: &[&str]) -> Started {
    let mut command = python(modules)?;
    let version = versions(&command, modules);
    // The server's keep-alive is 2 s by default.
    command
        .args([
            "-m",
            "gunicorn",
            "--bind=127.0.0.1:0",
            "--no-control-socket",
            "--chdir",
        ])
        .arg(repository(APPS))
        .args(arguments);
    let running = Running::start_group(&command);
    let address = running.line(|line| address_after(line, "Listening at: http://"));
    Some((version, running, address))
}

fn node() -> Started {
    let program = needed("Node.js", which("node"))?;
    let version = version(&program, "--version");
    let mut command = Command::new(program);
    command.arg(repository(APPS).join("node.mjs"));
    let running = Running::start_group(&command);
    let address = running.line(|line| address_after(line, "listening on "));
    Some((format!("Node {version}"), running, address))
}

fn php() -> Started {
    let program = needed("PHP (Debian: php-cli)", which("php"))?;
    let version = version(&program, "--version");
    let version = version.split(" (").next().unwrap_or_default().to_owned();
    let mut command = Command::new(program);
    // As in production, the system's php.ini is not read, and errors go to the log.
    command
        .args([
            "-n",
            "-d",
            "display_errors=0",
            "-d",
            "log_errors=1",
            "-S",
            "127.0.0.1:0",
        ])
        .arg(repository(APPS).join("router.php"));
    let running = Running::start_group(&command);
    let address = running.line(|line| address_after(line, "Development Server (http://"));
    Some((version, running, address))
}

pub(super) fn answers(address: SocketAddr) -> bool {
    // The framing of a chunk may be around it.
    try_get(address, "/text", &[])
        .is_ok_and(|answer| String::from_utf8_lossy(&answer.body).contains("pong"))
}

fn address_after(line: &str, start: &str) -> Option<SocketAddr> {
    let rest = line.split_once(start)?.1;
    let end = rest.find([' ', ')']).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
