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
/// listener, and waits for ever. What a listener of TLS has not handed over by then, in the midst of a handshake, is lost.
#[derive(Debug)]
pub struct IdleListener<L> {
    /// `None` once the drain has closed it.
    inner: Option<(L, Open)>,
    server: ServerKeepAlive,
}

impl<L> IdleListener<L> {
    pub(super) fn new(listener: L, server: ServerKeepAlive) -> Self {
        let open = Open::new(server.clone());
        Self {
            inner: Some((listener, open)),
            server,
        }
    }

    /// The inner listener; `None` once a drain has closed it.
    pub fn get_ref(&self) -> Option<&L> {
        self.inner.as_ref().map(|(listener, _)| listener)
    }
}

/// Counts a listener that has not been closed.
#[derive(Debug)]
struct Open(ServerKeepAlive);

impl Open {
    fn new(server: ServerKeepAlive) -> Self {
        server.on_listener();
        Self(server)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.on_listener_closed();
    }
}

impl<L: Listener> Listener for IdleListener<L> {
    type Io = IdleStream<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let accepted = match &mut self.inner {
            Some((listener, _)) => accept(listener, &self.server).await,
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
            Some((listener, _)) => listener.local_addr(),
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
    // To a task that has used up its cooperative budget, tokio's listener says that nobody has connected.
    let mut accepted = pin!(tokio::task::unconstrained(listener.accept()));
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
