//! A public view of the connection that a response was received on.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::Connection;
use crate::keep_alive::KeepAlive;
use crate::origin::Origin;
use crate::proto::connection::{Lifecycle, Request};
use crate::proto::deadline::{DeadlineBound, Verdict};
use crate::proto::hint::KeepAliveHint;
use crate::proto::provenance::Provenance;

/// The connection that a response was received on: which one, whether it was reused, after how long, and
/// until when it may be reused.
///
/// In the extensions of every response that a [`Client`](crate::Client) received, or hyper-util's `legacy::Client` over an
/// [`IdleAwareConnector`], and with their errors, where
/// [`Provenance::of_error`] finds it: whether to send a failed request again depends on what became of it. Code that
/// drives a connection without that client takes [`IdleAwareIo::handle`](crate::IdleAwareIo::handle), and
/// [follows](Self::follow) it.
///
/// ```
/// use http_keepalive::ConnectionHandle;
///
/// # fn look<B>(response: http::Response<B>) {
/// if let Some(connection) = response.extensions().get::<ConnectionHandle>() {
///     let number = connection.requests();
///     println!("request {number} on connection {}", connection.id());
/// }
/// # }
/// ```
///
/// # Which request it describes
///
/// A connection may serve its next request before the caller looks at the response to the last. So a clone
/// of a handle is fixed to the request that was begun last when it was cloned; the handle in a response
/// was cloned for that response. [`requests`](Self::requests), [`is_reused`](Self::is_reused) and
/// [`idle_before`](Self::idle_before) describe that request, everything else the present.
/// [`IdleAwareIo::handle`](crate::IdleAwareIo::handle) is not fixed: it follows the connection.
///
/// The handle from hyper-util's `capture_connection` was cloned before the captured request began, and so
/// describes the request before it.
///
/// Cheap to clone. It keeps no socket open.
///
/// [`IdleAwareConnector`]: crate::IdleAwareConnector
pub struct ConnectionHandle {
    connection: Arc<Connection>,
    /// `None` follows the connection.
    request: Option<Request>,
}

impl ConnectionHandle {
    /// A handle that follows the connection; its clones do not.
    pub(crate) fn following(connection: Arc<Connection>) -> Self {
        Self {
            connection,
            request: None,
        }
    }

    /// A handle that follows the connection from request to request, until it is cloned.
    ///
    /// For code that drives a connection itself, and has only the transport's handle.
    #[must_use]
    pub fn follow(&self) -> Self {
        Self::following(Arc::clone(&self.connection))
    }

    /// A number that is unique among the connections of one [`KeepAlive`].
    pub fn id(&self) -> u64 {
        self.connection.id()
    }

    /// The origin that the connector connected to; `None` if the URI named no scheme or host.
    pub fn origin(&self) -> Option<&Origin> {
        self.connection.origin()
    }

    /// How many requests had been begun on the connection, this one included.
    ///
    /// Zero before the first, and on connections that are only forwarded, such as HTTP/2.
    pub fn requests(&self) -> u64 {
        self.request().number()
    }

    /// Whether the connection had served a request before this one.
    pub fn is_reused(&self) -> bool {
        self.request().number() > 1
    }

    /// How long the connection had been idle when this request was begun: since the last response
    /// was received, or before the first request since connecting. `None` before the first.
    pub fn idle_before(&self) -> Option<Duration> {
        let request = self.request();
        (request.number() > 0).then(|| request.idle_before())
    }

    /// What became of this request; `None` before the first, and on connections that are only forwarded, such as
    /// HTTP/2.
    ///
    /// For code that drives a connection itself, and [follows](Self::follow) it. A request that hyper returned unsent
    /// ([`hyper::Error::is_canceled`]) was not begun: the handle still describes the one before it.
    /// [`Provenance::of_hyper_error`] takes that into account.
    pub fn provenance(&self) -> Option<Provenance> {
        let request = self.request();
        let progress = self
            .connection
            .look(|lifecycle| lifecycle.progress(request));
        progress.map(|(written, answered)| Provenance {
            connection: Some(self.id()),
            request: request.number(),
            idle_before: Some(request.idle_before()),
            written,
            answered,
        })
    }

    /// The time since connecting.
    pub fn age(&self) -> Duration {
        let now = self.connection.keep_alive().clock().now();
        self.connection.look(|lifecycle| lifecycle.age(&now))
    }

    /// The last `Keep-Alive` hint on this connection; `None` if there was none, or if the policy ignores
    /// hints. Its `max` counts from the response that carried it.
    pub fn hint(&self) -> Option<KeepAliveHint> {
        self.connection.hint()
    }

    /// When the connection stops being used for other requests, as things stand. A later hint, and what is
    /// learned of the server, may change that.
    ///
    /// `None` while a request or a response is under way, if nothing limits the connection, and on
    /// connections that are only forwarded. The instant of the call, or one before it, if the connection is
    /// not to be used again.
    pub fn deadline(&self) -> Option<Instant> {
        let keep_alive = self.connection.keep_alive();
        let now = keep_alive.clock().now();
        match self.connection.verdict(&now)? {
            Verdict::Reuse { until } => keep_alive.clock().instant(now.monotonic_at(&until)?),
            Verdict::Retire(_) => keep_alive.clock().instant(now.monotonic),
        }
    }

    /// Whether the connection may be used for another request now, as its
    /// [`deadline`](Self::deadline) says. `true` also while a request or a response is under way, and on
    /// connections that are only forwarded.
    pub fn is_reusable(&self) -> bool {
        let now = self.connection.keep_alive().clock().now();
        !matches!(self.connection.verdict(&now), Some(Verdict::Retire(_)))
    }

    /// Which of the two bounds of [the rule](crate::KeepAlivePolicy#the-rule) the idle deadline follows from.
    ///
    /// `None` while a request or a response is under way, before the first request, and where no idle time is
    /// left.
    pub fn deadline_bound(&self) -> Option<DeadlineBound> {
        self.connection.deadline_bound()
    }

    /// Retires the connection: it is used for no other request, and closes as soon as it is idle.
    ///
    /// Does nothing to a connection that is only forwarded, such as HTTP/2.
    pub fn retire(&self) {
        self.connection.retire();
    }

    /// Retires the connections to the same origin that are idle and have been so for as long as this one had been
    /// before its request, less a round trip: a server that had closed this one has closed those, or is about to.
    ///
    /// For code that sends a request again whose outcome is [`Stale`](crate::RequestOutcome::Stale), before it does so.
    /// Learning retires them too, but not after a failure that may have another cause, nor with
    /// [`Learn::Off`](crate::Learn::Off).
    ///
    /// Otherwise as [`KeepAlive::retire_idle`]. [`Retired::siblings`](crate::Retired::siblings) counts them.
    pub fn retire_siblings(&self) {
        let Some(origin) = self.origin() else { return };
        let (keep_alive, request) = (self.connection.keep_alive(), self.request());
        let now = keep_alive.clock().now();
        let since = self
            .connection
            .look(|lifecycle| lifecycle.as_idle_since(request, &now));
        keep_alive.retire_idle_since(origin, &since);
    }

    /// Whether the connection is open, and its bytes were understood. This takes no lock.
    pub(crate) fn is_followed(&self) -> bool {
        self.connection.is_followed()
    }

    /// Whether nothing is known of the connection.
    pub(super) fn is_opaque(&self) -> bool {
        self.connection
            .look(|lifecycle| lifecycle.opaque().is_some())
    }

    /// Whether the connection belongs to this `KeepAlive`.
    pub(crate) fn is_of(&self, keep_alive: &KeepAlive) -> bool {
        self.connection.keep_alive().is(keep_alive)
    }

    /// The request, which asked for a hint, was answered.
    pub(crate) fn on_probe_answered(&self) {
        self.connection.on_probe_answered(self.request().number());
    }

    fn request(&self) -> Request {
        self.request
            .unwrap_or_else(|| self.connection.look(Lifecycle::request))
    }
}

/// The clone is fixed to the request that was begun last, unless this handle is fixed already.
impl Clone for ConnectionHandle {
    fn clone(&self) -> Self {
        Self {
            connection: Arc::clone(&self.connection),
            request: Some(self.request()),
        }
    }
}

impl fmt::Debug for ConnectionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionHandle")
            .field("id", &self.id())
            .field("origin", &self.origin())
            .field("requests", &self.requests())
            .field("idle_before", &self.idle_before())
            .field("age", &self.age())
            .field("hint", &self.hint())
            .field("deadline", &self.deadline())
            .field("deadline_bound", &self.deadline_bound())
            .finish()
    }
}
