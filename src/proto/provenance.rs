//! What became of one request, and what may follow from that.

use std::time::Duration;

/// How much of a message passed the transport.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Extent {
    /// No byte of it.
    Nothing,
    /// A part of it, or it is not known whether it was all.
    Part,
    /// All of it, up to its end (RFC 9112 §6.3).
    All,
}

/// What became of a request, as far as its connection shows, and whether it is safe to send it again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RequestOutcome {
    /// The transport accepted no byte of the request, or there was no connection. It is safe to send again,
    /// whatever it is.
    Unsent,
    /// It was sent on a reused connection, in part or completely, and no byte of a response came: the server had
    /// closed the idle connection, restarted, or crashed. The server may have executed it. Only an idempotent request
    /// (RFC 9110 §9.2.2) is safe to send again.
    Stale,
    /// As [`Stale`](Self::Stale), on a connection that had served no other request. So the reason is no idle timer,
    /// and another attempt may well end as this one did.
    Unanswered,
    /// A part of the response came, at least an interim one (RFC 9110 §15.2): the server received the request.
    Interrupted,
    /// The response came completely. Nothing failed that the connection knows of.
    Answered,
}

/// What became of one request: on which connection it was sent, how long that had been idle, and how much of the
/// request and of its response passed.
///
/// For a response, and for a body that failed, [`of_response`](Self::of_response); for an error,
/// [`of_error`](Self::of_error). Code that drives a connection itself asks the connection's handle:
/// [`ConnectionHandle::provenance`](crate::ConnectionHandle::provenance).
///
/// ```
/// use http::Method;
/// use http_keepalive::{Provenance, RequestOutcome};
///
/// /// Whether it is safe to send the failed request again.
/// fn is_safe_to_repeat(error: &(dyn std::error::Error + 'static), method: &Method) -> bool {
///     match Provenance::of_error(error).map(|provenance| provenance.outcome()) {
///         Some(RequestOutcome::Unsent) => true,
///         Some(RequestOutcome::Stale) => method.is_idempotent(),
///         _ => false,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Provenance {
    pub(crate) connection: Option<u64>,
    /// Counted from one; zero where there was no connection.
    pub(crate) request: u64,
    pub(crate) idle_before: Option<Duration>,
    pub(crate) written: Extent,
    pub(crate) answered: Extent,
}

impl Provenance {
    /// Of a request for which there was no connection.
    pub(crate) const UNCONNECTED: Self = Self {
        connection: None,
        request: 0,
        idle_before: None,
        written: Extent::Nothing,
        answered: Extent::Nothing,
    };

    /// The [`id`](crate::ConnectionHandle::id) of the connection; `None` if connecting failed.
    pub fn connection(&self) -> Option<u64> {
        self.connection
    }

    /// Which request on the connection it was, counted from one; zero if connecting failed.
    pub fn request_number(&self) -> u64 {
        self.request
    }

    /// Whether the connection had been used for another request before.
    pub fn is_reused(&self) -> bool {
        self.request > 1
    }

    /// How long the connection had been idle when the request was begun; `None` if it was not.
    pub fn idle_before(&self) -> Option<Duration> {
        self.idle_before
    }

    /// How much of the request the transport accepted. Whether it left this machine is not known.
    pub fn written(&self) -> Extent {
        self.written
    }

    /// How much of the response came, interim ones included.
    pub fn answered(&self) -> Extent {
        self.answered
    }

    /// What follows from all of that.
    pub fn outcome(&self) -> RequestOutcome {
        match (self.written, self.answered) {
            (_, Extent::All) => RequestOutcome::Answered,
            (_, Extent::Part) => RequestOutcome::Interrupted,
            (Extent::Nothing, Extent::Nothing) => RequestOutcome::Unsent,
            (_, Extent::Nothing) if self.is_reused() => RequestOutcome::Stale,
            (_, Extent::Nothing) => RequestOutcome::Unanswered,
        }
    }
}
