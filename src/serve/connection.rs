//! What the transport, the service and the server know of one connection together.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::server::ServerKeepAlive;
use crate::proto::jitter::Jitter;
use crate::proto::serve::On;
use crate::proto::time::Moment;

/// In place of the time from when on a connection may make room.
const NOT_SPARE: i64 = i64::MAX;

/// A connection to a server, for the service that answers its requests; from [`IdleStream::connection`]. Cheap to
/// clone.
///
/// [`IdleStream::connection`]: crate::IdleStream::connection
#[derive(Clone)]
pub struct ServedConnection {
    shared: Arc<Shared>,
}

struct Shared {
    server: ServerKeepAlive,
    id: u64,
    accepted: Moment,
    jitter: Jitter,
    /// Requests that the service was called with.
    requests: AtomicU32,
    /// From when on it may make room for another one, on the monotonic clock.
    spare_since: AtomicI64,
    /// Whether nothing has been read on it.
    is_new: AtomicBool,
    /// Whether it is not HTTP/1 any more.
    is_opaque: AtomicBool,
    /// Whether it is to make room for another one.
    is_surplus: AtomicBool,
    wakers: Mutex<Wakers>,
}

/// Of the task that reads, and of the one that waits to write.
#[derive(Debug, Default)]
struct Wakers {
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl ServedConnection {
    pub(super) fn new(server: ServerKeepAlive, id: u64, accepted: Moment, jitter: Jitter) -> Self {
        Self {
            shared: Arc::new(Shared {
                server,
                id,
                accepted,
                jitter,
                requests: AtomicU32::new(0),
                spare_since: AtomicI64::new(accepted.monotonic),
                is_new: AtomicBool::new(true),
                is_opaque: AtomicBool::new(false),
                is_surplus: AtomicBool::new(false),
                wakers: Mutex::default(),
            }),
        }
    }

    /// A number that no other connection of the same [`ServerKeepAlive`] has.
    pub fn id(&self) -> u64 {
        self.shared.id
    }

    /// How many HTTP/1 requests its service was called with.
    pub fn requests(&self) -> u32 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// The time since it was accepted.
    pub fn age(&self) -> Duration {
        let now = self.server().now();
        now.monotonic_since(&self.shared.accepted).duration()
    }

    /// The server that it belongs to.
    pub(super) fn server(&self) -> &ServerKeepAlive {
        &self.shared.server
    }

    pub(super) fn accepted(&self) -> Moment {
        self.shared.accepted
    }

    pub(super) fn jitter(&self) -> Jitter {
        self.shared.jitter
    }

    /// The service is called with another request.
    pub(super) fn on_request(&self) -> On {
        let before = self.shared.requests.fetch_add(1, Ordering::Relaxed);
        On {
            number: before.saturating_add(1),
            accepted: self.shared.accepted,
            jitter: self.shared.jitter,
        }
    }

    /// From when on it may make room for another one, on the monotonic clock; `None` if it may not.
    pub(super) fn spare_since(&self) -> Option<i64> {
        let since = self.shared.spare_since.load(Ordering::SeqCst);
        (since != NOT_SPARE).then_some(since)
    }

    /// Returns whether it was asked to make room, and need not any more.
    pub(super) fn set_spare_since(&self, since: Option<Moment>) -> bool {
        let reading = since.map_or(NOT_SPARE, |since| since.monotonic);
        if self.is_new() {
            self.shared.is_new.store(false, Ordering::Relaxed);
        }
        // Who waits for room first says so, then looks for idle connections.
        self.shared.spare_since.store(reading, Ordering::SeqCst);
        since.is_none() && self.is_surplus() && self.set_surplus(false)
    }

    /// Whether nothing has been read on it.
    pub(super) fn is_new(&self) -> bool {
        self.shared.is_new.load(Ordering::Relaxed)
    }

    pub(super) fn is_opaque(&self) -> bool {
        self.shared.is_opaque.load(Ordering::Relaxed)
    }

    pub(super) fn set_opaque(&self) {
        self.shared.is_opaque.store(true, Ordering::Relaxed);
    }

    /// Whether it is to make room for another one.
    pub(super) fn is_surplus(&self) -> bool {
        self.shared.is_surplus.load(Ordering::SeqCst)
    }

    /// Returns what it was before.
    pub(super) fn set_surplus(&self, is_surplus: bool) -> bool {
        self.shared.is_surplus.swap(is_surplus, Ordering::SeqCst)
    }

    pub(super) fn set_reader(&self, waker: &Waker) {
        // What a waker does when it is dropped is not known: not under the lock.
        let waker = waker.clone();
        let before = self.wakers().reader.replace(waker);
        drop(before);
    }

    pub(super) fn set_writer(&self, waker: &Waker) {
        let waker = waker.clone();
        let before = self.wakers().writer.replace(waker);
        drop(before);
    }

    /// Has its tasks look again at what they are to do.
    pub(super) fn wake(&self) {
        // Taken, a waker would be missed by whoever wakes at the same time.
        let (reader, writer) = {
            let wakers = self.wakers();
            (wakers.reader.clone(), wakers.writer.clone())
        };
        for waker in [reader, writer].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Forgets its tasks: a handle may be kept for longer than they live.
    pub(super) fn forget_tasks(&self) {
        let wakers = std::mem::take(&mut *self.wakers());
        drop(wakers);
    }

    fn wakers(&self) -> MutexGuard<'_, Wakers> {
        let wakers = self.shared.wakers.lock();
        wakers.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServedConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServedConnection")
            .field("id", &self.id())
            .field("requests", &self.requests())
            .finish_non_exhaustive()
    }
}
