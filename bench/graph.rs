//! A graph of six calls of 50 ms in three layers, by `config/examples/home.toml`. It fails unless an answer takes 150
//! ms and at most 3 ms more, in 99 requests of 100. The same calls one after another are beside it.
//!
//! `cargo bench --bench graph` runs it. A timer of tokio may be late by 1 ms in each layer, so the services are threads
//! that sleep.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it prints, and ends where it can't go on"
)]

#[path = "support/client.rs"]
mod client;
#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/times.rs"]
mod times;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use tokio::runtime;

use client::Connection;
use gateway::Gateway;
use times::{Times, ms};

const EXAMPLE: &str = include_str!("../config/examples/home.toml");

/// The time that each service takes.
const CALL: Duration = Duration::from_millis(50);
const CALLS: u32 = 6;
const LAYERS: u32 = 3;

/// The promised time beyond that of the layers, for the 99th percentile.
const MORE: Duration = Duration::from_millis(3);

const WARM_UP: usize = 20;
const REQUESTS: usize = 500;
/// The number of requests that make their calls one after another: they are only for comparison.
const SEQUENCES: usize = 100;

fn main() -> ExitCode {
    let services = serve();
    let gateway = Gateway::start(&configuration(services)).unwrap();
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let (graph, sequence) = runtime.unwrap().block_on(async {
        let graph = measure(&gateway, "/users/42/home", REQUESTS).await;
        let target = "/users/42/home?mode=sequential";
        (graph, measure(&gateway, target, SEQUENCES).await)
    });
    println!("{CALLS} calls of {} in {LAYERS} layers\n", ms(CALL));
    println!("| order | requests | least | p50 | p99 | max | p99 beyond the least |");
    println!("|---|---|---|---|---|---|---|");
    for (order, requests, least, times) in [
        ("each after its inputs", REQUESTS, CALL * LAYERS, &graph),
        ("one after another", SEQUENCES, CALL * CALLS, &sequence),
    ] {
        let p99 = times.percentile(99.0);
        println!(
            "| {order} | {requests} | {} | {} | {} | {} | {} |",
            ms(least),
            ms(times.percentile(50.0)),
            ms(p99),
            ms(times.max()),
            ms(p99.saturating_sub(least)),
        );
    }
    if graph.percentile(99.0) <= CALL * LAYERS + MORE {
        ExitCode::SUCCESS
    } else {
        println!("\npromised: a p99 of at most {}", ms(CALL * LAYERS + MORE));
        ExitCode::FAILURE
    }
}

/// Returns the example with all of its services at this address.
fn configuration(services: SocketAddr) -> String {
    let mut example: toml::Table = EXAMPLE.parse().unwrap();
    let upstreams = example["upstreams"].as_table_mut().unwrap();
    for (name, upstream) in upstreams.iter_mut() {
        upstream["url"] = format!("http://{services}/{name}").into();
    }
    example.to_string()
}

/// Sends requests one after another, and returns the times of all but the first.
async fn measure(gateway: &Gateway, target: &str, requests: usize) -> Times {
    let mut client = Connection::open(gateway.address).await.unwrap();
    let mut times = Vec::new();
    for number in 0..WARM_UP + requests {
        let began = Instant::now();
        let answer = client.ask(target).await.unwrap();
        let time = began.elapsed();
        let text = String::from_utf8_lossy(&answer.body);
        let whole = r#""recommendations":[{"id":11}],"offers":[{"id":3}]}"#;
        assert!(answer.status == 200 && text.ends_with(whole), "{text}");
        if number >= WARM_UP {
            times.push(time);
        }
    }
    Times::new(times)
}

/// Starts all services on one port, with a thread for each connection.
fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || converse(tcp));
        }
    });
    address
}

/// Answers one request after another, until the gateway closes.
#[allow(
    clippy::disallowed_methods,
    reason = "a thread of its own that wakes up in time"
)]
fn converse(mut tcp: TcpStream) {
    let _ = tcp.set_nodelay(true);
    let mut request = Vec::new();
    let mut block = [0; 4096];
    while let Ok(length @ 1..) = tcp.read(&mut block) {
        request.extend_from_slice(&block[..length]);
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        thread::sleep(CALL);
        let body = body(&String::from_utf8_lossy(&request));
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json";
        let length = body.len();
        let answer = format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}");
        if tcp.write_all(answer.as_bytes()).is_err() {
            return;
        }
        request.clear();
    }
}

/// Returns what the service that is asked knows.
fn body(request: &str) -> &'static str {
    let service = request.strip_prefix("GET /").unwrap_or_default();
    match service.split(['/', '?']).next() {
        Some("users") if service.starts_with("users/users/") => {
            r#"{"id":42,"name":"Ada","plan":"pro","team":{"id":"t1"}}"#
        }
        Some("users") => r#"{"id":"t1","name":"Engines","tier":"gold"}"#,
        Some("orders") => r#"{"data":{"items":[{"id":1,"product_id":7}]}}"#,
        Some("products") => r#"[{"id":7,"name":"Tea","category":"tea"}]"#,
        Some("recommendations") => r#"[{"id":11}]"#,
        _ => r#"[{"id":3}]"#,
    }
}
