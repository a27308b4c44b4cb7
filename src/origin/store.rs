//! The store of what is known per origin.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::Origin;
use super::asked::Asked;
use crate::proto::exchange::Told;

/// How many origins are remembered, unless it is said.
pub(crate) const CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// How many origins that are in use are passed over to find one that is not.
const LOOKS: usize = 8;

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
    capacity: NonZeroUsize,
    /// Whether any origin was ever seen to speak HTTP/2: lets everybody else pass without a lookup.
    any_http2: AtomicBool,
    /// Whether an origin was forgotten that was in use.
    has_lost: AtomicBool,
    asked: Asked,
}

impl Origins {
    /// A store of so many.
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            // Grows with what is in it.
            known: Mutex::new(LruCache::unbounded()),
            capacity,
            any_http2: AtomicBool::new(false),
            has_lost: AtomicBool::new(false),
            asked: Asked::new(),
        }
    }

    /// Whether an origin was forgotten that was in use.
    pub(crate) fn has_lost(&self) -> bool {
        self.has_lost.load(Ordering::Relaxed)
    }

    /// How many are kept at most.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity.get()
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
            self.insert(&mut known, origin, knowledge);
        }
    }

    /// A connection to the origin was opened. Gives the origin as it is kept here, so that many
    /// connections share one, and what it said last, on any connection.
    pub(crate) fn on_open(&self, origin: Origin) -> (Origin, Told) {
        let mut known = self.known();
        if let Some((kept, knowledge)) = known.get_key_value(&origin) {
            return (kept.clone(), knowledge.told);
        }
        self.insert(&mut known, origin.clone(), Knowledge::default());
        (origin, Told::default())
    }

    /// The origin said something of how long it keeps connections, or nothing when it was asked.
    pub(crate) fn on_told(&self, origin: &Origin, told: Told) {
        if let Some(knowledge) = self.known().get_mut(origin) {
            knowledge.told = told;
        }
    }

    /// The origin as it is kept here, if it is.
    pub(crate) fn kept(&self, origin: &Origin) -> Option<Origin> {
        let known = self.known();
        // That somebody asks is no use of it.
        known
            .iter()
            .map(|(kept, _)| kept)
            .find(|kept| *kept == origin)
            .cloned()
    }

    /// All origins that are kept, most recently used first, and what each said last.
    pub(crate) fn all(&self) -> Vec<(Origin, Told)> {
        let known = self.known();
        let all = known.iter();
        all.map(|(kept, knowledge)| (kept.clone(), knowledge.told))
            .collect()
    }

    /// Keeps an origin that said that last, another time.
    pub(crate) fn remember(&self, origin: Origin, told: Told) {
        let knowledge = Knowledge {
            told,
            ..Knowledge::default()
        };
        self.insert(&mut self.known(), origin, knowledge);
    }

    fn insert(
        &self,
        known: &mut LruCache<Origin, Knowledge>,
        origin: Origin,
        knowledge: Knowledge,
    ) {
        if known.len() >= self.capacity.get() {
            // What was learned of an origin is to reach all its connections. But not at any price.
            for _ in 0..LOOKS.min(known.len()) {
                match known.pop_lru() {
                    Some((kept, knowledge)) if kept.is_shared() => known.put(kept, knowledge),
                    _ => break,
                };
            }
            if known.len() >= self.capacity.get() {
                let lost = known.pop_lru();
                let in_use = lost.is_some_and(|(kept, _)| kept.is_shared());
                self.has_lost.fetch_or(in_use, Ordering::Relaxed);
            }
        }
        known.put(origin, knowledge);
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
        let origins = Origins::new(CAPACITY);
        assert!(!origins.speaks_http2(origin(1)));

        origins.on_version(origin(1), true);
        assert!(origins.speaks_http2(origin(1)));
        assert!(!origins.speaks_http2(origin(2)));

        origins.on_version(origin(1), false);
        assert!(!origins.speaks_http2(origin(1)));
    }

    #[test]
    fn the_store_is_bounded_and_forgets_the_least_recently_used() {
        let origins = Origins::new(CAPACITY);
        for n in 0..CAPACITY.get() {
            origins.on_version(origin(n), true);
        }
        assert!(origins.speaks_http2(origin(0)));

        origins.on_version(origin(CAPACITY.get()), true);

        assert_eq!(origins.known().len(), CAPACITY.get());
        assert!(origins.speaks_http2(origin(0)), "it was asked for last");
        assert!(!origins.speaks_http2(origin(1)));
    }

    #[test]
    fn an_origin_in_use_is_kept_as_long_as_another_can_be_forgotten() {
        let origins = Origins::new(NonZeroUsize::new(3).unwrap());
        let open = |n: usize| origins.on_open(origin(n)().unwrap()).0;
        let used = open(0);
        for n in 1..10 {
            open(n);
        }
        assert_eq!(origins.all().len(), 3);
        assert!(origins.kept(&used).is_some());

        drop(used);
        let all: Vec<_> = (20..30).map(open).collect();
        assert_eq!(origins.all().len(), 3, "however many are in use");
        assert!(origins.kept(all.last().unwrap()).is_some());
    }
}
