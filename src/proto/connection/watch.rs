//! What somebody asks who only watches a connection.

use super::{Lifecycle, Phase};
use crate::proto::learn::Observation;
use crate::proto::sentinel::Schedule;
use crate::proto::time::{Moment, Span};

impl Lifecycle {
    /// The status of the last response.
    pub(crate) fn status(&self) -> u16 {
        self.tracker.status()
    }

    /// Whether both sides keep the connection after the last response (RFC 9112 §9.3).
    pub(crate) fn is_persistent(&self) -> bool {
        matches!(self.phase, Phase::Idle { .. }) && !self.tracker.is_closing()
    }

    /// For how long it has been idle at `now`; `None` if it is not.
    pub(crate) fn idle(&self, now: &Moment) -> Option<Span> {
        self.is_idle().then(|| now.since(&self.idle_since()))
    }

    /// When to look at the idle connection, until it was idle for so long.
    pub(crate) fn watch(&self, until: Span, now: &Moment) -> Schedule {
        Schedule::new(self.idle_since(), until, now)
    }
}

impl Schedule {
    /// A close that was observed, with what the looks before it show.
    pub(crate) fn refine(&self, observed: Observation, now: &Moment) -> Observation {
        match observed {
            Observation::Close { .. } => self.on_close(now),
            other => other,
        }
    }
}
