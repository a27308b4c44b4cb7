//! One HTTP/2 connection, which all requests to an origin share.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use http::Request;
use hyper::body::Body;
use hyper::client::conn::http2::SendRequest;
use hyper_util::client::legacy::connect::Connected;

use super::connection::{Sent, Unanswered};
use super::host::Permit;
use super::timeout::within;
use crate::connection::ConnectionHandle;
use crate::keep_alive::KeepAlive;

/// One HTTP/2 connection; clones are the same. It closes once there is none, and the requests on it are over.
pub(super) struct Http2<B> {
    shared: Arc<Shared<B>>,
}

struct Shared<B> {
    sender: SendRequest<B>,
    connected: Connected,
    handle: ConnectionHandle,
    /// Requests that were begun.
    requests: AtomicU64,
    /// Held while a request is sent, and while the connection is polled or dropped: hyper may lose a request that is sent
    /// as its connection is dropped (hyperium/hyper#4122).
    sending: Arc<Mutex<()>>,
}

impl<B> Http2<B> {
    pub(super) fn new(
        sender: SendRequest<B>,
        connected: Connected,
        handle: ConnectionHandle,
    ) -> Self {
        let shared = Shared {
            sender,
            connected,
            handle,
            requests: AtomicU64::new(0),
            sending: Arc::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether the connection is open.
    pub(super) fn is_usable(&self) -> bool {
        !self.shared.sender.is_closed()
    }

    pub(super) fn connected(&self) -> &Connected {
        &self.shared.connected
    }

    /// A handle that follows the connection.
    pub(super) fn handle(&self) -> ConnectionHandle {
        self.shared.handle.follow()
    }

    /// Whether nobody but the pool and the caller has it.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.shared) <= 2
    }

    fn downgrade(&self) -> WeakHttp2<B> {
        WeakHttp2(Arc::downgrade(&self.shared))
    }

    fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }
}

/// A weak reference to an [`Http2`], which keeps the connection open no longer.
pub(super) struct WeakHttp2<B>(Weak<Shared<B>>);

impl<B> WeakHttp2<B> {
    fn upgrade(&self) -> Option<Http2<B>> {
        self.0.upgrade().map(|shared| Http2 { shared })
    }
}

impl<B: Body + Send + 'static> Http2<B> {
    /// As [`Connection::send`](super::connection::Connection::send).
    pub(super) async fn send(&self, request: &mut Option<Request<B>>) -> Sent {
        let Some(taken) = request.take() else {
            unreachable!("the caller has one");
        };
        self.shared.requests.fetch_add(1, Ordering::Relaxed);
        let mut sender = self.shared.sender.clone();
        let sending = {
            let _sending = lock(&self.shared.sending);
            sender.try_send_request(taken)
        };
        sending
            .await
            .map_err(|error| Unanswered::of(error, request))
    }
}

impl<B> Clone for Http2<B> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<B> fmt::Debug for Http2<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2")
            .field("handle", &self.shared.handle)
            .finish_non_exhaustive()
    }
}

/// Drives a connection to its end, of which each request learns that is on it. Has the pool let go of the connection once
/// none was begun on it, and none waits for its response, for as long as `idle_timeout`, or up to twice that.
pub(super) fn drive<B, T>(
    connection: T,
    http2: &Http2<B>,
    permit: Permit<B>,
    keep_alive: KeepAlive,
    idle_timeout: Option<Duration>,
) -> impl Future<Output = ()> + use<B, T>
where
    T: Future<Output = hyper::Result<()>>,
{
    let (weak, sending) = (http2.downgrade(), Arc::clone(&http2.shared.sending));
    async move {
        let mut driven = pin!(Some(connection));
        // Its end drops the connection, so that no request is sent meanwhile.
        let mut connection = pin!(poll_fn(|cx| {
            let _sending = lock(&sending);
            let ended = match driven.as_mut().as_pin_mut() {
                Some(connection) => connection.poll(cx).is_ready(),
                None => true,
            };
            if ended {
                driven.set(None);
                return Poll::Ready(());
            }
            Poll::Pending
        }));
        let mut before = None;
        loop {
            let ended = within(keep_alive.clock(), idle_timeout, connection.as_mut()).await;
            let Some(http2) = weak.upgrade() else { break };
            let requests = http2.requests();
            let is_unused = before.replace(requests) == Some(requests) && http2.is_idle();
            if ended.is_some() || is_unused {
                if let Some(host) = permit.host().upgrade() {
                    host.unshare(&http2);
                }
                break;
            }
        }
        // Until the requests on it are over.
        connection.await;
    }
}

fn lock(sending: &Mutex<()>) -> MutexGuard<'_, ()> {
    sending.lock().unwrap_or_else(PoisonError::into_inner)
}
