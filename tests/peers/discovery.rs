//! GatherDown, for each way in which Prometheus finds gateways. A real Prometheus relabels the facts about pods that
//! discovery in a cluster would report. It does this by the shipped files, and by the operator's rules for the
//! PodMonitor. Files with the same labels stand in for the cluster.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use crate::{
    lonely, needed,
    program::{free_address, repository, try_within, which, within},
    prometheus::{Prometheus, SCRAPES},
    provisioning::{string, yaml},
    quick::quick_rules,
};

/// The time between two scrapes and evaluations, and the longest of a scrape: a gateway on a busy machine must not
/// look like one that is down.
const INTERVAL: Duration = Duration::from_secs(1);

/// The number of evaluations after which an alert of the faster rules has fired, if it fires at all. It needs a second.
const QUIET: u32 = 5;

const BASE: &str = "deploy/kubernetes/base/gather.yaml";
const MONITOR: &str = "deploy/kubernetes/components/podmonitor/podmonitor.yaml";

/// A pod, as discovery reports it.
#[derive(Clone)]
struct Pod {
    name: &'static str,
    address: SocketAddr,
    phase: &'static str,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
}

/// Returns a map of names to texts.
fn texts(yaml: &Yaml) -> Vec<(String, String)> {
    let pairs = yaml.as_hash().unwrap().iter();
    pairs
        .map(|(name, text)| (string(name).to_owned(), string(text).to_owned()))
        .collect()
}

/// Returns the metadata of the pods that the shipped Deployment makes.
fn template() -> Yaml {
    let text = fs::read_to_string(repository(BASE)).unwrap();
    let documents = YamlLoader::load_from_str(&text).unwrap();
    let deployment = documents
        .iter()
        .find(|one| one["kind"].as_str() == Some("Deployment"));
    deployment.unwrap()["spec"]["template"]["metadata"].clone()
}

impl Pod {
    /// Makes a pod of the shipped Deployment, with this address.
    fn gather(name: &'static str, address: SocketAddr) -> Self {
        let template = template();
        let mut annotations = texts(&template["annotations"]);
        for (key, text) in &mut annotations {
            if key == "prometheus.io/port" {
                *text = address.port().to_string();
            }
        }
        Self {
            name,
            address,
            phase: "Running",
            labels: texts(&template["labels"]),
            annotations,
        }
    }

    /// Makes it a pod of another service, with the same annotations.
    fn of(mut self, service: &str) -> Self {
        self.labels = vec![("app.kubernetes.io/name".to_owned(), service.to_owned())];
        self
    }

    fn in_phase(mut self, phase: &'static str) -> Self {
        self.phase = phase;
        self
    }

    fn unannotated(mut self) -> Self {
        self.annotations.clear();
        self
    }

    /// Returns the pod's targets: one for each port of its container.
    fn targets(&self) -> [Value; 2] {
        ["http", "admin"].map(|port| {
            let mut meta = json!({
                "__meta_kubernetes_namespace": "shop",
                "__meta_kubernetes_pod_name": self.name,
                "__meta_kubernetes_pod_ip": self.address.ip().to_string(),
                "__meta_kubernetes_pod_phase": self.phase,
                "__meta_kubernetes_pod_container_name": "gather",
                "__meta_kubernetes_pod_container_port_name": port,
            });
            for (kind, pairs) in [("label", &self.labels), ("annotation", &self.annotations)] {
                for (key, text) in pairs {
                    let key = key.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_");
                    meta[format!("__meta_kubernetes_pod_{kind}_{key}")] = text.as_str().into();
                }
            }
            // The first port is one that nobody scrapes.
            let address = if port == "admin" {
                self.address.to_string()
            } else {
                format!("{}:1", self.address.ip())
            };
            json!({ "targets": [address], "labels": meta })
        })
    }
}

/// A stand-in for a cluster: a list of pods that Prometheus looks at.
struct Cluster {
    files: TempDir,
}

impl Cluster {
    fn list(&self) -> PathBuf {
        self.files.path().join("pods.json")
    }

    fn now_has(&self, pods: &[Pod]) {
        let targets: Vec<_> = pods.iter().flat_map(Pod::targets).collect();
        let next = self.files.path().join("next");
        fs::write(&next, Value::from(targets).to_string()).unwrap();
        fs::rename(next, self.list()).unwrap();
    }
}

/// Returns the shipped job, which asks a list in the place of a cluster.
fn by_annotations(list: &Path) -> String {
    let shipped = repository("deploy/prometheus/kubernetes-pods.yml");
    let text = fs::read_to_string(shipped).unwrap();
    let asked = "kubernetes_sd_configs:\n      - role: pod\n";
    assert_eq!(text.matches(asked).count(), 1);
    text.replace(
        asked,
        &format!(
            "file_sd_configs:\n      - files: [\"{}\"]\n",
            list.display()
        ),
    )
}

/// Returns the job that the operator makes of the shipped PodMonitor in the namespace `shop`, by its own documents. The
/// job has the pods that the selector takes, in any phase before their end, at the port of that name. Its `job` is the
/// namespace and the monitor's name.
fn by_monitor(list: &Path) -> String {
    let monitor = yaml(MONITOR);
    let name = string(&monitor["metadata"]["name"]);
    let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
    let port = string(&endpoint["port"]);
    let mut text = format!(
        "  - job_name: podMonitor/shop/{name}/0\n    metrics_path: {}\n    file_sd_configs:\n      - files: [\"{}\"]\n    relabel_configs:\n",
        string(&endpoint["path"]),
        list.display()
    );
    let mut rule = |rule: &str| text.push_str(&format!("      - {{ {rule} }}\n"));
    rule("source_labels: [__meta_kubernetes_pod_phase], regex: Failed|Succeeded, action: drop");
    for (key, value) in texts(&monitor["spec"]["selector"]["matchLabels"]) {
        let key = key.replace(['.', '/'], "_");
        rule(&format!(
            "source_labels: [__meta_kubernetes_pod_label_{key}], regex: {value}, action: keep"
        ));
    }
    rule(&format!(
        "source_labels: [__meta_kubernetes_pod_container_port_name], regex: {port}, action: keep"
    ));
    for (source, target) in [
        ("namespace", "namespace"),
        ("pod_container_name", "container"),
        ("pod_name", "pod"),
    ] {
        rule(&format!(
            "source_labels: [__meta_kubernetes_{source}], target_label: {target}"
        ));
    }
    rule(&format!("target_label: job, replacement: shop/{name}"));
    rule(&format!("target_label: endpoint, replacement: {port}"));
    text
}

/// Returns the labels of all series that a query results in, in one order.
fn labels(prometheus: &Prometheus, query: &str) -> Vec<Value> {
    let Some(answer) = prometheus.try_api("query", &[("query", query)]) else {
        return Vec::new();
    };
    let found = answer["data"]["result"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut labels: Vec<_> = found
        .iter()
        .map(|series| series["metric"].clone())
        .collect();
    labels.sort_by_key(Value::to_string);
    labels
}

/// Waits until a query results in series with just these labels.
fn expect(prometheus: &Prometheus, what: &str, query: &str, mut expected: Vec<Value>) {
    expected.sort_by_key(Value::to_string);
    let mut last = Vec::new();
    try_within(SCRAPES, || {
        last = labels(prometheus, query);
        (last == expected).then_some(())
    })
    .unwrap_or_else(|| panic!("{what}: {last:#?}\nand not {expected:#?}"));
}

/// Waits until the rules have been evaluated [`QUIET`] times. Returns the targets that GatherDown has reported since.
fn told(prometheus: &Prometheus) -> Vec<Value> {
    let evaluated = || prometheus.number("vector(time())").unwrap();
    let until = evaluated() + (INTERVAL * QUIET).as_secs_f64();
    within(SCRAPES, "some evaluations", || {
        (evaluated() > until).then_some(())
    });
    let span = (INTERVAL * QUIET).as_millis();
    labels(
        prometheus,
        &format!(
            "last_over_time(ALERTS{{alertname=\"GatherDown\", alertstate=\"firing\"}}[{span}ms])"
        ),
    )
}

const FIRING: &str = "ALERTS{alertname=\"GatherDown\", alertstate=\"firing\"}";

fn firing(mut target: Value) -> Value {
    target["__name__"] = "ALERTS".into();
    target["alertname"] = "GatherDown".into();
    target["alertstate"] = "firing".into();
    target["severity"] = "critical".into();
    target
}

fn up(mut target: Value) -> Value {
    target["__name__"] = "up".into();
    target
}

/// Returns the labels of a target in the namespace `shop`.
fn target(job: &str, pod: &Pod) -> Value {
    json!({ "job": job, "instance": pod.address.to_string(), "namespace": "shop", "pod": pod.name })
}

fn monitored(pod: &Pod) -> Value {
    let mut target = target("shop/gather", pod);
    target["container"] = "gather".into();
    target["endpoint"] = "admin".into();
    target
}

/// A Prometheus with one list of pods for each way. An annotation and a PodMonitor for the same pods would report
/// everything twice.
struct Scene {
    prometheus: Prometheus,
    annotated: Cluster,
    monitored: Cluster,
}

impl Scene {
    fn start() -> Option<Self> {
        needed("prometheus", which("prometheus"))?;
        let [annotated, monitored] = [(); 2].map(|()| Cluster {
            files: tempfile::tempdir().unwrap(),
        });
        annotated.now_has(&[]);
        monitored.now_has(&[]);
        let scraped = by_annotations(&annotated.list()) + &by_monitor(&monitored.list());
        let prometheus = Prometheus::scraping(&scraped, &quick_rules(), INTERVAL)?;
        Some(Self {
            prometheus,
            annotated,
            monitored,
        })
    }
}

#[test]
fn gather_down_tells_of_gateways_and_of_nothing_else_however_they_are_found() {
    let Some(scene) = Scene::start() else { return };
    let prometheus = &scene.prometheus;
    expect(
        prometheus,
        "no gateway at all is told once",
        FIRING,
        vec![firing(json!({}))],
    );

    let (one, at_one) = lonely();
    let (two, at_two) = lonely();
    let (three, at_three) = lonely();
    let one_pod = Pod::gather("gather-1", at_one);
    // A Deployment with labels of its own. Its job is the one that all pods have.
    let two_pod = Pod::gather("front-1", at_two).of("front");
    let three_pod = Pod::gather("gather-3", at_three);
    // This pod is no gateway, and nothing listens there.
    let other = Pod::gather("stock-1", free_address()).of("stock");
    let annotated = [
        one_pod.clone(),
        two_pod.clone(),
        other.clone(),
        Pod::gather("gather-done", free_address()).in_phase("Succeeded"),
        Pod::gather("gather-to-come", free_address()).in_phase("Pending"),
        Pod::gather("gather-unasked", free_address()).unannotated(),
    ];
    scene.annotated.now_has(&annotated);
    let others = Pod::gather("stock-2", free_address()).of("stock");
    scene.monitored.now_has(&[three_pod.clone(), others]);
    let all = [
        target("shop/gather", &one_pod),
        target("kubernetes-pods", &two_pod),
        monitored(&three_pod),
    ];
    let well: Vec<_> = all.iter().cloned().map(up).collect();
    expect(prometheus, "the gateways are scraped", "up == 1", well);
    let down = vec![up(target("kubernetes-pods", &other))];
    expect(prometheus, "and one other program is not", "up == 0", down);
    expect(prometheus, "nothing is told any more", FIRING, vec![]);
    assert_eq!(told(prometheus), Vec::<Value>::new(), "all is well");

    drop((one, two, three));
    let all: Vec<_> = all.into_iter().map(firing).collect();
    expect(
        prometheus,
        "each that was killed is told",
        FIRING,
        all.clone(),
    );
    assert_eq!(told(prometheus).len(), all.len(), "and no other is");

    // A rollout takes their pods away, and others come in their place.
    let (_four, at_four) = lonely();
    let four = Pod::gather("gather-4", at_four);
    scene.annotated.now_has(&[other.clone(), four.clone()]);
    scene.monitored.now_has(&[]);
    let well = vec![up(target("shop/gather", &four))];
    expect(prometheus, "the new one is scraped", "up == 1", well);
    expect(prometheus, "what has gone is told no more", FIRING, vec![]);
    assert_eq!(told(prometheus), Vec::<Value>::new(), "after the rollout");

    scene.annotated.now_has(&[other]);
    expect(
        prometheus,
        "that the last has gone is told once",
        FIRING,
        vec![firing(json!({}))],
    );
}
