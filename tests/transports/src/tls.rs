//! TLS for the origin of these tests.

use tokio_rustls::rustls::SupportedProtocolVersion;

#[path = "../../support/tls.rs"]
mod support;

pub use self::support::{BOTH, Tls};

/// The name in the certificate, besides the address `127.0.0.1`.
pub const HOST: &str = "origin.test";

/// For a server that speaks these versions, and one protocol by ALPN.
pub fn tls(versions: &[&'static SupportedProtocolVersion], alpn: &[u8]) -> Tls {
    Tls::new(&[HOST, "127.0.0.1"], versions, &[alpn])
}
