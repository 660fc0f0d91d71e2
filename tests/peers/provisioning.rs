//! Checks that the files under `deploy/` agree with each other and with the documents: the mounts of compose, the files
//! that Grafana and Prometheus read there, and the links of alerts.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::{
    dashboards::dashboards,
    effective::{Effective, SPANS},
    program::repository,
    series::{RULES, families, values_of},
};

/// Returns the one document of a YAML file of this repository.
pub(crate) fn yaml(file: &str) -> Yaml {
    let text = fs::read_to_string(repository(file)).unwrap();
    let mut documents = YamlLoader::load_from_str(&text).unwrap();
    assert_eq!(documents.len(), 1, "{file}");
    documents.remove(0)
}

pub(crate) fn string(yaml: &Yaml) -> &str {
    yaml.as_str().unwrap_or_else(|| panic!("no text: {yaml:?}"))
}

/// Returns the file of this repository that a service of compose has at a path inside of it.
fn mounted(compose: &Yaml, service: &str, inside: &str) -> Option<std::path::PathBuf> {
    let volumes = compose["services"][service]["volumes"].as_vec()?;
    volumes.iter().find_map(|volume| {
        let mut parts = string(volume).split(':');
        let (outside, target) = (parts.next()?, parts.next()?);
        let rest = Path::new(inside).strip_prefix(target).ok()?;
        let outside = outside.strip_prefix("./")?;
        Some(repository("deploy").join(outside).join(rest))
    })
}

#[test]
fn grafana_finds_the_dashboards_and_the_data_source() {
    let compose = yaml("deploy/compose.yaml");
    let inside = "/etc/grafana/provisioning/dashboards/gather.yml";
    let provider = mounted(&compose, "grafana", inside).unwrap();
    assert!(provider.is_file(), "{}", provider.display());
    let provider = yaml("deploy/grafana/provisioning/dashboards/gather.yml");
    let folder = string(&provider["providers"][0]["options"]["path"]).to_owned();
    let here = mounted(&compose, "grafana", &folder).unwrap();
    assert_eq!(fs::read_dir(&here).unwrap().count(), dashboards().len());
    let environment = &compose["services"]["grafana"]["environment"];
    let home = string(&environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]);
    let home = mounted(&compose, "grafana", home).unwrap();
    assert!(home.is_file(), "{}", home.display());

    let inside = "/etc/grafana/provisioning/datasources/prometheus.yml";
    assert!(mounted(&compose, "grafana", inside).unwrap().is_file());
    let sources = yaml("deploy/grafana/provisioning/datasources/prometheus.yml");
    let source = &sources["datasources"][0];
    assert_eq!(string(&source["type"]), "prometheus");
    assert_eq!(string(&source["url"]), "http://prometheus:9090");
    for dashboard in dashboards() {
        let chosen = &dashboard["templating"]["list"][0]["current"];
        assert_eq!(
            chosen["value"],
            string(&source["uid"]),
            "{}",
            dashboard["title"]
        );
        assert_eq!(chosen["text"], string(&source["name"]));
    }
    // Otherwise $__rate_interval is too short for a rate, or too long for a readable graph.
    let scraped = yaml("deploy/prometheus/prometheus.yml");
    let every = string(&scraped["global"]["scrape_interval"]);
    assert_eq!(string(&source["jsonData"]["timeInterval"]), every);
}

#[test]
fn prometheus_finds_its_configuration_the_rules_and_the_gateway() {
    let compose = yaml("deploy/compose.yaml");
    let command = compose["services"]["prometheus"]["command"]
        .as_vec()
        .unwrap();
    let file = command
        .iter()
        .find_map(|argument| string(argument).strip_prefix("--config.file="));
    let file = mounted(&compose, "prometheus", file.unwrap()).unwrap();
    assert_eq!(file, repository("deploy/./prometheus/prometheus.yml"));
    let settings = yaml("deploy/prometheus/prometheus.yml");
    let rules = settings["rule_files"].as_vec().unwrap();
    let rules: Vec<_> = rules
        .iter()
        .map(|rule| format!("deploy/prometheus/{}", string(rule)))
        .collect();
    assert_eq!(rules, RULES);
    let job = &settings["scrape_configs"][0];
    assert_eq!(string(&job["job_name"]), "gather");
    let target = string(&job["static_configs"][0]["targets"][0]);
    let (service, port) = target.split_once(':').unwrap();
    let published = string(&compose["services"][service]["ports"][0]);
    assert_eq!(published, format!("{port}:{port}"));
}

/// Docker kills a service that has not stopped by then.
#[test]
fn a_container_has_longer_to_stop_than_its_configuration_takes() {
    let effective = Effective::of(&repository("deploy/gather.toml"));
    let needed = effective.stop() + SPANS;
    let longest = effective.longest_deadline();
    assert!(effective.time("server", "drain") > longest, "{longest:?}");
    let compose = yaml("deploy/compose.yaml");
    let compose = string(&compose["services"]["gather"]["stop_grace_period"]).to_owned();
    let readme = fs::read_to_string(repository("deploy/README.md")).unwrap();
    let run = readme.split_once("--stop-timeout ").unwrap().1;
    let run = format!("{}s", run.split_whitespace().next().unwrap());
    for killed in [compose, run] {
        let killed = humantime::parse_duration(&killed).unwrap();
        assert!(killed > needed, "{killed:?}, and a stop takes {needed:?}");
    }
}

#[test]
fn the_ports_of_the_image_and_of_compose_are_those_of_its_configuration() {
    let listen = Effective::of(&repository("deploy/gather.toml")).address("server", "listen");
    assert!(listen.ip().is_unspecified(), "{listen} is not for others");
    let dockerfile = fs::read_to_string(repository("Dockerfile")).unwrap();
    let port = listen.port();
    assert!(dockerfile.contains(&format!("\nEXPOSE {port}\n")), "{port}");
    assert!(dockerfile.contains("\nCOPY deploy/gather.toml /rootfs/etc/gather/gather.toml\n"));
    let compose = yaml("deploy/compose.yaml");
    let published = string(&compose["services"]["gather"]["ports"][0]);
    assert_eq!(published, format!("{port}:{port}"));
}

/// Returns the anchor of each heading of a document, as code hosts make it.
fn anchors(document: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(repository(document)).unwrap();
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| line.trim_start_matches('#').trim().to_lowercase())
        .map(|heading| heading.replace(' ', "-"))
        .collect()
}

#[test]
fn every_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on() {
    let file = yaml("deploy/prometheus/alerts.yml");
    let groups = file["groups"].as_vec().unwrap();
    let alerts: Vec<_> = groups
        .iter()
        .flat_map(|group| group["rules"].as_vec().unwrap())
        .collect();
    let mut names = BTreeSet::new();
    for alert in &alerts {
        let name = string(&alert["alert"]);
        assert!(names.insert(name), "{name} is there twice");
        let severity = string(&alert["labels"]["severity"]);
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}: {severity}"
        );
        for text in ["summary", "description"] {
            let text = string(&alert["annotations"][text]);
            assert!(text.ends_with('.') && text.len() > 20, "{name}: {text}");
        }
        let runbook = string(&alert["annotations"]["runbook_url"]);
        assert_eq!(runbook, format!("docs/runbook.md#{}", name.to_lowercase()));
        assert!(
            anchors("docs/runbook.md").contains(&name.to_lowercase()),
            "{runbook}"
        );
    }
    assert!(names.len() > 10, "{names:?}");
    let documented = fs::read_to_string(repository("docs/observability.md")).unwrap();
    for name in names {
        assert!(
            documented.contains(name),
            "docs/observability.md has no {name}"
        );
    }
}

#[test]
fn the_runbook_has_no_alert_that_is_gone() {
    let alerts: Vec<_> = values_of("alert")
        .into_iter()
        .map(|name| name.to_lowercase())
        .collect();
    let gone: Vec<_> = anchors("docs/runbook.md")
        .into_iter()
        .filter(|anchor| anchor.starts_with("gather") && !alerts.contains(anchor))
        .collect();
    assert!(gone.is_empty(), "{gone:?}");
}

#[test]
fn every_metric_every_recorded_series_and_every_dashboard_is_documented() {
    let text = fs::read_to_string(repository("docs/observability.md")).unwrap();
    let ours = families()
        .into_iter()
        .filter(|name| name.starts_with("gather_"));
    let titles = dashboards()
        .into_iter()
        .map(|dashboard: Value| dashboard["title"].as_str().unwrap().to_owned());
    let missing: Vec<_> = ours
        .chain(values_of("record"))
        .chain(titles)
        .filter(|name| !text.contains(name.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/observability.md has no {missing:?}"
    );
}
