//! Services that answer every connection once, each at addresses of its choice on one port, and a gateway before them.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tempfile::TempDir;

use crate::program::{Running, gather};

pub(crate) const PONG: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\
                               content-length: 6\r\n\r\n\"pong\"";
pub(crate) const SICK: &str =
    "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
pub(crate) const EMPTY: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// The answer of a service that takes a request and never answers.
pub(crate) const SILENT: &str = "";

/// A service that runs until the test's process ends.
pub(crate) struct Service {
    pub(crate) port: u16,
    accepted: Arc<AtomicUsize>,
}

impl Service {
    /// Listens at `ip`. With port 0 it takes any free one.
    pub(crate) fn at(ip: &str, port: u16, answer: &'static str) -> Self {
        let ip: IpAddr = ip.parse().unwrap();
        let listener = TcpListener::bind((ip, port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                count.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || answer_once(connection, answer));
            }
        });
        Self { port, accepted }
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

fn answer_once(mut connection: TcpStream, answer: &str) {
    let mut request = [0; 4096];
    // The client may leave at any time.
    while matches!(connection.read(&mut request), Ok(1..)) {
        if !answer.is_empty() {
            let _ = connection.write_all(answer.as_bytes());
            return;
        }
    }
}

/// A gateway that was started by a command around it.
pub(crate) struct Started {
    pub(crate) gateway: Running,
    pub(crate) address: SocketAddr,
    _files: TempDir,
}

/// Starts a gateway with this configuration by the command that `around` makes of the plain one.
pub(crate) fn start(configuration: &str, around: impl FnOnce(Command) -> Command) -> Started {
    let files = tempfile::tempdir().unwrap();
    let file = configuration_in(&files, configuration);
    let mut command = gather();
    command.arg("serve").arg("-c").arg(file);
    let gateway = Running::start(around(command));
    Started {
        address: gateway.address("address"),
        gateway,
        _files: files,
    }
}

/// Writes the configuration to a file that any user may read.
fn configuration_in(files: &TempDir, configuration: &str) -> PathBuf {
    let readable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(files.path(), readable).unwrap();
    let file = files.path().join("gather.toml");
    let text = format!("server.listen = \"127.0.0.1:0\"\nserver.workers = 1\n{configuration}");
    std::fs::write(&file, text).unwrap();
    file
}
