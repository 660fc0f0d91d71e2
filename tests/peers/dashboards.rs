//! Checks the dashboards' JSON for all that Grafana would draw badly or not at all. `panels` checks the queries'
//! results.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};

use crate::{program::repository, series};

/// The schema versions that the Grafana of deploy/compose.yaml reads. They are not older than its format for variables.
const SCHEMAS: std::ops::RangeInclusive<i64> = 36..=42;

/// The units and kinds of panels that we use, as Grafana names them.
const UNITS: [&str; 8] = [
    "s",
    "bytes",
    "percentunit",
    "reqps",
    "ops",
    "short",
    "none",
    "suffix:×",
];
const KINDS: [&str; 4] = ["timeseries", "stat", "heatmap", "state-timeline"];

/// One query of a dashboard.
pub(crate) struct Target {
    /// The owner of the query: a panel's title, or a mark's name.
    pub(crate) of: String,
    pub(crate) query: String,
    /// True if it asks for one moment, and false if it asks for a range of time.
    pub(crate) instant: bool,
}

/// Returns all shipped dashboards, by their files' names.
pub(crate) fn dashboards() -> Vec<Value> {
    let folder = repository("deploy/grafana/dashboards");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let dashboards: Vec<_> = files.iter().map(|file| series::json(file)).collect();
    assert!(dashboards.len() >= 2, "{files:?}");
    dashboards
}

/// Returns the queries of a dashboard's panels and marks.
pub(crate) fn targets(dashboard: &Value) -> Vec<Target> {
    let panels = list(dashboard, "panels").iter().flat_map(|panel| {
        list(panel, "targets").iter().map(|target| Target {
            of: text(panel, "title").to_owned(),
            query: text(target, "expr").to_owned(),
            instant: target["instant"] == true,
        })
    });
    let marks = list(&dashboard["annotations"], "list")
        .iter()
        .filter(|mark| mark["builtIn"] != 1)
        .map(|mark| Target {
            of: text(mark, "name").to_owned(),
            query: text(mark, "expr").to_owned(),
            instant: false,
        });
    panels.chain(marks).collect()
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// Returns the names of variables after a `$`, without Grafana's own.
fn variables_in(query: &str) -> impl Iterator<Item = &str> {
    query.split('$').skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches('{');
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let name = &rest[..end.unwrap_or(rest.len())];
        (!name.starts_with("__")).then_some(name)
    })
}

/// Returns the metric of a query's first selector, if the selector ignores the chosen job and instance. A recorded
/// series has no instance, so it is always returned.
fn unfiltered(query: &str) -> Option<&str> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let mut rest = query;
    while let Some(start) = rest.find(is_name) {
        rest = &rest[start..];
        let end = rest.find(|letter| !is_name(letter)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        rest = behind;
        let is_right = match name {
            // An alert on a whole job has no instance, and one on a missing job has neither.
            "ALERTS" => behind.split('}').next().is_some_and(|labels| {
                labels.contains("job=~\"$job|\"") && labels.contains("instance=~\"$instance|\"")
            }),
            name if name.contains(':') => false,
            name if name.starts_with("gather_") || name.starts_with("process_") => {
                behind.starts_with("{job=~\"$job\", instance=~\"$instance\"")
            }
            _ => true,
        };
        if !is_right {
            return Some(name);
        }
    }
    None
}

/// Returns the faults of a dashboard. `uids` are those of all dashboards.
fn faults(dashboard: &Value, uids: &BTreeSet<&str>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |is_right: bool, what: String| {
        if !is_right {
            faults.push(what);
        }
    };
    for key in ["uid", "title", "description", "refresh"] {
        check(!text(dashboard, key).is_empty(), format!("it has no {key}"));
    }
    let schema = dashboard["schemaVersion"].as_i64();
    check(
        schema.is_some_and(|schema| SCHEMAS.contains(&schema)),
        format!("schemaVersion {schema:?}"),
    );
    let variables = list(&dashboard["templating"], "list");
    let has_source = variables.iter().any(|v| {
        v["name"] == "datasource" && v["type"] == "datasource" && v["query"] == "prometheus"
    });
    check(has_source, "no variable chooses the data source".to_owned());

    let source = json!({"type": "prometheus", "uid": "${datasource}"});
    let queried = variables.iter().filter(|v| v["type"] == "query");
    let marks = list(&dashboard["annotations"], "list").iter();
    let marks = marks.filter(|mark| mark["builtIn"] != 1);
    for it in queried.chain(marks) {
        let name = text(it, "name");
        check(
            it["datasource"] == source,
            format!("{name}: another data source"),
        );
    }
    let names: BTreeSet<_> = variables.iter().map(|v| text(v, "name")).collect();
    for fault in variable_faults(variables) {
        check(false, fault);
    }
    for target in targets(dashboard) {
        let of = &target.of;
        if let Some(series) = unfiltered(&target.query) {
            check(false, format!("{of}: {series} of every gateway"));
        }
        for variable in variables_in(&target.query) {
            check(
                names.contains(variable),
                format!("{of}: no variable {variable}"),
            );
        }
    }
    for url in urls(dashboard) {
        let uid = url
            .strip_prefix("/d/")
            .and_then(|rest| rest.split('?').next());
        let is_there = uid.is_some_and(|uid| uids.contains(uid));
        check(is_there, format!("{url} leads nowhere"));
    }
    let panels = list(dashboard, "panels");
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        let title = text(panel, "title");
        check(
            !title.is_empty() && titles.insert(title),
            format!("{title}: a second title"),
        );
        let id = panel["id"].as_i64().filter(|id| *id > 0);
        check(
            id.is_some_and(|id| ids.insert(id)),
            format!("{title}: a second id, or none"),
        );
        if panel["type"] != "row" {
            for fault in panel_faults(panel, &source) {
                check(false, format!("{title}: {fault}"));
            }
        }
    }
    faults.extend(places(panels));
    faults
}

fn variable_faults(variables: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    for it in variables {
        let name = text(it, "name");
        if ["job", "instance"].contains(&name) {
            if it["multi"] != true || it["includeAll"] != true {
                faults.push(format!("{name}: takes one alone"));
            }
        } else if let Some(series) = unfiltered(text(it, "definition")) {
            faults.push(format!("{name}: {series} of every gateway"));
        }
        // With a pattern for all jobs, `process_*` would be every program's.
        if name == "job" && !it["allValue"].is_null() {
            faults.push("job: a pattern of its own for all".to_owned());
        }
    }
    faults
}

/// Returns the targets of the dashboard's links, and of the links of its panels' series.
fn urls(dashboard: &Value) -> Vec<&str> {
    let panels = list(dashboard, "panels").iter();
    let of_series = panels.flat_map(|panel| list(&panel["fieldConfig"]["defaults"], "links"));
    let links = list(dashboard, "links").iter().chain(of_series);
    links.map(|link| text(link, "url")).collect()
}

fn panel_faults(panel: &Value, source: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let kind = text(panel, "type");
    if !KINDS.contains(&kind) {
        faults.push(format!("no kind of ours: {kind}"));
    }
    if !text(panel, "description").ends_with('.') {
        faults.push("no description".to_owned());
    }
    let unit = text(&panel["fieldConfig"]["defaults"], "unit");
    if !UNITS.contains(&unit) {
        faults.push(format!("no unit of ours: {unit}"));
    }
    if panel["datasource"] != *source {
        faults.push("another data source".to_owned());
    }
    let targets = list(panel, "targets");
    if targets.is_empty() {
        faults.push("no query".to_owned());
    }
    let mut refs = BTreeSet::new();
    for target in targets {
        if text(target, "expr").is_empty() || target["datasource"] != *source {
            faults.push("an empty query, or one to another data source".to_owned());
        }
        if !refs.insert(text(target, "refId")) {
            faults.push("two queries under one letter".to_owned());
        }
        // A number shows one moment, and a graph shows many.
        let instant = kind == "stat";
        if target["instant"] != instant || target["range"] == instant {
            faults
                .push("asks for a time where it shows a moment, or the other way round".to_owned());
        }
    }
    faults
}

/// Returns the panels that are outside of the grid of 24 columns, and those that overlap.
fn places(panels: &[Value]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut taken: Vec<([i64; 4], &str)> = Vec::new();
    for panel in panels {
        let title = text(panel, "title");
        let place = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_i64().unwrap_or(-1));
        let [x, y, w, h] = place;
        if x < 0 || y < 0 || w < 1 || h < 1 || x + w > 24 {
            faults.push(format!("{title}: out of the grid at {place:?}"));
        }
        for ([ox, oy, ow, oh], other) in &taken {
            if x < ox + ow && *ox < x + w && y < oy + oh && *oy < y + h {
                faults.push(format!("{title} lies over {other}"));
            }
        }
        taken.push((place, title));
    }
    faults
}

fn uids(dashboards: &[Value]) -> BTreeSet<&str> {
    dashboards
        .iter()
        .map(|dashboard| text(dashboard, "uid"))
        .collect()
}

#[test]
fn nothing_is_wrong_with_the_dashboards() {
    let dashboards = dashboards();
    let uids = uids(&dashboards);
    assert_eq!(uids.len(), dashboards.len(), "two with one uid");
    for dashboard in &dashboards {
        let faults = faults(dashboard, &uids);
        assert!(faults.is_empty(), "{}: {faults:#?}", dashboard["title"]);
    }
    let titles: Vec<_> = dashboards
        .iter()
        .map(|dashboard| text(dashboard, "title"))
        .collect();
    assert_eq!(titles, ["Gather: overview", "Gather: one upstream"]);
}

/// Returns an item of a value, or a member, which is made if it is missing.
fn place<'a>(value: &'a mut Value, at: &str) -> &'a mut Value {
    let (parent, key) = at.rsplit_once('/').unwrap();
    match value.pointer_mut(parent) {
        Some(Value::Object(members)) => members.entry(key).or_insert(Value::Null),
        Some(Value::Array(items)) => &mut items[key.parse::<usize>().unwrap()],
        _ => panic!("there is no {at}"),
    }
}

#[test]
fn the_check_itself_sees_what_it_should() {
    let dashboards = dashboards();
    let uids = uids(&dashboards);
    for (at, value, fault) in [
        ("/schemaVersion", json!(7), "schemaVersion"),
        ("/description", json!(""), "it has no description"),
        (
            "/templating/list/0/query",
            json!("loki"),
            "no variable chooses",
        ),
        ("/templating/list/1/name", json!("other"), "no variable job"),
        (
            "/templating/list/1/multi",
            json!(false),
            "job: takes one alone",
        ),
        (
            "/templating/list/1/allValue",
            json!(".*"),
            "job: a pattern of its own",
        ),
        (
            "/templating/list/3/definition",
            json!("label_values(gather_requests_total, aggregate)"),
            "aggregate: gather_requests_total of every",
        ),
        (
            "/panels/0/targets/0/expr",
            json!("sum(gather_ready{job=\"gather\"})"),
            "gather_ready of every gateway",
        ),
        (
            "/panels/0/targets/0/expr",
            json!("sum(job:gather_requests:rate5m)"),
            "job:gather_requests:rate5m of every",
        ),
        (
            "/annotations/list/1/expr",
            json!("ALERTS{job=\"gather\"}"),
            "ALERTS of every gateway",
        ),
        (
            "/templating/list/1/datasource/uid",
            json!("x"),
            "another data source",
        ),
        (
            "/annotations/list/1/datasource/uid",
            json!("x"),
            "Alerts: another data source",
        ),
        ("/links/0/url", json!("/d/nowhere"), "leads nowhere"),
        ("/panels/1/id", json!(1), "a second id"),
        ("/panels/1/title", json!("Requests"), "a second title"),
        ("/panels/1/type", json!("piechart"), "no kind of ours"),
        ("/panels/1/description", json!(""), "no description"),
        ("/panels/1/fieldConfig/defaults/unit", json!(""), "no unit"),
        (
            "/panels/1/datasource/uid",
            json!("prometheus"),
            "another data source",
        ),
        ("/panels/1/targets", json!([]), "no query"),
        ("/panels/1/targets/0/expr", json!(""), "an empty query"),
        ("/panels/1/targets/0/range", json!(true), "asks for a time"),
        ("/panels/1/gridPos/x", json!(3), "lies over Requests"),
        ("/panels/1/gridPos/w", json!(30), "out of the grid"),
    ] {
        let mut broken = dashboards[0].clone();
        *place(&mut broken, at) = value;
        let faults = faults(&broken, &uids);
        assert!(
            faults.iter().any(|known| known.contains(fault)),
            "{at}: {faults:?}"
        );
    }
}
