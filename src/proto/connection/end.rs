//! How a connection ends.

use super::{Lifecycle, Phase};
use crate::proto::deadline::{Deadline, Reason};
use crate::proto::framing::Opaque;
use crate::proto::learn::Observation;
use crate::proto::time::Moment;

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// This side closed it: the pool, the caller, or a `Connection: close`.
    Client,
    /// A response that lasts until EOF ended by it (RFC 9112 §6.3, rule 8).
    Delimited,
    /// Nothing was known of it.
    Opaque(Opaque),
    /// The server closed it, or it broke, in an exchange.
    PeerBusy,
    /// The server closed it, or it broke, while it was idle.
    PeerIdle,
    /// This crate closed it.
    Retired(Reason),
    /// The server closed it, or it broke, after a request on a connection that had served others,
    /// before the first byte of its response: the failure that this crate is there to prevent.
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
    pub(crate) end: End,
    /// Something to learn from.
    pub(crate) observed: Option<Observation>,
}

impl Lifecycle {
    /// The transport found the connection closed or broken. Returns how it ended, the first time.
    pub(crate) fn on_end(&mut self, cause: Cause, now: Moment) -> Option<Ended> {
        if std::mem::replace(&mut self.is_ended, true) {
            return None;
        }
        let end = match self.phase {
            Phase::Opaque { reason, .. } => End::Opaque(reason),
            // A retired connection ends here if it could not be closed yet: not all was flushed.
            Phase::Unused { .. } | Phase::Idle { .. } => End::PeerIdle,
            Phase::Busy { .. } if cause == Cause::Eof && self.tracker.is_until_eof() => {
                End::Delimited
            }
            Phase::Busy { .. } | Phase::Sending { .. } if self.is_unanswered_again() => End::Stale,
            Phase::Busy { .. } | Phase::Sending { .. } => End::PeerBusy,
        };
        let observed = self.observed_end(&now);
        if cause == Cause::Eof {
            self.tracker.on_eof();
        }
        Some(Ended { end, observed })
    }

    /// This side dropped the connection. Returns how it ended, the first time.
    pub(crate) fn on_drop(&mut self, now: Moment) -> Option<Ended> {
        if std::mem::replace(&mut self.is_ended, true) {
            return None;
        }
        let observed = self.given_up(&now);
        let end = match (&self.phase, self.retired) {
            (&Phase::Opaque { reason, .. }, _) => End::Opaque(reason),
            (Phase::Busy { .. } | Phase::Sending { .. }, _) => End::Client,
            (Phase::Unused { .. } | Phase::Idle { .. }, Some(reason)) => End::Retired(reason),
            // Whoever dropped it knew as well that it is not to be used again.
            (
                &Phase::Idle {
                    deadline: Deadline::Never(reason),
                    ..
                },
                None,
            ) => End::Retired(reason),
            (Phase::Unused { .. } | Phase::Idle { .. }, None) => End::Client,
        };
        Some(Ended { end, observed })
    }

    /// Whether a request on a connection that had served others has no byte of its response.
    pub(super) fn is_unanswered_again(&self) -> bool {
        self.requests > 1 && !self.is_answered()
    }
}
