//! One HTTP/1 connection of the pool: sent on, driven, put back, let go of.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use hyper_util::client::legacy::connect::Connected;
use tokio::task::unconstrained;

use super::driver::Driver;
use super::host::{Host, Permit};
use crate::connection::ConnectionHandle;

/// hyper's connection, of whatever transport. How it ends, each request learns that was on it.
type Driven = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// One HTTP/1 connection.
///
/// Whoever sends a request on it, drives it, or ends it, has the lock. So a request never meets a connection that
/// is being dropped: hyper returns it unsent, or sends it. (Outside of such a lock it can be lost:
/// hyperium/hyper#4122.)
pub(super) struct Connection<B> {
    /// `None` once the connection has ended.
    open: Mutex<Option<Open<B>>>,
    driver: Arc<Driver>,
    /// Of the driver.
    waker: Waker,
    connected: Connected,
    handle: ConnectionHandle,
    host: Weak<Host<B>>,
}

struct Open<B> {
    connection: Driven,
    /// `None` once the pool has let go of the connection.
    sender: Option<SendRequest<B>>,
    /// Whether it goes back to the pool once it is ready for another request.
    is_returning: bool,
    /// Counts the connection as open.
    _permit: Permit<B>,
}

/// What became of a request.
pub(super) type Sent = Result<Response<Incoming>, Unanswered>;

/// Why a request was not answered.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// Nothing of it was sent, and it is back where it came from.
    Unsent(Option<hyper::Error>),
    Failed(hyper::Error),
}

impl Unanswered {
    /// Puts the request back if nothing of it was sent.
    pub(super) fn of<B>(
        mut error: TrySendError<Request<B>>,
        request: &mut Option<Request<B>>,
    ) -> Self {
        *request = error.take_message();
        match request {
            Some(_) => Self::Unsent(Some(error.into_error())),
            None => Self::Failed(error.into_error()),
        }
    }
}

impl<B> Connection<B> {
    /// A connection that a request is sent on, or that [`put`](Self::put) is called with, next.
    pub(super) fn new(
        sender: SendRequest<B>,
        connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
        connected: Connected,
        handle: ConnectionHandle,
        permit: Permit<B>,
    ) -> Arc<Self> {
        let driver = Arc::<Driver>::default();
        Arc::new(Self {
            waker: Waker::from(Arc::clone(&driver)),
            driver,
            connected,
            handle,
            host: permit.host(),
            open: Mutex::new(Some(Open {
                connection: Box::pin(connection),
                sender: Some(sender),
                is_returning: false,
                _permit: permit,
            })),
        })
    }

    pub(super) fn connected(&self) -> &Connected {
        &self.connected
    }

    /// A handle that follows the connection.
    pub(super) fn handle(&self) -> ConnectionHandle {
        self.handle.follow()
    }

    /// Puts the connection into the pool, or lets go of it.
    pub(super) fn put(self: &Arc<Self>) {
        if let Some(open) = &mut *self.open() {
            self.put_back(open);
        }
    }

    fn put_back(self: &Arc<Self>, open: &mut Open<B>) {
        // What is not understood has no deadline.
        let host = self.host.upgrade().filter(|_| self.handle.is_followed());
        let is_kept = host.is_some_and(|host| host.put(Arc::clone(self)));
        if !is_kept {
            open.sender = None;
            self.driver.hand_over(true);
        }
    }

    /// The pool is gone: the connection's own task lets go of it, and closes it once it has nothing to do.
    ///
    /// This takes no lock. The pool may end as a connection is put into it, by whoever has the lock of that one.
    pub(super) fn let_go(&self) {
        self.driver.hand_over(true);
    }

    fn open(&self) -> MutexGuard<'_, Option<Open<B>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls the connection. Returns what is to be dropped, without the lock, if it has ended.
    fn drive(&self, open: &mut Option<Open<B>>) -> Option<Open<B>> {
        // A request's body may panic, and hyper's connection is not to be used after that.
        let mut driven = open.take()?;
        let cx = &mut Context::from_waker(&self.waker);
        if driven.connection.as_mut().poll(cx).is_ready() {
            return Some(driven);
        }
        *open = Some(driven);
        None
    }

    /// Takes the connection out of the pool, if it is idle there.
    fn forget(&self) {
        if let Some(host) = self.host.upgrade() {
            host.forget(self);
        }
    }
}

impl<B: Body + Send + 'static> Connection<B> {
    /// Sends a request, and drives the connection until there is a response.
    ///
    /// The request is taken, and put back if nothing of it was sent. So a future of the caller has room for it once.
    pub(super) async fn send(self: &Arc<Self>, request: &mut Option<Request<B>>) -> Sent {
        let mut driving = Driving(None);
        let mut sending = pin!(None);
        let sent = poll_fn(|cx| {
            let mut open = self.open();
            self.driver.begin();
            if sending.is_none() {
                let sender = open.as_mut().and_then(|open| open.sender.as_mut());
                let Some(sender) = sender else {
                    self.driver.hand_over(true);
                    return Poll::Ready(None);
                };
                let Some(request) = request.take() else {
                    unreachable!("the caller has one");
                };
                driving = Driving(Some(self));
                // It completes while the connection is polled, by the same task: tokio's cooperative budget must not
                // keep the response back, as nobody would be woken for it.
                sending.set(Some(unconstrained(sender.try_send_request(request))));
                // The request in its queue has woken it, and it is polled now.
                self.driver.begin();
            }
            let Some(sending) = sending.as_mut().as_pin_mut() else {
                unreachable!("it is set above");
            };
            driving.poll(cx, open, sending).map(Some)
        });
        match sent.await {
            None => Err(Unanswered::Unsent(None)),
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => Err(Unanswered::of(error, request)),
        }
    }
}

/// A request that drives its connection.
struct Driving<'a, B>(Option<&'a Arc<Connection<B>>>);

impl<'a, B> Driving<'a, B> {
    fn poll<F>(
        &mut self,
        cx: &Context<'_>,
        mut open: MutexGuard<'a, Option<Open<B>>>,
        sending: Pin<&mut F>,
    ) -> Poll<F::Output>
    where
        F: Future<Output = Result<Response<Incoming>, TrySendError<Request<B>>>>,
    {
        let Some(this) = self.0 else {
            unreachable!("it is polled until it is ready");
        };
        let ended = this.drive(&mut open);
        if ended.is_some() {
            // What it drops completes the request.
            drop(open);
            drop(ended);
            open = this.open();
        }
        // What completes the request is above, or wakes this task.
        let mut polled = sending.poll(&mut Context::from_waker(Waker::noop()));
        match &mut polled {
            Poll::Pending => {
                this.driver.wait(cx.waker());
                return polled;
            }
            // The handle among them is fixed to this request, so before another one has the connection.
            Poll::Ready(Ok(response)) => this.connected.get_extras(response.extensions_mut()),
            Poll::Ready(Err(_)) => {}
        }
        self.0 = None;
        this.driver.hand_over(open.is_none());
        if let Some(open) = &mut *open {
            open.return_when_ready(this);
        }
        polled
    }
}

/// The request was given up on: hyper notices, and closes the connection.
impl<B> Drop for Driving<'_, B> {
    fn drop(&mut self) {
        if let Some(connection) = self.0 {
            connection.driver.hand_over(true);
        }
    }
}

impl<B> Open<B> {
    /// Has the connection go back to the pool once it is ready.
    fn return_when_ready(&mut self, connection: &Arc<Connection<B>>) {
        self.is_returning = true;
        self.return_if_ready(connection);
    }

    fn return_if_ready(&mut self, connection: &Arc<Connection<B>>) {
        let is_ready = self.sender.as_ref().is_some_and(SendRequest::is_ready);
        if is_ready && mem::take(&mut self.is_returning) {
            connection.put_back(self);
        }
    }
}

struct WakeOnDrop<'a>(&'a Arc<Driver>);

impl Drop for WakeOnDrop<'_> {
    fn drop(&mut self) {
        self.0.wake_by_ref();
    }
}

/// The task of a connection, which drives it while no request does.
pub(super) struct Task<B>(pub(super) Arc<Connection<B>>);

impl<B> Future for Task<B> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self(this) = &*self;
        let mut open = this.open();
        if open.is_none() {
            return Poll::Ready(());
        }
        if !this.driver.begin_task(cx.waker()) {
            return Poll::Pending;
        }
        if let Some(open) = open.as_mut().filter(|_| this.host.strong_count() == 0) {
            // Nobody can send another request. Whoever sends one has the pool.
            open.sender = None;
        }
        let ended = this.drive(&mut open);
        this.driver.hand_over(false);
        if let Some(open) = &mut *open {
            open.return_if_ready(this);
            return Poll::Pending;
        }
        drop(open);
        drop(ended);
        this.forget();
        Poll::Ready(())
    }
}

/// The runtime ends, or the connection has.
impl<B> Drop for Task<B> {
    fn drop(&mut self) {
        let Self(this) = self;
        // Last, also where the transport's drop panics: a request that drives the connection has failed.
        let _wakes = WakeOnDrop(&this.driver);
        let ended = this.open().take();
        this.forget();
        drop(ended);
    }
}

impl<B> fmt::Debug for Connection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
