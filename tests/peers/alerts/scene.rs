//! The gateways of the alerts' test, each healthy until it is told to be faulty. It must not know the rules.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::{Faulty, Fired};
use crate::{
    load::Load,
    needed, panicking,
    program::{Running, gather, get, limited, which, within, write},
    prometheus::{Prometheus, SCRAPES, Settings},
    quick::quick_rules,
    upstream::{Behaviour, Request, Response, Upstream},
};

/// The time between two scrapes, and between two evaluations.
pub(super) const INTERVAL: Duration = Duration::from_millis(500);

const PAUSE: Duration = Duration::from_millis(100);

/// The limit of descriptors for the gateway that is to run out of them. A few clients then have all places.
const DESCRIPTORS: usize = 96;

/// The size of a body whose answer in base64 takes tens of milliseconds to write, in a release build too.
const LARGE: usize = 12 * 1024 * 1024;

pub(super) struct Gateways {
    pub(super) prometheus: Prometheus,
    load: Load,
    faulty: Arc<AtomicBool>,
    /// A gateway with aggregates whose upstreams turn bad.
    sick: (Running, SocketAddr),
    /// A gateway that takes two requests at a time.
    full: (Running, SocketAddr),
    _large: Running,
    /// A gateway that is scraped at its admin listener.
    few_descriptors: (Running, SocketAddr),
    stopping: (Running, SocketAddr),
    down: (Option<Running>, SocketAddr),
    restarting: (Option<Running>, SocketAddr),
    panicking: Panicking,
    held: Vec<TcpStream>,
    services: Upstream,
    _files: TempDir,
}

/// Returns the behaviour of each path when it is faulty, or `None` if it goes on as before.
fn fault(request: &Request) -> Option<Behaviour> {
    let pong = || Behaviour::from(Response::pong());
    Some(match request.path() {
        "/failing" | "/shaky" | "/breaking" => Response::new(500).into(),
        "/rejecting" => Response::new(401).into(),
        "/hedged" => pong().after(Duration::from_millis(300)),
        // This is within its timeout of 500 ms, and in the last bucket before it.
        "/slow" => pong().after(Duration::from_millis(420)),
        "/late" => pong().after(Duration::from_secs(2)),
        "/busy" | "/full" => pong().after(Duration::from_millis(400)),
        "/closing" => Response::pong().close().into(),
        "/large" => Response::new(200)
            .header("content-type", "application/octet-stream")
            .body(vec![0xff; LARGE])
            .into(),
        _ => return None,
    })
}

fn aggregate(name: &str, settings: &str, services: &Upstream) -> String {
    format!(
        "[upstreams.{name}]\nurl = \"{}\"\n{settings}\n[aggregates.{name}]\ncalls = [\"{name}\"]\n",
        services.url(&format!("/{name}"))
    )
}

fn sick(services: &Upstream) -> String {
    [
        &aggregate("good", "", services),
        &aggregate("failing", "", services),
        &aggregate("shaky", "", services),
        "[aggregates.partly]\ncalls = [\"good\", \"shaky\"]\n",
        &aggregate("slow", "timeout = \"500ms\"", services),
        &aggregate("late", "", services),
        "deadline = \"300ms\"\n",
        &aggregate("busy", "max_in_flight = 2", services),
        &aggregate(
            "breaking",
            "breaker = { failures = 3, open_for = \"60s\" }",
            services,
        ),
        &aggregate("closing", "", services),
        &aggregate("rejecting", "", services),
        &aggregate(
            "hedged",
            "hedge = { after = \"100ms\" }\nbudget = { ratio = 0, min_per_second = 0 }",
            services,
        ),
    ]
    .concat()
}

impl Gateways {
    /// Starts all gateways and Prometheus. Returns `None` if there is no Prometheus.
    pub(super) fn start() -> Option<Self> {
        needed("prometheus", which("prometheus"))?;
        let faulty = Arc::new(AtomicBool::new(false));
        let is_faulty = Arc::clone(&faulty);
        let services = Upstream::start(move |request| {
            let fault = fault(request).filter(|_| is_faulty.load(Ordering::Relaxed));
            fault.unwrap_or_else(|| {
                Behaviour::from(Response::pong()).after(Duration::from_millis(5))
            })
        });
        let plain = aggregate("default", "", &services);
        let sick = Running::serve(&sick(&services));
        let full = aggregate("full", "", &services);
        let full = Running::serve(&format!("server.max_in_flight = 2\n{full}"));
        let large = Running::serve(&aggregate("large", "max_body = \"15MiB\"", &services));
        let stopping = Running::serve(&format!("server.grace = \"5m\"\n{plain}"));
        let (down, down_at) = Running::serve(&plain);
        let (restarting, restarting_at) = Running::serve(&plain);
        let files = tempfile::tempdir().unwrap();
        let few_descriptors = with_few_descriptors(&files, &plain);
        let panicking = Panicking::start();
        let addresses = [
            sick.1,
            full.1,
            large.1,
            few_descriptors.1,
            stopping.1,
            down_at,
            restarting_at,
            panicking.address,
        ];
        let prometheus = Prometheus::start(&Settings {
            gateways: &addresses,
            rules: &quick_rules(),
            interval: INTERVAL,
        })?;
        let mut load = Load::default();
        for target in [
            "/aggregate/good",
            "/aggregate/failing",
            "/aggregate/partly",
            "/aggregate/slow",
            "/aggregate/late",
            "/aggregate/busy",
            "/aggregate/breaking",
            "/aggregate/closing",
            "/aggregate/rejecting",
            "/aggregate/hedged",
        ] {
            load.add(1, sick.1, target, PAUSE);
        }
        load.add(1, full.1, "/aggregate/full", PAUSE);
        load.add(1, large.1, "/aggregate/large", PAUSE);
        load.add(1, panicking.address, "/aggregate/fine", PAUSE);
        for address in &addresses[3..7] {
            load.add(1, *address, "/aggregate", PAUSE);
        }
        Some(Self {
            prometheus,
            load,
            faulty,
            sick,
            full,
            _large: large.0,
            few_descriptors,
            stopping,
            down: (Some(down), down_at),
            restarting: (Some(restarting), restarting_at),
            panicking,
            held: Vec::new(),
            services,
            _files: files,
        })
    }

    /// Injects every fault. Returns the alerts that must fire and those that may.
    pub(super) fn inject(&mut self) -> BTreeMap<Fired, Faulty> {
        self.faulty.store(true, Ordering::Relaxed);
        // This is more traffic than these two take.
        self.load.add(5, self.sick.1, "/aggregate/busy", PAUSE);
        self.load.add(5, self.full.1, "/aggregate/full", PAUSE);
        self.load
            .add(1, self.panicking.address, "/aggregate/at_once", PAUSE);
        self.stopping.0.signal("TERM");
        // It is killed, because a process that runs out of memory ends without notice.
        drop(self.down.0.take());
        self.use_up_descriptors();
        self.restart();
        self.expected()
    }

    /// Opens connections and leaves them idle, until clients have all places. Then takes away most of the descriptors
    /// that the process has left.
    fn use_up_descriptors(&mut self) {
        let (gateway, admin) = &self.few_descriptors;
        assert_eq!(number(*admin, "process_max_fds"), DESCRIPTORS as f64);
        let public = gateway.address("address");
        let limit = number(*admin, "gather_client_connections_limit");
        while number(*admin, "gather_client_connections") < limit {
            assert!(self.held.len() < DESCRIPTORS, "they do not count");
            let request = format!("GET /openapi.json HTTP/1.1\r\nHost: {public}\r\n\r\n");
            self.held.push(write(public, &request).unwrap());
        }
        let few = (number(*admin, "process_open_fds") / 0.88) as u64;
        let pid = i32::try_from(gateway.id()).unwrap();
        let nofile = rlimit::Resource::NOFILE;
        rlimit::prlimit(pid, nofile, Some((few, DESCRIPTORS as u64)), None).unwrap();
    }

    /// Kills a gateway and starts it anew until Prometheus has seen three starts in the alert's time. A start may take
    /// any time here.
    fn restart(&mut self) {
        let address = self.restarting.1;
        let series = format!("gather_start_time_seconds{{instance=\"{address}\"}}");
        let starts = format!("changes({series}[15s])");
        within(SCRAPES, "three starts in 15 s", || {
            let before = self.prometheus.number(&series).unwrap();
            within(SCRAPES, "a later start", || {
                drop(self.restarting.0.take());
                let toml = aggregate("default", "", &self.services);
                let (running, _) = Running::serve_at(address, &toml);
                self.restarting.0 = Some(running);
                (number(address, "gather_start_time_seconds") > before).then_some(())
            });
            self.prometheus.expect(&series, |start| start > before);
            self.prometheus
                .number(&starts)
                .filter(|starts| *starts > 2.0)
        });
    }

    fn expected(&self) -> BTreeMap<Fired, Faulty> {
        let at = |address: SocketAddr| address.to_string();
        let mut expected = BTreeMap::new();
        let must = [
            ("GatherDown", at(self.down.1)),
            ("GatherNotReady", at(self.stopping.1)),
            ("GatherRestarting", at(self.restarting.1)),
            ("GatherPanicked", at(self.panicking.address)),
            ("GatherClientsWaiting", at(self.few_descriptors.1)),
            ("GatherFileDescriptorsLow", at(self.few_descriptors.1)),
            ("GatherRequestsFailing", "failing".to_owned()),
            ("GatherErrorBudgetBurning", "failing".to_owned()),
            ("GatherPartialAnswers", "partly".to_owned()),
            ("GatherShedding", "full".to_owned()),
            ("GatherOverheadHigh", "large".to_owned()),
            ("GatherUpstreamFailing", "failing".to_owned()),
            ("GatherUpstreamFailing", "shaky".to_owned()),
            ("GatherUpstreamSlow", "slow".to_owned()),
            ("GatherDeadlineMissed", "late".to_owned()),
            ("GatherUpstreamOverload", "busy".to_owned()),
            ("GatherCircuitOpen", "breaking".to_owned()),
            ("GatherConnectionsNotReused", "closing".to_owned()),
            ("GatherUpstreamRejecting", "rejecting".to_owned()),
            ("GatherExtraAttemptsRefused", "hedged".to_owned()),
        ];
        // A failing upstream also causes an alert about the requests that need it.
        let failing =
            ["late", "busy", "breaking", "at_once", "slow", "rejecting"].map(str::to_owned);
        let may = failing.iter().flat_map(|name| {
            ["GatherRequestsFailing", "GatherErrorBudgetBurning"].map(|alert| (alert, name.clone()))
        });
        let may = may.chain([
            ("GatherUpstreamFailing", "breaking".to_owned()),
            ("GatherUpstreamFailing", "slow".to_owned()),
            // The deadline cuts its attempts, and their connections with them.
            ("GatherConnectionsNotReused", "late".to_owned()),
            // It was down in between.
            ("GatherDown", at(self.restarting.1)),
        ]);
        expected.extend(may.map(|(alert, about)| ((alert.to_owned(), about), Faulty::May)));
        let must = must.into_iter();
        expected.extend(must.map(|(alert, about)| ((alert.to_owned(), about), Faulty::Must)));
        expected
    }
}

/// Returns one number of a gateway's metrics.
fn number(address: SocketAddr, series: &str) -> f64 {
    let metrics = get(address, "/metrics");
    let line = metrics
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(series));
    line.and_then(|value| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("{address} has no {series}"))
}

/// Starts a gateway that can't raise its limit of descriptors.
fn with_few_descriptors(files: &TempDir, toml: &str) -> (Running, SocketAddr) {
    let file = files.path().join("gather.toml");
    let text = format!(
        "server.listen = \"127.0.0.1:0\"\nserver.workers = 1\nadmin.listen = \"127.0.0.1:0\"\n{toml}"
    );
    std::fs::write(&file, text).unwrap();
    let mut command = gather();
    command.arg("serve").arg("-c").arg(file);
    let running = Running::start(limited(DESCRIPTORS, &command));
    let address = running.address("admin");
    (running, address)
}

/// A gateway before a script that panics, in this process.
struct Panicking {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Panicking {
    fn start() -> Self {
        let (told, started) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async {
                let (address, server) = panicking::serve();
                told.send(address).unwrap();
                let _ = stopped.await;
                server.stop(false).await;
            });
        });
        Self {
            address: started.recv().unwrap(),
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Panicking {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic's message is already on stderr.
            let _ = thread.join();
        }
    }
}
