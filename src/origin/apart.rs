//! Another spelling of an origin, for those who tell origins apart by it.

use http::uri::{Authority, Parts, Scheme};
use http::{HeaderValue, Uri};

/// Nobody else writes that many zeros before a port; one more where there was none.
const ZEROS: &str = "0000000000";

/// A URI that leads to the same place, and is not equal.
pub(crate) struct Apart {
    pub(crate) uri: Uri,
    /// What is to stand in `Host`, where that would not come of the URI.
    pub(crate) host: Option<HeaderValue>,
}

impl Apart {
    /// `None` if the URI names no host, or no port that is one.
    pub(crate) fn of(uri: &Uri) -> Option<Self> {
        let (scheme, authority) = (uri.scheme()?, uri.authority()?);
        let name = without_port(authority);
        let (spelled, host) = match (authority.port_u16(), default_port(scheme)) {
            (Some(0), _) => return None,
            (Some(port), _) => (format!("{name}:{ZEROS}{port}"), None),
            (None, Some(port)) => (format!("{name}:0{ZEROS}{port}"), None),
            (None, None) => {
                let host = HeaderValue::from_str(authority.host()).ok()?;
                (format!("{name}:0{ZEROS}"), Some(host))
            }
        };
        let uri = with_authority(uri, &spelled)?;
        Some(Self { uri, host })
    }
}

/// The URI of which that is another spelling, if it is.
pub(crate) fn original(uri: &Uri) -> Option<Uri> {
    let authority = uri.authority()?;
    let port = authority.port()?;
    let port = port.as_str().strip_prefix(ZEROS)?;
    let name = without_port(authority);
    if port.starts_with('0') {
        with_authority(uri, name)
    } else {
        with_authority(uri, &format!("{name}:{port}"))
    }
}

fn without_port(authority: &Authority) -> &str {
    let authority_str = authority.as_str();
    let port = authority.port();
    let name = match &port {
        Some(port) => authority_str.strip_suffix(port.as_str()),
        None => Some(authority_str),
    };
    let name = name.unwrap_or(authority_str);
    name.strip_suffix(':').unwrap_or(name)
}

fn with_authority(uri: &Uri, authority: &str) -> Option<Uri> {
    let mut parts = Parts::from(uri.clone());
    parts.authority = Some(authority.parse().ok()?);
    Uri::from_parts(parts).ok()
}

/// The port that a URI of the scheme means if it names none (RFC 9110 §4.2).
pub(super) fn default_port(scheme: &Scheme) -> Option<u16> {
    if *scheme == Scheme::HTTP {
        Some(80)
    } else if *scheme == Scheme::HTTPS {
        Some(443)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::origin::Origin;

    fn uri(uri: &str) -> Uri {
        uri.parse().unwrap()
    }

    #[test]
    fn another_spelling_leads_to_the_same_place_and_back() {
        for (original_uri, port) in [
            ("http://server.test/", Some(80)),
            ("https://server.test/path?query", Some(443)),
            ("http://server.test:80/", Some(80)),
            ("http://server.test:443/", Some(443)),
            ("https://user:word@server.test:8443/", Some(8443)),
            ("https://[::1]/", Some(443)),
            ("http://[fe80::1]:81/", Some(81)),
            ("unix://socket/path", Some(0)),
        ] {
            let original_uri = uri(original_uri);
            let Apart { uri: apart, host } = Apart::of(&original_uri).unwrap();

            assert_ne!(apart, original_uri);
            assert_eq!(apart.port_u16(), port, "{apart}");
            assert_eq!(apart.host(), original_uri.host());
            assert_eq!(apart.path_and_query(), original_uri.path_and_query());
            assert_eq!(original(&apart), Some(original_uri.clone()), "{apart}");
            if port == Some(0) {
                assert_eq!(host.unwrap(), original_uri.host().unwrap());
            } else {
                assert_eq!(Origin::of(&apart), Origin::of(&original_uri));
                assert_eq!(host, None);
            }
        }
    }

    #[test]
    fn what_others_write_is_no_other_spelling() {
        for other in [
            "http://server.test/",
            "http://server.test:0/",
            "http://server.test:80/",
            "http://server.test:00080/",
            "http://server.test:/",
            "/path",
        ] {
            assert_eq!(original(&uri(other)), None, "{other}");
        }
    }

    #[test]
    fn a_uri_that_names_no_host_or_port_has_no_other_spelling() {
        for other in ["/path", "*", "server.test:80", "http://server.test:0/"] {
            assert!(Apart::of(&uri(other)).is_none(), "{other}");
        }
        // That is one, if an odd one.
        let odd = Apart::of(&uri("http://server.test:/")).unwrap();
        assert_eq!(original(&odd.uri), Some(uri("http://server.test/")));
    }
}
