//! Trust and identity towards `https` upstreams. They are made once at start, and nothing is read for a connection. It
//! must not know requests.

use std::{collections::HashMap, sync::Arc};

use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, CertificateError, ClientConfig, RootCertStore,
        client::Resumption,
        crypto::ring,
        pki_types::{InvalidDnsNameError, ServerName},
        sign::SingleCertAndKey,
    },
};

use super::{Roots, Service, TlsSettings};

/// The least number of servers for which sessions are kept.
const SERVERS: usize = 32;

/// The number of tickets that rustls keeps for one server. Its bound on sessions counts them.
const TICKETS: usize = 8;

/// The reason why the TLS settings of an upstream can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No session can be made at all.
    #[error("TLS can't be used: {0}")]
    Material(#[from] rustls::Error),
    /// The name to expect in the upstream's certificate is not valid.
    #[error("the name to verify is neither a DNS name nor an IP address: {0}")]
    Name(#[from] InvalidDnsNameError),
}

/// The TLS side of a dialer: the session's settings and the name to verify.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) connector: TlsConnector,
    pub(super) name: ServerName<'static>,
}

/// The TLS of all upstreams, made once for all upstreams with the same roots and the same client certificate. They
/// share the store of sessions too. rustls keeps a session under the verified name, and resumes it for no other name.
pub struct Sessions(HashMap<Kind, Arc<ClientConfig>>);

/// The trust and identity, by their addresses in memory. Upstreams that name the same files share them.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    roots: Option<usize>,
    identity: Option<usize>,
}

impl Kind {
    fn of(settings: &TlsSettings) -> Self {
        Self {
            roots: settings.ca.as_ref().map(|ca| Arc::as_ptr(ca).addr()),
            identity: settings
                .identity
                .as_ref()
                .map(|identity| Arc::as_ptr(identity).addr()),
        }
    }
}

impl Sessions {
    /// Makes the sessions for all of these upstreams. `roots` gives the trust for upstreams that name no roots, and is
    /// called only if one needs it.
    ///
    /// # Errors
    /// Fails if TLS can't be used at all.
    pub fn of<'a>(
        upstreams: impl IntoIterator<Item = &'a Service>,
        roots: impl FnOnce() -> Roots,
    ) -> Result<Self, TlsError> {
        let mut kinds = HashMap::<Kind, (&TlsSettings, usize)>::new();
        for upstream in upstreams.into_iter().filter(|upstream| is_secure(upstream)) {
            let tls = &upstream.tls;
            kinds.entry(Kind::of(tls)).or_insert((tls, 0)).1 += 1;
        }
        let shared = kinds.values().any(|(tls, _)| tls.ca.is_none());
        let shared = shared.then(|| Arc::clone(roots().store()));
        let provider = Arc::new(ring::default_provider());
        let mut made = HashMap::with_capacity(kinds.len());
        for (kind, (tls, users)) in kinds {
            let roots = tls.ca.clone().or_else(|| shared.clone());
            let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots.unwrap_or_else(|| RootCertStore::empty().into()));
            let mut config = match &tls.identity {
                Some(identity) => {
                    let identity = SingleCertAndKey::from(Arc::clone(identity));
                    builder.with_client_cert_resolver(Arc::new(identity))
                }
                None => builder.with_no_client_auth(),
            };
            // The wire speaks HTTP/1.1 only. An upstream that would choose another protocol must be told.
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            config.resumption = Resumption::in_memory_sessions(users.max(SERVERS) * TICKETS);
            made.insert(kind, Arc::new(config));
        }
        Ok(Self(made))
    }

    /// Returns the session settings for `host`, by one of the upstreams' settings. `None` if the upstream is not
    /// `https`.
    pub(super) fn with(&self, upstream: &Service, host: &str) -> Result<Option<Session>, TlsError> {
        let Some(config) = self
            .0
            .get(&Kind::of(&upstream.tls))
            .filter(|_| is_secure(upstream))
        else {
            return Ok(None);
        };
        let name = upstream.tls.server_name.as_deref().unwrap_or(host);
        Ok(Some(Session {
            connector: TlsConnector::from(Arc::clone(config)),
            name: ServerName::try_from(name.to_owned())?,
        }))
    }
}

fn is_secure(upstream: &Service) -> bool {
    upstream.address.is_secure()
}

/// Returns the reason of a failed handshake that a client may know: without the names in the certificate.
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

/// Returns the reason if the upstream's alert ended a session that had begun.
pub(super) fn alert(error: &std::io::Error) -> Option<&'static str> {
    let is_alert = matches!(session_error(error), Some(rustls::Error::AlertReceived(_)));
    is_alert.then(|| reason(error))
}

fn session_error(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

#[cfg(test)]
mod tests {
    use tokio_rustls::rustls::{pki_types::PrivateKeyDer, sign::CertifiedKey};

    use super::*;
    use crate::upstream::Settings;

    fn settings(url: &'static str, tls: &TlsSettings) -> Service {
        Service {
            tls: tls.clone(),
            ..Settings::of(url).service
        }
    }

    fn identity() -> Arc<CertifiedKey> {
        let made = rcgen::generate_simple_self_signed(["me".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let chain = vec![made.cert.der().clone()];
        Arc::new(CertifiedKey::from_der(chain, key, &ring::default_provider()).unwrap())
    }

    #[test]
    fn sessions_are_shared_by_equal_trust_and_identity_and_by_nothing_else() {
        let (ca, me) = (Arc::new(RootCertStore::empty()), identity());
        let [all, own, mine, both, other] = [
            (None, None),
            (Some(Arc::clone(&ca)), None),
            (None, Some(Arc::clone(&me))),
            (Some(ca), Some(me)),
            (Some(Arc::new(RootCertStore::empty())), Some(identity())),
        ]
        .map(|(ca, identity)| TlsSettings {
            ca,
            identity,
            server_name: None,
        });
        let named = TlsSettings {
            server_name: Some("b".to_owned()),
            ..own.clone()
        };
        let kinds = [&all, &own, &mine, &both, &other];
        let twice = kinds.into_iter().chain(kinds);
        let upstreams: Vec<_> = twice
            .chain([&named])
            .map(|tls| settings("https://a", tls))
            .collect();
        let sessions = Sessions::of(&upstreams, || Roots::of(Vec::new()).0).unwrap();
        let made: Vec<_> = upstreams
            .iter()
            .map(|upstream| sessions.with(upstream, "a").unwrap().unwrap())
            .collect();
        let of = |at: usize| Arc::as_ptr(made[at].connector.config());
        for one in 0..kinds.len() {
            for another in 0..kinds.len() {
                assert_eq!(of(one) == of(kinds.len() + another), one == another);
            }
        }
        assert_eq!(of(10), of(1));
        assert_ne!(made[10].name, made[1].name);
    }

    #[test]
    fn shared_roots_are_asked_for_once_and_only_where_they_are_needed() {
        let none = || panic!("nobody needs them");
        let plain = settings("http://a", &TlsSettings::default());
        let sessions = Sessions::of([&plain], none).unwrap();
        assert!(sessions.with(&plain, "a").unwrap().is_none());
        let own = TlsSettings {
            ca: Some(Arc::new(RootCertStore::empty())),
            ..TlsSettings::default()
        };
        let own = settings("https://a", &own);
        Sessions::of([&own, &plain], none).unwrap();
        let mut asked = 0;
        let all = vec![settings("https://a", &TlsSettings::default()); 1000];
        let roots = || {
            asked += 1;
            Roots::of(Vec::new()).0
        };
        Sessions::of(&all, roots).unwrap();
        assert_eq!(asked, 1);
    }
}
