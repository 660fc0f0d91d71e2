//! Names of series in queries and in what a gateway exposes. The dashboards and the rules must not ask for what isn't
//! there: an alert on a series that nobody writes never fires.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    dashboards::{dashboards, targets},
    lonely,
    program::{get, repository},
};

/// The rule files, in the order in which Prometheus is told of them.
pub(crate) const RULES: [&str; 2] = [
    "deploy/prometheus/recording.yml",
    "deploy/prometheus/alerts.yml",
];

/// Returns the texts of the rule files.
pub(crate) fn rule_files() -> Vec<String> {
    RULES
        .map(|file| fs::read_to_string(repository(file)).unwrap())
        .into()
}

/// Returns the values of all lines `key: value` in the rules.
pub(crate) fn values_of(key: &str) -> Vec<String> {
    let start = format!("{key}: ");
    let files = rule_files();
    let lines = files.iter().flat_map(|text| text.lines());
    lines
        .filter_map(|line| {
            let line = line.trim_start().trim_start_matches("- ");
            Some(line.strip_prefix(&start)?.trim().to_owned())
        })
        .collect()
}

/// Returns the text of the rules without comments, so that every name in it that looks like a series is one.
fn rules() -> String {
    let files = rule_files();
    let lines = files.iter().flat_map(|text| text.lines());
    let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

/// Returns every query of the dashboards, those of variables and marks included.
fn queries() -> String {
    let mut queries = Vec::new();
    for dashboard in dashboards() {
        queries.extend(targets(&dashboard).into_iter().map(|target| target.query));
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        queries.extend(
            variables
                .iter()
                .filter_map(|variable| Some(variable["definition"].as_str()?.to_owned())),
        );
    }
    assert!(queries.len() > 50, "{queries:#?}");
    queries.join("\n")
}

fn names(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':')
        .map(|name| name.trim_matches(':'))
        .filter(|name| {
            name.contains(':') || name.starts_with("gather_") || name.starts_with("process_")
        })
        .collect()
}

fn exposition() -> String {
    let (_gateway, address) = lonely();
    get(address, "/metrics").text().to_owned()
}

/// Returns the families that a gateway exposes, by the names of the text format.
pub(crate) fn families() -> Vec<String> {
    let text = exposition();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .map(|rest| rest.split(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_dashboards_and_the_rules_ask_only_for_what_a_gateway_exposes() {
    let exposition = exposition();
    let exposed: BTreeSet<_> = exposition
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let recorded = values_of("record");
    let (queries, rules) = (queries(), rules());
    let asked: BTreeSet<_> = names(&queries).union(&names(&rules)).copied().collect();
    assert!(
        asked.len() > 15 && recorded.len() >= 5,
        "{asked:?} {recorded:?}"
    );
    // Families are named in descriptions; their samples carry a suffix.
    let is_there = |name: &str| {
        let family = format!("{name}_bucket");
        exposed.contains(name)
            || recorded.iter().any(|known| known == name)
            || exposed.contains(family.as_str())
    };
    let missing: Vec<_> = asked.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "nobody writes {missing:?}");
}

/// No job has a promised name: discovery by annotations calls it `kubernetes-pods`.
#[test]
fn no_rule_no_dashboard_and_no_document_asks_for_the_name_of_a_job() {
    let mut asked = vec![("the rules", rules()), ("the dashboards", queries())];
    for document in [
        "observability.md",
        "runbook.md",
        "scaling.md",
        "reliability.md",
    ] {
        let text = fs::read_to_string(repository("docs").join(document)).unwrap();
        asked.push((document, text));
    }
    for (place, text) in asked {
        let text = text
            .replace("job=~\"$job\"", "")
            .replace("job=~\"$job|\"", "");
        for by_name in ["job=", "job!", "job =", "job !"] {
            assert!(!text.contains(by_name), "{place}: {by_name}");
        }
    }
}

/// Returns the results that the share of 4xx leaves out. The alert asks a recorded series without `cancelled` and
/// `skipped`.
fn left_out_of_the_share_of_4xx(text: &str) -> BTreeSet<&str> {
    let (_, behind) = text
        .split_once("result=\"status_4xx\"}")
        .unwrap_or_else(|| panic!("no share of 4xx in {text}"));
    let pattern = behind.split_once("result!~\"").unwrap().1;
    let results = pattern.split('"').next().unwrap().split('|');
    results.chain(["cancelled", "skipped"]).collect()
}

#[test]
fn the_share_of_4xx_is_one_share_in_the_alert_on_the_dashboard_and_in_the_document() {
    let (rules, queries) = (rules(), queries());
    let document = fs::read_to_string(repository("docs/observability.md")).unwrap();
    let alert = rules.split_once("GatherUpstreamRejecting").unwrap().1;
    let [alert, panel, document] = [alert, &queries, &document].map(left_out_of_the_share_of_4xx);
    assert_eq!(alert, panel);
    assert_eq!(alert, document);
    assert!(alert.contains("deadline"), "{alert:?}");
}

#[test]
fn every_metric_of_the_gateway_is_on_a_dashboard_or_in_a_rule() {
    let asked = queries() + &rules();
    let unused: Vec<_> = families()
        .into_iter()
        .filter(|family| family.starts_with("gather_") && !asked.contains(family.as_str()))
        .collect();
    assert!(unused.is_empty(), "nobody looks at {unused:?}");
}

#[test]
fn every_recorded_series_is_asked_for() {
    let queries = queries();
    let rules = rules();
    let unused: Vec<_> = values_of("record")
        .into_iter()
        .filter(|name| !queries.contains(name) && rules.matches(name.as_str()).count() < 2)
        .collect();
    assert!(unused.is_empty(), "nobody asks for {unused:?}");
}

/// Returns a JSON file of this repository.
pub(crate) fn json(path: &std::path::Path) -> Value {
    let text = fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
