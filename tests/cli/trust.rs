//! The roots that `https` upstreams are verified by: the variables that name them, and the reports of those that name
//! none.

use std::fs;

use crate::{
    before,
    program::{Finished, Running, finish, gather, get},
    tls::{Authority, End, TlsUpstream},
};

const SECURE: &str = "https://127.0.0.1:9/";

/// Directories and files for the variables, and a configuration with one upstream.
struct Place(tempfile::TempDir);

impl Place {
    fn new(url: &str, settings: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let text = before(&[url.to_owned()]);
        let server = "server = { listen = \"127.0.0.1:0\", grace = \"0s\" }\n";
        place.write("gather.toml", &format!("{server}{settings}\n{text}"));
        let root = Authority::new("root").pem();
        let torn = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        let nonsense = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
        place.write("good.pem", &root);
        place.write("empty.pem", "");
        place.write("text.pem", "no certificate");
        place.write("bad.pem", &format!("{torn}{nonsense}"));
        place.write("mixed.pem", &format!("{torn}{root}{nonsense}"));
        for directory in ["roots", "none", "bad"] {
            fs::create_dir(place.0.path().join(directory)).unwrap();
        }
        place.write("roots/one.pem", &root);
        place.write("none/readme", "no certificate");
        place.write("bad/one.pem", torn);
        place
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Runs a command. `DIR` in the variables stands for this place, and replaces it in the output.
    fn run(&self, command: &[&str], variables: &[(&str, &str)]) -> Finished {
        let directory = self.path("").trim_end_matches('/').to_owned();
        let mut program = gather();
        program
            .args(command)
            .arg("-c")
            .arg(self.path("gather.toml"));
        program
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR");
        for (name, value) in variables {
            program.env(name, value.replace("DIR", &directory));
        }
        let mut finished = finish(program);
        finished.stderr = finished.stderr.replace(&directory, "DIR");
        finished
    }
}

const REFUSED: &[(&str, &str, &str)] = &[
    (
        "SSL_CERT_FILE",
        "DIR/no.pem",
        "DIR/no.pem: there is no such file",
    ),
    (
        "SSL_CERT_FILE",
        "DIR/roots",
        "DIR/roots: this is a directory, expected a file",
    ),
    (
        "SSL_CERT_FILE",
        "",
        "the variable is empty, expected a PEM file; unset it for the system's roots",
    ),
    (
        "SSL_CERT_FILE",
        "DIR/empty.pem",
        "DIR/empty.pem: there is no certificate in this file, expected PEM",
    ),
    (
        "SSL_CERT_FILE",
        "DIR/text.pem",
        "DIR/text.pem: there is no certificate in this file, expected PEM",
    ),
    (
        "SSL_CERT_FILE",
        "DIR/bad.pem",
        "DIR/bad.pem: none of the 2 certificates in this file can be used as a root",
    ),
    (
        "SSL_CERT_FILE",
        "/dev/zero",
        "/dev/zero: the file is larger than 16 MiB",
    ),
    (
        "SSL_CERT_DIR",
        "DIR/no",
        "DIR/no: there is no such directory",
    ),
    (
        "SSL_CERT_DIR",
        "DIR/good.pem",
        "DIR/good.pem: this is no directory",
    ),
    (
        "SSL_CERT_DIR",
        "",
        "the variable is empty, expected a directory; unset it for the system's roots",
    ),
    (
        "SSL_CERT_DIR",
        "DIR/roots:DIR/no",
        "DIR/no: there is no such directory",
    ),
    (
        "SSL_CERT_DIR",
        "DIR/none",
        "DIR/none: there is no certificate in this directory, expected PEM",
    ),
    (
        "SSL_CERT_DIR",
        "DIR/none:DIR/bad",
        "DIR/none:DIR/bad: none of the 1 certificates in this directory can be used as a root",
    ),
];

#[test]
fn a_variable_that_names_no_roots_is_a_mistake_that_names_it() {
    let place = Place::new(SECURE, "");
    for &(variable, value, said) in REFUSED {
        let finished = place.run(&["check"], &[(variable, value)]).expect(1);
        assert_eq!(finished.stderr, format!("{variable}: {said}\n"), "{value}");
    }
    let finished = place
        .run(&["serve"], &[("SSL_CERT_FILE", "DIR/no.pem")])
        .expect(1);
    assert_eq!(
        finished.stderr,
        "SSL_CERT_FILE: DIR/no.pem: there is no such file\n"
    );
    let both = [("SSL_CERT_FILE", "DIR/no.pem"), ("SSL_CERT_DIR", "DIR/no")];
    let both = place.run(&["check"], &both).expect(1);
    assert_eq!(both.stderr.lines().count(), 2, "{}", both.stderr);
}

#[test]
fn nobody_is_told_of_roots_that_nobody_relies_on() {
    let wrong = [
        ("SSL_CERT_FILE", "DIR/no.pem"),
        ("SSL_CERT_DIR", "DIR/none"),
    ];
    let plain = Place::new("http://127.0.0.1:9/", "");
    assert_eq!(
        plain
            .run(&["check", "--elsewhere"], &wrong)
            .expect(0)
            .stderr,
        ""
    );
    let own = Place::new(SECURE, "defaults.tls = { ca = \"good.pem\" }");
    assert_eq!(
        own.run(&["check", "--elsewhere"], &wrong).expect(0).stderr,
        ""
    );
    // A mistake in the configuration is reported, but not its consequences.
    let bad = Place::new(SECURE, "defaults.tls = { ca = \"no.pem\" }");
    let said = bad.run(&["check"], &wrong).expect(1).stderr;
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("defaults.tls.ca"), "{said}");
    // The collector is a server like others.
    let traced = Place::new(
        "http://127.0.0.1:9/",
        "tracing.otlp_endpoint = \"https://127.0.0.1:9\"",
    );
    let said = traced.run(&["check"], &wrong[..1]).expect(1).stderr;
    assert_eq!(said, "SSL_CERT_FILE: DIR/no.pem: there is no such file\n");
}

#[test]
fn roots_of_which_some_can_not_be_used_are_taken_with_a_warning_that_counts_them() {
    let place = Place::new(SECURE, "");
    for (variables, said) in [
        (&[("SSL_CERT_FILE", "DIR/good.pem")][..], ""),
        (&[("SSL_CERT_DIR", "DIR/none:DIR/roots")], ""),
        (
            &[
                ("SSL_CERT_FILE", "DIR/good.pem"),
                ("SSL_CERT_DIR", "DIR/roots"),
            ],
            "",
        ),
        (&[], ""),
        (
            &[("SSL_CERT_FILE", "DIR/mixed.pem")],
            "warning: SSL_CERT_FILE: DIR/mixed.pem: 2 of 3 certificates can't be used as roots and are left out\n",
        ),
        (
            &[("SSL_CERT_DIR", "DIR/roots:DIR/bad")],
            "warning: SSL_CERT_DIR: DIR/roots:DIR/bad: 1 of 2 certificates can't be used as roots and are left out\n",
        ),
    ] {
        assert_eq!(
            place
                .run(&["check", "--elsewhere"], variables)
                .expect(0)
                .stderr,
            said,
            "{variables:?}"
        );
    }
}

#[test]
fn an_upstream_is_trusted_by_the_roots_that_a_variable_names_and_by_no_others() {
    let (known, unknown) = (Authority::new("known"), Authority::new("unknown"));
    let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n1";
    let upstream = TlsUpstream::start(&known.issue(&["localhost"]), None, answer, End::Keep);
    let place = Place::new(&upstream.url("localhost"), "");
    place.write("roots/one.pem", &unknown.pem());
    fs::create_dir(place.0.path().join("more")).unwrap();
    place.write("more/two.pem", &format!("{}{}", unknown.pem(), known.pem()));
    for (variable, value, status) in [
        ("SSL_CERT_FILE", place.path("roots/one.pem"), 502),
        ("SSL_CERT_FILE", place.path("more/two.pem"), 200),
        ("SSL_CERT_DIR", place.path("roots"), 502),
        (
            "SSL_CERT_DIR",
            format!("{}:{}", place.path("roots"), place.path("more")),
            200,
        ),
    ] {
        let mut program = gather();
        program.args(["serve", "-c", &place.path("gather.toml")]);
        program
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR");
        program.env(variable, &value);
        let gateway = Running::start(program);
        let answer = get(gateway.address("address"), "/aggregate");
        assert_eq!(
            answer.status,
            status,
            "{variable}={value}: {}",
            answer.text()
        );
        gateway.stop().expect(0);
    }
}

#[test]
fn a_command_that_asks_a_gateway_by_https_is_told_of_roots_that_are_not_there() {
    let mut program = gather();
    program.args(["call", "https://127.0.0.1:9/"]);
    program.env("SSL_CERT_FILE", "/no/such.pem");
    let said = finish(program).expect(1).one_sentence();
    assert!(
        said.contains("SSL_CERT_FILE: /no/such.pem: there is no such file"),
        "{said}"
    );
}
