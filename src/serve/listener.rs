//! A listener whose connections are closed when they have been idle for as long as clients were told.

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::pin;
use std::task::Poll;

use axum::serve::Listener;

use super::drain::Stage;
use super::server::ServerKeepAlive;
use super::stream::IdleStream;

/// A listener for `axum::serve`, made by [`ServerKeepAlive::listener`].
///
/// Accepts as the inner listener does. Where the policy has a [cap](crate::ServerPolicy::max_connections), an accepted
/// connection waits until there is room for it, and no other is accepted meanwhile. Once a [`Drain`](crate::Drain)
/// has [stopped accepting](crate::Drain::stop_accepting), it accepts what has connected already, closes the inner
/// listener, and waits for ever.
#[derive(Debug)]
pub struct IdleListener<L> {
    /// `None` once the drain has closed it.
    inner: Option<L>,
    server: ServerKeepAlive,
}

impl<L> IdleListener<L> {
    pub(super) fn new(listener: L, server: ServerKeepAlive) -> Self {
        Self {
            inner: Some(listener),
            server,
        }
    }

    /// The inner listener; `None` once a drain has closed it.
    pub fn get_ref(&self) -> Option<&L> {
        self.inner.as_ref()
    }
}

impl<L: Listener> Listener for IdleListener<L> {
    type Io = IdleStream<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let accepted = match &mut self.inner {
            Some(listener) => accept(listener, &self.server).await,
            None => None,
        };
        let Some((io, address)) = accepted else {
            self.inner = None;
            return pending().await;
        };
        (self.server.admit(io).await, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        match &self.inner {
            Some(listener) => listener.local_addr(),
            None => Err(io::Error::new(
                io::ErrorKind::NotConnected,
                "the listener was closed by a drain",
            )),
        }
    }
}

/// Accepts a connection; `None` if the drain has stopped accepting, and none has connected.
async fn accept<L: Listener>(
    listener: &mut L,
    server: &ServerKeepAlive,
) -> Option<(L::Io, L::Addr)> {
    let mut accepted = pin!(listener.accept());
    let mut stopped = pin!(server.wait_until(|server| server.stage() >= Stage::NotAccepting));
    poll_fn(|cx| {
        // In this order: a connection that nobody accepts is reset when its listener closes.
        if let Poll::Ready(accepted) = accepted.as_mut().poll(cx) {
            return Poll::Ready(Some(accepted));
        }
        stopped.as_mut().poll(cx).map(|()| None)
    })
    .await
}
