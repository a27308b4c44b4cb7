//! The server's end of a connection: tells the ledger all that passes.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ledger::Ledger;
use crate::support::link::LinkEnd;

/// The server's end of a connection.
pub struct ServerEnd {
    /// There until it is dropped.
    end: Option<LinkEnd>,
    connection: usize,
    ledger: Ledger,
    ending: Ending,
}

/// How an end is to be let go of: with FIN, or with RST.
#[derive(Clone, Default)]
pub struct Ending(Arc<AtomicBool>);

impl Ending {
    pub fn reset(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl ServerEnd {
    pub fn new(end: LinkEnd, connection: usize, ledger: Ledger, ending: Ending) -> Self {
        Self {
            end: Some(end),
            connection,
            ledger,
            ending,
        }
    }

    fn end(&mut self) -> Pin<&mut LinkEnd> {
        Pin::new(self.end.as_mut().expect("it is not dropped yet"))
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.ledger.server_ended(self.connection);
        match self.end.take() {
            Some(end) if self.ending.0.load(Ordering::Relaxed) => end.reset(),
            _ => {}
        }
    }
}

impl AsyncRead for ServerEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.end().poll_read(cx, buf)
    }
}

impl AsyncWrite for ServerEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let written = ready!(self.end().poll_write_vectored(cx, bufs))?;
        self.ledger.on_write(self.connection, written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.end().poll_flush(cx))?;
        self.ledger.on_flush(self.connection);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.end().poll_shutdown(cx)
    }
}
