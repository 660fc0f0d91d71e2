//! Allocations per aggregate, by size and by the place that makes them. An allocator counts them, and notes a backtrace
//! with each. No count makes the bench fail.
//!
//! `just allocations` (`cargo test --bench allocations`) runs all scenarios; `just allocations calls_3` runs only that
//! one. The gateway is in this process, with one worker. The client and the upstreams are here too, and allocate
//! nothing once they are warm.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "it prints, and ends where it can't go on"
)]
#![allow(unreachable_pub, reason = "its modules are for this program alone")]

#[path = "instructions/scenario.rs"]
#[allow(dead_code, reason = "each bench uses a part of it")]
mod scenario;
#[path = "instructions/script.rs"]
mod script;
#[path = "allocations/sites.rs"]
mod sites;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::mpsc,
    thread,
};

use gather::{app::Application, config};

use tokio::runtime::{Builder, LocalOptions};

use scenario::{SCENARIOS, Scenario};
use script::Script;
use sites::Sites;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// The number of aggregates before counting, in which pools fill, and buffers and tables grow.
const WARM_UP: u32 = 100;

/// The number of aggregates that are counted.
const COUNTED: u32 = 100;

/// The number of places that are listed.
const TOP: usize = 40;

/// A gateway in a thread of this process. It ends with the process.
struct InProcess(SocketAddr);

impl InProcess {
    fn start(toml: &str) -> Self {
        let text = format!("server = {{ listen = \"127.0.0.1:0\", workers = 1 }}\n{toml}");
        let config = config::load_text("bench", &text).unwrap();
        let (told, listening) = mpsc::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default());
            runtime.unwrap().block_on(async move {
                let application = Application::build(config).unwrap();
                told.send(application.address()).unwrap();
                application
                    .run_until_stopped(std::future::pending())
                    .await
                    .unwrap();
            });
        });
        Self(listening.recv().unwrap())
    }
}

impl script::Gateway for InProcess {
    fn address(&self) -> SocketAddr {
        self.0
    }

    // The moment of its work changes how often it wakes. Waking allocates nothing.
    fn wait_idle(&self) -> io::Result<()> {
        Ok(())
    }

    fn at_once(&self, act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        act()
    }
}

fn main() {
    let names: Vec<_> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    let counted: Vec<_> = SCENARIOS
        .iter()
        .filter(|scenario| names.is_empty() || names.iter().any(|name| name == scenario.name))
        .map(|scenario| (scenario, count(scenario)))
        .collect();
    println!("| scenario | allocations per aggregate | bytes per aggregate |\n|---|---|---|");
    for (scenario, sites) in &counted {
        let Scenario {
            name, calls, body, ..
        } = scenario;
        let (allocations, bytes) = sites.total();
        println!(
            "| {name}: {calls} × {body} B | {} | {} |",
            each(allocations),
            each(bytes)
        );
    }
    for (scenario, sites) in &counted {
        println!(
            "\n{}, by size in bytes: allocations per aggregate, their bytes\n",
            scenario.name
        );
        for (class, allocations, bytes) in sites.classes() {
            println!("{class:>16} {:>9} {:>9}", each(allocations), each(bytes));
        }
        println!(
            "\n{}, by place: allocations per aggregate, bytes of one, where, and on whose behalf\n",
            scenario.name
        );
        for site in sites.top(TOP) {
            println!(
                "{:>9} {:>9}  {}  ←  {}",
                each(site.allocations),
                site.bytes / site.allocations,
                site.place,
                site.behalf
            );
        }
    }
    // The gateways' threads end with the process.
    std::process::exit(0);
}

/// Returns a sum's share of one aggregate, to a tenth.
fn each(sum: u64) -> String {
    format!("{:.1}", sum as f64 / f64::from(COUNTED))
}

fn count(scenario: &Scenario) -> Sites {
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("heap.json");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = InProcess::start(&scenario.configuration(listener.local_addr().unwrap()));
    let mut script = Script::begin(&gateway, &listener, scenario).unwrap();
    script.play(&gateway, WARM_UP).unwrap();
    let profiler = dhat::Profiler::builder()
        .file_name(&file)
        .trim_backtraces(None)
        .build();
    script.play(&gateway, COUNTED).unwrap();
    drop(profiler);
    Sites::read(&file)
}
