//! Warnings about settings that are valid but probably not meant. `gather check` prints them, `--strict` makes them
//! count, and `gather serve` logs them.

use crate::{
    file,
    program::{Finished, Running, finish, gather, limited},
};

/// Two upstreams; one of them has a breaker that a hang never reaches.
const ODD: &str = r#"
server.listen = "127.0.0.1:0"
server.grace = "0s"
# Within any limit of open files that this machine has.
server.max_connections = 10
server.max_in_flight = 10
[upstreams.users]
url = "http://users/ping?token=hunter2"
headers = { authorization = "Bearer hunter2" }
breaker = { failures = 3 }
[upstreams.orders]
url = "http://localhost:9/ping"
[aggregates.home]
calls = ["users", "orders"]
deadline = "2s"
"#;

const CUT_OFF: &str = "aggregates.home.deadline: \"2s\" leaves the timeout of `users` (\"5s\") no effect: attempts that hang fail \
                       with `deadline` and not with `timeout`, its breaker counts none of them, so that they never open it; \
                       set upstreams.users.timeout below the deadline";

fn check(name: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Finished {
    let mut command = gather();
    command.args(["check", "-c", name]).args(arguments);
    command.envs(variables.iter().copied());
    finish(command)
}

/// Returns the lines about this key or variable.
fn about<'a>(finished: &'a Finished, what: &str) -> Vec<&'a str> {
    let what = format!("{what}: ");
    let lines = finished.stderr.lines();
    lines.filter(|line| line.contains(&what)).collect()
}

#[test]
fn a_warning_has_file_and_key_and_only_strict_makes_it_count() {
    let (_place, name) = file(ODD);
    let told = format!("warning: {name}: {CUT_OFF}\n");
    for (arguments, code) in [
        (&["--elsewhere"][..], 0),
        (&["--elsewhere", "--strict"], 1),
        (&["--elsewhere", "--print"], 0),
        (&["--elsewhere", "--print", "--strict"], 1),
    ] {
        let finished = check(&name, arguments, &[]).expect(code);
        assert_eq!(finished.stderr, told, "{arguments:?}");
        let is_printed = arguments.contains(&"--print");
        assert_eq!(finished.stdout.starts_with("good: "), !is_printed);
        assert!(!finished.stdout.contains("hunter2"), "{}", finished.stdout);
    }
    let cured = ODD.replace("deadline = \"2s\"", "deadline = \"6s\"");
    let (_place, name) = file(&cured);
    let finished = check(&name, &["--elsewhere", "--strict"], &[]).expect(0);
    assert_eq!(finished.stderr, "");
}

#[test]
fn what_check_warns_of_is_logged_once_at_the_start() {
    let (_place, name) = file(ODD);
    let variables = [
        ("GATHER_LOG_LEVEL", "hunter2"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ];
    let checked = check(&name, &[], &variables).expect(0);
    assert_eq!(checked.stderr.lines().count(), 4, "{}", checked.stderr);
    let mut command = gather();
    command.args(["serve", "-c", &name]).envs(variables);
    let gateway = Running::start(command);
    gateway.address("address");
    let logged = gateway.stop().expect(0).stderr;
    assert!(!logged.contains("hunter2"), "{logged}");
    for line in checked.stderr.lines() {
        let warning = line.strip_prefix("warning: ").unwrap();
        let found: Vec<_> = logged
            .lines()
            .filter(|line| line.contains(warning))
            .collect();
        assert!(
            found.len() == 1 && found[0].contains("WARN"),
            "{warning} in\n{logged}"
        );
    }
}

#[test]
fn in_a_container_loopback_is_told_to_be_the_container_itself() {
    let (_place, name) = file(ODD);
    let inside = check(&name, &[], &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]).expect(0);
    let told = about(&inside, "upstreams.orders.url");
    assert!(
        told.len() == 1 && told[0].contains("`localhost` is this container itself"),
        "{told:?}"
    );
    let told = about(&inside, "server.listen");
    assert!(
        told.len() == 1 && told[0].contains("from inside of this container alone"),
        "{told:?}"
    );
    assert!(about(&inside, "upstreams.users.url").is_empty());
    let elsewhere = check(
        &name,
        &["--elsewhere"],
        &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")],
    );
    assert!(about(&elsewhere, "server.listen").is_empty());
}

#[test]
fn a_variable_with_an_underscore_too_few_is_told_and_a_services_own_are_not() {
    let (_place, name) = file(ODD);
    let variables = [
        ("GATHER_LOG_LEVEL", "hunter2"),
        ("gather__log__level", "hunter2"),
        ("GATHER_SERVICE_HOST", "10.0.0.7"),
        ("GATHER_PORT", "tcp://10.0.0.7:8080"),
        ("GATHER_PORT_8080_TCP_ADDR", "10.0.0.7"),
    ];
    let finished = check(&name, &["--strict"], &variables).expect(1);
    for variable in ["GATHER_LOG_LEVEL", "gather__log__level"] {
        let told = about(&finished, variable);
        assert_eq!(told.len(), 1, "{}", finished.stderr);
        assert!(
            told[0].starts_with(&format!("warning: {variable}: sets nothing: ")),
            "{told:?}"
        );
        assert!(
            told[0].ends_with("; did you mean GATHER__LOG__LEVEL?"),
            "{told:?}"
        );
    }
    assert!(
        !finished.stderr.contains("GATHER_SERVICE"),
        "{}",
        finished.stderr
    );
    assert!(
        !finished.stderr.contains("GATHER_PORT"),
        "{}",
        finished.stderr
    );
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
}

#[test]
fn a_limit_of_open_files_below_what_is_configured_is_told() {
    let bounds = "server.workers = 1\nserver.max_connections = 400";
    let (_place, name) = file(&ODD.replace("server.max_connections = 10", bounds));
    let told = |limit: usize| {
        let mut command = gather();
        command.args(["check", "-c", &name]);
        let finished = finish(limited(limit, &command)).expect(0);
        about(&finished, "server.max_connections").join("\n")
    };
    let few = told(200);
    assert!(
        few.starts_with("warning: ")
            && few.contains(
                "400 clients may be connected, but 200 file descriptors are enough for 147 of them"
            )
            && few.contains("ulimit -n"),
        "{few}"
    );
    assert_eq!(told(1000), "");
}

#[test]
fn a_text_in_the_words_of_another_tool_is_told() {
    let (_place, name) = file(
        r#"
upstreams.users.url = "http://users"
[aggregates.home]
path = "/users/{id}"
calls = [{ upstream = "users", path = "/users/${path.id}/{users_2.body.ids[*]}", keep = ["users.body.name"] },
         { upstream = "users", name = "users_2" }]
"#,
    );
    let finished = check(&name, &["--elsewhere"], &[]).expect(0);
    for (key, said) in [
        (
            "path",
            "`{users_2.body.ids[*]}` is a list, which skips the call",
        ),
        (
            "path",
            "has a `$` before a reference, which is sent as it is",
        ),
        ("keep[0]", "did you mean `name`?"),
    ] {
        let lines = about(&finished, &format!("aggregates.home.calls[0].{key}"));
        assert!(
            lines.iter().any(|line| line.contains(said)),
            "{}",
            finished.stderr
        );
    }
}
