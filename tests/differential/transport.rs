//! A transport in memory, whose far end is a list of operations.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::{Context, Poll, Waker};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tower_service::Service;

/// How the far end goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Eof,
    Error,
}

/// What a transport does wrong, to see that somebody notices.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(dead_code, reason = "the fuzzer knows of no faults")]
pub(crate) enum Fault {
    None,
    AltersWhatIsRead,
    AltersWhatIsWritten,
    /// Takes what is written, and forgets the last byte of it.
    LosesWhatIsWritten,
    /// Reports EOF once so many bytes were read.
    EndsAfter(usize),
    /// Wakes nobody when something comes.
    Sleeps,
}

/// Both directions.
pub(super) struct Wire {
    /// What was not read yet.
    incoming: VecDeque<u8>,
    end: Option<End>,
    reader: Option<Waker>,
    /// How many bytes were read.
    read: usize,
    written: Vec<u8>,
    /// In how many writes of one buffer, and of several.
    writes: [usize; 2],
    is_vectored: bool,
    /// How many bytes will be taken, and how many of them at once.
    room: usize,
    at_most: usize,
    writer: Option<Waker>,
    is_broken: bool,
    /// Whether flushing takes for ever.
    is_stuck: bool,
    flusher: Option<Waker>,
    /// Whether something was written that was not flushed.
    is_unflushed: bool,
    is_shut: bool,
    fault: Fault,
}

impl Wire {
    pub(super) fn shared(is_vectored: bool, fault: Fault) -> Shared {
        Shared(Arc::new(RwLock::new(Self {
            incoming: VecDeque::new(),
            end: None,
            reader: None,
            read: 0,
            written: Vec::new(),
            writes: [0; 2],
            is_vectored,
            room: usize::MAX,
            at_most: usize::MAX,
            writer: None,
            is_broken: false,
            is_stuck: false,
            flusher: None,
            is_unflushed: false,
            is_shut: false,
            fault,
        })))
    }

    /// The far end sends.
    pub(super) fn deliver(&mut self, bytes: &[u8]) {
        if self.end.is_none() {
            self.incoming.extend(bytes);
            self.wake_reader();
        }
    }

    /// The far end goes, behind all that it sent.
    pub(super) fn end(&mut self, end: End) {
        if self.end.is_none() {
            self.end = Some(end);
            self.wake_reader();
        }
    }

    /// So many bytes more will be taken, at most so many at once.
    pub(super) fn make_room(&mut self, room: usize, at_most: usize) {
        self.room = room;
        self.at_most = at_most.max(1);
        wake(&mut self.writer);
    }

    /// Writes fail from here on.
    pub(super) fn break_writes(&mut self) {
        self.is_broken = true;
        wake(&mut self.writer);
    }

    pub(super) fn set_stuck(&mut self, stuck: bool) {
        self.is_stuck = stuck;
        wake(&mut self.flusher);
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.written
    }

    pub(super) fn writes(&self) -> [usize; 2] {
        self.writes
    }

    pub(super) fn read(&self) -> usize {
        self.read
    }

    /// Whether somebody waits for room: what it has to write is not out.
    pub(super) fn is_blocked(&self) -> bool {
        self.writer.is_some()
    }

    pub(super) fn is_flush_pending(&self) -> bool {
        self.flusher.is_some()
    }

    pub(super) fn is_unflushed(&self) -> bool {
        self.is_unflushed
    }

    pub(super) fn is_shut(&self) -> bool {
        self.is_shut
    }

    fn wake_reader(&mut self) {
        if self.fault != Fault::Sleeps {
            wake(&mut self.reader);
        }
    }

    fn poll_read(&mut self, cx: &Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<Result<()>> {
        if matches!(self.fault, Fault::EndsAfter(bytes) if self.read >= bytes) {
            return Poll::Ready(Ok(()));
        }
        if self.incoming.is_empty() {
            return match self.end {
                Some(End::Eof) => Poll::Ready(Ok(())),
                Some(End::Error) => Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
                None => {
                    self.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let count = self.incoming.len().min(buf.remaining());
        if let (Fault::AltersWhatIsRead, Some(first)) = (self.fault, self.incoming.front_mut()) {
            *first ^= 1;
        }
        let (front, back) = self.incoming.as_slices();
        let split = count.min(front.len());
        buf.put_slice(&front[..split]);
        buf.put_slice(&back[..count - split]);
        self.incoming.drain(..count);
        self.read += count;
        Poll::Ready(Ok(()))
    }

    fn poll_write<'a>(
        &mut self,
        cx: &Context<'_>,
        is_vectored: bool,
        bufs: impl Iterator<Item = &'a [u8]>,
    ) -> Poll<Result<usize>> {
        if self.is_broken || self.is_shut {
            return Poll::Ready(Err(Error::from(ErrorKind::BrokenPipe)));
        }
        let mut left = self.room.min(self.at_most);
        let mut taken = 0;
        let mut offered = 0;
        for buf in bufs {
            offered += buf.len();
            let part = &buf[..buf.len().min(left)];
            self.written.extend_from_slice(part);
            left -= part.len();
            taken += part.len();
        }
        if taken == 0 && offered > 0 {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.writes[usize::from(is_vectored)] += 1;
        self.is_unflushed |= taken > 0;
        if self.room != usize::MAX {
            self.room -= taken;
        }
        match (self.fault, self.written.last_mut()) {
            (Fault::AltersWhatIsWritten, Some(last)) => *last ^= 1,
            (Fault::LosesWhatIsWritten, Some(_)) => self.written.truncate(self.written.len() - 1),
            _ => {}
        }
        Poll::Ready(Ok(taken))
    }
}

fn wake(waiting: &mut Option<Waker>) {
    if let Some(waiting) = waiting.take() {
        waiting.wake();
    }
}

/// Both directions, for the transport and whoever plays its far end. The connector wants a transport
/// that can be sent to another thread, though none is.
#[derive(Clone)]
pub(super) struct Shared(Arc<RwLock<Wire>>);

impl Shared {
    pub(super) fn borrow(&self) -> RwLockReadGuard<'_, Wire> {
        self.0.read().expect("no panic in between")
    }

    pub(super) fn borrow_mut(&self) -> RwLockWriteGuard<'_, Wire> {
        self.0.write().expect("no panic in between")
    }
}

/// The near end.
pub(super) struct Transport(pub(super) Shared);

impl Read for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        self.0.borrow_mut().poll_read(cx, buf)
    }
}

impl Write for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        let bufs = std::iter::once(buf);
        self.0.borrow_mut().poll_write(cx, false, bufs)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let bufs = bufs.iter().map(|buf| &**buf);
        self.0.borrow_mut().poll_write(cx, true, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().is_vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut wire = self.0.borrow_mut();
        if wire.is_stuck {
            wire.flusher = Some(cx.waker().clone());
            return Poll::Pending;
        }
        wire.is_unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.borrow_mut().is_shut = true;
        Poll::Ready(Ok(()))
    }
}

impl Connection for Transport {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Connects one transport, once.
pub(super) struct Connector(pub(super) Option<Transport>);

impl Service<Uri> for Connector {
    type Response = Transport;
    type Error = Infallible;
    type Future = Ready<std::result::Result<Transport, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(Ok(self.0.take().expect("one connection is enough")))
    }
}
