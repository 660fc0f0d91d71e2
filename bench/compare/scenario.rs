//! The scenarios: a base case, and variations of one dimension at a time. It must not know which program is measured.

/// The quantities that a scenario measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A closed loop: CPU, throughput and times.
    Load,
    /// A closed loop of one connection, and the same loop directly to the upstream.
    Added,
    /// The memory of each of many aggregates while it waits.
    InFlight,
    /// The total over the slowest call, for calls that take long.
    OverSlowest,
    /// The time from the start of the process to its first 200.
    Start,
    /// A closed loop on all cores, for Gather alone.
    Workers,
}

/// The upstream that answers the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upstream {
    /// nginx, which answers at once.
    Instant,
    /// nginx, which answers at once, on a new connection for each request.
    Closing,
    /// This program, which answers after this many milliseconds.
    After(u64),
}

/// A case to measure.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    pub name: &'static str,
    /// The title for people, in the table.
    pub title: &'static str,
    pub kind: Kind,
    pub calls: usize,
    /// The body of each answer of an upstream, in bytes.
    pub body: usize,
    pub connections: usize,
    pub upstream: Upstream,
    /// True if the client opens a connection for each request.
    pub close: bool,
}

/// Three instant calls of 16 bytes, requested on 32 connections.
const BASE: Scenario = Scenario {
    name: "base",
    title: "3 calls, 16 B, 32 connections, 0 ms",
    kind: Kind::Load,
    calls: 3,
    body: 16,
    connections: 32,
    upstream: Upstream::Instant,
    close: false,
};

/// The name of the base case.
pub const BASE_NAME: &str = BASE.name;

/// All scenarios, in the order of the table.
pub const SCENARIOS: &[Scenario] = &[
    BASE,
    Scenario {
        name: "calls-1",
        title: "1 call",
        calls: 1,
        ..BASE
    },
    Scenario {
        name: "calls-10",
        title: "10 calls",
        calls: 10,
        ..BASE
    },
    Scenario {
        name: "calls-100",
        title: "100 calls",
        calls: 100,
        ..BASE
    },
    // 32 connections would need 32,000 sockets to the upstream.
    Scenario {
        name: "calls-1000",
        title: "1,000 calls, 4 connections",
        calls: 1000,
        connections: 4,
        ..BASE
    },
    Scenario {
        name: "body-4k",
        title: "bodies of 4 KiB",
        body: 4 << 10,
        ..BASE
    },
    Scenario {
        name: "body-256k",
        title: "bodies of 256 KiB",
        body: 256 << 10,
        ..BASE
    },
    Scenario {
        name: "connections-1",
        title: "1 connection",
        connections: 1,
        ..BASE
    },
    Scenario {
        name: "connections-512",
        title: "512 connections",
        connections: 512,
        ..BASE
    },
    Scenario {
        name: "after-50ms",
        title: "upstream takes 50 ms",
        upstream: Upstream::After(50),
        ..BASE
    },
    Scenario {
        name: "close-client",
        title: "a connection for each client request",
        close: true,
        ..BASE
    },
    Scenario {
        name: "close-upstream",
        title: "a connection for each call",
        upstream: Upstream::Closing,
        ..BASE
    },
    Scenario {
        name: "added",
        title: "1 call, 1 connection, over the direct call",
        kind: Kind::Added,
        calls: 1,
        connections: 1,
        ..BASE
    },
    Scenario {
        name: "in-flight",
        title: "4,000 aggregates in flight, upstream takes 3 s",
        kind: Kind::InFlight,
        connections: 4000,
        upstream: Upstream::After(3000),
        ..BASE
    },
    Scenario {
        name: "over-slowest",
        title: "three 2 s calls, over the slowest",
        kind: Kind::OverSlowest,
        upstream: Upstream::After(2000),
        ..BASE
    },
    Scenario {
        name: "start",
        title: "start to ready",
        kind: Kind::Start,
        ..BASE
    },
    Scenario {
        name: "workers",
        title: "2 workers against 1",
        kind: Kind::Workers,
        connections: 64,
        ..BASE
    },
];
