//! hyper's client on a transport, polled by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::rt::{Read, Write};

use super::call::Call;
use super::request::Message;
use super::transport::Shared;
use super::upload::Upload;

/// What a client would do with another request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    Ready,
    Closed,
    Waiting,
}

/// Whether somebody was woken.
#[derive(Debug)]
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) fn raised() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub(super) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    pub(super) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.raise();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.raise();
    }
}

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>>>>;

/// One connection of hyper's, and its callers.
pub(super) struct Client {
    pub(super) wire: Shared,
    sender: Option<SendRequest<Upload>>,
    connection: Option<Connection>,
    /// The task of the connection.
    task: Arc<Flag>,
    /// How the connection ended.
    ended: Option<String>,
    pub(super) calls: Vec<Call>,
}

impl Client {
    pub(super) fn new<T>(builder: &Builder, wire: Shared, io: T) -> Self
    where
        T: Read + Write + Unpin + 'static,
    {
        let mut handshake = Box::pin(builder.handshake(io));
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok((sender, connection))) = handshake.as_mut().poll(&mut cx) else {
            panic!("an HTTP/1 handshake does no IO");
        };
        Self {
            wire,
            sender: Some(sender),
            connection: Some(Box::pin(connection)),
            task: Flag::raised(),
            ended: None,
            calls: Vec::new(),
        }
    }

    /// Queues a request, if there is anybody left to do that.
    pub(super) fn send(&mut self, message: Message) {
        if let Some(sender) = &mut self.sender {
            let written = self.wire.borrow().written().len();
            self.calls.push(Call::new(sender, message, written));
        }
    }

    /// Nobody sends on this connection any more.
    pub(super) fn drop_sender(&mut self) {
        self.sender = None;
    }

    /// Another task drives the connection from here on.
    pub(super) fn move_task(&mut self) {
        self.task = Flag::raised();
    }

    pub(super) fn poll_for_nothing(&mut self) {
        self.task.raise();
    }

    /// Polls everybody who was woken once; returns whether there was anybody.
    pub(super) fn step(&mut self) -> bool {
        let mut any = false;
        if let (Some(connection), true) = (&mut self.connection, self.task.take()) {
            any = true;
            let waker = Waker::from(Arc::clone(&self.task));
            let polled = connection.as_mut().poll(&mut Context::from_waker(&waker));
            if let Poll::Ready(ended) = polled {
                self.ended = Some(format!("{ended:?}"));
                self.connection = None;
            }
        }
        for call in &mut self.calls {
            any |= call.step();
        }
        any
    }

    pub(super) fn standing(&self) -> Standing {
        let sender = self.sender.as_ref();
        if self.connection.is_none() || sender.is_some_and(SendRequest::is_closed) {
            Standing::Closed
        } else if sender.is_some_and(SendRequest::is_ready) {
            Standing::Ready
        } else {
            Standing::Waiting
        }
    }

    pub(super) fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }
}
