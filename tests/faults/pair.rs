//! A gateway before two upstreams, one sick and one healthy, and the properties of every answer, whatever the sick one
//! does. It comes in time, it is JSON, the healthy call is unaffected, and nothing stays in flight.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{
    gateway::{Answer, Gateway},
    upstream::{Behaviour, Response, Upstream},
};

/// The time in which a fault has to be noticed by itself, and not by the call's timeout, which is longer.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// The longest time until a gauge or a connection reaches its expected state.
pub(crate) const CLOSED: Duration = Duration::from_secs(1);

pub(crate) struct Pair {
    pub(crate) gateway: Gateway,
    pub(crate) well: Upstream,
}

/// The result of the sick call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) answer: Answer,
    pub(crate) json: Value,
}

impl Pair {
    /// Starts a gateway whose upstream `sick` is at `url`, with these lines in its table.
    pub(crate) async fn new(url: &str, settings: &str) -> Self {
        Self::with("", url, settings, "").await
    }

    /// Starts the same with lines for the server, which otherwise has one worker, and for the aggregate.
    pub(crate) async fn with(server: &str, url: &str, settings: &str, aggregate: &str) -> Self {
        let well = Upstream::always(Response::pong());
        let server = if server.is_empty() {
            "server.workers = 1"
        } else {
            server
        };
        let server = format!("{server}\nserver.grace = \"0s\"");
        let unless = |set: bool, line| if set { "" } else { line };
        let timeout = unless(
            settings.contains("\ntimeout = ") || settings.starts_with("timeout = "),
            "timeout = \"20s\"",
        );
        let deadline = unless(aggregate.contains("deadline = "), "deadline = \"30s\"");
        let text = format!(
            "[upstreams.sick]\nurl = \"{url}\"\n{timeout}\n{settings}\n\
             [upstreams.well]\nurl = \"{}\"\ntimeout = \"20s\"\n\
             [aggregates.default]\ncalls = [\"sick\", \"well\"]\n{deadline}\n{aggregate}\n\
             [aggregates.many]\ncalls = [{{ upstream = \"sick\", name = \"sick_0\" }}, \
             {{ upstream = \"sick\", name = \"sick_1\" }}, {{ upstream = \"sick\", name = \"sick_2\" }}]\n",
            well.url("/"),
        );
        Self {
            gateway: Gateway::start_with(&server, &text).await,
            well,
        }
    }

    /// Asks both, and asserts everything that must hold, whatever the result of the sick call.
    pub(crate) async fn ask(&self) -> Call {
        self.ask_with("").await
    }

    pub(crate) async fn ask_with(&self, query: &str) -> Call {
        let since = Instant::now();
        let answer = self.gateway.aggregate(query).await;
        assert!(since.elapsed() < SOON, "it took {:?}", since.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let json = answer.json();
        let well = &json["results"][1];
        assert_eq!(well["name"], "well", "{json}");
        assert_eq!(
            (&well["ok"], &well["status"], &well["body"]),
            (&true.into(), &200.into(), &"pong".into()),
            "{json}"
        );
        let sick = &json["results"][0];
        assert_eq!(sick["name"], "sick", "{json}");
        let outcome = if sick["ok"] == true {
            "complete"
        } else {
            "partial"
        };
        assert_eq!(json["outcome"], outcome, "{json}");
        self.assert_idle().await;
        Call {
            json: sick.clone(),
            answer,
        }
    }

    /// Asserts that nothing is in flight, now or soon.
    pub(crate) async fn assert_idle(&self) {
        for gauge in [
            "gather_requests_in_flight",
            "gather_attempts_in_flight{upstream=\"sick\"}",
            "gather_attempts_in_flight{upstream=\"well\"}",
        ] {
            let since = Instant::now();
            loop {
                let value = self.gateway.metric(gauge).await;
                if value == 0.0 {
                    break;
                }
                assert!(since.elapsed() < CLOSED, "{gauge} {value}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }

    /// Returns a counter of the sick upstream.
    pub(crate) async fn count(&self, name: &str) -> f64 {
        self.gateway
            .metric(&format!("{name}{{upstream=\"sick\"}}"))
            .await
    }

    /// Returns the number of attempts at the sick upstream with this result.
    pub(crate) async fn attempts(&self, result: &str) -> f64 {
        let series = format!("gather_attempts_total{{result=\"{result}\",upstream=\"sick\"}}");
        self.gateway.metric(&series).await
    }
}

impl Call {
    /// Asserts this failure. `detail` is a part of its sentence.
    #[track_caller]
    pub(crate) fn failed(&self, kind: &str, detail: &str) {
        assert_eq!(self.json["ok"], false, "{}", self.json);
        assert_eq!(self.json["failure"], kind, "{}", self.json);
        assert!(self.json.get("body").is_none(), "{}", self.json);
        let sentence = self.json["detail"].as_str().unwrap();
        assert!(sentence.contains(detail), "{sentence:?} has no {detail:?}");
        assert!(!sentence.contains("127.0.0.1"), "{sentence:?}");
    }

    /// Asserts success with this body.
    #[track_caller]
    pub(crate) fn succeeded(&self, body: impl Into<Value>) {
        assert_eq!(self.json["ok"], true, "{}", self.json);
        assert_eq!(
            *self.json.get("body").unwrap_or(&Value::Null),
            body.into(),
            "{}",
            self.json
        );
    }
}

/// Makes one call to an upstream with this behaviour. The call must fail in this way and be counted. Its connection
/// must be closed, because none of its further bytes can be trusted.
pub(crate) async fn fails(
    behaviour: impl Into<Behaviour>,
    settings: &str,
    kind: &str,
    detail: &str,
) {
    let behaviour = behaviour.into();
    let shown = shown(&behaviour);
    let sick = Upstream::always(behaviour);
    let pair = Pair::new(&sick.url("/"), settings).await;
    println!("{shown}");
    pair.ask().await.failed(kind, detail);
    assert_eq!(pair.attempts(kind).await, 1.0, "{shown}");
    assert!(sick.wait_closed(CLOSED).await.is_some(), "{shown}: open");
    assert_eq!(sick.requests().len(), 1, "{shown}");
}

/// Makes one call to an upstream with this behaviour. It must succeed with this body.
pub(crate) async fn succeeds(behaviour: impl Into<Behaviour>, body: impl Into<Value>) {
    let behaviour = behaviour.into();
    println!("{}", shown(&behaviour));
    let sick = Upstream::always(behaviour);
    let pair = Pair::new(&sick.url("/"), "").await;
    pair.ask().await.succeeded(body);
    assert_eq!(pair.attempts("ok").await, 1.0);
}

/// Makes the bytes of an answer that is declared as JSON, with these fields and this body.
pub(crate) fn raw(fields: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{fields}\r\n{body}").into_bytes()
}

/// Describes a behaviour in as many characters as fit a line or two, with bytes as text.
pub(crate) fn shown(behaviour: &Behaviour) -> String {
    let text = match behaviour {
        Behaviour::Raw(bytes) => format!("Raw {:?}", String::from_utf8_lossy(bytes)),
        Behaviour::RawThenClose(bytes) => {
            format!("RawThenClose {:?}", String::from_utf8_lossy(bytes))
        }
        Behaviour::RawThenReset(bytes) => {
            format!("RawThenReset {:?}", String::from_utf8_lossy(bytes))
        }
        other => format!("{other:?}"),
    };
    text.chars().take(200).collect()
}
