//! The origins that the pool knows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};

use super::host::{Host, Limits};
use super::stats::PoolStats;
use crate::origin::{Fingerprint, Origin};

/// How many origins are kept before unused ones are looked for.
const MIN_SWEEP: usize = 64;

/// The origins that there are connections to.
pub(super) struct Hosts<B> {
    known: Mutex<Known<B>>,
    limits: Limits,
}

struct Known<B> {
    /// By the hash of scheme and authority.
    hosts: HashMap<Fingerprint, Vec<Entry<B>>>,
    count: usize,
    /// At how many origins unused ones are removed.
    sweep_at: usize,
}

struct Entry<B> {
    scheme: Scheme,
    authority: Authority,
    host: Arc<Host<B>>,
}

impl<B> Hosts<B> {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            known: Mutex::new(Known {
                hosts: HashMap::new(),
                count: 0,
                sweep_at: MIN_SWEEP,
            }),
            limits,
        }
    }

    /// The host of a URI; `None` if the URI names no scheme or host.
    pub(super) fn get(&self, uri: &Uri) -> Option<Arc<Host<B>>> {
        let (scheme, authority) = (uri.scheme()?, uri.authority()?);
        let fingerprint = Fingerprint::of(uri);
        let mut known = self.known();
        let same = known.hosts.get(&fingerprint);
        let is_it = |entry: &&Entry<B>| entry.scheme == *scheme && entry.authority == *authority;
        if let Some(entry) = same.and_then(|same| same.iter().find(is_it)) {
            return Some(Arc::clone(&entry.host));
        }
        let field = host_field(uri)?;
        let host = Host::new(Origin::of(uri)?, field, self.limits.clone());
        let entry = Entry {
            scheme: scheme.clone(),
            authority: authority.clone(),
            host: Arc::clone(&host),
        };
        known.sweep();
        known.hosts.entry(fingerprint).or_default().push(entry);
        known.count = known.count.saturating_add(1);
        Some(host)
    }

    pub(super) fn stats(&self) -> Vec<PoolStats> {
        let known = self.known();
        let entries = known.hosts.values().flatten();
        entries.map(|entry| entry.host.stats()).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known<B>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Known<B> {
    /// Removes unused origins each time that their number has doubled.
    fn sweep(&mut self) {
        if self.count < self.sweep_at {
            return;
        }
        // A request that was just begun has a clone.
        let is_used =
            |entry: &Entry<B>| Arc::strong_count(&entry.host) > 1 || !entry.host.is_unused();
        self.hosts.retain(|_, entries| {
            entries.retain(is_used);
            !entries.is_empty()
        });
        self.count = self.hosts.values().map(Vec::len).sum();
        self.sweep_at = self.count.saturating_mul(2).max(MIN_SWEEP);
    }
}

/// The value of the `Host` field: the authority without user information, and without the scheme's own port (RFC
/// 9110 §7.2).
fn host_field(uri: &Uri) -> Option<HeaderValue> {
    let host = uri.host()?;
    let default = match uri.scheme_str()? {
        "https" | "wss" => 443,
        _ => 80,
    };
    let port = uri.port().filter(|port| port.as_u16() != default);
    let field = match port {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
        None => HeaderValue::from_str(host),
    };
    field.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts() -> Hosts<String> {
        Hosts::new(Limits {
            idle: usize::MAX,
            idle_in_all: None,
            open: usize::MAX,
            is_http2: false,
        })
    }

    fn field(uri: &str) -> String {
        let field = host_field(&uri.parse().unwrap()).unwrap();
        field.to_str().unwrap().to_owned()
    }

    #[test]
    fn the_host_field_has_no_port_that_the_scheme_implies() {
        assert_eq!(field("http://a.test/"), "a.test");
        assert_eq!(field("http://a.test:80/"), "a.test");
        assert_eq!(field("https://a.test:443/"), "a.test");
        assert_eq!(field("https://a.test:80/"), "a.test:80");
        assert_eq!(field("http://user:secret@[::1]:8080/"), "[::1]:8080");
    }

    #[test]
    fn a_host_is_known_by_scheme_and_authority() {
        let hosts = hosts();
        let host = |uri: &str| hosts.get(&uri.parse().unwrap());
        let first = host("http://a.test/x").unwrap();
        assert!(Arc::ptr_eq(&first, &host("http://A.test/y").unwrap()));
        assert!(!Arc::ptr_eq(&first, &host("https://a.test/").unwrap()));
        assert!(!Arc::ptr_eq(&first, &host("http://a.test:8080/").unwrap()));
        assert!(host("/path").is_none());
    }

    #[test]
    fn unused_origins_are_removed() {
        let hosts = hosts();
        let used: Uri = "http://used.test/".parse().unwrap();
        let kept = hosts.get(&used).unwrap();
        for number in 0..10 * MIN_SWEEP {
            let uri = format!("http://{number}.test/").parse().unwrap();
            hosts.get(&uri).unwrap();
        }
        assert!(hosts.stats().len() <= MIN_SWEEP);
        assert!(Arc::ptr_eq(&kept, &hosts.get(&used).unwrap()));
    }
}
