//! Which servers have been asked how long they keep connections.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use http::Uri;
use http::uri::{Authority, Scheme};

use super::key::default_port;

/// How many origins are told apart, if no two of them fall on the same place.
const PLACES: usize = 256;

/// Whom to ask.
///
/// To ask costs both sides some work, and what is said holds for the connection. So a server is asked
/// until it has answered on every open connection, and again when none to its origin is open any more:
/// the next request will open one.
///
/// An origin whose place another one takes is asked each time.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Open connections, to any origin, on which no answer came yet.
    unanswered: AtomicUsize,
    places: Box<[Place]>,
}

#[derive(Debug, Default)]
struct Place {
    /// The origin that answered last; zero is none.
    fingerprint: AtomicU64,
    /// Open connections on which an answer came.
    answered: AtomicUsize,
}

impl Asked {
    pub(super) fn new() -> Self {
        Self {
            unanswered: AtomicUsize::new(0),
            places: std::iter::repeat_with(Place::default)
                .take(PLACES)
                .collect(),
        }
    }

    /// A connection was opened.
    pub(crate) fn on_open(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    /// The first answer came on a connection.
    pub(crate) fn on_answer(&self, origin: Fingerprint) {
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
        if let Some(place) = self.place(origin) {
            place.fingerprint.store(origin.0, Ordering::Relaxed);
            place.answered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A connection ended, or turned out to be one on which nobody is asked; `answered` is its origin,
    /// if an answer had come.
    pub(crate) fn on_gone(&self, answered: Option<Fingerprint>) {
        match answered {
            None => {
                self.unanswered.fetch_sub(1, Ordering::Relaxed);
            }
            Some(origin) => {
                if let Some(place) = self.place(origin) {
                    place.answered.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// Whether a request to the origin may be answered with something new.
    pub(crate) fn is_worth_asking(&self, origin: Fingerprint) -> bool {
        self.unanswered.load(Ordering::Relaxed) > 0
            || self.place(origin).is_none_or(|place| {
                place.fingerprint.load(Ordering::Relaxed) != origin.0
                    || place.answered.load(Ordering::Relaxed) == 0
            })
    }

    fn place(&self, origin: Fingerprint) -> Option<&Place> {
        self.places.get(origin.index(PLACES))
    }
}

/// Stands for an origin. That two have the same is improbable, and costs no more than an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// That of the URI's origin; all URIs without scheme or host have the same.
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
        let mut hash = FACTOR ^ u64::from(*scheme == Scheme::HTTPS);
        let mut mix = |word: u64| hash = (hash.rotate_left(23) ^ word).wrapping_mul(FACTOR);
        let port = authority.port_u16().or_else(|| default_port(scheme));
        mix(port.map_or(0, |port| 1 << 16 | u64::from(port)));
        let bytes = authority.host().as_bytes();
        mix(bytes.len() as u64);
        let mut words = bytes.chunks_exact(8);
        for word in words.by_ref() {
            mix(word.try_into().map_or(0, u64::from_le_bytes) | LOWER_CASE);
        }
        // What is left of it, and some of what was mixed in before.
        match bytes.last_chunk() {
            Some(&last) => mix(u64::from_le_bytes(last) | LOWER_CASE),
            None => mix(words
                .remainder()
                .iter()
                .fold(0, |word, &byte| word << 8 | u64::from(byte | 0x20))),
        }
        Self(hash | 1)
    }

    /// Where the origin stands in a table of this length, which is a power of two.
    pub(super) fn index(self, length: usize) -> usize {
        // Into the upper bits of the hash went all others.
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
        let (asked, a) = (Asked::new(), origin("http://a/"));
        assert!(asked.is_worth_asking(a), "nothing is known");

        asked.on_open();
        asked.on_open();
        asked.on_answer(a);
        assert!(asked.is_worth_asking(a), "the other connection");
        asked.on_answer(a);
        assert!(!asked.is_worth_asking(a));

        asked.on_open();
        assert!(asked.is_worth_asking(a), "a new connection");
        asked.on_gone(None);
        assert!(!asked.is_worth_asking(a));

        asked.on_gone(Some(a));
        assert!(!asked.is_worth_asking(a), "one is still open");
        asked.on_gone(Some(a));
        assert!(asked.is_worth_asking(a), "the next one will be new");
    }

    #[test]
    fn one_origin_does_not_answer_for_another() {
        let (asked, a) = (Asked::new(), origin("http://a/"));
        asked.on_open();
        asked.on_answer(a);

        for other in ["https://a/", "http://a:81/", "http://aa/", "http://b/", "/"] {
            assert_ne!(origin(other), a, "{other}");
            assert!(asked.is_worth_asking(origin(other)), "{other}");
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
