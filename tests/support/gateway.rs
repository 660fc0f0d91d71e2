//! A gateway on a free port, for tests over real sockets. It is started from configuration text, has one method for
//! each endpoint, and stops with the test.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test program uses a part of it"
)]

use std::{net::SocketAddr, time::Duration};

use gather::{app::Application, config};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::{Builder, LocalOptions},
    sync::oneshot,
};

/// A running gateway. Dropping it stops it.
pub struct Gateway {
    pub address: SocketAddr,
    pub operations: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// An answer, read whole from a socket of its own.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the first field of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Returns a chunked body, put together.
    pub fn dechunked(&self) -> String {
        let mut rest = self.text();
        let mut text = String::new();
        while let Some((size, after)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            text.push_str(&after[..size]);
            rest = &after[size + 2..];
            if size == 0 {
                break;
            }
        }
        text
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Returns the failure class of a call, or `ok`.
    pub fn result(&self, name: &str) -> String {
        let json = self.json();
        let call = json["results"]
            .as_array()
            .and_then(|results| results.iter().find(|call| call["name"] == name))
            .unwrap_or_else(|| panic!("no call {name} in {json}"));
        if call["ok"] == true {
            "ok".to_owned()
        } else {
            call["failure"].as_str().unwrap().to_owned()
        }
    }

    /// Asserts a problem of this type and returns its JSON.
    pub fn problem(&self, status: u16, kind: &str) -> serde_json::Value {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let json = self.json();
        assert_eq!(json["type"], format!("urn:gather:problem:{kind}"), "{json}");
        assert_eq!(json["status"], status, "{json}");
        assert!(
            json["title"].is_string() && json["detail"].is_string(),
            "{json}"
        );
        assert!(
            self.header("x-request-id").is_some(),
            "a problem has a request id"
        );
        json
    }
}

impl Gateway {
    /// Starts a gateway from TOML without `[server]` settings. It has one worker, a free port and no grace.
    pub async fn start(toml: &str) -> Self {
        Self::start_with("server.workers = 1\nserver.grace = \"0s\"", toml).await
    }

    /// Starts a gateway with `[server]` settings, written as dotted keys: `server.workers = 2`.
    pub async fn start_with(server: &str, toml: &str) -> Self {
        let text = format!("server.listen = \"127.0.0.1:0\"\n{server}\n{toml}");
        let config = config::load_text("test", &text)
            .unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
        let (told, started) = oneshot::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            // The program runs it in the same way.
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default());
            runtime.unwrap().block_on(async move {
                let application = Application::build(config).unwrap();
                let _ = told.send((application.address(), application.operations_address()));
                let stop = async {
                    let _ = stopped.await;
                };
                application.run_until_stopped(stop).await.unwrap();
            });
        });
        let (address, operations) = started.await.unwrap();
        Self {
            address,
            operations,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Begins a stop, but doesn't wait for it.
    pub fn begin_stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits for the end of a stop that has begun.
    pub fn wait_stopped(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.get_with(target, &[]).await
    }

    pub async fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Answer {
        request(self.address, "GET", target, headers, b"").await
    }

    pub async fn aggregate(&self, query: &str) -> Answer {
        self.get(&format!("/aggregate{query}")).await
    }

    /// Starts a gateway before these upstreams, given by name and URL. `rest` is the rest of its configuration.
    pub async fn before(upstreams: &[(&str, String)], rest: &str) -> Self {
        Self::start(&with_upstreams(upstreams, rest)).await
    }

    /// Sends one request to the operational routes, whichever port they are on.
    pub async fn operation(&self, target: &str) -> Answer {
        request(self.operations, "GET", target, &[], b"").await
    }

    /// Waits until a series has this value, for ten seconds at most.
    pub async fn wait_metric(&self, series: &str, value: f64) {
        let since = std::time::Instant::now();
        loop {
            let found = self.metric(series).await;
            if found == value {
                return;
            }
            assert!(
                since.elapsed() < Duration::from_secs(10),
                "{series} is {found}, not {value}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns the value of one series of `/metrics`, written as Prometheus writes it: labels in the order of their
    /// names. Panics where there is no such series, as every series exists from the start.
    pub async fn metric(&self, series: &str) -> f64 {
        let answer = request(self.operations, "GET", "/metrics", &[], b"").await;
        let text = answer.text();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let value = value.unwrap_or_else(|| panic!("no {series} in {text}"));
        value.parse().unwrap()
    }

    /// Opens a connection to which anything can be written.
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.begin_stop();
        self.wait_stopped();
    }
}

/// Returns configuration text: these upstreams by name and URL, and then the rest.
pub fn with_upstreams(upstreams: &[(&str, String)], rest: &str) -> String {
    let urls = upstreams
        .iter()
        .map(|(name, url)| format!("upstreams.{name}.url = \"{url}\"\n"));
    urls.collect::<String>() + rest
}

/// Returns configuration text: these upstreams by name and URL, and the aggregate `default` of them all, which may be
/// compared.
pub fn compared(upstreams: &[(&str, String)]) -> String {
    let names: Vec<_> = upstreams
        .iter()
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    let default = format!(
        "[aggregates.default]\ncalls = [{}]\ncompare = true\n",
        names.join(", ")
    );
    let urls = upstreams
        .iter()
        .map(|(name, url)| format!("[upstreams.{name}]\nurl = \"{url}\"\n"));
    urls.collect::<String>() + &default
}

/// Sends one request on a connection of its own.
pub async fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let mut head =
        format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    raw(address, &bytes).await
}

/// Writes any bytes, and reads one answer up to the connection's end.
pub async fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut tcp = TcpStream::connect(address).await.unwrap();
    // The gateway may answer and close before it has read everything.
    let _ = tcp.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = tcp.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .expect("an answer within a minute")
        .unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&answer)));
    parse(&answer)
}

/// Reads an answer's bytes. A chunked body is put together, and a body with a length must have that length.
pub fn parse(bytes: &[u8]) -> Answer {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let status = head.parse(bytes);
    let Ok(httparse::Status::Complete(size)) = status else {
        panic!(
            "no answer but {:?}: {status:?}",
            String::from_utf8_lossy(bytes)
        );
    };
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|field| {
            let value = String::from_utf8_lossy(field.value).into_owned();
            (field.name.to_ascii_lowercase(), value)
        })
        .collect();
    let body = bytes[size..].to_vec();
    let answer = Answer {
        status: head.code.unwrap(),
        headers,
        body,
    };
    if let Some(length) = answer.header("content-length") {
        let length: usize = length.parse().unwrap();
        assert!(
            answer.body.len() == length || answer.body.is_empty(),
            "a body of {length} bytes"
        );
    }
    answer
}
