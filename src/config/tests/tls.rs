//! Certificates and keys in files.

use std::{fs, sync::Arc};

use super::{LEAST, but_for_files, lines};
use crate::{
    config::{Config, Mistakes, effective, load, load_text},
    upstream::TlsSettings,
};

fn identity() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["me".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

/// Loads `conf/gather.toml` from a directory with these files. Its upstream `orders` has this table.
fn load_with(tls: &str, files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Config, Mistakes>) {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("conf")).unwrap();
    for (name, text) in files {
        fs::write(place.path().join("conf").join(name), text).unwrap();
    }
    let file = place.path().join("conf/gather.toml");
    fs::write(&file, format!("{LEAST}[upstreams.orders.tls]\n{tls}\n")).unwrap();
    let config = load(&[file], [], None);
    (place, config)
}

#[test]
fn files_are_relative_to_the_file_that_names_them_and_shown_as_they_are() {
    let (cert, key) = identity();
    let both = "ca = 'ca.pem'\ncert = '../conf/me.pem'\nkey = 'me.key'";
    let (place, config) = load_with(
        both,
        &[("ca.pem", &cert), ("me.pem", &cert), ("me.key", &key)],
    );
    let config = config.unwrap();
    let tls = &config.services.upstreams[0].service.tls;
    assert_eq!(tls.ca.as_ref().unwrap().len(), 1);
    assert!(tls.identity.is_some());
    let shown = effective(&config);
    assert!(
        shown.contains(&format!("{}/conf/ca.pem", place.path().display())),
        "{shown}"
    );
    let again = load_text("y.toml", &shown).unwrap();
    assert_eq!(but_for_files(&again), but_for_files(&config));
}

#[test]
fn a_default_holds_for_https_only_and_a_table_of_its_own_replaces_it() {
    let (cert, _) = identity();
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("ca.pem"), cert).unwrap();
    let file = place.path().join("gather.toml");
    let own = "[upstreams.own]\nurl = 'https://own'\ntls = { server_name = 'x' }";
    fs::write(
        &file,
        format!("{LEAST}{own}\n[defaults]\ntls = {{ ca = 'ca.pem' }}\n"),
    )
    .unwrap();
    let config = load(&[file], [], None).unwrap();
    let has_ca: Vec<_> = config
        .services
        .upstreams
        .iter()
        .map(|upstream| upstream.service.tls.ca.is_some())
        .collect();
    assert_eq!(has_ca, [true, false, false]);
}

#[test]
fn each_bad_file_is_named_and_never_quoted() {
    let (cert, key) = identity();
    let (_, other) = identity();
    let torn = "-----BEGIN CERTIFICATE-----\nhunter2!\n-----END CERTIFICATE-----\n";
    let nonsense = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    let files = [
        ("ca.pem", &*cert),
        ("me.key", &key),
        ("other.key", &other),
        ("torn.pem", torn),
        ("nonsense.pem", nonsense),
        ("empty.pem", ""),
    ];
    for (tls, found) in [
        (
            "ca = 'none.pem'",
            "upstreams.orders.tls.ca: DIR/none.pem: there is no such file",
        ),
        (
            "ca = '.'",
            "upstreams.orders.tls.ca: DIR/.: this is a directory, expected a file",
        ),
        (
            "ca = 'empty.pem'",
            "upstreams.orders.tls.ca: DIR/empty.pem: there is no certificate in this file",
        ),
        (
            "ca = 'me.key'",
            "upstreams.orders.tls.ca: DIR/me.key: there is no certificate in this file",
        ),
        (
            "ca = 'torn.pem'",
            "upstreams.orders.tls.ca: DIR/torn.pem: not well-formed PEM",
        ),
        (
            "ca = 'nonsense.pem'",
            "upstreams.orders.tls.ca: certificate 1 of the file can't be used as a root",
        ),
        (
            "cert = 'ca.pem'",
            "upstreams.orders.tls.cert: `cert` needs its private key, `key`",
        ),
        (
            "key = 'me.key'",
            "upstreams.orders.tls.key: `key` needs its certificate, `cert`",
        ),
        (
            "cert = 'ca.pem'\nkey = 'ca.pem'",
            "upstreams.orders.tls.key: DIR/ca.pem: there is no private key in this file",
        ),
        (
            "cert = 'ca.pem'\nkey = 'other.key'",
            "upstreams.orders.tls.key: the private key is not the one of `cert`",
        ),
        (
            "server_name = 'a b'",
            "upstreams.orders.tls.server_name: expected a host name or an IP address",
        ),
        (
            "roots = 'ca.pem'",
            "upstreams.orders.tls.roots: unknown key. Allowed here: ca, cert, key, server_name",
        ),
    ] {
        let (place, config) = load_with(tls, &files);
        let directory = place.path().join("conf").display().to_string();
        let said = lines(config);
        assert_eq!(said.len(), 1, "{tls}: {said:?}");
        let line = said[0].replacen(&format!("{directory}/gather.toml: "), "", 1);
        let line = line.replace(&directory, "DIR");
        assert!(line.starts_with(found), "{tls}: {line}");
        assert!(!line.contains("hunter2"), "{tls}: {line}");
    }
}

#[test]
fn equal_tables_share_what_they_name() {
    let (cert, key) = identity();
    let place = tempfile::tempdir().unwrap();
    for (name, text) in [("ca.pem", &cert), ("me.pem", &cert), ("me.key", &key)] {
        fs::write(place.path().join(name), text).unwrap();
    }
    let file = place.path().join("gather.toml");
    let own = "[upstreams.own]\nurl = 'https://own'\ntls = { ca = 'ca.pem', cert = 'me.pem', key = 'me.key' }";
    let shared = "[defaults]\ntls = { ca = 'ca.pem', cert = 'me.pem', key = 'me.key' }";
    let another = "[upstreams.another]\nurl = 'https://another'";
    fs::write(&file, format!("{LEAST}{own}\n{another}\n{shared}\n")).unwrap();
    let config = load(&[file], [], None).unwrap();
    let secure: Vec<_> = config
        .services
        .upstreams
        .iter()
        .filter(|upstream| upstream.service.tls.ca.is_some())
        .collect();
    assert_eq!(secure.len(), 3);
    for upstream in &secure[1..] {
        let same =
            |of: fn(&TlsSettings) -> usize| of(&upstream.service.tls) == of(&secure[0].service.tls);
        assert!(same(|tls| Arc::as_ptr(tls.ca.as_ref().unwrap()).addr()));
        assert!(same(
            |tls| Arc::as_ptr(tls.identity.as_ref().unwrap()).addr()
        ));
    }
}
