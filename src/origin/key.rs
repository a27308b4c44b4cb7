//! The identity of a server.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use http::Uri;
use http::uri::{Authority, Scheme};

use super::history::SharedHistory;
use super::probe::Fingerprint;

/// The scheme, host and port of a server (RFC 9110 §4.3.1).
///
/// Hosts are compared without regard to case; a missing port is that of the scheme, for `http` and
/// `https`. Cheap to clone.
#[derive(Clone)]
pub struct Origin {
    parts: Arc<Parts>,
}

struct Parts {
    scheme: Scheme,
    /// In lower case.
    host: Box<str>,
    port: Option<u16>,
    /// A hash of the identity.
    fingerprint: Fingerprint,
    /// What was observed of it, or of the proxy before it; not a part of its identity.
    history: Arc<SharedHistory>,
    /// Whether that is a proxy's.
    is_proxied: bool,
}

impl Parts {
    fn identity(&self) -> (&Scheme, &str, Option<u16>) {
        (&self.scheme, &self.host, self.port)
    }
}

impl Origin {
    /// The origin of an absolute URI; `None` where it names no scheme or host.
    pub fn of(uri: &Uri) -> Option<Self> {
        Self::new(uri.scheme()?, uri.authority()?)
    }

    pub(crate) fn new(scheme: &Scheme, authority: &Authority) -> Option<Self> {
        let host = authority.host();
        if host.is_empty() {
            return None;
        }
        let parts = Parts {
            scheme: scheme.clone(),
            host: host.to_ascii_lowercase().into(),
            port: authority.port_u16().or_else(|| default_port(scheme)),
            fingerprint: Fingerprint::new(scheme, authority),
            history: Arc::default(),
            is_proxied: false,
        };
        Some(Self {
            parts: Arc::new(parts),
        })
    }

    /// An HTTP forward proxy. All whose address is not known are one.
    pub(crate) fn of_proxy(address: Option<SocketAddr>) -> Option<Self> {
        let authority = match address {
            // Without the scope of an IPv6 address, which no URI has.
            Some(address) => SocketAddr::new(address.ip(), address.port()).to_string(),
            None => "unknown".to_owned(),
        };
        Self::of(&format!("proxy://{authority}").parse().ok()?)
    }

    /// An equal origin whose history is the proxy's.
    pub(super) fn behind(&self, proxy: &Self) -> Self {
        self.with_history(Arc::clone(&proxy.parts.history), true)
    }

    /// Whether its history is this proxy's.
    pub(super) fn is_behind(&self, proxy: &Self) -> bool {
        Arc::ptr_eq(&self.parts.history, &proxy.parts.history)
    }

    /// Whether its history is a proxy's.
    pub(super) fn is_proxied(&self) -> bool {
        self.parts.is_proxied
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.parts.fingerprint
    }

    /// What was observed of the origin. Clones of an origin share it.
    pub(crate) fn history(&self) -> &SharedHistory {
        &self.parts.history
    }

    /// An equal origin with a history of its own.
    pub(crate) fn without_history(&self) -> Self {
        self.with_history(Arc::default(), false)
    }

    fn with_history(&self, history: Arc<SharedHistory>, is_proxied: bool) -> Self {
        let Parts {
            scheme,
            host,
            port,
            fingerprint,
            ..
        } = &*self.parts;
        let parts = Parts {
            scheme: scheme.clone(),
            host: host.clone(),
            port: *port,
            fingerprint: *fingerprint,
            history,
            is_proxied,
        };
        Self {
            parts: Arc::new(parts),
        }
    }

    /// Whether this origin has clones.
    pub(super) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.parts) > 1
    }

    /// The scheme, in lower case.
    pub fn scheme(&self) -> &str {
        self.parts.scheme.as_str()
    }

    /// The host, in lower case; an IPv6 address in its brackets.
    pub fn host(&self) -> &str {
        &self.parts.host
    }

    /// The port; `None` where the URI names none and the scheme has no default.
    pub fn port(&self) -> Option<u16> {
        self.parts.port
    }
}

/// The port of a URI that names none (RFC 9110 §4.2).
fn default_port(scheme: &Scheme) -> Option<u16> {
    if *scheme == Scheme::HTTP {
        Some(80)
    } else if *scheme == Scheme::HTTPS {
        Some(443)
    } else {
        None
    }
}

impl PartialEq for Origin {
    fn eq(&self, other: &Self) -> bool {
        self.parts.identity() == other.parts.identity()
    }
}

impl Eq for Origin {}

impl Hash for Origin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.parts.identity().hash(state);
    }
}

/// `scheme://host`, and the port where it is not the scheme's own.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme(), self.host())?;
        match self.port() {
            Some(port) if self.port() != default_port(&self.parts.scheme) => write!(f, ":{port}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(uri: &str) -> Option<String> {
        Origin::of(&uri.parse().unwrap()).map(|origin| origin.to_string())
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(
            origin("http://Example.COM/a?b").unwrap(),
            "http://example.com"
        );
        assert_eq!(
            origin("http://example.com:80").unwrap(),
            "http://example.com"
        );
        assert_eq!(
            origin("https://example.com:443/").unwrap(),
            "https://example.com"
        );
        assert_eq!(
            origin("https://example.com:80").unwrap(),
            "https://example.com:80"
        );
        assert_eq!(
            origin("https://user@[::1]:8443").unwrap(),
            "https://[::1]:8443"
        );
        assert_eq!(origin("unix://socket/").unwrap(), "unix://socket");
    }

    #[test]
    fn a_uri_without_scheme_or_host_has_none() {
        assert_eq!(origin("/path"), None);
        assert_eq!(origin("example.com:80"), None);
    }
}
