//! `gather call` with what composition adds: routes, methods and bodies, answers with a shape of their own, and the
//! critical path.

use std::time::Duration;

use crate::{
    live::{on_a_terminal, shown},
    program::{Running, finish, run},
    upstream::{Behaviour, Response, Upstream},
};

/// A gateway whose aggregate `home` has a route with a parameter, and a call that waits for another.
fn gateway(rest: &str) -> (Running, String, Upstream) {
    let delay = Duration::from_millis(20);
    let upstream = Upstream::always(Behaviour::from(Response::json(r#"{"id":  7}"#)).after(delay));
    let (gateway, address) = Running::serve(&format!(
        "upstreams.users.url = \"{0}\"\nupstreams.orders.url = \"{0}\"\n\
         [aggregates.home]\npath = \"/users/{{id:int}}/home\"\n{rest}\n\
         [[aggregates.home.calls]]\nupstream = \"users\"\npath = \"/users/{{path.id}}\"\n\
         [[aggregates.home.calls]]\nupstream = \"orders\"\npath = \"/orders/{{users.body.id}}\"\n",
        upstream.url("/")
    ));
    (gateway, format!("{address}/users/42/home"), upstream)
}

fn targets(upstream: &Upstream) -> Vec<String> {
    let requests = upstream.requests().into_iter();
    requests.map(|request| request.target).collect()
}

#[test]
fn a_route_is_called_and_its_critical_path_said() {
    let (_gateway, url, upstream) = gateway("");
    let drawn = run(&["call", &url]).expect(0).stdout;
    let last = drawn.lines().last().unwrap();
    assert_eq!(
        last, "critical path: users → orders (each began as the one before it ended)",
        "{drawn}"
    );
    assert_eq!(targets(&upstream), ["/users/42", "/orders/7"]);
    let drawn = run(&["call", &url, "--mode", "sequential"])
        .expect(0)
        .stdout;
    assert!(!drawn.contains("critical"), "{drawn}");
}

#[test]
fn a_merged_answer_is_shown_as_it_came_with_the_times_of_its_calls() {
    let (_gateway, url, _upstream) = gateway("shape = \"merge\"");
    let answer = r#"{"users":{"id":  7},"orders":{"id":  7}}"#;
    let drawn = run(&["call", &url]).expect(0).stdout;
    let lines: Vec<_> = drawn.lines().collect();
    assert_eq!(lines[..2], [answer, ""], "{drawn}");
    assert!(lines[2].starts_with("concurrent: complete in "), "{drawn}");
    assert!(
        lines[3].starts_with("  users   ") && lines[3].ends_with("  200"),
        "{drawn}"
    );
    assert!(
        lines[4].starts_with("  orders  ") && lines[4].ends_with("  200"),
        "{drawn}"
    );
    let json = run(&["call", &url, "--json"]).expect(0).stdout;
    assert_eq!(json, format!("{answer}\n"));
    let compared = run(&["call", &url, "--mode", "sequential"])
        .expect(0)
        .stdout;
    assert!(
        compared.contains("\nsequential: complete in "),
        "{compared}"
    );
}

#[test]
fn on_a_terminal_a_merged_answer_is_indented_above_its_calls() {
    let (_gateway, url, _upstream) = gateway("shape = \"merge\"");
    let Some(command) = on_a_terminal(&format!("call {url}")) else {
        return;
    };
    let shown = shown(&finish(command).expect(0).stdout);
    let lines: Vec<_> = shown.lines().map(str::trim_end).collect();
    let answer = r#"{"users": {"id": 7}, "orders": {"id": 7}}"#;
    assert_eq!(lines[..2], [answer, ""], "{shown}");
    assert!(lines[2].starts_with("concurrent  "), "{shown}");
}

#[test]
fn a_shape_without_a_value_is_explained_as_no_call_failed() {
    let (_gateway, url, _upstream) = gateway("shape = { value = \"users.body.name\" }");
    let why =
        "502: Upstream failed (the answer's `shape` has no value: `users.body.name` is missing)";
    let drawn = run(&["call", &url]).expect(1).stdout;
    assert!(drawn.ends_with(&format!("{why}\n")), "{drawn}");
    if let Some(command) = on_a_terminal(&format!("call {url}")) {
        let shown = shown(&finish(command).expect(1).stdout);
        assert!(shown.trim_end().ends_with(why), "{shown}");
    }
}

#[test]
fn an_answer_with_a_shape_is_1_if_a_call_failed() {
    let (_gateway, url, _upstream) = gateway("shape = { value = \"[users.ok, orders.ok]\" }");
    let answer = run(&["call", &url, "--json"]).expect(0).stdout;
    assert_eq!(answer, "[true,true]\n");
    let sick = Upstream::always(Response::new(503));
    let well = Upstream::always(Response::pong());
    let (_gateway, address) = Running::serve(&format!(
        "upstreams.a.url = \"{}\"\nupstreams.b.url = \"{}\"\n\
         [aggregates.default]\nshape = \"merge\"\ncalls = [\"a\", \"b\"]",
        sick.url("/"),
        well.url("/")
    ));
    let drawn = run(&["call", &address.to_string()]).expect(1).stdout;
    assert!(drawn.contains("\nconcurrent: partial in "), "{drawn}");
}

#[test]
fn a_method_a_body_and_header_fields_are_sent() {
    let upstream = Upstream::always(Response::json("{}"));
    let (_gateway, address) = Running::serve(&format!(
        "upstreams.users.url = \"{}\"\n\
         [aggregates.home]\nmethods = [\"POST\", \"PUT\"]\n\
         [[aggregates.home.calls]]\nupstream = \"users\"\nmethod = \"POST\"\n\
         json = {{ id = \"{{body.id}}\" }}\nheaders = {{ x-tenant = \"{{headers.x-tenant}}\" }}\n",
        upstream.url("/")
    ));
    let url = format!("{address}/aggregate/home");
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("body.json");
    std::fs::write(&file, r#"{"id": 1.50}"#).unwrap();
    let named = format!("@{}", file.display());
    for arguments in [&["-d", r#"{"id": 1.50}"#][..], &["-X", "PUT", "-d", &named]] {
        let header = ["-H", "x-tenant: seven"];
        run(&[&["call", &url], arguments, &header].concat()).expect(0);
        let requests = upstream.requests();
        let last = requests.last().unwrap();
        assert_eq!(last.header("x-tenant"), Some("seven"));
        assert_eq!(last.body, br#"{"id":1.50}"#);
    }
    let refused = run(&["call", &url]).one_sentence();
    assert!(refused.contains("405"), "{refused}");
    run(&["call", &url, "-H", "no colon"]).expect(2);
    run(&["call", &url, "-d", "@/nowhere"]).one_sentence();
}

#[test]
fn the_log_names_the_value_for_which_a_call_was_skipped() {
    let upstream = Upstream::always(Response::json("{}"));
    let (gateway, address) = Running::serve(&format!(
        "server.grace = \"0s\"\nlog.format = \"json\"\nupstreams.users.url = \"{0}\"\n[aggregates.home]\n\
         calls = [\"users\", {{ upstream = \"users\", name = \"team\", path = \"/{{users.body.team_id}}\" }},\n\
         {{ upstream = \"users\", name = \"lead\", path = \"/{{team.body.lead}}\" }}]",
        upstream.url("/")
    ));
    run(&["call", &format!("{address}/aggregate/home")]).expect(1);
    let log = gateway.stop().expect(0).stderr;
    let line = log.lines().find(|line| line.contains("aggregated"));
    let line: serde_json::Value = serde_json::from_str(line.unwrap()).unwrap();
    assert_eq!(line["failed"], "team:skipped,lead:skipped");
    assert_eq!(line["reason"], "team: `{users.body.team_id}` is missing");
}
