//! The place of a sentinel.

use std::time::Instant;

use crate::origin::Origin;
use crate::policy::KeepAlivePolicy;
use crate::proto::Now;
use crate::proto::vigil::{Look, Vigil};
use crate::shared::{KeepAlive, WeakKeepAlive};

/// One of the places that there are for sentinels, and what its connection tells. Gives the place back
/// when it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    /// Not for longer than anybody else has it: nobody could use what is learned.
    keep_alive: WeakKeepAlive,
    origin: Origin,
    policy: KeepAlivePolicy,
    vigil: Vigil,
    hinted: bool,
}

impl Watch {
    /// Takes a place, if one is free.
    pub(super) fn take(
        keep_alive: &KeepAlive,
        origin: &Origin,
        policy: KeepAlivePolicy,
        vigil: Vigil,
        hinted: bool,
    ) -> Option<Self> {
        if !origin.learning().take_watch() {
            return None;
        }
        if !keep_alive.take_watch() {
            origin.learning().end_watch();
            return None;
        }
        Some(Self {
            keep_alive: keep_alive.downgrade(),
            origin: origin.clone(),
            policy,
            vigil,
            hinted,
        })
    }

    /// What it was taken from.
    pub(crate) fn keep_alive(&self) -> &WeakKeepAlive {
        &self.keep_alive
    }

    /// When the connection is to be looked at, whatever comes; `None` beyond what the clock can tell.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.keep_alive.clock().instant(self.vigil.due())
    }

    /// The server closed the connection.
    pub(crate) fn on_close(&self, now: &Now) {
        let now = self.keep_alive.clock().moment(now);
        if let Some(limit) = self.vigil.on_close(&now) {
            let age = self.policy.evidence_age;
            self.origin.learning().on_limit(limit, age);
        }
    }

    /// The connection is still open. Returns whether it is to stay so.
    pub(crate) fn on_open(&mut self, now: &Now) -> bool {
        let now = self.keep_alive.clock().moment(now);
        let (news, is_on) = match self.vigil.on_open(&now) {
            Look::On(news) => (news, true),
            Look::Over(news) => (news, false),
        };
        let policy = &self.policy;
        let learning = self.origin.learning();
        if let Some(news) = news {
            learning.on_survival(news, policy.evidence_age);
        }
        is_on
            && self.keep_alive.upgrade().is_some()
            && learning.look(|known| known.wants_sentinel(policy, self.hinted))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.origin.learning().end_watch();
        if let Some(keep_alive) = self.keep_alive.upgrade() {
            keep_alive.end_watch();
        }
    }
}
