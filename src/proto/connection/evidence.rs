//! What one connection tells of its server's idle timeout.

use std::time::Duration;

use super::{Lifecycle, Phase};
use crate::policy::{KeepAlivePolicy, Learn};
use crate::proto::deadline::{self, Reason};
use crate::proto::learn::{Evidence, Findings, History, Kind, SLOP, UpperBound};
use crate::proto::sentinel::Schedule;
use crate::proto::time::{Moment, Span};

/// How much longer than needed a sentinel is left open to refute a bound.
const SURPLUS: Span = Span::new(Duration::from_millis(1));

/// How long it takes, besides a round trip, until a request on a connection that was closed has failed.
const SOON: Span = Span::new(Duration::from_secs(1));

impl Lifecycle {
    /// Upper bound on the server's timeout implied by an end at `now`; `None` where the end has another
    /// explanation.
    pub(super) fn bound(&self, now: &Moment) -> Option<UpperBound> {
        if self.retired.is_some() || self.service().is_at_request_limit() {
            return None;
        }
        match self.phase {
            Phase::Idle { .. } => self.close(now),
            Phase::Busy { .. } | Phase::Sending { .. } if self.is_stale_failure(now) => {
                Some(UpperBound {
                    evidence: Evidence {
                        since: self.idle_since(),
                        at: *now,
                        idle: self.idle_before,
                        slack: self.rtt,
                        by_sentinel: false,
                    },
                    kind: Kind::Failure,
                })
            }
            _ => None,
        }
    }

    /// The server closes the idle connection. A close right behind the response to a later request is no
    /// idle timer's: it is probably a request limit.
    fn close(&self, now: &Moment) -> Option<UpperBound> {
        let evidence = self.open(now);
        let is_at_once = evidence.idle <= SLOP;
        (self.requests == 1 || !is_at_once).then_some(UpperBound {
            evidence,
            kind: Kind::Close,
        })
    }

    /// The server says that it closes the idle connection.
    pub(super) fn announced_close(&self, now: &Moment) -> UpperBound {
        UpperBound {
            evidence: self.open(now),
            kind: Kind::Close,
        }
    }

    /// Whether the open request fails at `now` as one does on a connection that was closed: without an answer,
    /// soon, and not between requests in quick succession.
    fn is_stale_failure(&self, now: &Moment) -> bool {
        let soon = self.rtt.saturating_add(SOON);
        let is_at_once = self.idle_before <= SLOP;
        self.is_unanswered_again()
            && now.since(&self.begun()) <= soon
            && (self.requests == 2 || !is_at_once)
    }

    /// The idle connection is open at `now`.
    fn open(&self, now: &Moment) -> Evidence {
        let since = self.idle_since();
        Evidence {
            since,
            at: *now,
            idle: now.since(&since),
            slack: self.skew(),
            by_sentinel: false,
        }
    }

    /// The server began to answer the last request at `now`: the connection survived its idle time.
    pub(super) fn survival(&self, now: &Moment) -> Option<Evidence> {
        (self.requests > 1).then_some(Evidence {
            since: self.idle_since(),
            at: *now,
            idle: self.idle_before,
            slack: Span::ZERO,
            by_sentinel: false,
        })
    }

    /// When a retired connection is looked at if it is left open as a sentinel; `None` where there is
    /// nothing to learn from that.
    pub(crate) fn sentinel(
        &self,
        policy: &KeepAlivePolicy,
        history: &History,
        now: &Moment,
    ) -> Option<Schedule> {
        let is_over = matches!(
            self.retired,
            Some(Reason::IdleDeadline | Reason::NoIdleAllowed)
        );
        // After a response that drained slowly it is not known since when the server counts.
        let is_idle = matches!(self.phase, Phase::Idle { .. });
        if !is_idle || !is_over || self.skew() > SLOP {
            return None;
        }
        let is_hinted = deadline::is_hinted(policy, self.hints.advertised().timeout);
        let mut until = deadline::allowance(policy, &self.idle_facts(), &Findings::default());
        if policy.learn == Learn::Full && !is_hinted {
            until = until.max(Span::new(policy.learn_ceiling));
        }
        let evidence = self.open(now);
        if evidence.idle >= until {
            return None;
        }
        // A bound that is not much shorter than what policy allows is to be refuted all the same.
        if let Some(bound) = history.bound() {
            until = until.max(bound.refuted_beyond().saturating_add(SURPLUS));
        }
        let schedule = Schedule::new(evidence, until, is_hinted);
        schedule.is_worth_it(policy, history).then_some(schedule)
    }
}
