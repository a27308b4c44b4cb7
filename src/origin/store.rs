//! The store of what is known per origin.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::Origin;
use super::asked::Asked;
use super::http2::Http2Origins;
use crate::proto::exchange::Told;

/// How many origins are remembered, unless it is said.
pub(crate) const CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// How many origins that are in use are passed over to find one that is not.
const LOOKS: usize = 8;

/// What is known of origins, shared by all that ask.
pub(crate) struct Origins {
    /// What each origin said last, on any connection.
    known: Mutex<LruCache<Origin, Told>>,
    capacity: NonZeroUsize,
    /// Whether an origin was forgotten that was in use.
    has_lost: AtomicBool,
    asked: Asked,
    http2: Http2Origins,
}

impl Origins {
    /// A store of so many.
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            // Grows with what is in it.
            known: Mutex::new(LruCache::unbounded()),
            capacity,
            has_lost: AtomicBool::new(false),
            asked: Asked::new(),
            http2: Http2Origins::new(),
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

    /// Which origins speak HTTP/2.
    pub(crate) fn http2(&self) -> &Http2Origins {
        &self.http2
    }

    /// A connection to the origin was opened. Gives the origin as it is kept here, so that many
    /// connections share one, and what it said last, on any connection.
    pub(crate) fn on_open(&self, origin: Origin) -> (Origin, Told) {
        let mut known = self.known();
        if let Some((kept, told)) = known.get_key_value(&origin) {
            return (kept.clone(), *told);
        }
        self.insert(&mut known, origin.clone(), Told::default());
        (origin, Told::default())
    }

    /// The origin said something of how long it keeps connections, or nothing when it was asked.
    pub(crate) fn on_told(&self, origin: &Origin, told: Told) {
        if let Some(known) = self.known().get_mut(origin) {
            *known = told;
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
        all.map(|(kept, told)| (kept.clone(), *told)).collect()
    }

    /// Keeps an origin that said that last, another time.
    pub(crate) fn remember(&self, origin: Origin, told: Told) {
        self.insert(&mut self.known(), origin, told);
    }

    fn insert(&self, known: &mut LruCache<Origin, Told>, origin: Origin, told: Told) {
        if known.len() >= self.capacity.get() {
            // What was learned of an origin is to reach all its connections. But not at any price.
            for _ in 0..LOOKS.min(known.len()) {
                match known.pop_lru() {
                    Some((kept, told)) if kept.is_shared() => known.put(kept, told),
                    _ => break,
                };
            }
            if known.len() >= self.capacity.get() {
                let lost = known.pop_lru();
                let in_use = lost.is_some_and(|(kept, _)| kept.is_shared());
                self.has_lost.fetch_or(in_use, Ordering::Relaxed);
            }
        }
        known.put(origin, told);
    }

    fn known(&self) -> MutexGuard<'_, LruCache<Origin, Told>> {
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

    fn origin(n: usize) -> Origin {
        Origin::of(&format!("https://host{n}").parse().unwrap()).unwrap()
    }

    #[test]
    fn the_store_is_bounded_and_forgets_the_least_recently_used() {
        let origins = Origins::new(CAPACITY);
        let open = |n: usize| origins.on_open(origin(n));
        for n in 0..CAPACITY.get() {
            open(n);
        }
        open(0);

        open(CAPACITY.get());

        assert_eq!(origins.known().len(), CAPACITY.get());
        assert!(origins.kept(&origin(0)).is_some(), "it was used last");
        assert!(origins.kept(&origin(1)).is_none());
    }

    #[test]
    fn an_origin_in_use_is_kept_as_long_as_another_can_be_forgotten() {
        let origins = Origins::new(NonZeroUsize::new(3).unwrap());
        let open = |n: usize| origins.on_open(origin(n)).0;
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
