//! Whom to trust and who to be towards an `https` upstream. Made once at start; nothing is read per connection.

use std::sync::Arc;

use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, CertificateError, ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{InvalidDnsNameError, ServerName},
    },
};

use super::TlsSettings;

/// Why the TLS settings of an upstream can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificates or the key don't fit together.
    #[error("the certificates or the key can't be used: {0}")]
    Material(#[from] rustls::Error),
    /// The name to expect in the upstream's certificate is no name.
    #[error("the name to verify is neither a DNS name nor an IP address: {0}")]
    Name(#[from] InvalidDnsNameError),
}

/// The TLS side of a dialer: the session's settings and the name to verify.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

/// Prepares sessions with `host`.
pub(super) fn session(settings: &TlsSettings, host: &str) -> Result<Session, TlsError> {
    let mut roots = RootCertStore::empty();
    match &settings.ca {
        Some(own) => {
            for certificate in own {
                roots.add(certificate.clone())?;
            }
        }
        None => add_public_roots(&mut roots),
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let mut config = match &settings.identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
        None => builder.with_no_client_auth(),
    };
    // The wire speaks HTTP/1.1 only; an upstream that would choose otherwise must hear it.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = settings.server_name.as_deref().unwrap_or(host).to_owned();
    Ok(Session {
        connector: TlsConnector::from(Arc::new(config)),
        name: ServerName::try_from(name)?,
    })
}

/// The system's roots; where it has none, as in an image from scratch, Mozilla's.
fn add_public_roots(roots: &mut RootCertStore) {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a system root was not readable");
    }
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
}

/// What a client may know of a failed handshake: the reason, without the names in the certificate.
pub(super) fn reason(error: &std::io::Error) -> &'static str {
    let Some(error) = session_error(error) else {
        return "the upstream ended the TLS handshake";
    };
    match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the upstream's certificate has expired"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the upstream's certificate is not valid yet"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "the upstream's certificate is for another name"
            }
            CertificateError::UnknownIssuer => {
                "the upstream's certificate is from an unknown issuer"
            }
            _ => "the upstream's certificate is not valid",
        },
        rustls::Error::AlertReceived(_) => "the upstream refused the TLS session",
        rustls::Error::InvalidMessage(_) => "the upstream does not speak TLS",
        _ => "the TLS handshake failed",
    }
}

/// The reason, where a session that had begun was ended by the upstream's alert.
pub(super) fn alert(error: &std::io::Error) -> Option<&'static str> {
    let is_alert = matches!(session_error(error), Some(rustls::Error::AlertReceived(_)));
    is_alert.then(|| reason(error))
}

fn session_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
