//! A certificate that is made on the spot, and the two sides that believe in it.
//!
//! Not a part of `support`, so that who needs no TLS does not compile it.

#![allow(dead_code, reason = "each of those who include this uses a part of it")]
#![allow(clippy::unwrap_used, reason = "this is not the library")]

use std::sync::Arc;

use rcgen::{Certificate, CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// Both versions of TLS.
pub const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// What a server and a client need to speak TLS with each other.
pub struct Tls {
    pub server: Arc<ServerConfig>,
    pub client: ClientConfig,
    /// For those who do not use rustls.
    pub certificate: Certificate,
}

impl Tls {
    /// For a server of that name, which speaks HTTP/1.1.
    pub fn for_host(host: &str) -> Self {
        Self::new(&[host], BOTH, &[b"http/1.1"])
    }

    /// For a server of these names, which speaks these versions of TLS, and these protocols by ALPN. The
    /// client speaks both versions, and is not told what to ask for.
    pub fn new(
        hosts: &[&str],
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&[u8]],
    ) -> Self {
        let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(hosts).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let provider = Arc::new(ring::default_provider());

        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        server.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();

        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            server: Arc::new(server),
            client,
            certificate: cert,
        }
    }

    /// The server's side.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }
}
