//! Reads what an upstream's `tls` table names: roots, a client certificate, its key. Knows nothing of connections.
//! What is in a file is never quoted.

use std::path::PathBuf;

use tokio_rustls::rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    sign::CertifiedKey,
};

use super::{
    checked::TlsFiles,
    files,
    mistake::KeyPath,
    raw::RawTls,
    review::{Review, Slot},
};
use crate::upstream::TlsSettings;

/// Trust and identity, and where they were read from.
#[derive(Debug, Clone, Default)]
pub(super) struct Tls {
    pub(super) settings: TlsSettings,
    pub(super) files: TlsFiles,
}

/// What a `tls` table stands for. What is refused is noted and left out.
pub(super) fn read(path: &KeyPath, raw: RawTls, review: &mut Review<'_>) -> Tls {
    let mut tls = Tls::default();
    if let Some(file) = raw.ca {
        let (place, roots) = certificates(&path.key("ca"), &file, review);
        if let Some(roots) = &roots {
            check_roots(&path.key("ca"), roots, review);
        }
        tls.settings.ca = roots;
        tls.files.ca = Some(place);
    }
    let cert = review.slot(&path.key("cert"), raw.cert);
    let key = review.slot(&path.key("key"), raw.key);
    match (&cert, &key) {
        (Slot::Given(_), Slot::Absent) => {
            review.mistake(&path.key("cert"), "`cert` needs its private key, `key`");
        }
        (Slot::Absent, Slot::Given(_)) => {
            review.mistake(&path.key("key"), "`key` needs its certificate, `cert`");
        }
        _ => {}
    }
    let chain = cert.given().and_then(|file| {
        let (place, chain) = certificates(&path.key("cert"), &file, review);
        tls.files.cert = Some(place);
        chain
    });
    let key = key.given().and_then(|file| {
        let (place, key) = private_key(&path.key("key"), &file, review);
        tls.files.key = Some(place);
        key
    });
    if let (Some(chain), Some(key)) = (chain, key) {
        let provider = ring::default_provider();
        match CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider) {
            Ok(_) => tls.settings.identity = Some((chain, key)),
            Err(_) => review.mistake(
                &path.key("key"),
                "the private key is not the one of `cert`, or of a kind that is not supported",
            ),
        }
    }
    if let Some(name) = raw.server_name {
        if ServerName::try_from(name.as_str()).is_err() {
            let message = "expected a host name or an IP address, as it stands in the certificate";
            review.mistake(&path.key("server_name"), message);
        }
        tls.settings.server_name = Some(name);
    }
    tls
}

/// Where a file is that is named at `path`, and what is in it.
fn contents(path: &KeyPath, file: &str, review: &mut Review<'_>) -> (PathBuf, Option<Vec<u8>>) {
    let place = review.directory(path).join(file);
    let contents = files::bytes(&place);
    let contents = contents.map_err(|message| {
        review.mistake(path, format!("{}: {message}", place.display()));
    });
    (std::path::absolute(&place).unwrap_or(place), contents.ok())
}

fn certificates(
    path: &KeyPath,
    file: &str,
    review: &mut Review<'_>,
) -> (PathBuf, Option<Vec<CertificateDer<'static>>>) {
    let (place, contents) = contents(path, file, review);
    let certificates = contents.and_then(|pem| {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
        match found {
            Ok(found) if !found.is_empty() => return Some(found),
            Ok(_) => review.mistake(
                path,
                format!(
                    "{}: there is no certificate in this file, expected PEM",
                    place.display()
                ),
            ),
            Err(_) => review.mistake(path, format!("{}: not well-formed PEM", place.display())),
        }
        None
    });
    (place, certificates)
}

fn private_key(
    path: &KeyPath,
    file: &str,
    review: &mut Review<'_>,
) -> (PathBuf, Option<PrivateKeyDer<'static>>) {
    let (place, contents) = contents(path, file, review);
    let key = contents.and_then(|pem| {
        let key = PrivateKeyDer::from_pem_slice(&pem);
        if key.is_err() {
            let message = format!(
                "{}: there is no private key in this file, expected PEM",
                place.display()
            );
            review.mistake(path, message);
        }
        key.ok()
    });
    (place, key)
}

fn check_roots(path: &KeyPath, roots: &[CertificateDer<'static>], review: &mut Review<'_>) {
    let mut store = RootCertStore::empty();
    for (index, root) in roots.iter().enumerate() {
        if store.add(root.clone()).is_err() {
            let message = format!(
                "certificate {} of the file can't be used as a root",
                index + 1
            );
            review.mistake(path, message);
        }
    }
}
