//! An upstream that speaks TLS with certificates made for the test, on a thread and a runtime of its own. It must not
//! know Gather. A test gives each answer's bytes, and says how the session ends.
#![allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    reason = "each test program uses a part of it"
)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    thread,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime,
    sync::oneshot,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::WebPkiClientVerifier,
    },
};

/// An authority whose certificates are trusted by nobody else.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, both in PEM.
#[derive(Clone)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Returns the root to trust, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate for these names or addresses.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.sign(&params(names))
    }

    /// Issues a certificate for these names or addresses that was valid until the end of 2001.
    pub fn issue_expired(&self, names: &[&str]) -> Identity {
        let mut params = params(names);
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2001, 12, 31);
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        Identity {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    CertificateParams::new(names).unwrap()
}

/// The fate of a connection after the first answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The connection goes on.
    Keep,
    /// The session is closed in order, by `close_notify`.
    Close,
    /// The connection is closed below the session, as an attacker could.
    Cut,
}

/// The observations of the clients.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The number of connections accepted, whatever came of them.
    pub accepted: usize,
    /// The number of sessions that were agreed on.
    pub sessions: usize,
    /// The name that each session was asked for, if there was one.
    pub names: Vec<Option<String>>,
    /// The protocol that each session was to carry.
    pub protocols: Vec<Option<Vec<u8>>>,
    /// The length of the client's certificate chain, for each session.
    pub chains: Vec<usize>,
    /// The number of requests answered.
    pub answered: usize,
}

/// The running upstream. Dropping it closes its port and all its connections.
pub struct TlsUpstream {
    pub addr: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl TlsUpstream {
    /// Answers every request with `answer`. If `clients` is given, it asks for a certificate of that authority.
    pub fn start(
        identity: &Identity,
        clients: Option<&Authority>,
        answer: impl Into<Vec<u8>>,
        end: End,
    ) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config(identity, clients)));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let seen = Arc::<Mutex<Seen>>::default();
        let (shared, answer) = (Arc::clone(&seen), Arc::from(answer.into()));
        let thread = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = accept(listener, acceptor, shared, answer, end) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            addr,
            seen,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Returns the `https` URL of `/` at `host`, which must lead to 127.0.0.1.
    pub fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.addr.port())
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for TlsUpstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn config(identity: &Identity, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.0.der().clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    seen: Arc<Mutex<Seen>>,
    answer: Arc<[u8]>,
    end: End,
) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        seen.lock().unwrap().accepted += 1;
        let work = converse(
            tcp,
            acceptor.clone(),
            Arc::clone(&seen),
            Arc::clone(&answer),
            end,
        );
        tokio::spawn(work);
    }
}

/// Serves one connection. A client that leaves or refuses the session just ends its connection.
async fn converse(
    tcp: TcpStream,
    acceptor: TlsAcceptor,
    seen: Arc<Mutex<Seen>>,
    answer: Arc<[u8]>,
    end: End,
) -> Option<()> {
    let mut tls = match acceptor.accept(tcp).into_fallible().await {
        Ok(tls) => tls,
        Err((_, mut tcp)) => {
            // A close over unread bytes would reset the connection, and the reset can overtake the alert that was sent.
            tcp.shutdown().await.ok()?;
            tcp.read_to_end(&mut Vec::new()).await.ok()?;
            return None;
        }
    };
    {
        let session = tls.get_ref().1;
        let mut seen = seen.lock().unwrap();
        seen.sessions += 1;
        seen.names.push(session.server_name().map(str::to_owned));
        seen.protocols
            .push(session.alpn_protocol().map(<[u8]>::to_vec));
        let chain = session.peer_certificates();
        seen.chains.push(chain.map_or(0, <[_]>::len));
    }
    let mut held = Vec::new();
    loop {
        // A body may have come together with the head.
        while !held.windows(4).any(|four| four == b"\r\n\r\n") {
            if tls.read_buf(&mut held).await.ok()? == 0 {
                return None;
            }
        }
        held.clear();
        tls.write_all(&answer).await.ok()?;
        tls.flush().await.ok()?;
        seen.lock().unwrap().answered += 1;
        match end {
            End::Keep => {}
            End::Close => return tls.shutdown().await.ok(),
            End::Cut => return tls.get_mut().0.shutdown().await.ok(),
        }
    }
}
