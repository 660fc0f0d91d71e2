//! Reads the files that an upstream's `tls` table names: roots, a client certificate, its key. It must not know
//! connections. A file's contents are never quoted. A file that several tables name is read once, and shared.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

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

/// Trust and identity, and the files from which they were read.
#[derive(Debug, Clone, Default)]
pub(super) struct Tls {
    pub(super) settings: TlsSettings,
    pub(super) files: TlsFiles,
}

/// The files read so far, by their paths, or the mistakes in them.
#[derive(Default)]
pub(super) struct Material {
    roots: BTreeMap<PathBuf, Result<Arc<RootCertStore>, Vec<String>>>,
    identities: BTreeMap<(PathBuf, PathBuf), Identity>,
}

/// A certificate with its key, or the mistake in each.
#[derive(Clone)]
struct Identity {
    pair: Option<Arc<CertifiedKey>>,
    cert: Option<String>,
    key: Option<String>,
}

/// Reads the files of a `tls` table. A file that is refused is reported and left out.
pub(super) fn read(
    path: &KeyPath,
    raw: RawTls,
    material: &mut Material,
    review: &mut Review<'_>,
) -> Tls {
    let mut tls = Tls::default();
    if let Some(file) = raw.ca {
        let place = place(&path.key("ca"), &file, review);
        let read = material.roots.entry(place.clone());
        match read.or_insert_with(|| roots(&place)) {
            Ok(roots) => tls.settings.ca = Some(Arc::clone(roots)),
            Err(messages) => {
                for message in messages {
                    review.mistake(&path.key("ca"), message.clone());
                }
            }
        }
        tls.files.ca = Some(absolute(place));
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
    let cert = cert
        .given()
        .map(|file| place(&path.key("cert"), &file, review));
    let key = key
        .given()
        .map(|file| place(&path.key("key"), &file, review));
    let identity = match (&cert, &key) {
        (Some(cert), Some(key)) => {
            let read = material.identities.entry((cert.clone(), key.clone()));
            read.or_insert_with(|| identity(cert, key)).clone()
        }
        _ => Identity {
            pair: None,
            cert: cert.as_deref().and_then(|cert| certificates(cert).err()),
            key: key.as_deref().and_then(|key| private_key(key).err()),
        },
    };
    for (key, message) in [("cert", identity.cert), ("key", identity.key)] {
        if let Some(message) = message {
            review.mistake(&path.key(key), message);
        }
    }
    tls.settings.identity = identity.pair;
    tls.files.cert = cert.map(absolute);
    tls.files.key = key.map(absolute);
    if let Some(name) = raw.server_name {
        if ServerName::try_from(name.as_str()).is_err() {
            let message = "expected a host name or an IP address, as it stands in the certificate";
            review.mistake(&path.key("server_name"), message);
        }
        tls.settings.server_name = Some(name);
    }
    tls
}

/// Returns the path of a file that is named at `path`.
fn place(path: &KeyPath, file: &str, review: &Review<'_>) -> PathBuf {
    review.directory(path).join(file)
}

fn absolute(place: PathBuf) -> PathBuf {
    std::path::absolute(&place).unwrap_or(place)
}

/// Returns the contents of a file.
fn contents(place: &Path) -> Result<Vec<u8>, String> {
    files::bytes(place).map_err(|message| format!("{}: {message}", place.display()))
}

fn certificates(place: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = contents(place)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let place = place.display();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(format!(
            "{place}: there is no certificate in this file, expected PEM"
        )),
        Err(_) => Err(format!("{place}: not well-formed PEM")),
    }
}

fn private_key(place: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let pem = contents(place)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        let place = place.display();
        format!("{place}: there is no private key in this file, expected PEM")
    })
}

fn identity(cert: &Path, key: &Path) -> Identity {
    let mut identity = Identity {
        pair: None,
        cert: None,
        key: None,
    };
    match (certificates(cert), private_key(key)) {
        (Ok(chain), Ok(key)) => {
            match CertifiedKey::from_der(chain, key, &ring::default_provider()) {
                Ok(pair) => identity.pair = Some(Arc::new(pair)),
                Err(_) => {
                    let message = "the private key is not the one of `cert`, or of a kind that is not supported";
                    identity.key = Some(message.to_owned());
                }
            }
        }
        (cert, key) => {
            identity.cert = cert.err();
            identity.key = key.err();
        }
    }
    identity
}

fn roots(place: &Path) -> Result<Arc<RootCertStore>, Vec<String>> {
    let mut store = RootCertStore::empty();
    let mut mistakes = Vec::new();
    let found = certificates(place).map_err(|message| vec![message])?;
    for (index, root) in found.into_iter().enumerate() {
        if store.add(root).is_err() {
            let message = format!(
                "certificate {} of the file can't be used as a root",
                index + 1
            );
            mistakes.push(message);
        }
    }
    if mistakes.is_empty() {
        Ok(Arc::new(store))
    } else {
        Err(mistakes)
    }
}
