//! What is set of a pool, and of the protocols under it.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use hyper::client::conn::http1;
#[cfg(feature = "http2")]
use hyper::client::conn::http2;

use super::host::Limits;
#[cfg(feature = "http2")]
use crate::executor::TaskExecutor;
use crate::keep_alive::KeepAlive;

/// What is set of a [`Client`](crate::Client)'s pool, and of the protocols under it.
///
/// | what | default |
/// |---|---|
/// | idle connections, to an origin and in all | any number |
/// | connections to an origin | any number |
/// | time in the queue, where that number is limited | no end |
/// | time to connect | the connector's own |
/// | idle time of HTTP/1 | what [`KeepAlivePolicy`](crate::KeepAlivePolicy) allows |
/// | idle time of HTTP/2 | 90 s |
/// | requests that hyper returns unsent | go out again |
/// | `Host` field | added |
/// | HTTP/2 | where the connector negotiates it |
///
/// Timeouts are those of the timer of [`KeepAliveBuilder`](crate::KeepAliveBuilder::timer). Without one that works,
/// none of them ends.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    max_idle_per_origin: usize,
    max_idle: Option<usize>,
    max_connections: usize,
    pub(super) queue_timeout: Option<Duration>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) retries: bool,
    pub(super) sets_host: bool,
    pub(super) http1: http1::Builder,
    #[cfg(feature = "http2")]
    pub(super) http2: http2::Builder<TaskExecutor>,
    #[cfg(feature = "http2")]
    pub(super) http2_idle_timeout: Option<Duration>,
    #[cfg(feature = "http2")]
    has_prior_knowledge: bool,
}

impl PoolSettings {
    #[cfg_attr(
        not(feature = "http2"),
        expect(unused_variables, reason = "for HTTP/2 alone")
    )]
    pub(crate) fn new(keep_alive: &KeepAlive) -> Self {
        Self {
            max_idle_per_origin: usize::MAX,
            max_idle: None,
            max_connections: usize::MAX,
            queue_timeout: None,
            connect_timeout: None,
            retries: true,
            sets_host: true,
            http1: http1::Builder::new(),
            #[cfg(feature = "http2")]
            http2: {
                let mut http2 = http2::Builder::new(keep_alive.executor().clone());
                http2.timer(keep_alive.clock().clone());
                http2
            },
            #[cfg(feature = "http2")]
            http2_idle_timeout: Some(Duration::from_secs(90)),
            #[cfg(feature = "http2")]
            has_prior_knowledge: false,
        }
    }

    /// How many idle connections to one origin are kept. Any number by default. With zero, a connection is used for another
    /// request only if one waits as it becomes free; to use each for one request, set
    /// [`reuse(false)`](crate::KeepAlivePolicy::reuse).
    pub fn max_idle_per_origin(&mut self, max: usize) -> &mut Self {
        self.max_idle_per_origin = max;
        self
    }

    /// How many idle connections are kept, all origins together. Any number by default. Where there are as many, one that
    /// becomes free is closed, whatever its origin.
    pub fn max_idle(&mut self, max: usize) -> &mut Self {
        self.max_idle = Some(max);
        self
    }

    /// How many connections to one origin may be open, or being opened. Any number by default.
    ///
    /// Where there are as many, requests wait, first come, first served. An HTTP/1 connection counts until it has closed, or was
    /// upgraded; an HTTP/2 connection until the pool lets go of it, though requests on it may still be under way.
    pub fn max_connections_per_origin(&mut self, max: NonZeroUsize) -> &mut Self {
        self.max_connections = max.get();
        self
    }

    /// How long a request waits where there are as many connections as
    /// [may be](Self::max_connections_per_origin), or for an HTTP/2 connection that another one opens. For any time by
    /// default. A request whose connection ended before it was sent waits anew.
    ///
    /// Then it fails, with [`ClientErrorKind::QueueTimeout`](crate::ClientErrorKind::QueueTimeout).
    pub fn queue_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.queue_timeout = Some(timeout);
        self
    }

    /// How long a connection may take to open: names, TCP, TLS, and whatever else the connector does. By default the
    /// connector decides.
    ///
    /// Then the request fails, with [`ClientErrorKind::ConnectTimeout`](crate::ClientErrorKind::ConnectTimeout).
    pub fn connect_timeout(&mut self, timeout: Duration) -> &mut Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Whether a request that hyper returns unsent goes out again on another connection, unless it had a new one. It does by
    /// default, and should: else requests fail whose connection closed at its deadline as they were given to it.
    pub fn retry_canceled_requests(&mut self, retries: bool) -> &mut Self {
        self.retries = retries;
        self
    }

    /// Whether requests that have no `Host` field get one, of their URI, on HTTP/1. They do by default.
    pub fn set_host(&mut self, sets: bool) -> &mut Self {
        self.sets_host = sets;
        self
    }

    /// Configures HTTP/1: buffers, header case, what the parser accepts.
    pub fn http1(&mut self, set: impl FnOnce(&mut http1::Builder)) -> &mut Self {
        set(&mut self.http1);
        self
    }

    /// Configures HTTP/2: windows, frames, pings.
    #[cfg(feature = "http2")]
    #[cfg_attr(docsrs, doc(cfg(feature = "http2")))]
    pub fn http2(&mut self, set: impl FnOnce(&mut http2::Builder<TaskExecutor>)) -> &mut Self {
        set(&mut self.http2);
        self
    }

    /// For how long an HTTP/2 connection is kept on which no request was begun, and none waits for its response; it may be
    /// up to twice as long. 90 s by default. `None` keeps it until its server ends it.
    ///
    /// Requests that are under way end as they would.
    #[cfg(feature = "http2")]
    #[cfg_attr(docsrs, doc(cfg(feature = "http2")))]
    pub fn http2_idle_timeout(&mut self, timeout: Option<Duration>) -> &mut Self {
        self.http2_idle_timeout = timeout;
        self
    }

    /// Whether all connections speak HTTP/2, also those without TLS (RFC 9113 §3.3). By default those do on which it was
    /// negotiated by ALPN. Over TLS the connector has to offer `h2` all the same.
    #[cfg(feature = "http2")]
    #[cfg_attr(docsrs, doc(cfg(feature = "http2")))]
    pub fn http2_prior_knowledge(&mut self, only: bool) -> &mut Self {
        self.has_prior_knowledge = only;
        self
    }

    /// Whether all connections speak HTTP/2.
    pub(super) fn is_http2_only(&self) -> bool {
        #[cfg(feature = "http2")]
        return self.has_prior_knowledge;
        #[cfg(not(feature = "http2"))]
        false
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            idle: self.max_idle_per_origin,
            idle_in_all: self.max_idle.map(|max| Arc::new(AtomicUsize::new(max))),
            open: self.max_connections,
            is_http2: self.is_http2_only(),
        }
    }
}
