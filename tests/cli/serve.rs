//! `gather serve`: the configuration that it uses, and its report if it can use none.

use std::{fs, net::TcpListener, path::Path};

use crate::{
    before, file,
    program::{Running, finish, gather, get, run},
    upstream::{Response, Upstream},
};

fn path(file: &Path) -> &str {
    file.to_str().unwrap()
}

/// Returns the report of a refused file. Both commands read the configuration alike, so both must report the same.
fn refused(file: &Path) -> String {
    let served = run(&["serve", "-c", path(file)]).expect(1);
    let checked = run(&["check", "-c", path(file)]).expect(1);
    assert_eq!((served.stdout.as_str(), checked.stdout.as_str()), ("", ""));
    assert_eq!(served.stderr, checked.stderr);
    assert_eq!(served.stderr.lines().count(), 1, "{}", served.stderr);
    assert!(served.stderr.starts_with(path(file)), "{}", served.stderr);
    assert!(!served.stderr.contains("Error {") && !served.stderr.contains("kind:"));
    served.stderr
}

#[test]
fn without_a_file_all_places_are_named() {
    if Path::new("/etc/gather/gather.toml").exists() {
        return;
    }
    let empty = tempfile::tempdir().unwrap();
    for command in ["serve", "check"] {
        let mut there = gather();
        there.arg(command).current_dir(empty.path());
        let sentence = finish(there).one_sentence();
        let places = "none of gather.toml, config/gather.toml and /etc/gather/gather.toml exists";
        assert!(sentence.contains(places), "{sentence}");
        assert!(sentence.contains("-c"), "what to do: {sentence}");
    }
}

#[test]
fn the_default_file_is_taken_from_the_working_directory() {
    let upstream = Upstream::always(Response::pong());
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("config")).unwrap();
    let text = before(&[upstream.url("/ping")]);
    fs::write(place.path().join("config/gather.toml"), text).unwrap();
    let mut command = gather();
    command
        .arg("serve")
        .current_dir(place.path())
        .env("GATHER__SERVER__LISTEN", "127.0.0.1:0")
        .env("GATHER__SERVER__GRACE", "0s");
    let gateway = Running::start(command);
    let answer = get(gateway.address("address"), "/aggregate");
    assert_eq!(answer.json()["results"][0]["body"], "pong");
    let told = gateway.line(|line| line.contains("listening").then(|| line.to_owned()));
    assert!(told.contains("config/gather.toml"), "{told}");
    gateway.stop().expect(0);
}

#[test]
fn the_file_beside_the_caller_comes_first_and_what_is_read_is_said() {
    let place = tempfile::tempdir().unwrap();
    let check = || {
        let mut command = gather();
        command.arg("check").current_dir(place.path());
        finish(command)
    };
    let text = before(&["http://127.0.0.1:9/".to_owned()]);
    fs::create_dir(place.path().join("config")).unwrap();
    fs::write(place.path().join("config/gather.toml"), &text).unwrap();
    let said = check().expect(0).stdout;
    assert!(
        said.starts_with("good: config/gather.toml: 1 upstream, "),
        "{said}"
    );
    fs::write(place.path().join("gather.toml"), &text).unwrap();
    let said = check().expect(0).stdout;
    assert!(
        said.starts_with("good: gather.toml: 1 upstream, "),
        "{said}"
    );
    // A file with another ending is not used, and the report says so.
    fs::write(place.path().join("gather.yaml"), &text).unwrap();
    let said = check().expect(0).stderr;
    let told = "warning: gather.yaml: is not read, as gather.toml is there";
    assert!(said.contains(told), "{said}");

    let mut both = gather();
    both.args(["check", "-c", "config/gather.toml", "-c", "gather.toml"])
        .current_dir(place.path());
    let said = finish(both).expect(0).stdout;
    assert!(
        said.starts_with("good: config/gather.toml, gather.toml: "),
        "{said}"
    );
}

#[test]
fn a_file_with_another_ending_is_named_where_there_is_no_other() {
    if Path::new("/etc/gather/gather.toml").exists() {
        return;
    }
    let place = tempfile::tempdir().unwrap();
    for name in ["gather.yaml", "gather.yml", "gather.json"] {
        let file = place.path().join(name);
        fs::write(&file, "").unwrap();
        let mut command = gather();
        command.arg("check").current_dir(place.path());
        let sentence = finish(command).one_sentence();
        assert!(sentence.ends_with(&format!("-c {name}")), "{sentence}");
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let place = tempfile::tempdir().unwrap();
    let message = refused(&place.path().join("none.toml"));
    assert!(message.contains("no such file"), "{message}");
}

#[test]
fn a_directory_is_told_to_be_one_whatever_its_name() {
    let place = tempfile::tempdir().unwrap();
    for name in ["gather.toml", "gather"] {
        let folder = place.path().join(name);
        fs::create_dir(&folder).unwrap();
        let message = refused(&folder);
        assert!(message.contains("directory"), "{message}");
    }
}

#[test]
fn a_file_that_can_not_be_read_is_told_with_the_reason() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.toml");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).unwrap();
    // Root can read the file all the same.
    if fs::read(&file).is_err() {
        let message = refused(&file);
        assert!(message.contains("permission denied"), "{message}");
    }
    // Nobody can read the first page of a process's memory.
    let file = place.path().join("memory.toml");
    symlink("/proc/self/mem", &file).unwrap();
    let message = refused(&file);
    assert!(message.contains("can't be read"), "{message}");
}

#[test]
fn a_file_that_is_not_utf8_is_told_with_the_place() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.toml");
    fs::write(&file, b"[server]\n# caf\xe9\n").unwrap();
    let message = refused(&file);
    assert!(
        message.contains("not UTF-8") && message.contains("byte 14"),
        "{message}"
    );
}

#[test]
fn a_file_that_is_not_toml_is_told_with_the_line() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.toml");
    fs::write(&file, "[server]\nlisten = = 1\n").unwrap();
    let message = refused(&file);
    assert!(message.contains("line 2"), "{message}");
}

#[test]
fn a_file_of_another_kind_is_told_with_what_is_taken() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("gather.ini");
    fs::write(&file, "").unwrap();
    let message = refused(&file);
    assert!(
        message.contains(".toml") && message.contains(".yaml"),
        "{message}"
    );
}

#[test]
fn a_port_in_use_is_named_with_the_setting_to_change() {
    let busy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    let (_folder, file) = file(&before(&["http://127.0.0.1:9/".to_owned()]));
    for (variable, other, key) in [
        (
            "GATHER__SERVER__LISTEN",
            "GATHER__ADMIN__LISTEN",
            "server.listen",
        ),
        (
            "GATHER__ADMIN__LISTEN",
            "GATHER__SERVER__LISTEN",
            "admin.listen",
        ),
    ] {
        let mut command = gather();
        command
            .args(["serve", "-c", &file])
            .env(variable, &address)
            .env(other, "127.0.0.1:0");
        let sentence = finish(command).last_line();
        assert!(sentence.contains(&address), "{sentence}");
        assert!(sentence.contains(key), "{sentence}");
    }
}

#[test]
fn each_file_goes_over_the_one_before_and_the_environment_over_all() {
    let first = Upstream::always(Response::text("first"));
    let second = Upstream::always(Response::text("second"));
    let third = Upstream::always(Response::text("third"));
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let file = place.path().join(name);
        fs::write(&file, text).unwrap();
        file
    };
    let listen = "server.listen = \"127.0.0.1:0\"\nserver.grace = \"0s\"\n";
    let base = write(
        "base.toml",
        format!(
            "{listen}{}",
            before(&[first.url("/"), first.url("/"), first.url("/")])
        ),
    );
    let over = write(
        "over.yaml",
        format!(
            "upstreams:\n  b:\n    url: {}\n  c:\n    url: {}\n",
            second.url("/"),
            second.url("/")
        ),
    );
    let mut command = gather();
    command
        .args(["serve", "-c", path(&base), "--config", path(&over)])
        .env("GATHER__UPSTREAMS__C__URL", third.url("/"));
    let gateway = Running::start(command);
    let json = get(gateway.address("address"), "/aggregate").json();
    let bodies: Vec<_> = (0..3)
        .map(|call| json["results"][call]["body"].clone())
        .collect();
    assert_eq!(bodies, ["first", "second", "third"]);
    gateway.stop().expect(0);
}

#[test]
fn a_variable_that_names_no_setting_is_a_mistake() {
    let (_folder, file) = file(&before(&["http://127.0.0.1:9/".to_owned()]));
    let mut command = gather();
    command
        .args(["serve", "-c", &file])
        .env("GATHER__SERVER__LISTNE", "127.0.0.1:0");
    let finished = finish(command).expect(1);
    assert!(
        finished.stderr.starts_with("GATHER__SERVER__LISTNE: "),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("`listen`"), "{}", finished.stderr);
}

#[test]
fn the_operational_routes_move_to_the_admin_listener() {
    let upstream = Upstream::always(Response::pong());
    let toml = format!(
        "server.grace = \"0s\"\nadmin.listen = \"127.0.0.1:0\"\n{}",
        before(&[upstream.url("/")])
    );
    let (gateway, address) = Running::serve(&toml);
    let operations = gateway.address("admin");
    assert_ne!(address, operations);
    for route in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(get(operations, route).status, 200, "{route}");
        assert_eq!(get(address, route).status, 404, "{route}");
    }
    assert_eq!(get(operations, "/aggregate").status, 404);
    gateway.stop().expect(0);
}
