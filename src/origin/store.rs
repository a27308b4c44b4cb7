//! The store of what is known per origin.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::Origin;
use super::asked::Asked;
use crate::proto::exchange::Told;

/// How many origins are remembered.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// What is known of one origin.
#[derive(Clone, Copy, Debug, Default)]
struct Knowledge {
    /// It answered in HTTP/2 when it was seen last.
    speaks_http2: bool,
    /// What it said last, on any connection.
    told: Told,
}

/// What is known of origins, shared by all that ask.
pub(crate) struct Origins {
    known: Mutex<LruCache<Origin, Knowledge>>,
    /// Whether any origin was ever seen to speak HTTP/2: lets everybody else pass without a lookup.
    any_http2: AtomicBool,
    asked: Asked,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self {
            known: Mutex::new(LruCache::new(CAPACITY)),
            any_http2: AtomicBool::new(false),
            asked: Asked::new(),
        }
    }

    /// Who has been asked for their timeout.
    pub(crate) fn asked(&self) -> &Asked {
        &self.asked
    }

    /// Whether the origin answered in HTTP/2 when it was seen last.
    ///
    /// To build an origin costs more than to see that it cannot matter, so it is asked for only then.
    pub(crate) fn speaks_http2(&self, origin: impl FnOnce() -> Option<Origin>) -> bool {
        self.any_http2.load(Ordering::Relaxed)
            && origin().is_some_and(|origin| {
                let mut known = self.known();
                known
                    .get(&origin)
                    .is_some_and(|knowledge| knowledge.speaks_http2)
            })
    }

    /// The origin answered, in HTTP/2 or in an older version.
    pub(crate) fn on_version(&self, origin: impl FnOnce() -> Option<Origin>, http2: bool) {
        if !http2 && !self.any_http2.load(Ordering::Relaxed) {
            return;
        }
        let Some(origin) = origin() else { return };
        self.any_http2.fetch_or(http2, Ordering::Relaxed);
        let mut known = self.known();
        if let Some(knowledge) = known.get_mut(&origin) {
            knowledge.speaks_http2 = http2;
        } else if http2 {
            let knowledge = Knowledge {
                speaks_http2: http2,
                ..Knowledge::default()
            };
            known.put(origin, knowledge);
        }
    }

    /// A connection to the origin was opened. Gives the origin as it is kept here, so that many
    /// connections share one, and what it said last, on any connection.
    pub(crate) fn on_open(&self, origin: Origin) -> (Origin, Told) {
        let mut known = self.known();
        if let Some((kept, knowledge)) = known.get_key_value(&origin) {
            return (kept.clone(), knowledge.told);
        }
        known.put(origin.clone(), Knowledge::default());
        (origin, Told::default())
    }

    /// The origin said something of how long it keeps connections, or nothing when it was asked.
    pub(crate) fn on_told(&self, origin: &Origin, told: Told) {
        if let Some(knowledge) = self.known().get_mut(origin) {
            knowledge.told = told;
        }
    }

    fn known(&self) -> MutexGuard<'_, LruCache<Origin, Knowledge>> {
        // What a panicking thread left behind is still only what it learnt.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins")
            .field("known", &self.known().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(n: usize) -> impl FnOnce() -> Option<Origin> {
        move || Origin::of(&format!("https://host{n}").parse().unwrap())
    }

    #[test]
    fn an_origin_speaks_what_it_spoke_last() {
        let origins = Origins::new();
        assert!(!origins.speaks_http2(origin(1)));

        origins.on_version(origin(1), true);
        assert!(origins.speaks_http2(origin(1)));
        assert!(!origins.speaks_http2(origin(2)));

        origins.on_version(origin(1), false);
        assert!(!origins.speaks_http2(origin(1)));
    }

    #[test]
    fn the_store_is_bounded_and_forgets_the_least_recently_used() {
        let origins = Origins::new();
        for n in 0..CAPACITY.get() {
            origins.on_version(origin(n), true);
        }
        assert!(origins.speaks_http2(origin(0)));

        origins.on_version(origin(CAPACITY.get()), true);

        assert_eq!(origins.known().len(), CAPACITY.get());
        assert!(origins.speaks_http2(origin(0)), "it was asked for last");
        assert!(!origins.speaks_http2(origin(1)));
    }
}
