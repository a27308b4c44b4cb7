//! What happens on connections to a server, told to an observer and to the log.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::observe::harmlessly;
#[cfg(feature = "tracing")]
use crate::observe::is_logged;
use crate::proto::framing::OpaqueReason;
use crate::proto::serve::{LastResponse, ServerCloseCause};

/// Is told what happens on connections to a server; set by
/// [`ServerKeepAlive::with_observer`](crate::ServerKeepAlive::with_observer).
///
/// Any closure of this form is one:
///
/// ```
/// use http_keepalive::{ServerEvent, ServerEventKind, ServerKeepAlive, ServerPolicy};
///
/// let keep_alive = ServerKeepAlive::with_observer(
///     ServerPolicy::default(),
///     |event: &ServerEvent| {
///         if let ServerEventKind::Closed { cause, .. } = event.kind {
///             println!("connection {}: {cause}", event.connection);
///         }
///     },
/// )?;
/// # let _ = keep_alive;
/// # Ok::<(), http_keepalive::PolicyError>(())
/// ```
///
/// It is called on the thread on which the event happens: what takes long belongs elsewhere. No lock of this crate is held
/// meanwhile. The events of one connection come in their order, but for [`SaidClose`](ServerEventKind::SaidClose), which
/// comes from its service. A panic is caught, and harms no connection.
pub trait ServerObserver: Send + Sync {
    /// Something happened on a connection.
    fn on_event(&self, event: &ServerEvent);
}

impl<F: Fn(&ServerEvent) + Send + Sync> ServerObserver for F {
    fn on_event(&self, event: &ServerEvent) {
        self(event);
    }
}

/// Something that happened on a connection to a server; told to a [`ServerObserver`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ServerEvent {
    /// The connection, by its [`ServedConnection::id`](crate::ServedConnection::id).
    pub connection: u64,
    /// What happened.
    pub kind: ServerEventKind,
}

/// What happened on a connection to a server: a part of [`ServerEvent`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ServerEventKind {
    /// It was accepted.
    Accepted,
    /// The first byte of a request was read.
    #[non_exhaustive]
    RequestBegun {
        /// How long the connection had been idle.
        idle_before: Duration,
    },
    /// All requests were read, and their responses written, to their ends. The connection is idle.
    ResponseEnded,
    /// A response says `Connection: close`.
    #[non_exhaustive]
    SaidClose {
        /// Why.
        reason: LastResponse,
    },
    /// Nothing is known of its requests any more; it is only forwarded.
    #[non_exhaustive]
    BecameOpaque {
        /// Why.
        reason: OpaqueReason,
    },
    /// It ended.
    #[non_exhaustive]
    Closed {
        /// Why.
        cause: ServerCloseCause,
        /// How long it had been idle; `None` if it was not.
        idle: Option<Duration>,
        /// The time since it was accepted.
        age: Duration,
        /// How many requests its service was called with, if that knows its connection.
        requests: u32,
    },
}

/// The observer, if there is one, and the log.
#[derive(Clone, Default)]
pub(super) struct SharedServerObserver(Option<Arc<dyn ServerObserver>>);

impl SharedServerObserver {
    pub(super) fn new(observer: impl ServerObserver + 'static) -> Self {
        Self(Some(Arc::new(observer)))
    }

    /// Tells the log, and the observer. To be called without a lock.
    #[inline]
    pub(super) fn tell(&self, connection: u64, kind: impl FnOnce() -> ServerEventKind) {
        #[cfg(feature = "tracing")]
        let is_logged = is_logged();
        #[cfg(not(feature = "tracing"))]
        let is_logged = false;
        if !is_logged && self.0.is_none() {
            return;
        }
        let kind = kind();
        let event = ServerEvent { connection, kind };
        #[cfg(feature = "tracing")]
        harmlessly(|| super::log::log(&event));
        if let Some(observer) = &self.0 {
            harmlessly(|| observer.on_event(&event));
        }
    }
}

impl fmt::Debug for SharedServerObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_set = self.0.is_some();
        f.debug_tuple("SharedServerObserver")
            .field(&is_set)
            .finish()
    }
}
