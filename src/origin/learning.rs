//! What was learned of one origin, as its connections share it.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::proto::learn::{Evidence, Findings, Learned, Limit};
use crate::proto::{Moment, Reading, Span};

/// What was learned of one origin.
///
/// Evidence is rare and takes a lock. What connections ask for with each exchange takes none: the
/// version, which changes with everything else, and then the findings.
#[derive(Debug)]
pub(crate) struct Learning {
    version: AtomicU32,
    /// Connections that are idle since then, or for longer, are not to be used again.
    stale: AtomicI64,
    /// The findings, in nanoseconds; `NONE` if there is none.
    bound: AtomicU64,
    spread: AtomicU64,
    survived: AtomicU64,
    failed: AtomicU64,
    /// A shorter idle time teaches nothing.
    worth: AtomicU64,
    /// The least upper bound of a round trip that was seen, for people.
    rtt: AtomicU64,
    /// Whether a sentinel watches it.
    watched: AtomicBool,
    /// Allocated with the first evidence.
    known: Mutex<Option<Box<Learned>>>,
}

const NONE: u64 = u64::MAX;

impl Default for Learning {
    fn default() -> Self {
        Self {
            version: AtomicU32::new(0),
            stale: AtomicI64::new(i64::MIN),
            bound: AtomicU64::new(NONE),
            spread: AtomicU64::new(NONE),
            survived: AtomicU64::new(NONE),
            failed: AtomicU64::new(NONE),
            worth: AtomicU64::new(0),
            rtt: AtomicU64::new(NONE),
            watched: AtomicBool::new(false),
            known: Mutex::new(None),
        }
    }
}

impl Learning {
    /// Changes whenever something is to be decided anew.
    #[inline]
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// What was found out. What comes between two of the numbers changes the version afterwards.
    pub(crate) fn findings(&self) -> Findings {
        Findings {
            bound: read(&self.bound),
            spread: read(&self.spread),
            survived: read(&self.survived),
            failed: read(&self.failed),
        }
    }

    /// Connections that are idle since then, or for longer, are not to be used again.
    pub(crate) fn stale(&self) -> Reading {
        Reading::from_nanoseconds(self.stale.load(Ordering::Relaxed))
    }

    /// A survival of more than that is to be told.
    #[inline]
    pub(crate) fn worth_more_than(&self) -> Span {
        Span::from_nanoseconds(self.worth.load(Ordering::Relaxed))
    }

    /// The server closed a connection, or a request failed on it.
    pub(crate) fn on_limit(&self, limit: Limit, age: Duration) {
        let is_binding = self.teach(&limit.seen.at, age, |known| known.on_limit(limit, age));
        if is_binding {
            self.retire(limit.seen.since.monotonic);
        }
    }

    /// A connection is open after so much idle time.
    pub(crate) fn on_survival(&self, survival: Evidence, age: Duration) {
        self.teach(&survival.at, age, |known| {
            known.on_survival(survival, age);
        });
    }

    /// All this was seen before.
    pub(crate) fn remember(
        &self,
        limits: impl Iterator<Item = Limit>,
        survivals: impl Iterator<Item = Evidence>,
        now: &Moment,
        age: Duration,
    ) {
        self.teach(now, age, |known| known.remember(limits, survivals));
    }

    /// What is too old counts no more.
    pub(crate) fn on_time(&self, now: &Moment, age: Duration) {
        if self.version() > 0 {
            self.teach(now, age, |_| {});
        }
    }

    /// A round trip takes no longer.
    pub(crate) fn on_rtt(&self, rtt: Span) {
        self.rtt.fetch_min(rtt.nanoseconds(), Ordering::Relaxed);
    }

    pub(crate) fn rtt(&self) -> Option<Duration> {
        read(&self.rtt).map(Span::duration)
    }

    /// No connection that is idle since then, or for longer, is to be used again.
    pub(crate) fn retire(&self, since: Reading) {
        self.stale.fetch_max(since.nanoseconds(), Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Answers a question.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Learned) -> R) -> R {
        match &*self.known() {
            Some(known) => look(known),
            None => look(&Learned::default()),
        }
    }

    /// Takes the place of the origin's sentinel, if it is free.
    pub(crate) fn take_watch(&self) -> bool {
        !self.watched.swap(true, Ordering::Relaxed)
    }

    /// Gives it back.
    pub(crate) fn end_watch(&self) {
        self.watched.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    fn teach<R>(&self, now: &Moment, age: Duration, teach: impl FnOnce(&mut Learned) -> R) -> R {
        let mut place = self.known();
        let known = place.get_or_insert_default();
        let taught = teach(known);
        known.forget(now, age);
        let before = self.findings();
        let after = known.findings();
        write(&self.bound, after.bound);
        write(&self.spread, after.spread);
        write(&self.survived, after.survived);
        write(&self.failed, after.failed);
        let worth = known.worth_more_than();
        self.worth.store(worth.nanoseconds(), Ordering::Relaxed);
        if before != after {
            self.version.fetch_add(1, Ordering::Release);
        }
        taught
    }

    fn known(&self) -> MutexGuard<'_, Option<Box<Learned>>> {
        // What a panicking thread left behind is still only what it learnt.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(place: &AtomicU64) -> Option<Span> {
    let nanoseconds = place.load(Ordering::Relaxed);
    (nanoseconds != NONE).then(|| Span::from_nanoseconds(nanoseconds))
}

fn write(place: &AtomicU64, span: Option<Span>) {
    place.store(span.map_or(NONE, Span::nanoseconds), Ordering::Relaxed);
}
