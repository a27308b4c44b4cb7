//! The store of what is known per origin.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::Origin;
use super::http2::Http2Origins;
use super::probe::HintProbe;
use crate::proto::connection::Advertised;

/// How many origins are kept by default.
pub(crate) const CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// How many origins with open connections are passed over to find one without.
const LOOKS: usize = 8;

/// What is known of origins.
pub(crate) struct Origins {
    /// What each origin advertised last, on any connection.
    known: Mutex<LruCache<Origin, Advertised>>,
    capacity: NonZeroUsize,
    /// Whether an origin was dropped, or replaced, that had open connections.
    has_lost: AtomicBool,
    probe: HintProbe,
    http2: Http2Origins,
}

impl Origins {
    /// A store of at most `capacity` origins.
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self {
            // `insert` bounds it. With a capacity of its own it would allocate that at once.
            known: Mutex::new(LruCache::unbounded()),
            capacity,
            has_lost: AtomicBool::new(false),
            probe: HintProbe::new(),
            http2: Http2Origins::new(),
        }
    }

    /// Whether an origin was dropped that had open connections.
    pub(crate) fn has_lost(&self) -> bool {
        self.has_lost.load(Ordering::Relaxed)
    }

    /// How many are kept at most.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity.get()
    }

    /// Which origins are asked for a hint.
    pub(crate) fn probe(&self) -> &HintProbe {
        &self.probe
    }

    /// Which origins speak HTTP/2.
    pub(crate) fn http2(&self) -> &Http2Origins {
        &self.http2
    }

    /// A connection to the origin was opened, through `proxy` if that is an HTTP forward proxy. Returns a clone of
    /// the origin in the store, whose history all its connections share, and what it advertised last on any
    /// connection.
    pub(crate) fn on_open(&self, origin: Origin, proxy: Option<Origin>) -> (Origin, Advertised) {
        let mut known = self.known();
        let proxy = proxy.map(|proxy| self.get_or_insert(&mut known, proxy).0);
        let (origin, advertised) = self.get_or_insert(&mut known, origin);
        let origin = match proxy {
            Some(proxy) if !origin.is_behind(&proxy) => origin.behind(&proxy),
            None if origin.is_proxied() => origin.without_history(),
            _ => return (origin, advertised),
        };
        // Its open connections keep the history that they have.
        let replaced = known.pop_entry(&origin);
        let in_use = replaced.is_some_and(|(kept, _)| kept.is_shared());
        self.has_lost.fetch_or(in_use, Ordering::Relaxed);
        known.put(origin.clone(), advertised);
        (origin, advertised)
    }

    fn get_or_insert(
        &self,
        known: &mut LruCache<Origin, Advertised>,
        origin: Origin,
    ) -> (Origin, Advertised) {
        if let Some((kept, advertised)) = known.get_key_value(&origin) {
            return (kept.clone(), *advertised);
        }
        self.insert(known, origin.clone(), Advertised::default());
        (origin, Advertised::default())
    }

    /// What the origin advertises has changed.
    pub(crate) fn on_advertised(&self, origin: &Origin, advertised: Advertised) {
        if let Some(known) = self.known().get_mut(origin) {
            *known = advertised;
        }
    }

    /// A clone of the origin in the store, if it is there.
    pub(crate) fn kept(&self, origin: &Origin) -> Option<Origin> {
        let known = self.known();
        // A lookup does not count as a use.
        known
            .iter()
            .map(|(kept, _)| kept)
            .find(|kept| *kept == origin)
            .cloned()
    }

    /// All origins, most recently used first, and what each advertised last.
    pub(crate) fn all(&self) -> Vec<(Origin, Advertised)> {
        let known = self.known();
        let all = known.iter();
        all.map(|(kept, advertised)| (kept.clone(), *advertised))
            .collect()
    }

    /// Adds an origin that another process knew.
    pub(crate) fn remember(&self, origin: Origin, advertised: Advertised) {
        self.insert(&mut self.known(), origin, advertised);
    }

    fn insert(
        &self,
        known: &mut LruCache<Origin, Advertised>,
        origin: Origin,
        advertised: Advertised,
    ) {
        if known.len() >= self.capacity.get() {
            // The open connections of a dropped origin share no history with later ones.
            for _ in 0..LOOKS.min(known.len()) {
                match known.pop_lru() {
                    Some((kept, advertised)) if kept.is_shared() => known.put(kept, advertised),
                    _ => break,
                };
            }
            if known.len() >= self.capacity.get() {
                let lost = known.pop_lru();
                let in_use = lost.is_some_and(|(kept, _)| kept.is_shared());
                self.has_lost.fetch_or(in_use, Ordering::Relaxed);
            }
        }
        known.put(origin, advertised);
    }

    fn known(&self) -> MutexGuard<'_, LruCache<Origin, Advertised>> {
        // Nothing under the lock leaves the store half changed, so a panic does not spread.
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
        let open = |n: usize| origins.on_open(origin(n), None);
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
        let open = |n: usize| origins.on_open(origin(n), None).0;
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

    #[test]
    fn origins_behind_one_proxy_share_its_history() {
        let origins = Origins::new(CAPACITY);
        let proxy = |port: u16| Origin::of_proxy(Some(([127, 0, 0, 1], port).into()));
        let open = |n: usize, proxy: Option<Origin>| origins.on_open(origin(n), proxy).0;
        let is_one = |a: &Origin, b: &Origin| std::ptr::eq(a.history(), b.history());

        let first = open(0, proxy(3128));
        let other = open(1, proxy(3128));
        assert!(is_one(&first, &other));
        assert!(!is_one(&first, &open(2, proxy(3129))));
        assert!(!is_one(&first, &open(3, None)));
        assert!(is_one(
            &open(4, Origin::of_proxy(None)),
            &open(5, Origin::of_proxy(None))
        ));
        assert!(is_one(&first, &open(0, proxy(3128))), "as long as it is so");

        let all = origins
            .all()
            .into_iter()
            .map(|(known, _)| known.to_string());
        let proxies: Vec<_> = all.filter(|known| known.starts_with("proxy")).collect();
        assert_eq!(
            proxies,
            [
                "proxy://127.0.0.1:3128",
                "proxy://unknown",
                "proxy://127.0.0.1:3129"
            ]
        );

        let direct = open(0, None);
        assert!(!is_one(&first, &direct), "it goes another way now");
        assert!(is_one(&direct, &open(0, None)));
    }
}
