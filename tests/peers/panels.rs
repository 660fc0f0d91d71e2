//! Sends the dashboards' queries, as Grafana would, to a real Prometheus. It has scraped a gateway to which every event
//! has happened that a panel shows. A panel is empty if a query has no result, or if all of it is zero or no number.
//! Then nobody can tell if the panel shows the right thing.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    dashboards::{dashboards, targets},
    load::Load,
    needed,
    program::{Running, try_within, which},
    prometheus::{Prometheus, SCRAPES, Settings},
    quick::quick_rules,
    series::values_of,
    upstream::{Behaviour, Response, Upstream},
};

/// The time between two scrapes. Grafana knows it from the data source.
const INTERVAL: Duration = Duration::from_millis(500);

/// The range of time that a dashboard shows, with a point for each step.
const RANGE: Duration = Duration::from_secs(30);
const STEP: Duration = Duration::from_secs(1);

/// Panels that must have a result, which is zero. No setting and no request makes a gateway panic, and the tests read
/// its log and its answers.
const ZERO: [&str; 4] = [
    "Panics",
    "Answers cut off",
    "Lost log lines",
    "Unread deadlines",
];

/// The upstream to which everything happens.
const MIXED: &str = "mixed";

/// Returns a query with the variables replaced, as Grafana does it.
fn replaced(query: &str, variables: &BTreeMap<String, String>) -> String {
    // Four scrapes at least, so that a rate always has two points.
    let rate = (STEP + INTERVAL).max(4 * INTERVAL);
    let mut query = query
        .replace("$__rate_interval", &format!("{}ms", rate.as_millis()))
        .replace("$__range", &format!("{}ms", RANGE.as_millis()))
        .replace("$__interval", &format!("{}ms", STEP.as_millis()));
    for (name, value) in variables {
        query = query
            .replace(&format!("${{{name}}}"), value)
            .replace(&format!("${name}"), value);
    }
    assert!(!query.contains('$'), "an unknown variable in {query}");
    query
}

/// The choices above the panels, by a variable's name. The other variables have their first values.
type Choices<'a> = BTreeMap<&'a str, Vec<String>>;

/// Returns the values of the dashboard's variables as they are put into a query: the chosen ones, or else all of them
/// or [`MIXED`]. No list is empty.
fn variables(
    prometheus: &Prometheus,
    dashboard: &Value,
    choices: &Choices<'_>,
) -> BTreeMap<String, String> {
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    let queried = variables.iter().filter(|it| it["type"] == "query");
    let mut known = BTreeMap::new();
    for it in queried {
        let name = it["name"].as_str().unwrap();
        let definition = replaced(it["definition"].as_str().unwrap(), &known);
        let values = definition.strip_prefix("label_values(").unwrap();
        let (series, label) = values.trim_end_matches(')').rsplit_once(", ").unwrap();
        let values = prometheus.api(&format!("label/{label}/values"), &[("match[]", series)]);
        let values: Vec<_> = values.as_array().unwrap().iter().map(text).collect();
        let chosen = choices.get(name).cloned();
        assert!(
            chosen.is_some() || !values.is_empty(),
            "nothing to choose {name} from"
        );
        let value = match (chosen, it["includeAll"] == true, it["allValue"].as_str()) {
            (Some(chosen), ..) => interpolated(&chosen),
            (None, true, Some(all)) => all.to_owned(),
            (None, true, None) => interpolated(&values),
            (None, false, _) => {
                assert!(values.iter().any(|value| value == MIXED), "{values:?}");
                MIXED.to_owned()
            }
        };
        known.insert(name.to_owned(), value);
    }
    known
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Joins the values of a variable that takes several, as Grafana's Prometheus source writes them. They are parts of a
/// pattern, escaped twice: for the pattern, and for the text that it is in.
fn interpolated(values: &[String]) -> String {
    let escaped = values.iter().map(|value| {
        let mut text = String::new();
        for letter in value.chars() {
            if r"\^$*{}[]'+?.()|".contains(letter) {
                text.push_str(r"\\");
            }
            text.push(letter);
        }
        text
    });
    let escaped: Vec<_> = escaped.collect();
    match &escaped[..] {
        [one] => one.clone(),
        several => format!("({})", several.join("|")),
    }
}

/// Returns the panels and marks that show nothing, with the query that has no result. Those that have shown something
/// are in `filled`. They are not asked again, because a number of one moment may be zero in the next.
fn empty(
    prometheus: &Prometheus,
    dashboard: &Value,
    choices: &Choices<'_>,
    filled: &mut BTreeSet<String>,
) -> Vec<String> {
    let variables = variables(prometheus, dashboard, choices);
    targets(dashboard)
        .into_iter()
        .filter_map(|target| {
            let query = replaced(&target.query, &variables);
            if filled.contains(&query) {
                return None;
            }
            let result = match target.instant {
                true => prometheus.query(&query),
                false => prometheus.query_range(&query, RANGE, STEP),
            };
            let points = result.iter().flat_map(|series| match &series["values"] {
                Value::Array(points) => points.clone(),
                _ => vec![series["value"].clone()],
            });
            let numbers = points.filter_map(|point| point[1].as_str()?.parse::<f64>().ok());
            let zero_will_do = ZERO.contains(&target.of.as_str());
            let shows = |number: f64| number.is_finite() && (zero_will_do || number > 0.0);
            if numbers.into_iter().any(shows) {
                filled.insert(query);
                return None;
            }
            Some(format!("{}: {query}", target.of))
        })
        .collect()
}

/// Fails now and then, is slow now and then, closes kept connections, and is down now and then.
fn mixed(number: usize) -> Behaviour {
    let pong = Response::pong;
    match (number % 60, number % 10) {
        (50.., _) => Response::new(500).into(),
        (_, 0) => Response::new(503).into(),
        (_, 1) => Behaviour::from(pong()).after(Duration::from_millis(150)),
        (_, 2) => Behaviour::CloseOnNextRequest(pong()),
        (_, 3) => Response::new(404).into(),
        _ => Behaviour::from(pong()).after(Duration::from_millis(10)),
    }
}

fn services() -> Upstream {
    let asked = AtomicUsize::new(0);
    Upstream::start(move |request| match request.path() {
        "/mixed" => mixed(asked.fetch_add(1, Ordering::Relaxed)),
        "/slow" => Behaviour::from(Response::pong()).after(Duration::from_millis(300)),
        _ => Behaviour::from(Response::pong()).after(Duration::from_millis(30)),
    })
}

/// A gateway under a load of everything, with a collector of spans that isn't there. A Prometheus scrapes it, with
/// faster rules so that alerts fire.
struct Scene {
    prometheus: Prometheus,
    address: SocketAddr,
    _load: Load,
    _gateway: Running,
    _services: Upstream,
}

impl Scene {
    fn start() -> Option<Self> {
        needed("prometheus", which("prometheus"))?;
        let services = services();
        let toml = format!(
            "server.max_in_flight = 8\n\
             tracing.otlp_endpoint = \"http://127.0.0.1:9\"\n\
             [upstreams]\n\
             steady.url = \"{}\"\n\
             slow.url = \"{}\"\n\
             [upstreams.mixed]\n\
             url = \"{}\"\n\
             timeout = \"2s\"\n\
             max_in_flight = 3\n\
             retry = {{ attempts = 3, backoff = \"5ms\" }}\n\
             hedge = {{ after = \"40ms\" }}\n\
             breaker = {{ failures = 5, open_for = \"1s\" }}\n\
             [aggregates]\n\
             default = {{ calls = [\"steady\", {{ upstream = \"steady\", name = \"again\" }}], compare = true }}\n\
             mixed.calls = [\"mixed\"]\n\
             both.calls = [\"steady\", \"mixed\"]\n\
             crowd.calls = [\"slow\"]\n",
            services.url("/steady"),
            services.url("/slow"),
            services.url("/mixed"),
        );
        let (gateway, address) = Running::serve(&toml);
        // Prometheus must see counters at zero to see their increase.
        let prometheus = Prometheus::start(&Settings {
            gateways: &[address],
            rules: &quick_rules(),
            interval: INTERVAL,
        })?;
        let mut load = Load::default();
        let pause = Duration::from_millis(50);
        load.add(1, address, "/aggregate?mode=compare", pause);
        load.add(3, address, "/aggregate/mixed", pause);
        load.add(2, address, "/aggregate/both", pause);
        load.add(10, address, "/aggregate/crowd", Duration::from_millis(400));
        load.add(1, address, "/nowhere", pause);
        Some(Self {
            prometheus,
            address,
            _load: load,
            _gateway: gateway,
            _services: services,
        })
    }
}

#[test]
fn no_panel_is_empty_and_every_recorded_series_is_there() {
    let Some(scene) = Scene::start() else { return };
    let prometheus = &scene.prometheus;
    // The address has dots and colons, and it isn't the only chosen one.
    let these = [scene.address.to_string(), "10.0.0.1:8080".to_owned()];
    let jobs = ["gather", "shop/gather (old)"].map(str::to_owned);
    let several = Choices::from([("instance", these.to_vec()), ("job", jobs.to_vec())]);
    for dashboard in dashboards() {
        for choices in [&Choices::new(), &several] {
            let (mut filled, mut last) = (BTreeSet::new(), Vec::new());
            let all = try_within(SCRAPES, || {
                last = empty(prometheus, &dashboard, choices, &mut filled);
                last.is_empty().then_some(())
            });
            let title = &dashboard["title"];
            assert!(all.is_some(), "empty in {title} at {choices:?}: {last:#?}");
        }
        the_choice_of_a_job_and_of_an_instance_counts(prometheus, &dashboard);
    }
    prometheus.healthy_rules();
    for record in values_of("record") {
        assert!(
            !prometheus.query(&record).is_empty(),
            "nothing is recorded as {record}"
        );
    }
    what_is_empty_is_seen(prometheus);
}

/// Asserts that nothing is shown of a gateway that isn't chosen.
fn the_choice_of_a_job_and_of_an_instance_counts(prometheus: &Prometheus, dashboard: &Value) {
    for name in ["job", "instance"] {
        let mut choices = Choices::from([(name, vec!["nobody".to_owned()])]);
        // These lists are as empty as the panels.
        for other in ["instance", "aggregate", "upstream"] {
            choices
                .entry(other)
                .or_insert_with(|| vec![MIXED.to_owned()]);
        }
        let variables = variables(prometheus, dashboard, &choices);
        for target in targets(dashboard) {
            // An alert about a whole job has no instance, and a count of no alerts is a zero.
            if target.query.contains("ALERTS{") {
                continue;
            }
            let result = prometheus.query(&replaced(&target.query, &variables));
            assert!(result.is_empty(), "{}, {name}: {result:?}", target.of);
        }
    }
}

/// Checks the check itself, by a panel that asks for a missing series and one whose graph stays at zero.
fn what_is_empty_is_seen(prometheus: &Prometheus) {
    let panels = [
        ("Nobody's", "gather_nobodys_total"),
        ("On the ground", "gather_panics_total"),
        ("No number", "gather_panics_total / gather_panics_total"),
        ("Good", "gather_ready"),
    ];
    let panels = panels.map(|(title, query)| {
        let target = json!({"expr": query, "instant": false});
        json!({"title": title, "targets": [target]})
    });
    let mut dashboard = dashboards().remove(0);
    dashboard["annotations"] = Value::Null;
    dashboard["panels"] = panels.to_vec().into();
    let choices = Choices::new();
    let seen = empty(prometheus, &dashboard, &choices, &mut BTreeSet::new());
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(
        !seen.iter().any(|empty| empty.starts_with("Good")),
        "{seen:?}"
    );
}
