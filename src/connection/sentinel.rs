//! A permit to leave a connection open as a sentinel.

use std::time::Instant;

use crate::keep_alive::{KeepAlive, WeakKeepAlive};
use crate::origin::Origin;
use crate::proto::learn::Observation;
use crate::proto::sentinel::Schedule;
use crate::proto::time::Span;

/// A permit to leave one connection open as a sentinel, and what becomes of the connection.
///
/// Releases the permit when it is dropped.
#[derive(Debug)]
pub(crate) struct SentinelPermit {
    /// The connection's number.
    connection: u64,
    /// Weak, since nobody could use what is learned for a `KeepAlive` that is gone.
    keep_alive: WeakKeepAlive,
    origin: Origin,
    evidence_age: Span,
    schedule: Schedule,
}

impl SentinelPermit {
    /// `None` if there are as many sentinels as there may be, or the origin has one.
    pub(super) fn acquire(
        connection: u64,
        keep_alive: &KeepAlive,
        origin: &Origin,
        evidence_age: Span,
        schedule: Schedule,
    ) -> Option<Self> {
        if !origin.history().try_acquire_sentinel() {
            return None;
        }
        if !keep_alive.try_acquire_sentinel() {
            origin.history().release_sentinel();
            return None;
        }
        Some(Self {
            connection,
            keep_alive: keep_alive.downgrade(),
            origin: origin.clone(),
            evidence_age,
            schedule,
        })
    }

    pub(crate) fn keep_alive(&self) -> &WeakKeepAlive {
        &self.keep_alive
    }

    /// When the connection is to be looked at, whatever happens; `None` beyond what an instant can tell.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.keep_alive
            .clock()
            .instant(self.schedule.due().monotonic)
    }

    /// The server closed the connection.
    pub(crate) fn on_close(&self) {
        let now = self.keep_alive.clock().now();
        self.observe(self.schedule.on_close(&now));
    }

    /// The connection is still open. Returns whether it is to stay open.
    pub(crate) fn on_open(&mut self) -> bool {
        let now = self.keep_alive.clock().now();
        let observation = self.schedule.on_open(&now);
        if let Some(observation) = observation {
            self.observe(observation);
        }
        observation.is_some() && self.keep_alive.upgrade().is_some()
    }

    fn observe(&self, observation: Observation) {
        let history = self.origin.history();
        let change = history.on_observation(observation, self.evidence_age);
        if let (Some(change), Some(keep_alive)) = (change, self.keep_alive.upgrade()) {
            keep_alive.tell(self.connection, Some(&self.origin), || change.into());
        }
    }
}

impl Drop for SentinelPermit {
    fn drop(&mut self) {
        self.origin.history().release_sentinel();
        if let Some(keep_alive) = self.keep_alive.upgrade() {
            keep_alive.release_sentinel();
        }
    }
}
