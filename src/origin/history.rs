//! What was observed of one origin, shared by its connections.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::proto::connection::Observation;
use crate::proto::learn::{Evidence, Findings, History, UpperBound};
use crate::proto::skew::Quickest;
use crate::proto::time::{Moment, Span};

/// What was observed of one origin.
///
/// Observations are rare and take a lock. What connections read in each exchange takes none: the
/// version, and the idle time from which a survival is worth an observation.
#[derive(Debug)]
pub(crate) struct SharedHistory {
    /// Changes with the findings, and with `retire_before`.
    version: AtomicU32,
    /// Connections that were idle at this reading of the monotonic clock are not to be used again.
    retire_before: AtomicI64,
    /// See [`History::worth_more_than`], in nanoseconds.
    worth: AtomicU64,
    /// The time of the quickest answer, in nanoseconds; `NONE` if there is none.
    quickest: AtomicU64,
    /// When that was received, on the monotonic clock. Threads may see one of both before the other.
    quickest_at: AtomicI64,
    /// Whether a sentinel is open.
    has_sentinel: AtomicBool,
    /// Allocated with the first observation.
    history: Mutex<Option<Box<History>>>,
}

const NONE: u64 = u64::MAX;

impl Default for SharedHistory {
    fn default() -> Self {
        Self {
            version: AtomicU32::new(0),
            retire_before: AtomicI64::new(i64::MIN),
            worth: AtomicU64::new(0),
            quickest: AtomicU64::new(NONE),
            quickest_at: AtomicI64::new(i64::MIN),
            has_sentinel: AtomicBool::new(false),
            history: Mutex::new(None),
        }
    }
}

impl SharedHistory {
    /// Changes whenever its connections have to be decided on anew.
    #[inline]
    pub(crate) fn version(&self) -> u32 {
        self.version.load(Ordering::Acquire)
    }

    /// Connections that were idle at this reading of the monotonic clock are not to be used again.
    pub(crate) fn retire_before(&self) -> i64 {
        self.retire_before.load(Ordering::Relaxed)
    }

    pub(crate) fn findings(&self) -> Findings {
        self.look(History::findings)
    }

    /// Adds an observation of one of its connections, and removes what is older than `age`.
    pub(crate) fn on_observation(&self, observation: Observation, age: Span) {
        match observation {
            Observation::Bound(bound) => self.on_bound(bound, age),
            Observation::Survival(survival) => self.on_survival(survival, age),
        }
    }

    /// Adds an upper bound of its idle timeout.
    pub(crate) fn on_bound(&self, bound: UpperBound, age: Span) {
        let binds = self.update(|history| history.on_bound(bound, age));
        if binds {
            self.retire_before_moment(&bound.evidence.since);
        }
    }

    fn on_survival(&self, survival: Evidence, age: Span) {
        let worth = self.worth.load(Ordering::Relaxed);
        if survival.by_sentinel || survival.idle.nanoseconds() > worth {
            self.update(|history| history.on_survival(survival, age));
        }
    }

    /// Adds what another process observed.
    pub(crate) fn remember(
        &self,
        bounds: impl Iterator<Item = UpperBound>,
        survivals: impl Iterator<Item = Evidence>,
        now: &Moment,
        age: Span,
    ) {
        self.update(|history| {
            history.remember(bounds, survivals);
            history.forget(now, age);
        });
    }

    /// Removes what is older than `age`.
    pub(crate) fn forget(&self, now: &Moment, age: Span) {
        if self.version() > 0 {
            self.update(|history| history.forget(now, age));
        }
    }

    /// A request was answered in this time, at `now`.
    pub(crate) fn on_answer(&self, answer: Span, now: &Moment, age: Span) {
        let (nanoseconds, order) = (answer.nanoseconds(), Ordering::Relaxed);
        match self.latest_quickest() {
            Some(known) if !known.is_replaced_by(answer, now, age) => return,
            // Another thread may have a quicker one.
            Some(known) if known.is_valid(now, age) => {
                self.quickest.fetch_min(nanoseconds, order);
            }
            _ => self.quickest.store(nanoseconds, order),
        }
        self.quickest_at.store(now.monotonic, order);
    }

    /// The time of the quickest answer, if it is not older than `age`.
    pub(crate) fn quickest(&self, now: &Moment, age: Span) -> Option<Span> {
        let known = self.latest_quickest()?;
        known.is_valid(now, age).then_some(known.answer)
    }

    fn latest_quickest(&self) -> Option<Quickest> {
        let answer = self.quickest.load(Ordering::Relaxed);
        (answer != NONE).then(|| Quickest {
            answer: Span::from_nanoseconds(answer),
            at: self.quickest_at.load(Ordering::Relaxed),
        })
    }

    /// Connections that are idle at `moment` are not to be used again.
    pub(crate) fn retire_before_moment(&self, moment: &Moment) {
        self.retire_before
            .fetch_max(moment.monotonic, Ordering::Relaxed);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Answers a question.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&History) -> R) -> R {
        match &*self.lock() {
            Some(history) => look(history),
            None => look(&History::default()),
        }
    }

    /// Takes the place of the origin's sentinel, if it is free.
    pub(crate) fn try_acquire_sentinel(&self) -> bool {
        !self.has_sentinel.swap(true, Ordering::Relaxed)
    }

    /// Releases the place of the origin's sentinel.
    pub(crate) fn release_sentinel(&self) {
        self.has_sentinel.store(false, Ordering::Relaxed);
    }

    pub(crate) fn has_sentinel(&self) -> bool {
        self.has_sentinel.load(Ordering::Relaxed)
    }

    fn update<R>(&self, update: impl FnOnce(&mut History) -> R) -> R {
        let mut place = self.lock();
        let history = place.get_or_insert_default();
        let before = history.findings();
        let result = update(history);
        let worth = history.worth_more_than();
        self.worth.store(worth.nanoseconds(), Ordering::Relaxed);
        if before != history.findings() {
            self.version.fetch_add(1, Ordering::Release);
        }
        result
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<History>>> {
        // A thread that panicked leaves observations behind, as any other thread does.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
