//! Which origins speak HTTP/2.

use std::sync::atomic::{AtomicU64, Ordering};

use super::probe::Fingerprint;

/// How many origins are kept, if no two of them share a slot. A power of two.
const SLOTS: usize = 1024;

/// The origins whose last response was HTTP/2.
///
/// Read with every request, so there is no lock. An origin whose slot another origin takes is forgotten.
/// The next request to it gets a `Connection` field, which hyper removes for HTTP/2.
#[derive(Debug)]
pub(crate) struct Http2Origins {
    /// Fingerprints; zero is none.
    slots: Box<[AtomicU64]>,
}

impl Http2Origins {
    pub(super) fn new() -> Self {
        Self {
            slots: std::iter::repeat_with(AtomicU64::default)
                .take(SLOTS)
                .collect(),
        }
    }

    /// Whether the origin's last response was HTTP/2.
    pub(crate) fn contains(&self, origin: Fingerprint) -> bool {
        self.slot(origin)
            .is_some_and(|slot| slot.load(Ordering::Relaxed) == origin.number())
    }

    /// The origin answered, in HTTP/2 or in an older version.
    pub(crate) fn on_version(&self, origin: Fingerprint, http2: bool) {
        // Written only if that changes something: all threads read the slots.
        if self.contains(origin) == http2 {
            return;
        }
        if let Some(slot) = self.slot(origin) {
            let number = if http2 { origin.number() } else { 0 };
            slot.store(number, Ordering::Relaxed);
        }
    }

    fn slot(&self, origin: Fingerprint) -> Option<&AtomicU64> {
        self.slots.get(origin.index(SLOTS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(n: usize) -> Fingerprint {
        Fingerprint::of(&format!("https://host{n}").parse().unwrap())
    }

    #[test]
    fn an_origin_speaks_what_it_spoke_last() {
        let origins = Http2Origins::new();
        assert!(!origins.contains(origin(1)));

        origins.on_version(origin(1), true);
        assert!(origins.contains(origin(1)));
        assert!(!origins.contains(origin(2)));

        origins.on_version(origin(2), false);
        assert!(origins.contains(origin(1)));

        origins.on_version(origin(1), false);
        assert!(!origins.contains(origin(1)));
    }

    #[test]
    fn many_origins_are_kept_and_none_is_taken_for_another() {
        let origins = Http2Origins::new();
        for n in 0..100 * SLOTS {
            origins.on_version(origin(n), true);
            assert!(origins.contains(origin(n)));
        }
        let kept = (0..100 * SLOTS).filter(|&n| origins.contains(origin(n)));
        assert!((SLOTS / 2..=SLOTS).contains(&kept.count()), "it is bounded");
        assert!(!origins.contains(origin(100 * SLOTS)));
    }
}
