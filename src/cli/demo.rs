//! `gather demo`: the whole story in one process: three slow services, the gateway before them, both modes over HTTP.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::{
    sync::oneshot,
    time::{Instant, interval},
};
use tracing::level_filters::LevelFilter;

use super::{
    Done,
    answer::{self, Answer},
    block_on, client, screen, serve,
    waterfall::{Style, duration},
};
use crate::{
    app::Application,
    config::{self, TooFew},
    fanout::{Mode, Reply},
    ping::{self, PingObserver, Seen},
    shutdown::Signals,
    telemetry::log,
};

/// Shows three 2 s calls taking 6 s in a row and 2 s together, through a real gateway over HTTP.
///
/// Starts the services and the gateway on loopback, sends one sequential and one concurrent aggregate, draws both, and
/// keeps serving until Ctrl-C.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Stop after the table
    #[arg(long)]
    once: bool,
    /// The time that each service thinks
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = ping::parse_delay)]
    delay: Duration,
    /// The number of services
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=100))]
    calls: u16,
    /// The gateway's address [default: 127.0.0.1:8090, or a free port]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Print the gateway's answers as JSON, one a line
    #[arg(long)]
    json: bool,
}

/// The gateway's address if it is free: easy to remember, and not the one of `gather serve`, which is tried next.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8090);

/// The time that the calls may take beyond their delay, all together.
const SLACK: Duration = Duration::from_secs(10);

impl Demo {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        log::start(log::Settings {
            format: log::Format::Text,
            level: LevelFilter::WARN,
        })?;
        serve::allow_many_sockets();
        let calls = usize::from(self.calls);
        let (what, instead) = match calls {
            1 => ("the gateway and 1 service".to_owned(), ""),
            _ => (
                format!("the gateway and {calls} services"),
                ", or use fewer --calls",
            ),
        };
        // This process has both ends of the client's connection and of each call's.
        TooFew::check((1 + calls, 1 + calls), 2 + 2 * calls, what, instead)?;
        block_on(self.show())
    }

    async fn show(self) -> anyhow::Result<Done> {
        let stop = serve::on_signal(Signals::to_stop()?);
        let services = self.services()?;
        let text = self.configuration(&services)?;
        let config = config::load_text("the demo's configuration", &text)?;
        let application = Application::build(config)?;
        let address = application.address();
        let (end, ended) = oneshot::channel::<()>();
        let serving = actix_web::rt::spawn(application.run_until_stopped(async {
            let _ = ended.await;
        }));

        let work = async {
            let well = self.table(address, &services).await?;
            if !self.once {
                self.invite(address)?;
                std::future::pending::<()>().await;
            }
            anyhow::Ok(well)
        };
        let result = tokio::select! {
            result = work => result,
            () = stop => Ok(Done::Well),
        };
        // The gateway is told to stop in either case. This fails only if it has already ended.
        let _ = end.send(());
        serving.await??;
        result
    }

    /// Starts the services, each on a free port.
    fn services(&self) -> anyhow::Result<Vec<Service>> {
        (1..=self.calls)
            .map(|number| {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                    .context("no free port on loopback for the services")?;
                let address = listener.local_addr()?;
                let stage = Arc::new(AtomicU8::new(0));
                let seen = Arc::clone(&stage);
                let watch: PingObserver = Arc::new(move |event| {
                    let stage = match event {
                        Seen::Started => STARTED,
                        Seen::Ended => ENDED,
                    };
                    seen.store(stage, Ordering::Release);
                });
                let settings = ping::Settings {
                    delay: self.delay,
                    ..ping::Settings::default()
                };
                let server = ping::serve(listener, settings, 1, Some(watch))?;
                actix_web::rt::spawn(server);
                Ok(Service {
                    name: format!("ping_{number}"),
                    address,
                    stage,
                })
            })
            .collect()
    }

    /// Returns the gateway's configuration as the text of a file.
    fn configuration(&self, services: &[Service]) -> anyhow::Result<String> {
        let seconds = |time: Duration| format!("{}ms", time.as_millis());
        let listen = match self.listen {
            Some(address) => {
                // The gateway's own error would name a setting in a file that doesn't exist.
                TcpListener::bind(address).with_context(|| {
                    format!("can't listen on {address}; choose another --listen")
                })?;
                address
            }
            None if TcpListener::bind(LISTEN).is_ok() => LISTEN,
            None => SocketAddr::new(LISTEN.ip(), 0),
        };
        let whole = self.delay * (u32::from(self.calls) + 1) + SLACK;
        let mut text = format!(
            "[server]\nlisten = \"{listen}\"\nworkers = 1\ngrace = \"0s\"\n\n[defaults]\ntimeout = \"{}\"\n",
            seconds(self.delay + SLACK)
        );
        let mut names = Vec::new();
        for Service { name, address, .. } in services {
            write!(
                text,
                "\n[upstreams.{name}]\nurl = \"http://{address}/ping\"\n"
            )?;
            names.push(format!("\"{name}\""));
        }
        write!(
            text,
            "\n[aggregates.default]\ncalls = [{}]\ndeadline = \"{}\"\ncompare = true\n",
            names.join(", "),
            seconds(whole)
        )?;
        Ok(text)
    }

    /// Runs both modes in turn and draws them on one time axis.
    async fn table(&self, address: SocketAddr, services: &[Service]) -> anyhow::Result<Done> {
        let mut out = screen::out();
        let mut runs = Vec::new();
        for mode in Mode::ALL {
            let reply = self.watched(address, mode, services).await?;
            if self.json {
                writeln!(out, "{}", client::text(&reply.body))?;
            }
            runs.push(Answer::read(&reply)?);
        }
        let [Answer::Single(sequential), Answer::Single(concurrent)] = &runs[..] else {
            anyhow::bail!("the gateway compared where it should not have");
        };
        if !self.json {
            let style = screen::style();
            answer::draw_together(&[sequential, concurrent], &mut out, style)?;
            writeln!(out)?;
            ratio(
                &mut out,
                style,
                answer::elapsed(sequential),
                answer::elapsed(concurrent),
            )?;
        }
        let well = runs.iter().all(Answer::is_complete);
        Ok(if well { Done::Well } else { Done::Badly })
    }

    /// Runs one aggregate over HTTP. Each service has a bar that follows the service's own progress.
    async fn watched(
        &self,
        address: SocketAddr,
        mode: Mode,
        services: &[Service],
    ) -> anyhow::Result<Reply> {
        let url = client::url(
            &format!("http://{address}/aggregate?mode={mode}"),
            "/aggregate",
        )?;
        let bars = Bars::new(mode, services, self.delay);
        let answer = client::get(url, self.delay * u32::from(self.calls) + 2 * SLACK);
        tokio::pin!(answer);
        let mut tick = interval(Duration::from_millis(50));
        let reply = loop {
            tokio::select! {
                reply = &mut answer => break reply,
                _ = tick.tick() => bars.draw(),
            }
        };
        bars.clear();
        reply
    }

    /// Prints things to try while the gateway goes on.
    fn invite(&self, address: SocketAddr) -> io::Result<()> {
        let mut out = screen::out();
        if self.json {
            return Ok(());
        }
        writeln!(
            out,
            "\nThe gateway goes on. In a browser, where you press Run:"
        )?;
        writeln!(out, "  http://{address}/console")?;
        writeln!(out, "In another terminal:")?;
        writeln!(
            out,
            "  curl -i 'http://{address}/aggregate?mode=sequential'"
        )?;
        writeln!(
            out,
            "  curl -i 'http://{address}/aggregate?mode=concurrent'"
        )?;
        writeln!(out, "  curl 'http://{address}/aggregate?mode=compare'")?;
        writeln!(out, "  curl 'http://{address}/metrics'")?;
        // The program may not be on the search path.
        let program = std::env::args().next();
        let program = program.unwrap_or_else(|| "gather".to_owned());
        writeln!(out, "  {program} call 'http://{address}' --mode compare")?;
        writeln!(
            out,
            "Ctrl-C ends it. README.md goes on from here, before services of your own."
        )?;
        out.flush()
    }
}

fn ratio(
    out: &mut dyn io::Write,
    style: Style,
    sequential: Duration,
    concurrent: Duration,
) -> io::Result<()> {
    let shown = |time| duration(time, style.unicode);
    writeln!(
        out,
        "sequential {}, concurrent {}: {:.2} times as fast",
        shown(sequential),
        shown(concurrent),
        sequential.as_secs_f64() / concurrent.as_secs_f64().max(f64::MIN_POSITIVE),
    )
}

/// A dummy service and its current state.
struct Service {
    name: String,
    address: SocketAddr,
    stage: Arc<AtomicU8>,
}

const WAITING: u8 = 0;
const STARTED: u8 = 1;
const ENDED: u8 = 2;

/// The progress bars, one for each service, driven by the events of the services themselves.
struct Bars<'a> {
    all: MultiProgress,
    rows: Vec<(ProgressBar, &'a Service, std::cell::Cell<Option<Instant>>)>,
    delay: Duration,
}

impl<'a> Bars<'a> {
    fn new(mode: Mode, services: &'a [Service], delay: Duration) -> Self {
        let all = MultiProgress::new();
        if !screen::shows_progress() {
            all.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let rows = services
            .iter()
            .map(|service| {
                service.stage.store(WAITING, Ordering::Release);
                let bar = all.add(ProgressBar::new(
                    u64::try_from(delay.as_millis()).unwrap_or(1).max(1),
                ));
                if let Ok(style) =
                    ProgressStyle::with_template("{prefix} {msg:8} {bar:40} {percent:>3} %")
                {
                    bar.set_style(style);
                }
                bar.set_prefix(mode.as_str());
                bar.set_message(service.name.clone());
                (bar, service, std::cell::Cell::new(None))
            })
            .collect();
        Self { all, rows, delay }
    }

    fn draw(&self) {
        let now = Instant::now();
        for (bar, service, began) in &self.rows {
            let done = match service.stage.load(Ordering::Acquire) {
                WAITING => Duration::ZERO,
                STARTED => {
                    let began = began.get().unwrap_or_else(|| {
                        began.set(Some(now));
                        now
                    });
                    (now - began).min(self.delay)
                }
                _ => self.delay,
            };
            bar.set_position(u64::try_from(done.as_millis()).unwrap_or(u64::MAX));
        }
    }

    fn clear(&self) {
        // A terminal that can't be cleared is not worth failing for.
        let _ = self.all.clear();
    }
}
