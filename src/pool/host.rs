//! The connections to one origin: idle, busy, waited for.

use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use http::HeaderValue;
use tokio::sync::oneshot;

use super::connection::Connection;
#[cfg(feature = "http2")]
use super::http2::Http2;
use super::stats::PoolStats;
use crate::origin::Origin;

/// The connections to one origin.
pub(super) struct Host<B> {
    origin: Origin,
    /// The value of the `Host` field (RFC 9110 §7.2).
    field: HeaderValue,
    limits: Limits,
    state: Mutex<State<B>>,
    this: Weak<Self>,
}

/// How many connections there may be.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    /// Idle ones, to this origin.
    pub(super) idle: usize,
    /// Idle ones, to all origins, and how many more there may be.
    pub(super) idle_in_all: Option<Arc<AtomicUsize>>,
    /// Open ones, to this origin.
    pub(super) open: usize,
    /// Whether all of them are HTTP/2.
    pub(super) is_http2: bool,
}

struct State<B> {
    /// Idle connections, the newest last.
    idle: Vec<Arc<Connection<B>>>,
    /// Requests that wait, the oldest first.
    waiting: VecDeque<Waiter<B>>,
    /// How many have waited.
    places: u64,
    /// How many of those in the queue do not wait any more, about.
    abandoned: usize,
    /// Connections that are open or being opened.
    open: usize,
    /// Those that are being opened.
    connecting: usize,
    /// Whether the origin is expected to speak HTTP/2: one connection is enough.
    is_http2: bool,
    #[cfg(feature = "http2")]
    http2: Option<Http2<B>>,
}

struct Waiter<B> {
    place: Place,
    sender: oneshot::Sender<Turn<B>>,
    /// Whether the request may not open a connection yet.
    needs_permit: bool,
}

/// Whose turn it is: that of the least.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Place(u64);

/// A connection that a request is sent on.
pub(super) enum Pooled<B> {
    Http1(Arc<Connection<B>>),
    #[cfg(feature = "http2")]
    Http2(Http2<B>),
}

/// What a request that waited gets.
pub(super) enum Turn<B> {
    Free(Pooled<B>),
    /// It may open a connection, and waits on where it did.
    Connect(Permit<B>, Place),
}

/// What a request gets at once.
pub(super) enum CheckOut<B> {
    Idle(Pooled<B>),
    /// It waits, and may open a connection meanwhile if it has a permit.
    Wait(Waiting<B>, Option<Permit<B>>),
}

impl<B> Host<B> {
    pub(super) fn new(origin: Origin, field: HeaderValue, limits: Limits) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            origin,
            field,
            state: Mutex::new(State {
                idle: Vec::new(),
                waiting: VecDeque::new(),
                places: 0,
                abandoned: 0,
                open: 0,
                connecting: 0,
                is_http2: limits.is_http2,
                #[cfg(feature = "http2")]
                http2: None,
            }),
            limits,
            this: Weak::clone(this),
        })
    }

    pub(super) fn field(&self) -> &HeaderValue {
        &self.field
    }

    /// The connection that was used last, or a place in the queue.
    pub(super) fn check_out(&self) -> CheckOut<B> {
        let mut state = self.state();
        if let Some(idle) = self.take_idle(&mut state) {
            return CheckOut::Idle(idle);
        }
        let permit = self.permit(&mut state);
        let place = Place(state.places);
        state.places = state.places.saturating_add(1);
        let waiting = self.queue(&mut state, place, permit.is_none());
        CheckOut::Wait(waiting, permit)
    }

    /// For a request that was given a permit in the queue: a connection that has been set free since, or the place that
    /// it had.
    pub(super) fn check_out_with(&self, permit: Permit<B>, place: Place) -> CheckOut<B> {
        let mut state = self.state();
        match self.take_idle(&mut state) {
            Some(idle) => {
                drop(state);
                drop(permit);
                CheckOut::Idle(idle)
            }
            None => CheckOut::Wait(self.queue(&mut state, place, false), Some(permit)),
        }
    }

    fn take_idle(&self, state: &mut State<B>) -> Option<Pooled<B>> {
        #[cfg(feature = "http2")]
        if let Some(http2) = state.http2() {
            return Some(Pooled::Http2(http2));
        }
        let connection = state.idle.pop()?;
        self.limits.on_taken();
        Some(Pooled::Http1(connection))
    }

    fn queue(&self, state: &mut State<B>, place: Place, needs_permit: bool) -> Waiting<B> {
        let (sender, receiver) = oneshot::channel();
        let waiter = Waiter {
            place,
            sender,
            needs_permit,
        };
        let waiting = &mut state.waiting;
        if waiting.back().is_none_or(|last| last.place < place) {
            waiting.push_back(waiter);
        } else {
            let before = waiting.partition_point(|other| other.place < place);
            waiting.insert(before, waiter);
        }
        let Some(host) = self.this.upgrade() else {
            unreachable!("the caller has it");
        };
        Waiting {
            receiver,
            is_served: false,
            host,
        }
    }

    /// Gives a connection that is ready to the request that has waited longest, or keeps it; `false` if it is not
    /// kept.
    pub(super) fn put(&self, connection: Arc<Connection<B>>) -> bool {
        let mut turn = Turn::Free(Pooled::Http1(connection));
        loop {
            let mut state = self.state();
            let Some(waiter) = state.waiting.pop_front() else {
                let is_kept = state.idle.len() < self.limits.idle && self.limits.on_kept();
                if let (true, Turn::Free(Pooled::Http1(connection))) = (is_kept, turn) {
                    state.idle.push(connection);
                }
                return is_kept;
            };
            // Whoever is woken may need the lock.
            drop(state);
            turn = match waiter.sender.send(turn) {
                Ok(()) => return true,
                Err(turn) => turn,
            };
            self.state().on_abandoned_removed();
        }
    }

    /// Takes a connection out of those that are idle.
    pub(super) fn forget(&self, connection: &Connection<B>) {
        let mut state = self.state();
        // The one that has been idle longest ends first.
        let mut idle = state.idle.iter();
        let Some(index) = idle.position(|idle| std::ptr::eq(Arc::as_ptr(idle), connection)) else {
            return;
        };
        let forgotten = state.idle.remove(index);
        self.limits.on_taken();
        drop(state);
        drop(forgotten);
    }

    /// The origin speaks HTTP/2: everybody who waits shares this connection, or the one that there is already, which
    /// is returned.
    #[cfg(feature = "http2")]
    pub(super) fn share(&self, http2: &Http2<B>) -> Http2<B> {
        let mut state = self.state();
        state.is_http2 = true;
        let http2 = state.http2().unwrap_or_else(|| http2.clone());
        state.http2 = Some(http2.clone());
        let waiting = mem::take(&mut state.waiting);
        state.abandoned = 0;
        drop(state);
        for waiter in waiting {
            // Who does not wait any more has dropped the receiver.
            drop(waiter.sender.send(Turn::Free(Pooled::Http2(http2.clone()))));
        }
        http2
    }

    /// Lets go of the shared connection, if it is this one.
    #[cfg(feature = "http2")]
    pub(super) fn unshare(&self, http2: &Http2<B>) {
        let mut state = self.state();
        let is_this = |shared: &mut Http2<B>| shared.is(http2);
        let shared = state.http2.take_if(is_this);
        drop(state);
        drop(shared);
    }

    /// A permit to open a connection, unless there are as many as there may be.
    fn permit(&self, state: &mut State<B>) -> Option<Permit<B>> {
        let max = if state.is_http2 {
            // Those that are draining do not count.
            let draining = state.open.saturating_sub(state.connecting);
            draining.saturating_add(1).min(self.limits.open)
        } else {
            self.limits.open
        };
        if state.open >= max {
            return None;
        }
        state.open = state.open.saturating_add(1);
        state.connecting = state.connecting.saturating_add(1);
        Some(Permit {
            host: Weak::clone(&self.this),
            is_connecting: true,
        })
    }

    /// Gives permits to those who wait for one, in their order.
    fn give_permits(&self) {
        loop {
            let mut state = self.state();
            let next = state.waiting.iter().position(|waiter| waiter.needs_permit);
            let Some(index) = next else { return };
            let Some(permit) = self.permit(&mut state) else {
                return;
            };
            let Some(waiter) = state.waiting.remove(index) else {
                unreachable!("it is there");
            };
            // Whoever is woken may need the lock.
            drop(state);
            let turn = Turn::Connect(permit, waiter.place);
            if let Err(Turn::Connect(permit, _)) = waiter.sender.send(turn) {
                let mut state = self.state();
                permit.cancel(&mut state);
                state.on_abandoned_removed();
            }
        }
    }

    /// The origin speaks HTTP/1.
    #[cfg(feature = "http2")]
    pub(super) fn on_http1(&self) {
        self.state().is_http2 = false;
    }

    /// Whether there is no connection, nor any being opened.
    pub(super) fn is_unused(&self) -> bool {
        self.state().open == 0
    }

    pub(super) fn stats(&self) -> PoolStats {
        let state = self.state();
        let idle = state.idle.len();
        let waits = |waiter: &&Waiter<B>| !waiter.sender.is_closed();
        PoolStats {
            origin: self.origin.clone(),
            idle,
            busy: state
                .open
                .saturating_sub(state.connecting)
                .saturating_sub(idle),
            connecting: state.connecting,
            waiting: state.waiting.iter().filter(waits).count(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody can take the idle connections any more.
impl<B> Drop for Host<B> {
    fn drop(&mut self) {
        let state = self.state.get_mut();
        let idle = mem::take(&mut state.unwrap_or_else(PoisonError::into_inner).idle);
        for connection in idle {
            self.limits.on_taken();
            connection.let_go();
        }
    }
}

impl Limits {
    /// Counts an idle connection; `false` if there are as many as there may be.
    fn on_kept(&self) -> bool {
        let Some(left) = &self.idle_in_all else {
            return true;
        };
        let order = Ordering::Relaxed;
        left.fetch_update(order, order, |left| left.checked_sub(1))
            .is_ok()
    }

    fn on_taken(&self) {
        if let Some(left) = &self.idle_in_all {
            left.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Counts a connection as open, or as being opened.
pub(super) struct Permit<B> {
    host: Weak<Host<B>>,
    is_connecting: bool,
}

impl<B> Permit<B> {
    pub(super) fn host(&self) -> Weak<Host<B>> {
        Weak::clone(&self.host)
    }

    /// The connection is open.
    pub(super) fn on_connected(&mut self) {
        let was_connecting = mem::take(&mut self.is_connecting);
        if let Some(host) = self.host.upgrade().filter(|_| was_connecting) {
            let mut state = host.state();
            state.connecting = state.connecting.saturating_sub(1);
            drop(state);
            host.give_permits();
        }
    }

    /// As dropping it, with the lock, and without passing it on.
    fn cancel(mut self, state: &mut State<B>) {
        self.host = Weak::new();
        state.release(self.is_connecting);
    }
}

impl<B> State<B> {
    fn release(&mut self, is_connecting: bool) {
        self.open = self.open.saturating_sub(1);
        if is_connecting {
            self.connecting = self.connecting.saturating_sub(1);
        }
    }

    /// A request that did not wait any more was removed from the queue.
    fn on_abandoned_removed(&mut self) {
        self.abandoned = self.abandoned.saturating_sub(1);
    }

    /// A request in the queue does not wait any more. Returns what is to be dropped without the lock.
    fn on_abandoned(&mut self) -> VecDeque<Waiter<B>> {
        self.abandoned = self.abandoned.saturating_add(1);
        // The queue is not searched for each of them.
        if self.abandoned <= self.waiting.len() / 2 {
            return VecDeque::new();
        }
        self.abandoned = 0;
        let waiting = mem::take(&mut self.waiting).into_iter();
        let (gone, waiting) = waiting.partition(|waiter| waiter.sender.is_closed());
        self.waiting = waiting;
        gone
    }

    /// The shared connection, if it can be used.
    #[cfg(feature = "http2")]
    fn http2(&mut self) -> Option<Http2<B>> {
        if self.http2.as_ref()?.is_usable() {
            return self.http2.clone();
        }
        self.http2 = None;
        None
    }
}

impl<B> Drop for Permit<B> {
    fn drop(&mut self) {
        if let Some(host) = self.host.upgrade() {
            let mut state = host.state();
            state.release(self.is_connecting);
            if self.is_connecting {
                // Where connecting fails, those who wait try for themselves, and do not fail one after the other.
                state.is_http2 = false;
            }
            drop(state);
            host.give_permits();
        }
    }
}

/// A place in the queue.
pub(super) struct Waiting<B> {
    receiver: oneshot::Receiver<Turn<B>>,
    is_served: bool,
    host: Arc<Host<B>>,
}

impl<B> Future for Waiting<B> {
    type Output = Turn<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Turn<B>> {
        let turn = ready!(Pin::new(&mut self.receiver).poll(cx));
        self.is_served = true;
        match turn {
            Ok(turn) => Poll::Ready(turn),
            Err(_) => unreachable!("the host is kept, and removes no one from its queue"),
        }
    }
}

/// What the request was given, but did not take, goes to the next one.
impl<B> Drop for Waiting<B> {
    fn drop(&mut self) {
        self.receiver.close();
        match self.receiver.try_recv() {
            Ok(Turn::Free(Pooled::Http1(connection))) => connection.put(),
            Err(_) if !self.is_served => {
                let gone = self.host.state().on_abandoned();
                drop(gone);
            }
            _ => {}
        }
    }
}
