//! A certificate that is made on the spot, and the two sides that believe in it.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// The name in the certificate, besides the address `127.0.0.1`.
pub const HOST: &str = "origin.test";

/// Both versions of TLS.
pub const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

/// What a server and a client need to speak TLS with each other.
#[allow(missing_debug_implementations, reason = "a TlsAcceptor is not Debug")]
pub struct Tls {
    pub acceptor: TlsAcceptor,
    pub client: ClientConfig,
    /// The certificate, for those who do not use rustls.
    pub pem: String,
}

impl Tls {
    /// For a server that speaks these versions, and one protocol by ALPN.
    pub fn new(versions: &[&'static SupportedProtocolVersion], alpn: &[u8]) -> Self {
        let names = [HOST.to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let provider = Arc::new(ring::default_provider());

        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        server.alpn_protocols = vec![alpn.to_vec()];

        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            acceptor: TlsAcceptor::from(Arc::new(server)),
            client,
            pem: cert.pem(),
        }
    }
}
