//! The console in a real browser: Chromium, driven by the scripts of `tests/console`, before gateways with scripted
//! upstreams. Node runs the console's modules that need no page.

use std::{path::PathBuf, process::Command, time::Duration};

use crate::{
    needed,
    program::{Running, repository, which},
    upstream::{Behaviour, Response, Upstream},
};

/// The time that a usual call takes.
const DELAY: Duration = Duration::from_millis(300);

/// The longest time for a script. If all goes well it takes some ten seconds.
const LONG: Duration = Duration::from_secs(240);

fn node() -> Option<PathBuf> {
    needed("Node.js (`node`)", which("node"))
}

/// Makes the command that runs a script of `tests/console` by Node.
fn script(node: &PathBuf, name: &str) -> Command {
    let mut command = Command::new(node);
    command.arg(repository("tests/console").join(name));
    command
}

/// Runs the command, and fails with all its output.
fn passes(command: Command) -> String {
    let mut command = assert_cmd::Command::from_std(command);
    let output = command.timeout(LONG).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    said
}

fn upstream() -> Upstream {
    Upstream::start(|request| match request.path() {
        "/quick" => Behaviour::from(Response::pong()).after(DELAY / 3),
        "/sick" => Response::new(503).into(),
        "/closing" => Behaviour::CloseBeforeHead,
        "/hanging" => Behaviour::HangBeforeHead,
        "/deep" => Response::json(nested(900)).into(),
        "/deeper" => Response::json(nested(1001)).into(),
        "/echo" => {
            let told = |name| request.header(name).unwrap_or_default();
            let (query, tenant) = (request.query().unwrap_or_default(), told("x-tenant"));
            let cookie = told("cookie");
            let body = serde_json::json!({ "query": query, "tenant": tenant, "cookie": cookie });
            Response::json(body.to_string()).into()
        }
        "/exact" => Response::json(
            r#"{"id":12345678901234567890,"price":1.50,"markup":"<img src=x onerror=alert(1)>"}"#,
        )
        .into(),
        _ => Behaviour::from(Response::pong()).after(DELAY),
    })
}

/// Returns lists that are nested this deep.
fn nested(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

/// Returns the configuration of the aggregates that the scripts run, before upstreams at `origin`.
fn configuration(origin: &str) -> String {
    format!(
        r#"
        upstreams.pong_1.url = "{origin}/pong_1"
        upstreams.pong_2.url = "{origin}/pong_2"
        upstreams.pong_3.url = "{origin}/pong_3"
        upstreams.quick.url = "{origin}/quick"
        upstreams.sick = {{ url = "{origin}/sick", retry = {{ attempts = 3, backoff = "1ms" }} }}
        upstreams.closing.url = "{origin}/closing"
        upstreams.held = {{ url = "{origin}/hanging", timeout = "60s" }}
        upstreams.hanging = {{ url = "{origin}/hanging", timeout = "60s" }}
        upstreams.exact.url = "{origin}/exact"
        upstreams.deep = {{ url = "{origin}/deep", max_depth = 1000 }}
        upstreams.deeper = {{ url = "{origin}/deeper", max_depth = 1000 }}
        upstreams.echo = {{ url = "{origin}/echo", forward_query = ["id", "q[]"], forward_headers = ["x-tenant", "cookie", "accept"] }}
        upstreams.told.url = "{origin}/echo"
        upstreams.an_upstream_whose_name_is_long.url = "{origin}/quick"
        upstreams.broken = {{ url = "{origin}/sick", breaker = {{ failures = 1, open_for = "60s" }} }}

        [aggregates]
        default = {{ calls = ["pong_1", "pong_2", "pong_3"], compare = true }}
        steps = {{ calls = ["quick", {{ upstream = "pong_1", name = "slow" }}] }}
        home = {{ calls = [{{ upstream = "quick", name = "users" }}, {{ upstream = "sick", name = "orders", optional = true }},
                           {{ upstream = "closing", name = "prices" }}], compare = true }}
        strict = {{ calls = ["sick", "pong_1"], on_failure = "fail" }}
        half = {{ calls = ["quick", {{ upstream = "held", name = "slow" }}], deadline = "60s" }}
        hanging = {{ calls = ["hanging"], deadline = "60s" }}
        exact = {{ calls = ["exact"] }}
        breaking = {{ calls = ["broken"] }}
        deep = {{ calls = ["deep", "deeper"] }}
        passing = {{ calls = ["echo"] }}
        page = {{ path = "/pages/{{id:int}}", shape = "merge", calls = [
            {{ upstream = "told", name = "user", query = {{ id = "{{path.id}}" }} }},
            {{ upstream = "told", name = "orders", query = {{ of = "{{user.body.query}}", since = "{{query.since?}}" }} }},
            {{ upstream = "told", name = "stock", query = {{ id = "{{orders.body.missing}}" }}, optional = true }},
            {{ upstream = "told", name = "extra", when = "user.body.query == \"\"" }}] }}
        posting = {{ methods = ["POST"], calls = [{{ upstream = "told", query = {{ id = "{{body.id}}" }} }}] }}
        parts = {{ methods = ["POST"], calls = [
            {{ upstream = "told", name = "many", each = "{{body.ids}}", query = {{ id = "{{item.id}}" }}, tolerate = 1 }},
            {{ upstream = "closing", name = "tips", fallback = [] }}] }}
        named = {{ calls = [{{ upstream = "an_upstream_whose_name_is_long", optional = true,
                               name = "a_call_whose_name_is_as_long_as_any_that_the_gateway_takes_at_a" }}, "quick"] }}
        "#
    )
}

#[test]
fn the_consoles_modules_that_need_no_page_do_what_they_say() {
    let Some(node) = node() else { return };
    let mut command = script(&node, "units.mjs");
    // Without this it would run as if a test runner had started it.
    command.env_remove("NODE_TEST_CONTEXT");
    let said = passes(command);
    assert!(said.contains("# pass"), "{said}");
}

#[test]
fn a_browser_runs_both_modes_and_everything_else_that_the_console_offers() {
    let chromium = needed("Chromium (`chromium`)", which("chromium"));
    let modules = repository("tests/console/node_modules");
    let modules = needed(
        "what `npm ci --prefix tests/console` installs",
        Some(modules).filter(|modules| modules.is_dir()),
    );
    let (Some(node), Some(chromium), Some(_)) = (node(), chromium, modules) else {
        return;
    };
    let upstream = upstream();
    let text = configuration(&upstream.url(""));
    let (_gateway, address) = Running::serve(&text);
    let (_other, other) = Running::serve(&format!(
        "server.compression = true\nadmin.listen = \"127.0.0.1:0\"\n{text}"
    ));
    let mut command = script(&node, "console.mjs");
    command
        .env("CHROMIUM", chromium)
        .env("CONSOLE", format!("http://{address}"))
        .env("ADMIN", format!("http://{other}"));
    // This variable names a folder for the browser's pictures.
    if let Some(pictures) = std::env::var_os("GATHER_SCREENSHOTS") {
        command.env("SCREENSHOTS", pictures);
    }
    let said = passes(command);
    assert!(
        said.lines().all(|line| line.starts_with("ok ")) && said.lines().count() > 10,
        "{said}"
    );
}
