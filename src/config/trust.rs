//! The roots that `SSL_CERT_FILE` and `SSL_CERT_DIR` name instead of the system's. Their files must exist: a user who
//! names roots must not get other roots silently. It must not know who relies on the roots.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use tokio_rustls::rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{Mistake, files};
use crate::upstream::Roots;

const FILE: &str = "SSL_CERT_FILE";
const DIRECTORIES: &str = "SSL_CERT_DIR";

/// A message about one of the variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Remark {
    pub(super) variable: &'static str,
    pub(super) message: String,
}

impl From<Remark> for Mistake {
    fn from(remark: Remark) -> Self {
        Self {
            origin: remark.variable.to_owned(),
            path: String::new(),
            message: remark.message,
        }
    }
}

/// The values of the two variables.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables {
    file: Option<OsString>,
    directories: Option<OsString>,
}

/// The roots that the variables name, and the oddities in them.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) roots: Roots,
    pub(super) odd: Vec<Remark>,
}

impl Variables {
    /// Reads the variables of this process.
    pub(super) fn of_the_process() -> Self {
        Self {
            file: env::var_os(FILE),
            directories: env::var_os(DIRECTORIES),
        }
    }

    /// Returns the roots that the variables name. `None` if neither variable is set.
    ///
    /// # Errors
    /// Fails with every reason why a variable names no roots.
    pub(super) fn roots(&self) -> Result<Option<Named>, Vec<Remark>> {
        let mut found = Found::default();
        if let Some(file) = &self.file {
            found.file(Path::new(file));
        }
        if let Some(directories) = &self.directories {
            let all = env::split_paths(directories);
            found.directories(
                &all.filter(|path| !path.as_os_str().is_empty())
                    .collect::<Vec<_>>(),
            );
        }
        if !found.mistakes.is_empty() {
            return Err(found.mistakes);
        }
        // Directories hold many links to the same certificates, and often the bundle file too.
        found
            .certificates
            .sort_unstable_by(|one, other| one.cmp(other));
        found.certificates.dedup();
        let is_set = self.file.is_some() || self.directories.is_some();
        Ok(is_set.then(|| Named {
            roots: Roots::of(found.certificates).0,
            odd: found.odd,
        }))
    }
}

#[derive(Default)]
struct Found {
    certificates: Vec<CertificateDer<'static>>,
    mistakes: Vec<Remark>,
    odd: Vec<Remark>,
}

impl Found {
    fn file(&mut self, path: &Path) {
        if path.as_os_str().is_empty() {
            self.refuse(
                FILE,
                "the variable is empty, expected a PEM file; unset it for the system's roots",
            );
            return;
        }
        let shown = path.display();
        match files::bytes(path) {
            Ok(pem) => {
                let (good, bad) = sections(&pem);
                self.take(FILE, &shown.to_string(), "file", good, bad);
            }
            Err(message) => self.refuse(FILE, format!("{shown}: {message}")),
        }
    }

    /// Reads the directories. Each must exist; one of them may be empty.
    fn directories(&mut self, paths: &[PathBuf]) {
        if paths.is_empty() {
            self.refuse(
                DIRECTORIES,
                "the variable is empty, expected a directory; unset it for the system's roots",
            );
            return;
        }
        let (mut good, mut bad) = (Vec::new(), 0);
        let before = self.mistakes.len();
        for path in paths {
            if let Err(message) = is_directory(path) {
                self.refuse(DIRECTORIES, format!("{}: {message}", path.display()));
                continue;
            }
            // This ignores broken links, and reads no file twice.
            let found = rustls_native_certs::load_certs_from_paths(None, Some(path));
            bad += found.errors.len();
            good.extend(found.certs);
        }
        if self.mistakes.len() == before {
            let shown: Vec<_> = paths
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            self.take(DIRECTORIES, &shown.join(":"), "directory", good, bad);
        }
    }

    /// Adds the certificates that can be roots. `bad` more could not even be read.
    fn take(
        &mut self,
        variable: &'static str,
        shown: &str,
        place: &str,
        good: Vec<CertificateDer<'static>>,
        bad: usize,
    ) {
        let all = good.len() + bad;
        let (roots, unusable) = Roots::of(good);
        let unusable = unusable + bad;
        if all == 0 {
            self.refuse(
                variable,
                format!("{shown}: there is no certificate in this {place}, expected PEM"),
            );
        } else if roots.is_empty() {
            let message = format!(
                "{shown}: none of the {all} certificates in this {place} can be used as a root"
            );
            self.refuse(variable, message);
        } else if unusable > 0 {
            let message = format!(
                "{shown}: {unusable} of {all} certificates can't be used as roots and are left out"
            );
            self.odd.push(Remark { variable, message });
        }
        self.certificates.extend_from_slice(roots.certificates());
    }

    fn refuse(&mut self, variable: &'static str, message: impl Into<String>) {
        self.mistakes.push(Remark {
            variable,
            message: message.into(),
        });
    }
}

/// Returns the certificates of a PEM text, and the number of those that can't be read.
fn sections(pem: &[u8]) -> (Vec<CertificateDer<'static>>, usize) {
    let mut bad = 0;
    let found = CertificateDer::pem_slice_iter(pem);
    let good = found.filter_map(|section| section.map_err(|_| bad += 1).ok());
    (good.collect(), bad)
}

fn is_directory(path: &Path) -> Result<(), String> {
    use std::io::ErrorKind;

    fs::read_dir(path)
        .map(drop)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => "there is no such directory".to_owned(),
            ErrorKind::NotADirectory => "this is no directory".to_owned(),
            ErrorKind::PermissionDenied => {
                "the directory can't be read: permission denied".to_owned()
            }
            _ => format!("the directory can't be read: {error}"),
        })
}
