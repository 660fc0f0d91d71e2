//! `gather bench`: loads one aggregate of a running gateway in both modes in turn, and compares them.

mod file;
mod html;
mod load;
mod report;
mod tally;

use std::{io::Write as _, num::NonZeroUsize, path::PathBuf, time::Duration};

use anyhow::bail;
use clap::Args;
use http::{StatusCode, Uri};
use indicatif::{ProgressBar, ProgressStyle};

use self::{
    file::Destination,
    load::{Amount, Load, Pace},
    report::Report,
    tally::Tally,
};
use super::{Done, answer, block_on, client, screen, serve};
use crate::{fanout::Mode, shutdown::Signals};

/// The time of each mode's load if neither a time nor a number of requests is given.
const DURATION: Duration = Duration::from_secs(10);

/// Loads one aggregate of a running gateway in both modes in turn, and compares their latencies.
///
/// As many requests as --concurrency are under way at a time, each followed by the next. With --rate, requests start by
/// the clock instead. A latency then counts from the time at which its request was due, so that waiting for a free
/// connection counts too. This is called correcting for coordinated omission.
///
/// Exit status: 0 if every request got an answer of 2xx, 1 if not, or if it was stopped early.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// The gateway or one of its aggregates; without a path, /aggregate
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080/aggregate")]
    url: String,
    /// Requests in each mode; with --duration, whichever is over first
    #[arg(long, value_name = "N")]
    requests: Option<NonZeroUsize>,
    /// Time for which each mode is loaded [default: 10s, unless --requests is given]
    #[arg(long, value_name = "DURATION", value_parser = super::time)]
    duration: Option<Duration>,
    /// Requests at a time, each on a connection of its own
    #[arg(long, value_name = "N", default_value = "10")]
    concurrency: NonZeroUsize,
    /// Requests a second, started by the clock; --concurrency bounds how many are under way
    #[arg(long, value_name = "N", value_parser = rate)]
    rate: Option<f64>,
    /// Only this mode: sequential (sync) or concurrent (async)
    #[arg(long, value_parser = mode)]
    mode: Option<Mode>,
    #[command(flatten)]
    asked: client::Asked,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    /// Write a report with the latency curves of both modes, one HTML file that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Bench {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        let file = self.html.as_deref().map(Destination::check).transpose()?;
        serve::allow_many_sockets();
        let urls = [Mode::Sequential, Mode::Concurrent]
            .into_iter()
            .filter(|mode| self.mode.is_none_or(|only| only == *mode))
            .map(|mode| Ok((mode, self.url(mode)?)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let runs = block_on(self.measure(urls))?;
        let report = Report {
            url: &self.url,
            concurrency: self.concurrency,
            rate: self.rate,
            runs: &runs,
        };
        if self.json {
            writeln!(screen::out(), "{}", report.json())?;
        } else {
            report.draw(&mut screen::out(), screen::style())?;
        }
        if let Some(file) = file {
            file.write(&html::page(&report))?;
        }
        Ok(if runs.iter().all(|(_, run)| run.is_flawless()) {
            Done::Well
        } else {
            Done::Badly
        })
    }

    async fn measure(&self, urls: Vec<(Mode, Uri)>) -> anyhow::Result<Vec<(Mode, Tally)>> {
        let mut stop = Box::pin(serve::on_signal(Signals::to_stop()?));
        let mut runs = Vec::new();
        for (mode, url) in urls {
            let client = client::Client::to(url, self.asked.max_time)?;
            tokio::select! {
                tried = self.try_once(&client) => tried?,
                () = &mut stop => bail!("stopped before anything was measured of {mode}"),
            }
            let load = Load {
                amount: self.amount(),
                concurrency: self.concurrency,
                pace: self.rate.map_or(Pace::Closed, Pace::Rate),
            };
            let bar = bar(mode, load.amount);
            let tally = load.run(&client, stop.as_mut(), &bar).await;
            bar.finish_and_clear();
            let was_stopped = tally.cut_short;
            runs.push((mode, tally));
            if was_stopped {
                break;
            }
        }
        Ok(runs)
    }

    /// Sends one request that is not counted. If the gateway refuses it, it would refuse all others too.
    async fn try_once(&self, client: &client::Client) -> anyhow::Result<()> {
        let reply = client.ask().await?;
        // The load counts answers of 429 (Too Many Requests), so one of them must not stop it. A call's own status must
        // not stop it either: the gateway has made its calls.
        if reply.status.is_client_error()
            && reply.status != StatusCode::TOO_MANY_REQUESTS
            && !answer::is_passed(&reply)
        {
            bail!("the gateway refuses this: {}", answer::refusal(&reply));
        }
        Ok(())
    }

    fn amount(&self) -> Amount {
        Amount {
            requests: self.requests.map(NonZeroUsize::get),
            time: match (self.requests, self.duration) {
                (None, None) => Some(DURATION),
                (_, duration) => duration,
            },
        }
    }

    fn url(&self, mode: Mode) -> anyhow::Result<Uri> {
        let mode = [("mode", Some(mode.as_str()))];
        client::url_with(&self.url, mode.into_iter().chain(self.asked.parameters()))
    }
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let expected = "expected a number of requests a second, above 0 and up to 1000000";
    let rate: f64 = text.parse().map_err(|_| expected)?;
    (rate > 0.0 && rate <= 1e6).then_some(rate).ok_or(expected)
}

fn mode(text: &str) -> Result<Mode, &'static str> {
    text.parse().map_err(
        |_| "expected sequential (sync) or concurrent (async); without it both are loaded in turn",
    )
}

/// Makes the progress bar of one mode's load, for a terminal.
fn bar(mode: Mode, amount: Amount) -> ProgressBar {
    if !screen::shows_progress() {
        return ProgressBar::hidden();
    }
    // If only a time bounds the load, the bar counts milliseconds.
    let (length, template) = match amount {
        Amount {
            requests: Some(requests),
            ..
        } => (
            requests as u64,
            "{msg:10} {wide_bar} {pos}/{len} requests, {eta} left",
        ),
        Amount { time, .. } => (
            time.unwrap_or_default()
                .as_millis()
                .try_into()
                .unwrap_or(u64::MAX),
            "{msg:10} {wide_bar} {percent:>3} %, {eta} left",
        ),
    };
    let bar = ProgressBar::new(length).with_message(mode.as_str());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
