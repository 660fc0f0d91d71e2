//! The OpenAPI document, as programs read it: two validators, and schemathesis. The latter sends a live gateway
//! everything that the document allows, and checks the answers by it. `tests/openapi` has the files that they need.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::{
    fastapi::python_with,
    needed,
    program::{Running, get, repository, run, which},
    upstream::{Behaviour, Response, Upstream},
};

/// The longest wait. It is enough for a run of schemathesis on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(180);

/// The versions of OpenAPI that a document is printed in.
const VERSIONS: [&str; 2] = ["3.1", "3.2"];

/// The first Node that @redocly/cli runs on.
const NODE: (u32, u32) = (20, 19);

/// Aggregates of all kinds before upstreams that answer, refuse, and are too late.
/// The last aggregate has this method.
fn configuration(upstream: &Upstream, method: &str) -> String {
    let [users, orders, down, late, closed] =
        ["users", "orders", "down", "late", "closed"].map(|path| upstream.url(&format!("/{path}")));
    format!(
        r#"
server.compression = true
upstreams.users = {{ url = "{users}", forward_query = ["q", "page"], forward_headers = ["accept-language", "x-tenant", "authorization"] }}
upstreams.orders.url = "{orders}"
upstreams.down.url = "{down}"
upstreams.closed.url = "{closed}"
upstreams.late = {{ url = "{late}", timeout = "5ms" }}
aggregates.default = {{ calls = ["users", "orders"], compare = true }}
aggregates.mixed = {{ calls = ["users", "down", {{ upstream = "orders", name = "spare", optional = true }}], mode = "sequential", concurrency = 2, wait_for = 2 }}
aggregates.lost = {{ calls = ["late", {{ upstream = "down", optional = true }}], compare = true, on_failure = "fail" }}
aggregates.mine = {{ calls = ["users", {{ upstream = "closed", pass_status = [401, 403, 503] }}], compare = true }}
aggregates.page = {{ path = "/users/{{id:int}}/{{key:uuid}}/home", calls = ["users", {{ upstream = "orders", query = {{ id = "{{path.id}}", since = "{{query.since?}}" }}, headers = {{ x-key = "{{path.key}}" }} }}] }}
aggregates.edit = {{ path = "/users/{{name}}", methods = ["GET", "PUT", "PATCH"], parameters = false, calls = [{{ upstream = "users", query = {{ name = "{{path.name}}" }} }}] }}
aggregates.search = {{ path = "/search", methods = ["GET", "{method}"], calls = [{{ upstream = "users", method = "POST", json = {{ all = "{{body}}" }} }}] }}
"#
    )
}

fn upstream() -> Upstream {
    Upstream::start(|request| match request.path().split('?').next() {
        Some("/users") => Response::json("{\"id\": 1}").into(),
        Some("/orders") => Response::text("none").into(),
        Some("/closed") => Response::new(401)
            .header("WWW-Authenticate", "Bearer")
            .header("Retry-After", "30")
            .into(),
        Some("/late") => Behaviour::HangBeforeHead,
        _ => Response::new(503).into(),
    })
}

/// Writes documents of a version to files: those of the shipped configurations, and one with everything that a document
/// can have.
fn documents(place: &Path, version: &str) -> Vec<PathBuf> {
    let all = place.join("all.toml");
    std::fs::write(&all, configuration(&upstream(), "QUERY")).unwrap();
    let configurations = [
        ("shipped", repository("config/gather.toml")),
        ("deployed", repository("deploy/gather.toml")),
        ("all", all),
    ];
    let documents = configurations.map(|(name, file)| {
        let printed = print(version, &file);
        let document = place.join(format!("{name}-{version}.json"));
        std::fs::write(&document, printed).unwrap();
        document
    });
    documents.into()
}

/// Prints the document of a configuration.
fn print(version: &str, file: &Path) -> String {
    let file = file.to_str().unwrap();
    run(&["openapi", "--version", version, "-c", file])
        .expect(0)
        .stdout
}

/// Runs a command to its end and returns what it wrote, if it ended well.
fn well(command: Command) -> String {
    let output = assert_cmd::Command::from_std(command)
        .timeout(PATIENCE)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}\n{stderr}");
    stdout
}

#[test]
fn openapi_spec_validator_finds_nothing() {
    let Some(python) = python_with(
        "a Python with openapi-spec-validator (pip install -r tests/openapi/requirements.txt)",
        "openapi_spec_validator",
    ) else {
        return;
    };
    for version in VERSIONS {
        let files = tempfile::tempdir().unwrap();
        let mut command = Command::new(&python);
        command
            .args(["-m", "openapi_spec_validator", "--schema", version])
            .args(documents(files.path(), version));
        let found = well(command);
        assert_eq!(found.matches(": OK").count(), 3, "{found}");
    }
}

/// Returns Redocly's program, if it is installed and Node can run it.
fn redocly() -> Option<PathBuf> {
    let program = repository("tests/openapi/node_modules/.bin/redocly");
    let program = needed(
        "@redocly/cli (npm ci --prefix tests/openapi)",
        program.exists().then_some(program),
    )?;
    let node = which("node").filter(|node| {
        let version = Command::new(node).arg("--version").output().unwrap().stdout;
        let version = String::from_utf8_lossy(&version).into_owned();
        let mut numbers = version.trim().trim_start_matches('v').split('.');
        let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok());
        (next(), next()) >= (Some(NODE.0), Some(NODE.1))
    });
    needed("Node 20.19 or later, for @redocly/cli", node)?;
    Some(program)
}

#[test]
fn redocly_lint_finds_nothing() {
    let Some(redocly) = redocly() else { return };
    let files = tempfile::tempdir().unwrap();
    let mut command = Command::new(redocly);
    command
        .args(["lint", "--format=json"])
        .args(
            VERSIONS
                .map(|version| documents(files.path(), version))
                .concat(),
        )
        .current_dir(files.path())
        .env("REDOCLY_TELEMETRY", "off")
        .env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true")
        .stdin(Stdio::null());
    let found = well(command);
    let found = serde_json::Deserializer::from_str(&found).into_iter::<Value>();
    let found: Vec<_> = found.map(Result::unwrap).collect();
    assert_eq!(found.len(), 6, "one for each document");
    for found in found {
        for kind in ["errors", "warnings", "ignored"] {
            assert_eq!(found["totals"][kind], 0, "{found:#}");
        }
    }
}

/// Returns a Python that has schemathesis.
fn schemathesis() -> Option<PathBuf> {
    python_with(
        "a Python with schemathesis (pip install -r tests/openapi/requirements.txt)",
        "schemathesis",
    )
}

/// Runs schemathesis with a document before the gateway. Returns its output, which must have no finding.
fn ask_all(python: &Path, arguments: &[&str]) -> String {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli", "--config-file"])
        .arg(repository("tests/openapi/schemathesis.toml"))
        .args(["--no-color", "run"])
        .args(arguments)
        .args(["--checks", "all", "--max-examples", "8", "--seed", "5"])
        // With two threads, CPython 3.11 can take one thread's depth of parsing for the other's.
        .args(["--workers", "1", "--generation-database", "none"])
        .env("SCHEMATHESIS_HOOKS", "hooks")
        .env("PYTHONPATH", python_path())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(place.path())
        .stdin(Stdio::null());
    let found = well(command);
    assert!(found.contains("No issues found"), "{found}");
    found
}

#[test]
fn schemathesis_finds_nothing_that_a_live_gateway_does_otherwise() {
    let Some(python) = schemathesis() else { return };
    let upstream = upstream();
    // A QUERY that is answered, but not described, would be a finding: OpenAPI 3.1 has none.
    let (_gateway, address) = Running::serve(&configuration(&upstream, "POST"));
    let asked = |path| get(address, path).status;
    assert_eq!(
        [
            "/aggregate",
            "/aggregate/mixed",
            "/aggregate/lost",
            "/aggregate/mine"
        ]
        .map(asked),
        [200, 200, 504, 401]
    );
    upstream.take_requests();
    let found = ask_all(&python, &[&format!("http://{address}/openapi.json")]);
    // There are two for each of ten paths, less one for the document itself, which it has read before. Those with
    // routes have 18.
    assert!(found.contains("Tested: 37"), "{found}");
    let asked = upstream.take_requests().len();
    assert!(asked > 200, "only {asked} requests went through:\n{found}");
}

#[test]
fn schemathesis_finds_every_message_of_a_stream_as_version_3_2_says() {
    let Some(python) = schemathesis() else { return };
    let upstream = upstream();
    let configuration = configuration(&upstream, "QUERY");
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("gather.toml");
    std::fs::write(&file, &configuration).unwrap();
    let document = files.path().join("openapi.json");
    std::fs::write(&document, print("3.2", &file)).unwrap();
    let (_gateway, address) = Running::serve(&configuration);
    let [document, url] = [document.display().to_string(), format!("http://{address}")];
    let only = ["--include-operation-id-regex", "^(aggregate|route|query)"];
    let found = ask_all(&python, &[&[&*document, "--url", &url][..], &only].concat());
    assert!(found.contains("Tested: 13"), "{found}");
    let asked = upstream.take_requests().len();
    assert!(asked > 100, "only {asked} requests went through:\n{found}");
}

/// Returns the path for Python's modules: the hooks' folder, and then the environment's value.
fn python_path() -> std::ffi::OsString {
    let given = std::env::var_os("PYTHONPATH").unwrap_or_default();
    let given: Vec<_> = std::env::split_paths(&given).collect();
    let all = std::iter::once(repository("tests/openapi")).chain(given);
    std::env::join_paths(all).unwrap()
}
