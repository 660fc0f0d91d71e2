//! The cost of composition: CPU a request of the same calls with and without a part of it, and of a whole home page
//! beside nginx with Lua that does the same by hand. Each figure is the median of rounds in which all take turns.
//!
//! `cargo bench --bench composition` runs it; `-- ROUNDS SECONDS` changes five rounds of three seconds. It needs nginx,
//! wrk and taskset, and for the last row `libnginx-mod-http-lua` and `lua-cjson`.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    unreachable_pub,
    dead_code,
    reason = "it prints, ends where it can't go on, and uses a part of the other bench"
)]

#[path = "compare/machine.rs"]
mod machine;
#[path = "compare/nginx.rs"]
mod nginx;
#[path = "compare/process.rs"]
mod process;
#[path = "compare/wrk.rs"]
mod wrk;

use std::{
    env, fs, io,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use machine::Cores;
use nginx::{filled, free_address, lua_modules, repository};
use process::Process;
use tempfile::TempDir;

const ROUNDS: usize = 5;
const SECONDS: u64 = 3;
const CONNECTIONS: usize = 32;
const START: Duration = Duration::from_secs(10);

/// The size of the larger body, in bytes.
const LARGE: usize = 4 << 10;

/// The paths that are measured, and the configuration of each aggregate behind them.
const AGGREGATES: &str = r#"
[aggregates.three]
calls = [
    { upstream = "service", path = "/16", name = "a" },
    { upstream = "service", path = "/16", name = "b" },
    { upstream = "service", path = "/16", name = "c" },
]
[aggregates.route]
path = "/things/{id}"
calls = [
    { upstream = "service", path = "/{path.id}", name = "a" },
    { upstream = "service", path = "/{path.id}", name = "b" },
    { upstream = "service", path = "/{path.id}", name = "c" },
]
[aggregates.after]
calls = [
    { upstream = "service", path = "/object", name = "object" },
    { upstream = "service", path = "/16", name = "next", after = ["object"] },
]
[aggregates.dependent]
calls = [
    { upstream = "service", path = "/object", name = "object" },
    { upstream = "service", path = "/{object.body.last}", name = "next" },
]
[aggregates.when]
calls = [
    { upstream = "service", path = "/object", name = "object" },
    { upstream = "service", path = "/16", name = "next", when = 'object.body.id > 1 && object.body.plan == "pro" && object.body.team.id != "x"' },
]
[aggregates.whole]
calls = [{ upstream = "service", path = "/object", name = "object" }]
[aggregates.keep]
calls = [{ upstream = "service", path = "/object", name = "object", keep = ["id", "name", "plan", "team.id", "team.name", "last"] }]
"#;

/// A figure: the CPU of a path beyond that of another, and the most that is wanted.
struct Row {
    title: &'static str,
    path: &'static str,
    beside: &'static str,
    most: Most,
}

enum Most {
    /// Times the other's.
    Times(f64),
    /// Microseconds more than the other's.
    More(f64),
}

const ROWS: [Row; 4] = [
    Row {
        title: "a route with a parameter in three calls, beside three calls",
        path: "/things/16",
        beside: "/aggregate/three",
        most: Most::Times(1.05),
    },
    Row {
        title: "a member of 4 KiB in the next path, beside `after` alone",
        path: "/aggregate/dependent",
        beside: "/aggregate/after",
        most: Most::More(6.0),
    },
    Row {
        title: "`when` of three terms over 4 KiB, beside `after` alone",
        path: "/aggregate/when",
        beside: "/aggregate/after",
        most: Most::More(3.0),
    },
    Row {
        title: "`keep` of six members of 4 KiB, beside the whole body",
        path: "/aggregate/keep",
        beside: "/aggregate/whole",
        most: Most::More(8.0),
    },
];

const HOME: &str = "/users/42/home";
const HOME_MOST: f64 = 0.8;

/// A program that answers, on its own core.
struct Server {
    process: Process,
    address: SocketAddr,
    _files: TempDir,
}

impl Server {
    /// Starts a program. `command` gets the folder for its files and its address.
    fn start(
        cores: Option<&str>,
        command: impl FnOnce(&TempDir, SocketAddr) -> io::Result<Command>,
    ) -> io::Result<Self> {
        let files = tempfile::tempdir()?;
        let address = free_address()?;
        let mut process = Process::start(command(&files, address)?, cores)?;
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if !process.runs() || began.elapsed() > START {
                return Err(io::Error::other("a program did not start"));
            }
            thread::park_timeout(Duration::from_millis(5));
        }
        Ok(Self {
            process,
            address,
            _files: files,
        })
    }

    /// Returns the CPU of one request for this path, in microseconds.
    fn cost(&self, path: &str, seconds: u64) -> io::Result<f64> {
        let url = format!("http://{}{path}", self.address);
        wrk::run(&url, CONNECTIONS, 1, false)?;
        let before = self.process.cpu();
        let report = wrk::run(&url, CONNECTIONS, seconds, false)?;
        let cpu = self.process.cpu().saturating_sub(before);
        if report.failures > 0.0 || report.requests < 1.0 {
            return Err(io::Error::other(format!("{url}: {report:?}")));
        }
        Ok(cpu.as_secs_f64() * 1e6 / report.requests)
    }
}

fn services() -> io::Result<Server> {
    Server::start(None, |files, address| {
        fs::write(files.path().join("object"), object())?;
        let place = files.path().display().to_string();
        let values = [("place", &*place), ("listen", &address.to_string())];
        let text = filled("bench/peers/composition/upstream.conf", &values)?;
        written(files, "nginx.conf", text).map(|file| nginx::nginx(&place, file))
    })
}

fn gather(services: SocketAddr, cores: Option<&str>) -> io::Result<Server> {
    Server::start(cores, |files, address| {
        let home = fs::read_to_string(repository("config/examples/home.toml"))?;
        let upstreams = ["users", "orders", "products", "recommendations", "offers"];
        let mut command = Command::new(env!("CARGO_BIN_EXE_gather"));
        for name in upstreams {
            let url = match name {
                "users" => format!("http://{services}/api"),
                _ => format!("http://{services}"),
            };
            let name = name.to_uppercase();
            command.env(format!("GATHER__UPSTREAMS__{name}__URL"), url);
        }
        let text = format!(
            "{home}\n[server]\nlisten = \"{address}\"\nworkers = 1\n[log]\nlevel = \"warn\"\n\
             [upstreams.service]\nurl = \"http://{services}\"\n{AGGREGATES}"
        );
        command
            .args(["serve", "-c"])
            .arg(written(files, "gather.toml", text)?);
        Ok(command)
    })
}

fn lua(services: SocketAddr, modules: &str, cores: Option<&str>) -> io::Result<Server> {
    Server::start(cores, |files, address| {
        let place = files.path().display().to_string();
        let values = [
            ("place", &*place),
            ("modules", modules),
            ("listen", &address.to_string()),
            ("upstream", &services.to_string()),
        ];
        let text = filled("bench/peers/composition/lua.conf", &values)?;
        written(files, "nginx.conf", text).map(|file| nginx::nginx(&place, file))
    })
}

fn written(files: &TempDir, name: &str, text: String) -> io::Result<PathBuf> {
    let file = files.path().join(name);
    fs::write(&file, text).map(|()| file)
}

/// Makes an object of the larger size, with the members that the rows take at its beginning and at its end.
fn object() -> String {
    let mut text = String::from(
        r#"{"id":42,"name":"Ada","plan":"pro","team":{"id":7,"name":"Engines","tier":"gold"},"items":["#,
    );
    let end = r#"0],"last":16}"#;
    let mut number = 0;
    loop {
        number += 1;
        let item = format!(r#"{{"id":{number},"name":"item {number}","price":12.50}},"#);
        if text.len() + item.len() + end.len() > LARGE {
            break text + end;
        }
        text.push_str(&item);
    }
}

fn main() -> ExitCode {
    let mut numbers = env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let rounds = numbers.next().map_or(ROUNDS, |number| number as usize);
    let seconds = numbers.next().unwrap_or(SECONDS);
    let cores = Cores::share();
    for fact in machine::facts(&cores) {
        println!("- {fact}");
    }
    let services = services().unwrap();
    let gateway = gather(services.address, cores.measured()).unwrap();
    let lua = lua_modules().map(|modules| lua(services.address, modules, cores.measured()));
    let lua = lua.transpose().unwrap();
    if lua.is_none() {
        eprintln!("nginx with Lua is left out: it needs libnginx-mod-http-lua and lua-cjson");
    }
    let mut costs: Vec<Vec<f64>> = vec![Vec::new(); 2 * ROWS.len() + 2];
    for _ in 0..rounds {
        for (index, row) in ROWS.iter().enumerate() {
            costs[2 * index].push(gateway.cost(row.path, seconds).unwrap());
            costs[2 * index + 1].push(gateway.cost(row.beside, seconds).unwrap());
        }
        let last = 2 * ROWS.len();
        costs[last].push(gateway.cost(HOME, seconds).unwrap());
        if let Some(lua) = &lua {
            costs[last + 1].push(lua.cost(HOME, seconds).unwrap());
        }
    }
    let costs: Vec<_> = costs.into_iter().map(median).collect();
    told(&costs)
}

/// Prints the table, and returns if all is as wanted.
fn told(costs: &[f64]) -> ExitCode {
    println!("\n| | CPU a request, µs | beside it | | at most |\n|---|---|---|---|---|");
    let mut is_good = true;
    for (row, pair) in ROWS.iter().zip(costs.chunks(2)) {
        let (own, other) = (pair[0], pair[1]);
        let (found, most) = match row.most {
            Most::Times(most) => {
                is_good &= own <= most * other;
                (format!("{:.3} ×", own / other), format!("{most} ×"))
            }
            Most::More(most) => {
                is_good &= own <= most + other;
                (format!("{:+.1} µs", own - other), format!("{most:+} µs"))
            }
        };
        println!(
            "| {} | {own:.1} | {other:.1} | {found} | {most} |",
            row.title
        );
    }
    let [home, lua] = [costs[2 * ROWS.len()], costs[2 * ROWS.len() + 1]];
    let title = "the home page of six calls, beside nginx + Lua with cjson";
    if lua > 0.0 {
        is_good &= home <= HOME_MOST * lua;
        println!(
            "| {title} | {home:.1} | {lua:.1} | {:.2} × | {HOME_MOST} × |",
            home / lua
        );
    } else {
        println!("| {title} | {home:.1} | – | – | {HOME_MOST} × |");
    }
    if is_good {
        ExitCode::SUCCESS
    } else {
        println!("\nA figure is above what is wanted.");
        ExitCode::FAILURE
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
