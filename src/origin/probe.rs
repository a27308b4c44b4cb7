//! Which origins are asked for a hint.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use http::Uri;
use http::uri::{Authority, Scheme};

/// How many origins are kept, if no two of them share a slot. A power of two.
const SLOTS: usize = 256;

/// Which origins are asked for a hint, with `Connection: keep-alive`.
///
/// The field costs both sides some work, and a hint holds for the whole connection. So a server is asked
/// until it has answered on every open connection, and again when no connection to it is open any more,
/// since the next request opens one.
///
/// An origin whose slot another origin takes is asked with every request.
#[derive(Debug)]
pub(crate) struct HintProbe {
    /// Open connections, to any origin, on which no request that asked was answered yet.
    unanswered: AtomicUsize,
    slots: Box<[Slot]>,
}

#[derive(Debug, Default)]
struct Slot {
    /// The origin that answered last; zero is none.
    fingerprint: AtomicU64,
    /// Open connections to it on which a request that asked was answered.
    answered: AtomicUsize,
}

impl HintProbe {
    pub(super) fn new() -> Self {
        Self {
            unanswered: AtomicUsize::new(0),
            slots: std::iter::repeat_with(Slot::default).take(SLOTS).collect(),
        }
    }

    /// A connection was opened.
    pub(crate) fn on_open(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// The first request that asked was answered on a connection.
    pub(crate) fn on_answer(&self, origin: Fingerprint) {
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        if let Some(slot) = self.slot(origin) {
            slot.fingerprint.store(origin.0, Ordering::Relaxed);
            slot.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection ended, or is not HTTP/1; `answered` is its origin, if a request that asked was answered
    /// on it.
    pub(crate) fn on_gone(&self, answered: Option<Fingerprint>) {
        match answered {
            None => {
                self.unanswered.fetch_sub(1, Ordering::Relaxed);
            }
            Some(origin) => {
                if let Some(slot) = self.slot(origin) {
                    slot.answered.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Whether a request to the origin is to ask for a hint.
    pub(crate) fn is_worth_asking(&self, origin: Fingerprint) -> bool {
        self.unanswered.load(Ordering::Relaxed) > 0
            || self.slot(origin).is_none_or(|slot| {
                slot.fingerprint.load(Ordering::Relaxed) != origin.0
                    || slot.answered.load(Ordering::Relaxed) == 0
            })
    }

    fn slot(&self, origin: Fingerprint) -> Option<&Slot> {
        self.slots.get(origin.index(SLOTS))
    }
}

/// A hash of an origin. That two origins share one is improbable, and costs no more than a hint.
///
/// It is computed from the text of the authority. So an origin whose port is written with zeros before it has
/// another fingerprint, and is asked for a hint once more.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of a URI's origin. All URIs without scheme or host share one.
    pub(crate) fn of(uri: &Uri) -> Self {
        match (uri.scheme(), uri.authority()) {
            (Some(scheme), Some(authority)) => Self::new(scheme, authority),
            _ => Self(1),
        }
    }

    pub(super) fn new(scheme: &Scheme, authority: &Authority) -> Self {
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        // The bit that lower case has and upper case has not.
        const LOWER_CASE: u64 = 0x2020_2020_2020_2020;
        let is_https = *scheme == Scheme::HTTPS;
        let mut hash = FACTOR ^ u64::from(is_https);
        let mut mix = |word: u64| hash = (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
        // `Authority` parses itself anew for each of its parts, which costs more than all else that the layer
        // does to a request.
        let text = authority.as_str();
        let text = text
            .strip_suffix(if is_https { ":443" } else { ":80" })
            .unwrap_or(text);
        let host = memchr::memrchr(b'@', text.as_bytes()).map_or(0, |at| at.saturating_add(1));
        let bytes = text.as_bytes().get(host..).unwrap_or_default();
        mix(bytes.len() as u64);
        let mut words = bytes.chunks_exact(8);
        for word in words.by_ref() {
            mix(word.try_into().map_or(0, u64::from_le_bytes) | LOWER_CASE);
        }
        // The rest of the host, and some of what was mixed in before.
        match bytes.last_chunk() {
            Some(&last) => mix(u64::from_le_bytes(last) | LOWER_CASE),
            None => mix(words
                .remainder()
                .iter()
                .fold(0, |word, &byte| word << 8 | u64::from(byte | 0x20))),
        }
        Self(hash | 1)
    }

    /// The index of the origin in a table of this length, which is a power of two.
    pub(super) fn index(self, length: usize) -> usize {
        // The upper bits of the product depend on all bits of the hash.
        self.0.rotate_left(length.trailing_zeros()) as usize & length.wrapping_sub(1)
    }

    /// Never zero.
    pub(super) fn number(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(uri: &str) -> Fingerprint {
        Fingerprint::of(&uri.parse().unwrap())
    }

    #[test]
    fn an_origin_is_asked_until_it_has_answered_on_every_connection() {
        let (probe, a) = (HintProbe::new(), origin("http://a/"));
        assert!(probe.is_worth_asking(a), "nothing is known");

        probe.on_open();
        probe.on_open();
        probe.on_answer(a);
        assert!(probe.is_worth_asking(a), "the other connection");
        probe.on_answer(a);
        assert!(!probe.is_worth_asking(a));

        probe.on_open();
        assert!(probe.is_worth_asking(a), "a new connection");
        probe.on_gone(None);
        assert!(!probe.is_worth_asking(a));

        probe.on_gone(Some(a));
        assert!(!probe.is_worth_asking(a), "one is still open");
        probe.on_gone(Some(a));
        assert!(probe.is_worth_asking(a), "the next one will be new");
    }

    #[test]
    fn one_origin_does_not_answer_for_another() {
        let (probe, a) = (HintProbe::new(), origin("http://a/"));
        probe.on_open();
        probe.on_answer(a);

        for other in ["https://a/", "http://a:81/", "http://aa/", "http://b/", "/"] {
            assert_ne!(origin(other), a, "{other}");
            assert!(probe.is_worth_asking(origin(other)), "{other}");
        }
    }

    #[test]
    fn an_origin_has_one_fingerprint_however_it_is_written() {
        for (one, other) in [
            ("http://a/", "http://A:80/path"),
            ("https://user@long.name.test/", "HTTPS://Long.NAME.test:443"),
        ] {
            assert_eq!(origin(one), origin(other), "{one} {other}");
        }
    }
}
