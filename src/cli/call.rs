//! `gather call`: one aggregate against a running gateway.

use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Done, answer, block_on, client, screen};

/// One aggregate against a running gateway, drawn as a waterfall with its timings.
///
/// Exit status: 0 if its outcome is complete, 1 if not.
#[derive(Debug, Args)]
pub(super) struct Call {
    /// The gateway or one of its aggregates; without a path, /aggregate
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080/aggregate")]
    url: String,
    /// sequential (sync), concurrent (async) or compare
    #[arg(long)]
    mode: Option<String>,
    /// At most N calls at a time
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
    /// A subset of the aggregate's calls, separated by commas
    #[arg(long, value_name = "NAMES")]
    calls: Option<String>,
    /// Shortens the deadline, such as 500ms
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// all, first or a number of calls
    #[arg(long, value_name = "WHAT")]
    wait_for: Option<String>,
    /// How long to wait for the gateway itself
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::time)]
    max_time: Duration,
    /// Print the gateway's JSON as it came
    #[arg(long)]
    json: bool,
}

impl Call {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        let url = self.url()?;
        let reply = block_on(async {
            let bar = spinner(&self.url);
            let reply = client::get(url, self.max_time).await;
            bar.finish_and_clear();
            reply
        })?;
        let answer = answer::show(&reply, self.json)?;
        Ok(if reply.status.is_success() && answer.is_complete() {
            Done::Well
        } else {
            Done::Badly
        })
    }

    fn url(&self) -> anyhow::Result<http::Uri> {
        let options = [
            ("mode", &self.mode),
            ("concurrency", &self.concurrency),
            ("calls", &self.calls),
            ("timeout", &self.timeout),
            ("wait_for", &self.wait_for),
        ];
        client::url_with(
            &self.url,
            options.map(|(name, value)| (name, value.as_deref())),
        )
    }
}

/// The time that passes, on a terminal; the calls are known only once the answer is there.
fn spinner(url: &str) -> ProgressBar {
    if !screen::shows_progress() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed_precise}");
    let bar = ProgressBar::new_spinner().with_message(url.to_owned());
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
