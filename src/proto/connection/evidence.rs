//! What one connection shows of its server's idle timeout.

use std::time::Duration;

use super::{Lifecycle, Phase};
use crate::policy::{KeepAlivePolicy, Learn};
use crate::proto::deadline::{self, RetireReason, Service};
use crate::proto::learn::{Evidence, Failure, Observation, SLOP};
use crate::proto::sentinel::Schedule;
use crate::proto::time::{Moment, Span};

/// How long it takes, besides a round trip, until a request on a connection that was closed has failed.
const SOON: Span = Span::new(Duration::from_secs(1));

/// The status of a response to no request: the server timed out waiting for one (RFC 9110 §15.5.9).
const REQUEST_TIMEOUT: u16 = 408;

/// The statuses of responses with which servers end an idle connection: the request that they were waiting for
/// counts as a bad one for some, and others say that they are gone.
const GOODBYES: [u16; 3] = [400, REQUEST_TIMEOUT, 503];

impl Lifecycle {
    /// What an end at `now` shows; `None` where it has another explanation.
    pub(super) fn observed_end(&self, now: &Moment) -> Option<Observation> {
        if self.retired.is_some() || self.has_served_all() {
            return None;
        }
        match self.phase {
            Phase::Idle { .. } => self.close(now),
            Phase::Busy { .. } | Phase::Sending { .. } => self.failure(now),
            Phase::Unused { .. } | Phase::Opaque { .. } => None,
        }
    }

    /// Whether the server has answered as many requests as it takes. The open request does not count: a limit does not
    /// explain that it gets no answer.
    fn has_served_all(&self) -> bool {
        let service = self.service();
        Service {
            requests: service.requests.saturating_sub(u64::from(self.is_open())),
            ..service
        }
        .is_at_request_limit()
    }

    /// Whether a request was begun that is not answered completely.
    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Sending { .. } | Phase::Busy { .. })
    }

    /// The server ends the idle connection, by closing it or by bytes that answer nothing.
    pub(super) fn close(&self, now: &Moment) -> Option<Observation> {
        let evidence = self.idle_evidence(now);
        if evidence.idle <= SLOP {
            return Some(Observation::Limit {
                evidence,
                requests: self.requests,
            });
        }
        self.is_idle_time_known(evidence.idle)
            .then_some(Observation::Close {
                evidence,
                open: Span::ZERO,
            })
    }

    /// Whether the server has counted for about as long as `idle`. After a response that drained slowly, or came late,
    /// it is not known since when the server counts.
    fn is_idle_time_known(&self, idle: Span) -> bool {
        self.held() <= idle.part(16).saturating_add(SLOP)
    }

    /// The open request fails at `now` as one does on a connection that was closed: without an answer, and soon.
    pub(super) fn failure(&self, now: &Moment) -> Option<Observation> {
        if self.is_unanswered_again() {
            self.failure_after(now)
        } else {
            None
        }
    }

    fn failure_after(&self, now: &Moment) -> Option<Observation> {
        let soon = self.rtt.saturating_add(SOON);
        if now.since(&self.begun()) > soon {
            return None;
        }
        let evidence = self.busy_evidence(now);
        if evidence.idle <= SLOP {
            return Some(Observation::Limit {
                evidence,
                requests: self.requests.saturating_sub(1),
            });
        }
        Some(Observation::Failure(Failure {
            evidence,
            sent: match self.phase {
                Phase::Busy { sent, .. } => sent,
                _ => self.begun(),
            },
            answered: Span::ZERO,
            is_doubted: false,
        }))
    }

    /// This side drops the connection at `now`.
    pub(super) fn given_up(&self, now: &Moment) -> Option<Observation> {
        let is_given_up = self.is_open() && self.is_unanswered_again() && self.idle_before > SLOP;
        is_given_up.then(|| Observation::GivenUp(self.busy_evidence(now)))
    }

    /// The head of the response to the last request is complete at `now`: the connection survived its idle time,
    /// unless the response is a goodbye.
    pub(super) fn answer(&self, now: &Moment) -> Option<Observation> {
        if self.requests <= 1 {
            return None;
        }
        let evidence = self.busy_evidence(now);
        if !self.is_goodbye() {
            return Some(Observation::Answer {
                evidence,
                request: self.requests,
            });
        }
        if self.tracker.status() == REQUEST_TIMEOUT {
            return self.failure_after(now);
        }
        // It may as well be the answer to the request. How soon it came does not tell: of a round trip only upper
        // bounds are known, and a server refuses sooner than it answers.
        (self.idle_before > SLOP).then_some(Observation::Close {
            evidence,
            open: Span::ZERO,
        })
    }

    /// Whether the last response is one with which servers end an idle connection.
    pub(super) fn is_goodbye(&self) -> bool {
        self.tracker.is_closing() && GOODBYES.contains(&self.tracker.status())
    }

    /// The connection is idle at `now`.
    fn idle_evidence(&self, now: &Moment) -> Evidence {
        let since = self.idle_since();
        Evidence {
            since,
            at: *now,
            idle: now.since(&since),
        }
    }

    /// The connection had been idle before the open request.
    fn busy_evidence(&self, now: &Moment) -> Evidence {
        Evidence {
            since: self.idle_since(),
            at: *now,
            idle: self.idle_before,
        }
    }

    /// When a retired connection is looked at if it is left open as a sentinel; `None` where that would show
    /// nothing, or might cost the server its only worker. `is_held_beside` is whether the server has answered on
    /// another connection since this one was used: one with a single worker cannot, while this one is open.
    pub(crate) fn sentinel(
        &self,
        policy: &KeepAlivePolicy,
        is_held_beside: bool,
        now: &Moment,
    ) -> Option<Schedule> {
        let is_over = matches!(
            self.retired,
            Some(RetireReason::IdleDeadline | RetireReason::NoIdleAllowed)
        );
        let is_idle = matches!(self.phase, Phase::Idle { .. });
        let is_hinted = deadline::is_hinted(policy, self.hints.advertised().timeout);
        // A server that names its timeout need not be watched.
        let is_wanted = policy.learn == Learn::Full && !is_hinted;
        if !is_idle || !is_over || !is_wanted || !is_held_beside {
            return None;
        }
        let until = Span::new(policy.learn_ceiling);
        let evidence = self.idle_evidence(now);
        let is_of_use = evidence.idle < until && self.is_idle_time_known(evidence.idle);
        is_of_use.then(|| Schedule::new(evidence.since, until, now))
    }
}
