//! What an observer is told.

use std::time::Duration;

use crate::origin::Origin;
use crate::proto::connection::{BecameOpaque, CloseCause};
use crate::proto::framing::OpaqueReason;
use crate::proto::hint::KeepAliveHint;
use crate::proto::learn::Change;

/// Something that happened on a connection; told to an [`Observer`](crate::Observer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionEvent<'a> {
    /// The connection, by its [`ConnectionHandle::id`](crate::ConnectionHandle::id).
    pub connection: u64,
    /// The origin that the connector connected to; `None` if the URI named no scheme or host. As long as a clone of it is
    /// kept, so is what is known of the origin, as if a connection to it were open.
    pub origin: Option<&'a Origin>,
    /// What happened.
    pub kind: EventKind,
}

impl<'a> ConnectionEvent<'a> {
    pub(crate) fn new(connection: u64, origin: Option<&'a Origin>, kind: EventKind) -> Self {
        Self {
            connection,
            origin,
            kind,
        }
    }
}

/// What happened on a connection: a part of [`ConnectionEvent`].
///
/// A connection is idle from [`Opened`](Self::Opened) and from [`ResponseEnded`](Self::ResponseEnded) until
/// [`RequestBegun`](Self::RequestBegun), [`BecameOpaque`](Self::BecameOpaque) or [`Closed`](Self::Closed). Nothing is told of it after that, but what is
/// learned from one that is left open as a [sentinel](crate::Learn::Full).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// It was established.
    #[non_exhaustive]
    Opened {
        /// How long connecting took: name resolution, TCP, and TLS, as far as the wrapped connector does them.
        connecting: Duration,
    },
    /// The transport accepted the first byte of a request.
    #[non_exhaustive]
    RequestBegun {
        /// Which one, counted from 1. The connection is reused from the second on.
        number: u64,
        /// How long the connection had been idle.
        idle_before: Duration,
    },
    /// A request was written, and its response read, to their ends. A response that lasts until the connection ends
    /// ends with [`Closed`](Self::Closed).
    #[non_exhaustive]
    ResponseEnded {
        /// How long that took since the request was sent: its last byte, or the last before the response began.
        elapsed: Duration,
    },
    /// A response had a `Keep-Alive` field with a valid parameter.
    #[non_exhaustive]
    HintHeard {
        /// What it said.
        hint: KeepAliveHint,
    },
    /// The server's idle timeout seems not to be longer, as was [learned](crate::Learn). Whether another was known
    /// before, does not matter.
    #[non_exhaustive]
    TimeoutLearned {
        /// The timeout.
        timeout: Duration,
    },
    /// What was learned of the server's idle timeout does not count any more: a request was answered after a longer time,
    /// or it is older than [`evidence_age`](crate::KeepAlivePolicy::evidence_age).
    #[non_exhaustive]
    TimeoutForgotten {
        /// The timeout that had been learned.
        timeout: Duration,
    },
    /// The connection is only forwarded from here on.
    #[non_exhaustive]
    BecameOpaque {
        /// Why.
        reason: OpaqueReason,
        /// Whether the connection was idle.
        was_idle: bool,
    },
    /// It ended.
    #[non_exhaustive]
    Closed {
        /// How.
        cause: CloseCause,
        /// For how long it had been idle; `None` if it was not, or was only forwarded.
        idle: Option<Duration>,
        /// The time since it was established.
        age: Duration,
        /// How many requests had been begun on it, also one of which the transport accepted no byte.
        requests: u64,
    },
}

impl From<BecameOpaque> for EventKind {
    fn from(became: BecameOpaque) -> Self {
        let BecameOpaque { reason, was_idle } = became;
        Self::BecameOpaque { reason, was_idle }
    }
}

impl From<Change> for EventKind {
    fn from(change: Change) -> Self {
        match change {
            Change::Learned(timeout) => Self::TimeoutLearned {
                timeout: timeout.duration(),
            },
            Change::Forgotten(timeout) => Self::TimeoutForgotten {
                timeout: timeout.duration(),
            },
        }
    }
}
