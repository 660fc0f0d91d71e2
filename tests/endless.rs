//! Bodies without end cost the gateway no memory. This is a test program of its own, because it measures its whole
//! process.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "support/gateway.rs"]
mod gateway;
#[path = "support/upstream.rs"]
mod upstream;

use gateway::Gateway;
use upstream::{Behaviour, Framing, Upstream};

/// Returns the most memory that this process has ever held, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let kilobytes: usize = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

#[actix_web::test]
async fn bodies_without_end_are_not_held() {
    // 32 calls at a time of at most 64 KiB are 2 MiB. One answer that is read on for a moment would be hundreds of MiB.
    const ALLOWED: usize = 64 << 20;
    for framing in [
        Framing::ContentLength,
        Framing::Chunked(1000),
        Framing::Chunked(100_000),
        Framing::CloseDelimited,
        Framing::Http10,
    ] {
        let upstream = Upstream::always(Behaviour::Endless(framing));
        let calls: Vec<String> = (0..32)
            .map(|at| format!("{{ upstream = \"sick\", name = \"sick_{at}\" }}"))
            .collect();
        let gateway = Gateway::start(&format!(
            "[upstreams.sick]\nurl = \"{}\"\nmax_body = \"64KiB\"\ntimeout = \"20s\"\n\
             [aggregates.default]\ndeadline = \"30s\"\ncalls = [{}]",
            upstream.url("/"),
            calls.join(", ")
        ))
        .await;
        let before = peak();
        let answer = gateway.aggregate("").await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        for at in 0..32 {
            assert_eq!(answer.result(&format!("sick_{at}")), "too_large");
        }
        let grown = peak() - before;
        assert!(grown < ALLOWED, "{framing:?}: {grown} bytes");
    }
}
