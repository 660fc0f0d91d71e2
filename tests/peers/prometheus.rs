//! A real Prometheus beside a running gateway. It is started with our rules and asked by its HTTP API. It must not know
//! what is asked.

use std::{
    fmt::Write as _,
    fs,
    net::SocketAddr,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    needed,
    program::{Running, free_address, read, try_within, which, within, write},
};

/// The longest time for some scrapes and evaluations. Prometheus does one or more of them a second.
pub(crate) const SCRAPES: Duration = Duration::from_secs(60);

/// The targets and the rules of a Prometheus.
pub(crate) struct Settings<'a> {
    /// The addresses of the job `gather`.
    pub(crate) gateways: &'a [SocketAddr],
    /// The texts of rule files.
    pub(crate) rules: &'a [String],
    /// The time between two scrapes, and between two evaluations.
    pub(crate) interval: Duration,
}

/// A Prometheus that scrapes gateways, with rules.
pub(crate) struct Prometheus {
    address: SocketAddr,
    _running: Running,
    _files: TempDir,
}

impl Prometheus {
    /// Starts a Prometheus and waits until it has scraped every gateway. Returns `None` if this machine has none.
    pub(crate) fn start(settings: &Settings<'_>) -> Option<Self> {
        let mut scraped =
            "scrape_configs:\n- job_name: gather\n  static_configs:\n  - targets:\n".to_owned();
        for gateway in settings.gateways {
            writeln!(scraped, "    - \"{gateway}\"").unwrap();
        }
        let prometheus = Self::scraping(&scraped, settings.rules, settings.interval)?;
        within(SCRAPES, "a scrape of every gateway", || {
            let up = prometheus.try_api("query", &[("query", "up{job=\"gather\"} == 1")])?;
            let up = up["data"]["result"].as_array()?.len();
            (up == settings.gateways.len()).then_some(())
        });
        Some(prometheus)
    }

    /// Starts a Prometheus whose file ends with this text, which has the `scrape_configs`. It may not have scraped
    /// anything when this returns.
    pub(crate) fn scraping(scraped: &str, rules: &[String], interval: Duration) -> Option<Self> {
        let program = needed("prometheus", which("prometheus"))?;
        let files = tempfile::tempdir().unwrap();
        let place = files.path();
        let millis = interval.as_millis();
        let text = format!(
            "global: {{ scrape_interval: {millis}ms, scrape_timeout: {millis}ms, evaluation_interval: {millis}ms }}\n\
             rule_files: [\"{}/rules_*.yml\"]\n{scraped}",
            place.display()
        );
        for (number, rules) in rules.iter().enumerate() {
            fs::write(place.join(format!("rules_{number}.yml")), rules).unwrap();
        }
        let file = place.join("prometheus.yml");
        fs::write(&file, text).unwrap();
        // Prometheus can't be asked which port it got.
        let address = free_address();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                place.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .current_dir(place)
            .stdin(Stdio::null());
        Some(Self {
            address,
            _running: Running::start(command),
            _files: files,
        })
    }

    /// Asks the HTTP API by HTTP/1.0, so that answers are not chunked.
    pub(crate) fn try_api(&self, path: &str, parameters: &[(&str, &str)]) -> Option<Value> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let head = format!(
            "GET /api/v1/{path}?{} HTTP/1.0\r\nHost: {}\r\n\r\n",
            query.finish(),
            self.address
        );
        let answer = read(write(self.address, &head).ok()?).ok()?;
        // It answers in plain text while it starts.
        serde_json::from_slice(&answer.body).ok()
    }

    /// Returns the data of an answer, which must be a success.
    pub(crate) fn api(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let mut answer = self.try_api(path, parameters).unwrap();
        assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
        answer["data"].take()
    }

    /// Returns the result of an instant query, which must be a success.
    pub(crate) fn query(&self, query: &str) -> Vec<Value> {
        let data = self.api("query", &[("query", query)]);
        data["result"].as_array().unwrap().clone()
    }

    /// Returns the result of a query over the last `range`, with a point for each `step`.
    pub(crate) fn query_range(&self, query: &str, range: Duration, step: Duration) -> Vec<Value> {
        let now = self.api("query", &[("query", "time()")])["result"][0].clone();
        let now = now.as_f64().unwrap();
        let data = self.api(
            "query_range",
            &[
                ("query", query),
                ("start", &(now - range.as_secs_f64()).to_string()),
                ("end", &now.to_string()),
                ("step", &step.as_secs_f64().to_string()),
            ],
        );
        data["result"].as_array().unwrap().clone()
    }

    /// Returns the one number that a query results in.
    pub(crate) fn number(&self, query: &str) -> Option<f64> {
        match &self.query(query)[..] {
            [one] => one["value"][1].as_str()?.parse().ok(),
            _ => None,
        }
    }

    /// Waits until a query results in one number for which `is_right` holds.
    pub(crate) fn expect(&self, query: &str, is_right: impl Fn(f64) -> bool) -> f64 {
        let mut last = None;
        try_within(SCRAPES, || {
            last = self.number(query);
            last.filter(|number| is_right(*number))
        })
        .unwrap_or_else(|| panic!("{query} stayed {last:?}"))
    }

    /// Returns all rules once each has been evaluated. None may have failed.
    pub(crate) fn healthy_rules(&self) -> Vec<Value> {
        let rules = within(SCRAPES, "an evaluation of every rule", || {
            let answer = self.try_api("rules", &[])?;
            let groups = answer["data"]["groups"].as_array()?;
            let rules = groups
                .iter()
                .flat_map(|group| group["rules"].as_array().unwrap());
            let rules: Vec<Value> = rules.cloned().collect();
            let all = !rules.is_empty() && rules.iter().all(|rule| rule["health"] != "unknown");
            all.then_some(rules)
        });
        for rule in &rules {
            assert_eq!(rule["health"], "ok", "{rule:#}");
            assert!(rule.get("lastError").is_none(), "{rule:#}");
        }
        rules
    }
}
