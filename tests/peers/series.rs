//! Names of series in queries and in what a gateway exposes. The dashboard and the rules must not ask for what isn't
//! there: an alert on a series that nobody writes never fires.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    program::{Running, get, repository},
    upstreams,
};

/// Every query of the dashboard, those of its variables included.
pub(crate) fn dashboard_queries() -> Vec<String> {
    let file = repository("deploy/grafana/dashboards/gather.json");
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut queries = Vec::new();
    collect(&dashboard, &mut queries);
    assert!(queries.len() > 20, "{queries:#?}");
    queries
}

fn collect(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let texts = members
                .iter()
                .filter(|(key, _)| *key == "expr" || *key == "query");
            queries.extend(texts.filter_map(|(_, text)| Some(text.as_str()?.to_owned())));
            members.values().for_each(|value| collect(value, queries));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, queries)),
        _ => {}
    }
}

/// The text of the rules without comments: every name in it that looks like a series is one.
fn rules() -> String {
    let text = fs::read_to_string(repository("deploy/prometheus/alerts.yml")).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

fn names(text: &str) -> BTreeSet<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':')
        .map(|name| name.trim_matches(':'))
        .filter(|name| {
            name.contains(':') || name.starts_with("gather_") || name.starts_with("process_")
        })
        .collect()
}

#[test]
fn the_dashboard_and_the_rules_ask_only_for_what_a_gateway_exposes() {
    let (_gateway, address) =
        Running::serve(&upstreams(&[("users", "http://127.0.0.1:9/".to_owned())]));
    let metrics = get(address, "/metrics");
    let exposed: BTreeSet<_> = metrics
        .text()
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let rules = rules();
    let recorded: BTreeSet<_> = rules
        .lines()
        .filter_map(|line| line.split_once("record: "))
        .map(|(_, name)| name.trim())
        .collect();
    let queries = dashboard_queries().join("\n");
    let asked: BTreeSet<_> = names(&queries).union(&names(&rules)).copied().collect();
    assert!(
        asked.len() > 15 && recorded.len() >= 5,
        "{asked:?} {recorded:?}"
    );
    // Families are named in descriptions; their samples carry a suffix.
    let is_there = |name: &str| {
        let family = format!("{name}_bucket");
        exposed.contains(name) || recorded.contains(name) || exposed.contains(family.as_str())
    };
    let missing: Vec<_> = asked.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "nobody writes {missing:?}");
}

#[test]
fn every_metric_of_the_gateway_is_on_the_dashboard_or_in_a_rule() {
    let (_gateway, address) =
        Running::serve(&upstreams(&[("users", "http://127.0.0.1:9/".to_owned())]));
    let metrics = get(address, "/metrics");
    let families = metrics
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE gather_"))
        .map(|rest| format!("gather_{}", rest.split(' ').next().unwrap()));
    let queries = dashboard_queries().join("\n") + &rules();
    let unused: Vec<_> = families
        .filter(|family| !queries.contains(family.as_str()))
        .collect();
    assert!(unused.is_empty(), "nobody looks at {unused:?}");
}
