//! What was observed of one origin, shared by its connections.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::proto::learn::{Change, Findings, History, Observation};
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
    /// See [`History::worth_beyond`].
    worth_beyond: AtomicU32,
    /// The time of the quickest answer, in nanoseconds; `NONE` if there is none.
    quickest: AtomicU64,
    /// When that was received, on the monotonic clock. Threads may see one of both before the other.
    quickest_at: AtomicI64,
    /// When an answer is added in any case, on the monotonic clock, so that recent ones are known.
    refresh_at: AtomicI64,
    /// The connection that answered last, while somebody wants to know.
    answered_last: AtomicU64,
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
            worth_beyond: AtomicU32::new(u32::MAX),
            quickest: AtomicU64::new(NONE),
            quickest_at: AtomicI64::new(i64::MIN),
            refresh_at: AtomicI64::new(i64::MIN),
            answered_last: AtomicU64::new(NONE),
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

    /// Adds an observation of one of its connections, and removes what is older than `age`. Returns how what is known
    /// of the timeout changed with it.
    #[inline]
    pub(crate) fn on_observation(&self, observation: Observation, age: Span) -> Option<Change> {
        if let Observation::Answer { evidence, request } = &observation {
            let worth = self.worth.load(Ordering::Relaxed);
            let worth_beyond = self.worth_beyond.load(Ordering::Relaxed);
            let refresh_at = self.refresh_at.load(Ordering::Relaxed);
            let is_recent = evidence.at.monotonic < refresh_at;
            if is_recent && evidence.idle.nanoseconds() <= worth && *request <= worth_beyond {
                return None;
            }
            let refresh_at = evidence.at.saturating_add(age.part(8));
            self.refresh_at
                .store(refresh_at.monotonic, Ordering::Relaxed);
        }
        let (retired, change) = self.update(|history| history.on_observation(observation, age));
        if let Some(since) = retired {
            self.retire_before_moment(&since);
        }
        change
    }

    /// Adds what another process observed.
    pub(crate) fn remember(&self, remember: impl FnOnce(&mut History)) {
        let ((), _) = self.update(remember);
    }

    /// Removes what is older than `age`. Returns how what is known of the timeout changed with it.
    pub(crate) fn forget(&self, now: &Moment, age: Span) -> Option<Change> {
        let is_known = self.lock().is_some();
        if !is_known {
            return None;
        }
        let ((), change) = self.update(|history| history.forget(now, age));
        change
    }

    /// A request was answered in this time, at `now`.
    pub(crate) fn on_answer(&self, answer: Span, now: &Moment, age: Span) {
        let (nanoseconds, order) = (answer.nanoseconds(), Ordering::Relaxed);
        match self.quickest() {
            Some(known) if !known.is_replaced_by(answer, now, age) => return,
            // Another thread may have a quicker one.
            Some(known) if known.is_valid(now, age) => {
                self.quickest.fetch_min(nanoseconds, order);
            }
            _ => self.quickest.store(nanoseconds, order),
        }
        self.quickest_at.store(now.monotonic, order);
    }

    /// The quickest answer, however old.
    #[inline]
    pub(crate) fn quickest(&self) -> Option<Quickest> {
        let answer = self.quickest.load(Ordering::Relaxed);
        (answer != NONE).then(|| Quickest {
            answer: Span::from_nanoseconds(answer),
            at: self.quickest_at.load(Ordering::Relaxed),
        })
    }

    /// The server answered on this connection.
    pub(crate) fn on_answered_by(&self, connection: u64) {
        self.answered_last.store(connection, Ordering::Relaxed);
    }

    /// The connection on which the server answered last, as far as that was of interest.
    pub(crate) fn answered_last(&self) -> Option<u64> {
        let last = self.answered_last.load(Ordering::Relaxed);
        (last != NONE).then_some(last)
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

    fn update<R>(&self, update: impl FnOnce(&mut History) -> R) -> (R, Option<Change>) {
        let mut place = self.lock();
        let history = place.get_or_insert_default();
        let before = history.findings();
        let result = update(history);
        let worth = history.worth_more_than();
        self.worth.store(worth.nanoseconds(), Ordering::Relaxed);
        self.worth_beyond
            .store(history.worth_beyond(), Ordering::Relaxed);
        let findings = history.findings();
        if before != findings {
            self.version.fetch_add(1, Ordering::Release);
        }
        (result, findings.change(&before))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<History>>> {
        // A thread that panicked leaves observations behind, as any other thread does.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
