//! TLS trust roots.

use std::fmt;
use std::io;
use std::sync::Arc;

use hyper_rustls::HttpsConnectorBuilder;
use hyper_rustls::builderstates::WantsSchemes;
use rustls::crypto::{CryptoProvider, ring};

/// The source of the TLS configuration.
#[derive(Default)]
pub(super) enum Roots {
    /// The platform's certificates, read when the client is built.
    #[default]
    Platform,
    /// Mozilla's, as compiled in.
    Webpki,
    /// The caller's own configuration.
    Own(Box<HttpsConnectorBuilder<WantsSchemes>>),
}

impl Roots {
    pub(super) fn load(self) -> io::Result<HttpsConnectorBuilder<WantsSchemes>> {
        match self {
            Self::Platform => {
                HttpsConnectorBuilder::new().with_provider_and_native_roots(provider())
            }
            Self::Webpki => HttpsConnectorBuilder::new()
                .with_provider_and_webpki_roots(provider())
                .map_err(io::Error::other),
            Self::Own(builder) => Ok(*builder),
        }
    }
}

/// The process's default provider if one is installed, otherwise ring. rustls itself would panic if other
/// crates enabled more than one.
fn provider() -> Arc<CryptoProvider> {
    CryptoProvider::get_default().map_or_else(|| Arc::new(ring::default_provider()), Arc::clone)
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Platform => "Platform",
            Self::Webpki => "Webpki",
            Self::Own(_) => "Own",
        })
    }
}
