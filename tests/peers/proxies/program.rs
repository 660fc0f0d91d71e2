//! The proxies, each with the configuration that Gather ships for it. Only addresses, and paths that need root, are
//! changed. It must not know what is asked of them.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::client::once;
use crate::{
    needed,
    program::{Running, eventually, free_address, repository, which},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Nginx,
    Haproxy,
    Caddy,
    Traefik,
    Envoy,
}

/// A proxy that is ready. Dropping it ends it.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    _running: Running,
    _files: TempDir,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [
        Self::Nginx,
        Self::Haproxy,
        Self::Caddy,
        Self::Traefik,
        Self::Envoy,
    ];

    /// Returns the name of its program.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
        }
    }

    /// Returns its files in `deploy/proxies`, the main one first.
    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx.conf"],
            Self::Haproxy => &["haproxy.cfg"],
            Self::Caddy => &["Caddyfile"],
            Self::Traefik => &["traefik.yaml", "traefik-gather.yaml"],
            Self::Envoy => &["envoy.yaml"],
        }
    }

    /// Returns its program, from Debian or from a package of Python's index, or `None` if it is missing.
    pub(super) fn program(self) -> Option<PathBuf> {
        let found = match self {
            Self::Nginx | Self::Haproxy => which(self.name()),
            Self::Caddy | Self::Traefik | Self::Envoy => {
                beside_python(self.name()).or_else(|| which(self.name()))
            }
        };
        needed(self.name(), found)
    }

    /// Returns the replacements in the shipped files. Each replaced text must be there exactly once.
    fn changes(
        self,
        listen: SocketAddr,
        gateways: [SocketAddr; 2],
        place: &Path,
    ) -> Vec<(String, String)> {
        let place = place.display();
        let port = listen.port();
        let [one, two] = gateways;
        let mut changes = match self {
            Self::Nginx => vec![
                ("listen 8000".to_owned(), format!("listen {listen}")),
                (
                    "worker_processes auto;".to_owned(),
                    "daemon off; master_process off;".to_owned(),
                ),
                ("worker_rlimit_nofile 20000;".to_owned(), String::new()),
                ("worker_connections 8192".to_owned(), "worker_connections 512".to_owned()),
                (
                    "error_log /var/log/nginx/error.log warn;".to_owned(),
                    format!("pid {place}/pid; error_log stderr warn;"),
                ),
                (
                    "access_log /var/log/nginx/access.log gather;".to_owned(),
                    format!(
                        "access_log {place}/access.log gather;
                         client_body_temp_path {place}/a; proxy_temp_path {place}/b; fastcgi_temp_path {place}/c;
                         uwsgi_temp_path {place}/d; scgi_temp_path {place}/e;"
                    ),
                ),
            ],
            Self::Haproxy => vec![
                ("bind :8000".to_owned(), format!("bind {listen}")),
                ("maxconn 20000".to_owned(), "maxconn 200".to_owned()),
            ],
            Self::Caddy => vec![(
                "\n:8000 {".to_owned(),
                // Its admin listener has the same port for every Caddy, so it is left out.
                format!("\n{{\n\tadmin off\n}}\n\n:{port} {{\n\tbind 127.0.0.1\n"),
            )],
            Self::Traefik => vec![
                ("\":8000\"".to_owned(), format!("\"{listen}\"")),
                (
                    "filename: /etc/traefik".to_owned(),
                    format!("filename: {place}"),
                ),
            ],
            Self::Envoy => vec![(
                "address: 0.0.0.0, port_value: 8000".to_owned(),
                format!("address: 127.0.0.1, port_value: {port}"),
            )],
        };
        let shipped = if self == Self::Envoy {
            [
                "address: 10.0.0.11, port_value: 8080",
                "address: 10.0.0.12, port_value: 8080",
            ]
        } else {
            ["10.0.0.11:8080", "10.0.0.12:8080"]
        };
        for (shipped, gateway) in shipped.into_iter().zip([one, two]) {
            let own = if self == Self::Envoy {
                format!("address: {}, port_value: {}", gateway.ip(), gateway.port())
            } else {
                gateway.to_string()
            };
            changes.push((shipped.to_owned(), own));
        }
        changes
    }

    /// Writes the shipped files, changed, and returns the main one.
    fn write(self, listen: SocketAddr, gateways: [SocketAddr; 2], place: &Path) -> PathBuf {
        let changes = self.changes(listen, gateways, place);
        let mut done = vec![0; changes.len()];
        for name in self.files() {
            let file = repository("deploy/proxies").join(name);
            let mut text = fs::read_to_string(file).unwrap();
            for ((shipped, own), done) in changes.iter().zip(&mut done) {
                *done += text.matches(shipped.as_str()).count();
                text = text.replace(shipped, own);
            }
            fs::write(place.join(name), text).unwrap();
        }
        for ((shipped, _), done) in changes.iter().zip(done) {
            assert_eq!(done, 1, "{}: how often is `{shipped}` there?", self.name());
        }
        place.join(self.files()[0])
    }

    /// Returns the command that runs this file in the foreground. With `check`, the command only checks it, if the
    /// proxy can.
    fn command(self, program: &Path, file: &Path, check: bool) -> Option<Command> {
        let mut command = Command::new(program);
        let arguments: &[&str] = match (self, check) {
            (Self::Nginx, false) => &["-e", "stderr", "-c"],
            (Self::Nginx, true) => &["-t", "-e", "stderr", "-c"],
            (Self::Haproxy, false) => &["-db", "-f"],
            (Self::Haproxy, true) => &["-c", "-f"],
            (Self::Caddy, false) => &["run", "--adapter", "caddyfile", "--config"],
            (Self::Caddy, true) => &["validate", "--adapter", "caddyfile", "--config"],
            (Self::Traefik, false) => &["--configFile"],
            (Self::Traefik, true) => return None,
            (Self::Envoy, false) => &["--disable-hot-restart", "--concurrency", "1", "-c"],
            (Self::Envoy, true) => &["--disable-hot-restart", "--mode", "validate", "-c"],
        };
        let place = file.parent().unwrap();
        command
            .args(arguments)
            .arg(file)
            .current_dir(place)
            .env("HOME", place)
            .env("XDG_DATA_HOME", place)
            .env("XDG_CONFIG_HOME", place)
            .stdin(Stdio::null());
        Some(command)
    }

    /// Starts it before these gateways and waits until it answers for one. Returns `None` if its program is missing.
    pub(super) fn start(self, gateways: [SocketAddr; 2]) -> Option<Proxy> {
        let program = self.program()?;
        let files = tempfile::tempdir().unwrap();
        // No proxy can be asked which port it got.
        let address = free_address();
        let file = self.write(address, gateways, files.path());
        let running = Running::start(self.command(&program, &file, false)?);
        eventually(self.name(), || TcpStream::connect(address).ok());
        eventually("a gateway behind the proxy", || {
            let answer = once(address, "GET", "/livez", &[]).ok()?;
            (answer.status == 200).then_some(())
        });
        Some(Proxy {
            address,
            _running: running,
            _files: files,
        })
    }

    /// Returns the complaints of its own check about the shipped configuration. The check must report nothing but
    /// success.
    pub(super) fn complaints(self) -> Vec<String> {
        let Some(program) = self.program() else {
            return Vec::new();
        };
        let files = tempfile::tempdir().unwrap();
        let gateways = [free_address(), free_address()];
        let file = self.write(free_address(), gateways, files.path());
        let Some(mut command) = self.command(&program, &file, true) else {
            return Vec::new();
        };
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let warned = ["warn", "deprecated"]
            .iter()
            .any(|word| text.to_lowercase().contains(word));
        if output.status.success() && !warned {
            return Vec::new();
        }
        vec![text]
    }
}

/// Returns a program that a package for Python brought: beside the interpreter, or where `pip --target` put it.
pub(super) fn beside_python(program: &str) -> Option<PathBuf> {
    let python = std::env::var_os("GATHER_TEST_PYTHON").map(PathBuf::from);
    let beside = python.and_then(|python| Some(python.parent()?.to_owned()));
    let path = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let target = std::env::split_paths(&path).map(|folder| folder.join("bin"));
    beside
        .into_iter()
        .chain(target)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
