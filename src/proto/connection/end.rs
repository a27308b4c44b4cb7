//! How a connection ends.

use super::{Lifecycle, Phase};
use crate::proto::deadline::{Deadline, RetireReason};
use crate::proto::framing::OpaqueReason;
use crate::proto::learn::Observation;
use crate::proto::time::{Moment, Span};

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CloseCause {
    /// This side closed it: the pool, the caller, or a `Connection: close`.
    Client,
    /// A response that lasts until the connection ends was ended by that (RFC 9112 §6.3, rule 8).
    Delimited,
    /// It was only forwarded, and so nothing is known of its end.
    Opaque(OpaqueReason),
    /// The server closed it, or it broke, while a request or a response was under way, but for what
    /// [`Stale`](Self::Stale) is.
    PeerBusy,
    /// The server closed it, or it broke, while it was idle.
    PeerIdle,
    /// This crate closed it.
    Retired(RetireReason),
    /// The server closed it, or it broke, after a request on a connection that had served others,
    /// before the first byte of its response: the failure that this crate prevents.
    Stale,
}

/// How the transport found that a connection is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// A read found EOF.
    Eof,
    /// A read or a write failed.
    Error,
}

/// The end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) cause: CloseCause,
    /// For how long no exchange had been open; `None` if one was, or if nothing is known of that.
    pub(crate) idle: Option<Span>,
    pub(crate) age: Span,
    /// How many requests had been begun.
    pub(crate) requests: u64,
    /// Something to learn from.
    pub(crate) observed: Option<Observation>,
}

impl Lifecycle {
    /// The transport found the connection closed or broken. Returns how it ended, the first time.
    pub(crate) fn on_end(&mut self, found: Cause, now: Moment) -> Option<Ended> {
        if std::mem::replace(&mut self.is_ended, true) {
            return None;
        }
        let cause = match self.phase {
            Phase::Opaque { reason, .. } => CloseCause::Opaque(reason),
            // A retired connection ends here if it could not be closed yet: not all was flushed.
            Phase::Unused { .. } | Phase::Idle { .. } => CloseCause::PeerIdle,
            Phase::Busy { .. } if found == Cause::Eof && self.tracker.is_until_eof() => {
                CloseCause::Delimited
            }
            Phase::Busy { .. } | Phase::Sending { .. } if self.is_unanswered_again() => {
                CloseCause::Stale
            }
            Phase::Busy { .. } | Phase::Sending { .. } => CloseCause::PeerBusy,
        };
        let observed = self.observed_end(&now);
        if found == Cause::Eof {
            self.tracker.on_eof();
        }
        Some(self.ended(cause, observed, &now))
    }

    /// This side dropped the connection. Returns how it ended, the first time.
    pub(crate) fn on_drop(&mut self, now: Moment) -> Option<Ended> {
        if std::mem::replace(&mut self.is_ended, true) {
            return None;
        }
        let observed = self.given_up(&now);
        let cause = match (&self.phase, self.retired) {
            (&Phase::Opaque { reason, .. }, _) => CloseCause::Opaque(reason),
            (Phase::Busy { .. } | Phase::Sending { .. }, _) => CloseCause::Client,
            (Phase::Unused { .. } | Phase::Idle { .. }, Some(reason)) => {
                CloseCause::Retired(reason)
            }
            // Whoever dropped it knew as well that it is not to be used again.
            (
                &Phase::Idle {
                    deadline: Deadline::Never(reason),
                    ..
                },
                None,
            ) => CloseCause::Retired(reason),
            (Phase::Unused { .. } | Phase::Idle { .. }, None) => CloseCause::Client,
        };
        Some(self.ended(cause, observed, &now))
    }

    fn ended(&self, cause: CloseCause, observed: Option<Observation>, now: &Moment) -> Ended {
        let is_idle = !matches!(self.phase, Phase::Busy { .. } | Phase::Opaque { .. });
        Ended {
            cause,
            idle: is_idle.then(|| now.since(&self.idle_since())),
            age: now.since(&self.connected),
            requests: self.requests.into(),
            observed,
        }
    }

    /// Whether a request on a connection that had served others has no byte of its response.
    pub(super) fn is_unanswered_again(&self) -> bool {
        self.requests > 1 && !self.is_answered()
    }
}
