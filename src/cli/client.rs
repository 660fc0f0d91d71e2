//! Sends requests to a running gateway, for the commands that need one. It uses the adapter for upstreams, so that TLS,
//! limits and truncated answers are handled in the same way.

use std::{borrow::Cow, rc::Rc, time::Duration};

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use clap::Args;
use http::{HeaderName, HeaderValue, Method, Uri, uri::Scheme};
use tokio::time::Instant;

use crate::{
    config,
    exchange::{Allowance, ClientContext},
    fanout::{
        AttemptId, Body, Earlier, Failure, FailureKind, HeadStatus, Question, Reply, StatusSet,
        Upstream as _,
    },
    upstream::{
        Adapter, Address, Following, Names, PreparedRequest, PreparedService, Request, Roots,
        Service, Sessions, Wire,
    },
};

/// The largest answer that is accepted: as much as a gateway may hold for one aggregate, and its frame.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// The options that the commands have in common for running an aggregate.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// A subset of the aggregate's calls, separated by commas
    #[arg(long, value_name = "NAMES")]
    calls: Option<String>,
    /// Shortens the aggregate's deadline, such as 500ms
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// all, required, first or a number of calls
    #[arg(long, value_name = "WHAT")]
    wait_for: Option<String>,
    /// Longest time to wait for the gateway itself
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = super::time)]
    pub(super) max_time: Duration,
}

impl Asked {
    /// Returns the options as parameters of the query. The gateway decides what they mean.
    pub(super) fn parameters(&self) -> [(&'static str, Option<&str>); 3] {
        [
            ("calls", self.calls.as_deref()),
            ("timeout", self.timeout.as_deref()),
            ("wait_for", self.wait_for.as_deref()),
        ]
    }
}

/// Reads `text` as the URL of a gateway. A URL without a path gets `path`.
pub(super) fn url(text: &str, path: &str) -> anyhow::Result<Uri> {
    let with_scheme = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let uri: Uri = with_scheme
        .parse()
        .with_context(|| format!("`{text}` is not a URL"))?;
    let known = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
    let Some(authority) = uri.authority().filter(|_| known) else {
        bail!("`{text}` is not a URL of a gateway: write http://HOST:PORT or https://HOST:PORT");
    };
    if authority.as_str().contains('@') {
        bail!("a URL with a user or a password is not taken");
    }
    if uri.path() != "/" {
        return Ok(uri);
    }
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(format!("{path}{query}").parse()?);
    Ok(Uri::from_parts(parts)?)
}

/// Returns the URL `text`, as [`url`] reads it, with these parameters. The gateway decides what they mean.
pub(super) fn url_with<'a>(
    text: &str,
    parameters: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> anyhow::Result<Uri> {
    let url = url(text, "/aggregate")?;
    let mut query = form_urlencoded::Serializer::new(url.query().unwrap_or_default().to_owned());
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    let path = url.path().to_owned();
    let mut parts = url.into_parts();
    let target = if query.is_empty() {
        path
    } else {
        format!("{path}?{query}")
    };
    parts.path_and_query = Some(target.parse()?);
    Ok(Uri::from_parts(parts)?)
}

/// The parts of a request beside its URL.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) method: Method,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<Bytes>,
    /// The fields of the answer that are kept with it.
    pub(super) kept: Vec<HeaderName>,
}

/// Asks one URL of a gateway, again and again over kept connections.
pub(super) struct Client {
    adapter: Adapter,
    url: String,
    timeout: Duration,
}

impl Client {
    /// Makes a client that waits at most `timeout` for each answer.
    pub(super) fn to(url: Uri, timeout: Duration) -> anyhow::Result<Self> {
        Self::sending(url, timeout, Sent::default())
    }

    /// Makes a client like [`Client::to`] that sends this.
    pub(super) fn sending(url: Uri, timeout: Duration, sent: Sent) -> anyhow::Result<Self> {
        let shown = url.to_string();
        let mut every = StatusSet::empty();
        for class in ["1xx", "2xx", "3xx", "4xx", "5xx"] {
            every.add(class)?;
        }
        let address = Address::of(&url).context("the URL has no host")?;
        let target = url.path_and_query().context("the URL has no path")?.clone();
        let service = Service {
            connect_timeout: timeout.min(Duration::from_secs(5)),
            ..Service::new("gateway", address)
        };
        let request = Request {
            method: sent.method,
            headers: sent.headers,
            body: sent.body,
            kept_fields: sent.kept,
            timeout,
            success: every,
            max_body: MAX_BODY,
            // The gateway has bounded the depth already.
            max_depth: usize::MAX,
            ..Request::get(target)
        };
        let secure = service.address.is_secure();
        let roots = secure.then(config::roots).transpose()?.flatten();
        let roots = || roots.unwrap_or_else(Roots::system);
        let sessions = Sessions::of([&service], roots)?;
        let service = PreparedService::new(service, &sessions, &mut Names::default())?;
        let request = PreparedRequest::new(request);
        let wire = Wire::new(&service, Rc::new(()), Rc::new(()), &Rc::default());
        Ok(Self {
            adapter: Adapter::new(&Rc::new(wire), &request),
            url: shown,
            timeout,
        })
    }

    /// Sends one request. Returns the status and the whole body, whatever the status is.
    pub(super) async fn attempt(&self) -> Result<Reply, Failure> {
        let forward = forward();
        let until = Instant::now() + self.timeout;
        let head = HeadStatus::default();
        let question = Question {
            context: &forward,
            request: &None,
            earlier: Earlier::NONE,
            id: AttemptId::ONLY,
            until,
            head: &head,
        };
        let attempt = self.adapter.attempt(&question);
        let in_time = tokio::time::timeout_at(until, attempt).await;
        in_time.unwrap_or_else(|_| {
            let within = humantime::format_duration(self.timeout);
            Err(Failure::new(
                FailureKind::Timeout,
                format!("no whole answer within {within}"),
            ))
        })
    }

    /// Sends one request like [`Client::attempt`]. A failure ends the command.
    pub(super) async fn ask(&self) -> anyhow::Result<Reply> {
        self.attempt().await.map_err(|failure| self.told(failure))
    }

    /// Sends one request whose answer is taken as it comes. The caller has to bound its time.
    pub(super) async fn follow(&self) -> anyhow::Result<Following> {
        let following = self.adapter.follow(&forward()).await;
        following.map_err(|failure| self.told(failure))
    }

    /// Explains why there is no answer, and says what to do.
    pub(super) fn told(&self, failure: Failure) -> anyhow::Error {
        let detail = failure.detail.replace("the upstream", "the gateway");
        let advice = match failure.kind {
            FailureKind::Connect => "; start it with `gather serve`, or name another URL",
            _ => "",
        };
        anyhow!("no answer from {}: {detail}{advice}", self.url)
    }
}

fn forward() -> ClientContext {
    let id = format!("{:032x}", fastrand::u128(..));
    // Digits are always valid in a field's value.
    let id = HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("0"));
    ClientContext {
        allowance: Allowance::new(MAX_BODY),
        ..ClientContext::new(id)
    }
}

/// Sends one GET on a new client. Returns the status and the whole body, whatever the status is.
pub(super) async fn get(url: Uri, timeout: Duration) -> anyhow::Result<Reply> {
    Client::to(url, timeout)?.ask().await
}

/// Returns the body's bytes, whatever their kind is.
pub(super) fn bytes(body: &Body) -> &[u8] {
    match body {
        Body::Empty => b"",
        Body::Json(bytes) | Body::Text { text: bytes, .. } | Body::Binary { bytes, .. } => bytes,
    }
}

/// Returns the body as text, for showing it.
pub(super) fn text(body: &Body) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_gets_one_and_keeps_its_query() {
        let shown = |text| url(text, "/aggregate").map(|url| url.to_string()).unwrap();
        assert_eq!(shown("http://h:1"), "http://h:1/aggregate");
        assert_eq!(shown("h:1/?mode=sync"), "http://h:1/aggregate?mode=sync");
        assert_eq!(shown("https://h/aggregate/x"), "https://h/aggregate/x");
    }

    #[test]
    fn what_is_no_url_of_a_gateway_is_refused() {
        for text in ["ftp://h", "http://", "http://u:p@h", "http://h h", ""] {
            assert!(url(text, "/").is_err(), "{text}");
        }
    }
}
