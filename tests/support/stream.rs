//! One end of a link, in hyper's terms.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;

use super::link::LinkEnd;

/// One end of a link, in hyper's terms, with what belongs to it.
#[derive(Debug)]
pub struct Stream<S> {
    io: TokioIo<LinkEnd>,
    /// Behind `io`, for fields drop in order and FIN goes first.
    side: S,
}

/// What an end that connected says of itself.
pub trait Connects {
    fn connected(&self) -> Connected;
}

impl<S> Stream<S> {
    pub(super) fn new(end: LinkEnd, side: S) -> Self {
        Self {
            io: TokioIo::new(end),
            side,
        }
    }

    /// The link's end, to write bytes of one's own or to reset it.
    pub fn into_inner(self) -> LinkEnd {
        self.io.into_inner()
    }
}

impl<S: Connects> Connection for Stream<S> {
    fn connected(&self) -> Connected {
        self.side.connected()
    }
}

impl<S: Unpin> Read for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<S: Unpin> Write for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
