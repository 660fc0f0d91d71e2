//! Every alert fires when its fault is injected, and none fires before. One Prometheus with the shipped rules at a
//! faster pace watches the gateways. They are healthy for longer than the slowest alert takes, and then all get their
//! own faults at once.

mod scene;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    program::try_within,
    prometheus::{Prometheus, SCRAPES},
    series::values_of,
};

use scene::{Gateways, INTERVAL};

/// The healthy time. It is longer than any alert of the faster rules needs from its fault to its firing: 15 s, and 5 s
/// of rates before.
const HEALTHY: Duration = Duration::from_secs(22);

/// An alert and what it is about: the upstream, the aggregate, or else the instance.
type Fired = (String, String);

/// Returns every alert that has ever fired, except one. Before its first scrapes Prometheus knows of no gateway at all.
/// At the faster pace that lasts long enough to be reported. `alerts_test.yml` has that case.
fn fired(prometheus: &Prometheus) -> BTreeSet<Fired> {
    let ever = "count_over_time(ALERTS{alertstate=\"firing\"}[10m])";
    let label = |labels: &serde_json::Value, name: &str| Some(labels[name].as_str()?.to_owned());
    prometheus
        .query(ever)
        .iter()
        .map(|series| {
            let labels = &series["metric"];
            let about = ["upstream", "aggregate", "instance"];
            let about = about.iter().find_map(|name| label(labels, name));
            (
                label(labels, "alertname").unwrap(),
                about.unwrap_or_default(),
            )
        })
        .filter(|(alert, about)| alert != "GatherDown" || !about.is_empty())
        .collect()
}

#[test]
fn every_alert_fires_at_its_fault_and_none_before() {
    let Some(mut gateways) = Gateways::start() else {
        return;
    };
    let needed = HEALTHY.as_millis() / INTERVAL.as_millis();
    gateways
        .prometheus
        .expect("min(count_over_time(up{job=\"gather\"}[10m]))", |scrapes| {
            scrapes >= needed as f64
        });
    let early = fired(&gateways.prometheus);
    assert!(early.is_empty(), "on healthy gateways: {early:?}");

    let expected = gateways.inject();
    let all: BTreeSet<_> = expected.keys().map(|(alert, _)| alert.clone()).collect();
    let shipped: BTreeSet<_> = values_of("alert").into_iter().collect();
    assert_eq!(all, shipped, "a fault for every alert");
    must_fire(&gateways.prometheus, &expected);
    every_alert_reads_well(&gateways.prometheus);
}

/// Waits for all alerts that must fire. No other alert may fire, except those that `expected` allows.
fn must_fire(prometheus: &Prometheus, expected: &BTreeMap<Fired, Faulty>) {
    let must: BTreeSet<_> = expected
        .iter()
        .filter(|(_, faulty)| **faulty == Faulty::Must)
        .map(|(fired, _)| fired.clone())
        .collect();
    let mut seen = BTreeSet::new();
    try_within(SCRAPES, || {
        seen = fired(prometheus);
        must.is_subset(&seen).then_some(())
    });
    let missing: Vec<_> = must.difference(&seen).collect();
    assert!(missing.is_empty(), "{missing:?} did not fire, but {seen:?}");
    // All gateways share this machine with their faults.
    let odd: Vec<_> = seen
        .iter()
        .filter(|fired| !expected.contains_key(fired) && fired.0 != "GatherOverheadHigh")
        .collect();
    assert!(odd.is_empty(), "{odd:?} fired as well");
}

/// The effect of a fault: an alert that must fire, or one that may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Faulty {
    Must,
    May,
}

/// Asserts that the texts of the firing alerts have their values filled in.
fn every_alert_reads_well(prometheus: &Prometheus) {
    let alerts = prometheus.api("alerts", &[])["alerts"].clone();
    let alerts = alerts.as_array().unwrap();
    assert!(alerts.len() > 10, "{alerts:#?}");
    for alert in alerts {
        for text in ["summary", "description", "runbook_url"] {
            let text = alert["annotations"][text].as_str().unwrap();
            let whole = !text.is_empty()
                && ["{{", "<error", "<no value>", "NaN", "%!"]
                    .iter()
                    .all(|broken| !text.contains(broken));
            assert!(whole, "{alert:#}");
        }
    }
}
