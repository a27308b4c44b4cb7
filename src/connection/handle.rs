//! What callers see of the connection that a response came on.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::shared::Connection;
use crate::origin::Origin;
use crate::proto::deadline::Verdict;
use crate::proto::exchange::{Exchange, Request};
use crate::proto::keep_alive::KeepAliveHint;
use crate::shared::KeepAlive;

/// The connection that a response came on: which one, whether it was reused, after how long, and for
/// how much longer it may be.
///
/// In the extensions of every response that hyper-util's `legacy::Client` got over an
/// [`IdleAwareConnector`], and in the `connect_info()` of its errors: whether a request that failed was
/// sent on a reused connection, and after how long, decides whether to send it again. Who drives a connection without
/// that client takes [`IdleAwareIo::handle`](crate::IdleAwareIo::handle), and
/// [follows](Self::follow) it.
///
/// ```
/// use http_keepalive::ConnectionHandle;
///
/// # fn look<B>(response: http::Response<B>) {
/// if let Some(connection) = response.extensions().get::<ConnectionHandle>() {
///     println!("request {} on connection {}", connection.requests(), connection.id());
/// }
/// # }
/// fn provenance(error: &hyper_util::client::legacy::Error) -> Option<ConnectionHandle> {
///     let mut extensions = http::Extensions::new();
///     error.connect_info()?.get_extras(&mut extensions);
///     extensions.remove()
/// }
/// ```
///
/// # Which request it speaks of
///
/// A connection may serve its next request before a response to the last was looked at. So a handle
/// is fixed, when it is cloned, to the request that was begun last by then; the handle in a response
/// was cloned for it. The one that [`IdleAwareIo::handle`](crate::IdleAwareIo::handle) lends follows
/// the connection. [`requests`](Self::requests), [`is_reused`](Self::is_reused) and
/// [`idle_before`](Self::idle_before) speak of that request, everything else of the present.
///
/// What hyper-util's `capture_connection` gives was cloned before the captured request began, and so
/// speaks of the one before it.
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
    /// For those who drive a connection by hand, and have only the transport's handle.
    #[must_use]
    pub fn follow(&self) -> Self {
        Self::following(Arc::clone(&self.connection))
    }

    /// A number that no other connection of the same [`KeepAlive`] has.
    pub fn id(&self) -> u64 {
        self.connection.id()
    }

    /// What the connector was asked to connect to; `None` if that named no scheme or host.
    pub fn origin(&self) -> Option<&Origin> {
        self.connection.origin()
    }

    /// How many requests had been begun on the connection, this one included.
    ///
    /// Zero before the first, and on connections that are not followed, such as HTTP/2.
    pub fn requests(&self) -> u64 {
        self.request().number
    }

    /// Whether the connection had served a request before this one.
    pub fn is_reused(&self) -> bool {
        self.request().number > 1
    }

    /// How long the connection had been idle when this request was begun: since the last response
    /// was received, or before the first request since connecting. `None` before the first.
    pub fn idle_before(&self) -> Option<Duration> {
        let request = self.request();
        (request.number > 0).then(|| request.idle_before())
    }

    /// The time since connecting.
    pub fn age(&self) -> Duration {
        let now = self.connection.keep_alive().clock().now();
        self.connection.look(|exchange| exchange.age(&now))
    }

    /// What the server said last of how long it keeps the connection; `None` if it said nothing, or
    /// if the policy does not honour hints. Its `max` is as it was said, and counts from the response
    /// that said it.
    pub fn hint(&self) -> Option<KeepAliveHint> {
        let hint = self.connection.look(|exchange| exchange.hint());
        (hint != KeepAliveHint::new()).then_some(hint)
    }

    /// From when on the connection will not be used for another request, as things stand: a later hint
    /// changes that, and what is learned meanwhile of how long the server waits.
    ///
    /// `None` while a request or a response is under way, if nothing limits it, and on connections
    /// that are not followed. The instant of the call, or one before it, if it is not to be used
    /// again.
    pub fn deadline(&self) -> Option<Instant> {
        let keep_alive = self.connection.keep_alive();
        let now = keep_alive.clock().now();
        match self.connection.verdict(&now)? {
            Verdict::Reuse { until } => keep_alive.clock().instant(until?),
            Verdict::Retire(_) => keep_alive.clock().instant(now.monotonic),
        }
    }

    /// Not to be used for another request: closes the connection when it is idle, at once or as soon
    /// as the exchange under way is over.
    ///
    /// Does nothing on a connection that is not followed, such as HTTP/2.
    pub fn retire(&self) {
        self.connection.retire();
    }

    /// Whether the connection is one of a `KeepAlive`.
    pub(crate) fn is_of(&self, keep_alive: &KeepAlive) -> bool {
        self.connection.keep_alive().is(keep_alive)
    }

    /// The server's hint in the response to this request.
    pub(crate) fn on_hint(&self, hint: KeepAliveHint) {
        self.connection.on_hint(hint, self.request().number);
    }

    /// A request on this connection that asked for a hint was answered; `silent`: without one.
    pub(crate) fn on_answer(&self, silent: bool) {
        self.connection.on_answer(silent);
    }

    fn request(&self) -> Request {
        self.request
            .unwrap_or_else(|| self.connection.look(Exchange::request))
    }
}

/// Fixes the clone to the request that was begun last, unless this handle is fixed already.
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
            .finish()
    }
}
