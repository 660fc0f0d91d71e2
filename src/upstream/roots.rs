//! Roots of trust, shared by all upstreams that name no roots of their own. It must not know sessions, nor the roots'
//! files.

use std::sync::Arc;

use tokio_rustls::rustls::{RootCertStore, pki_types::CertificateDer};

/// The roots to trust. A clone shares them.
#[derive(Debug, Clone)]
pub struct Roots {
    store: Arc<RootCertStore>,
    certificates: Arc<[CertificateDer<'static>]>,
}

impl Roots {
    /// Makes roots of these certificates. Leaves out those that can't be roots, and returns their number.
    #[must_use]
    pub fn of(certificates: Vec<CertificateDer<'static>>) -> (Self, usize) {
        let mut store = RootCertStore::empty();
        let before = certificates.len();
        let certificates: Vec<_> = certificates
            .into_iter()
            .filter(|certificate| store.add(certificate.clone()).is_ok())
            .collect();
        let unusable = before - certificates.len();
        let roots = Self {
            store: Arc::new(store),
            certificates: certificates.into(),
        };
        (roots, unusable)
    }

    /// Returns the system's roots. A system without any, such as an image from scratch, gets Mozilla's. Reads some
    /// hundred kilobytes.
    #[must_use]
    pub fn system() -> Self {
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::debug!(%error, "a system root was not readable");
        }
        let (roots, _) = Self::of(found.certs);
        if !roots.is_empty() {
            return roots;
        }
        Self {
            store: Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()),
            certificates: Arc::default(),
        }
    }

    /// Returns true if there are no roots to trust.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.store.is_empty()
    }

    /// Returns the roots as certificates. There are none if the roots are Mozilla's.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    pub(super) const fn store(&self) -> &Arc<RootCertStore> {
        &self.store
    }
}
