//! A permit to leave a connection open as a sentinel.

use std::time::Instant;

use crate::keep_alive::{KeepAlive, WeakKeepAlive};
use crate::origin::Origin;
use crate::policy::KeepAlivePolicy;
use crate::proto::connection::Observation;
use crate::proto::sentinel::{Look, Schedule};
use crate::proto::time::Span;

/// A permit to leave one connection open as a sentinel, and what becomes of the connection.
///
/// Releases the permit when it is dropped.
#[derive(Debug)]
pub(crate) struct SentinelPermit {
    /// Weak, since nobody could use what is learned for a `KeepAlive` that is gone.
    keep_alive: WeakKeepAlive,
    origin: Origin,
    policy: KeepAlivePolicy,
    schedule: Schedule,
}

impl SentinelPermit {
    /// `None` if there are as many sentinels as there may be, or the origin has one.
    pub(super) fn acquire(
        keep_alive: &KeepAlive,
        origin: &Origin,
        policy: KeepAlivePolicy,
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
            keep_alive: keep_alive.downgrade(),
            origin: origin.clone(),
            policy,
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
        if let Some(bound) = self.schedule.on_close(&now) {
            self.observe(Observation::Bound(bound));
        }
    }

    /// The connection is still open. Returns whether it is to stay open.
    pub(crate) fn on_open(&mut self) -> bool {
        let now = self.keep_alive.clock().now();
        let (news, is_open) = match self.schedule.on_open(&now) {
            Look::Open(news) => (news, true),
            Look::Over(news) => (news, false),
        };
        if let Some(news) = news {
            self.observe(Observation::Survival(news));
        }
        let history = self.origin.history();
        is_open
            && self.keep_alive.upgrade().is_some()
            && history.look(|history| self.schedule.is_worth_it(&self.policy, history))
    }

    fn observe(&self, observation: Observation) {
        let age = Span::new(self.policy.evidence_age);
        self.origin.history().on_observation(observation, age);
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
