//! `gather call`: one aggregate against a running gateway.

mod lines;
mod live;
mod request;
mod view;

use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use http::{HeaderValue, StatusCode, header};
use tokio::time::{interval, timeout};

use self::{lines::Lines, live::Announced, request::RequestArgs, view::LiveView};
use super::{
    Done,
    answer::{self, Answer},
    block_on, client, screen, serve,
};
use crate::{
    fanout::{Body, Reply},
    shutdown::Signals,
    upstream::Following,
};

/// The media types to ask for on a terminal: each result as it settles, or else the whole answer.
const ACCEPT: &str = "application/x-ndjson, application/json;q=0.5";
const STREAM: &str = "application/x-ndjson";

/// The time between two drawings.
const TICK: Duration = Duration::from_millis(100);

/// One aggregate against a running gateway, drawn as it happens and then as a waterfall with its timings.
///
/// Exit status: 0 if its outcome is complete, 1 if not.
#[derive(Debug, Args)]
pub(super) struct Call {
    /// The gateway, one of its aggregates or the route of one; without a path, /aggregate
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:8080/aggregate")]
    url: String,
    /// sequential (sync), concurrent (async) or compare
    #[arg(long)]
    mode: Option<String>,
    /// At most N calls at a time
    #[arg(long, value_name = "N")]
    concurrency: Option<String>,
    #[command(flatten)]
    asked: client::Asked,
    #[command(flatten)]
    request: RequestArgs,
    /// Print the gateway's JSON as it came
    #[arg(long)]
    json: bool,
}

impl Call {
    pub(super) fn run(self) -> anyhow::Result<Done> {
        let url = self.url()?;
        let (status, answer) = if screen::shows_progress() && !self.json {
            block_on(self.watch(url))?
        } else {
            let sent = self.request.sent()?;
            let client = client::Client::sending(url, self.asked.max_time, sent)?;
            let reply = block_on(client.ask())?;
            (reply.status, answer::show(&reply, self.json)?)
        };
        Ok(if status.is_success() && answer.is_complete() {
            Done::Well
        } else {
            Done::Badly
        })
    }

    /// Draws the answer while it comes, and once more at its end.
    async fn watch(&self, url: http::Uri) -> anyhow::Result<(StatusCode, Answer)> {
        let mut sent = self.request.sent()?;
        let accept = (header::ACCEPT, HeaderValue::from_static(ACCEPT));
        sent.headers.push(accept);
        let client = client::Client::sending(url, self.asked.max_time, sent)?;
        let stop = serve::on_signal(Signals::to_stop()?);
        let mut view = LiveView::begin();
        let ended = tokio::select! {
            ended = timeout(self.asked.max_time, self.follow(&client, &mut view)) => {
                ended.unwrap_or_else(|_| {
                    let within = humantime::format_duration(self.asked.max_time);
                    Err(anyhow!("no whole answer from {} within {within}", self.url))
                })
            }
            () = stop => Err(anyhow!("stopped; the gateway has been told by the closed connection")),
        };
        view.end(ended)
    }

    /// Takes the answer as it comes. Returns the whole answer if the gateway doesn't stream.
    async fn follow(
        &self,
        client: &client::Client,
        view: &mut LiveView,
    ) -> anyhow::Result<Option<Reply>> {
        let mut following = client.follow().await?;
        let is_stream = following
            .header("content-type")
            .is_some_and(|kind| kind.starts_with(STREAM));
        if !is_stream {
            let mut text = Vec::new();
            while let Some(piece) = following.piece().await.map_err(|cut| client.told(cut))? {
                text.extend_from_slice(&piece);
            }
            let body = Body::Text {
                content_type: None,
                text: text.into(),
            };
            let fields = RequestArgs::kept(|name| following.header(name));
            return Ok(Some(Reply {
                fields: Some(fields),
                ..Reply::new(following.status(), body)
            }));
        }
        view.announce(self.announced(&following));
        let mut lines = Lines::default();
        let mut ticks = interval(TICK);
        loop {
            let piece = tokio::select! {
                piece = following.piece() => piece,
                _ = ticks.tick() => {
                    view.paint()?;
                    continue;
                }
            };
            match piece {
                Ok(Some(piece)) => {
                    let mut has_news = false;
                    lines.push(&piece, |message| {
                        has_news = true;
                        view.take(message)
                    })?;
                    if has_news {
                        view.paint()?;
                    }
                }
                Ok(None) => return Ok(None),
                // The number of results so far says more than the error.
                Err(_) => return view.broken(),
            }
        }
    }

    fn announced(&self, following: &Following) -> Announced {
        let text = |name| following.header(name).unwrap_or_default();
        let names = text("gather-calls")
            .split(',')
            .filter(|name| !name.is_empty());
        Announced {
            mode: text("gather-mode").to_owned(),
            names: names.map(str::to_owned).collect(),
            concurrency: self
                .concurrency
                .as_deref()
                .and_then(|bound| bound.parse().ok()),
        }
    }

    /// Returns the URL with the options as parameters. The gateway decides what they mean.
    fn url(&self) -> anyhow::Result<http::Uri> {
        let own = [
            ("mode", self.mode.as_deref()),
            ("concurrency", self.concurrency.as_deref()),
        ];
        client::url_with(&self.url, own.into_iter().chain(self.asked.parameters()))
    }
}
