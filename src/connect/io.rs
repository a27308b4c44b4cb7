//! The transport wrapper: moves bytes, reports what moved, and applies the verdict.

use std::fmt;
use std::io::{self, IoSlice};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect;
use hyper_util::rt::TokioIo;
use pin_project::{pin_project, pinned_drop};
use tokio::io::AsyncRead;

use super::retire::{self, Retirement};
use super::sentinel;
use crate::clock::Limit;
use crate::connection::{Connection, ConnectionHandle, ReadDecision, Reusable, SentinelPermit};
use crate::proto::connection::{Cause, Mode};
use crate::proto::deadline::RetireReason;
use crate::proto::framing::OpaqueReason;
use crate::proto::time::Moment;
use crate::task::Task;
use crate::timer::IdleTimer;

/// A transport that closes when it has been idle for too long; made by
/// [`IdleAwareConnector`](crate::IdleAwareConnector).
///
/// Reads and writes as the inner transport does, and forwards its extras and flags, with a
/// [`ConnectionHandle`] added to the extras. Once the connection is idle and not to be reused, it shuts the
/// transport down, and a read fails with [`ConnectionAborted`](io::ErrorKind::ConnectionAborted).
#[pin_project(PinnedDrop)]
pub struct IdleAwareIo<T> {
    /// `Some` until this is dropped.
    #[pin]
    transport: Option<T>,
    /// Takes the transport, and leaves it open as a sentinel.
    leave_open: fn(Pin<&mut Option<T>>, Box<SentinelPermit>),
    connection: ReportDrop,
    timer: IdleTimer,
    /// What to do, as the connection last returned it.
    mode: Mode,
    /// Until when the idle connection may be used, as long as the version of the connection is `seen_version`.
    reusable_until: Option<Limit>,
    seen_version: u32,
    /// Whether the last read found nothing.
    is_awaiting: bool,
    /// Whether accepted bytes are not flushed yet, so that closing would lose them.
    is_flushing: bool,
    /// The task that read last. The timer wakes it.
    reader: Option<Task>,
    /// Whether a read has failed because the connection is retired.
    retirement: Retirement,
    /// The permit to leave the connection open as a sentinel once this is dropped.
    sentinel: Option<Box<SentinelPermit>>,
}

impl<T> IdleAwareIo<T> {
    pub(super) fn new(transport: T, connection: Connection) -> Self
    where
        T: Read + Write + connect::Connection + Unpin + Send + 'static,
    {
        let mode = if transport.connected().is_negotiated_h2() {
            connection.on_opaque(OpaqueReason::Http2);
            Mode::Opaque
        } else {
            Mode::Idle
        };
        Self {
            transport: Some(transport),
            leave_open: sentinel::leave_open,
            connection: ReportDrop(Arc::new(connection)),
            timer: IdleTimer::default(),
            mode,
            reusable_until: None,
            seen_version: 0,
            is_awaiting: false,
            is_flushing: false,
            reader: None,
            retirement: Retirement::default(),
            sentinel: None,
        }
    }

    /// For a pool that never sends a request on a connection while that is being dropped.
    pub(crate) fn without_yielding(mut self) -> Self {
        self.retirement = Retirement::NotYetWithLock;
        self
    }

    /// The handle of this connection, which follows it from request to request.
    pub fn handle(&self) -> ConnectionHandle {
        let ReportDrop(connection) = &self.connection;
        ConnectionHandle::following(Arc::clone(connection))
    }

    /// Returns the inner transport.
    pub fn get_ref(&self) -> &T {
        let Some(transport) = &self.transport else {
            unreachable!("it is taken when this is dropped");
        };
        transport
    }

    /// Unwraps the inner transport.
    pub fn into_inner(mut self) -> T {
        let Some(transport) = self.transport.take() else {
            unreachable!("it is taken when this is dropped");
        };
        transport
    }

    fn transport(self: Pin<&mut Self>) -> Pin<&mut T> {
        let Some(transport) = self.project().transport.as_pin_mut() else {
            unreachable!("it is taken when this is dropped");
        };
        transport
    }

    fn now(&self) -> Moment {
        self.connection.keep_alive().clock().now()
    }
}

#[pinned_drop]
impl<T> PinnedDrop for IdleAwareIo<T> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        if this.retirement.has_senders() {
            retire::yield_to_senders(this.connection.keep_alive().clock());
        }
        if let Some(permit) = this.sentinel.take() {
            (this.leave_open)(this.transport, permit);
        }
    }
}

impl<T: connect::Connection> connect::Connection for IdleAwareIo<T> {
    fn connected(&self) -> connect::Connected {
        self.get_ref().connected().extra(self.handle())
    }
}

impl<T: Read + Write> Read for IdleAwareIo<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.mode == Mode::Opaque {
            return self.transport().poll_read(cx, buf);
        }
        // Tokio's trait gives access to the bytes without a copy.
        Pin::new(&mut TokioIo::new(Reported(self))).poll_read(cx, buf)
    }
}

/// Reading.
impl<T: Read + Write> IdleAwareIo<T> {
    /// Sets the timer to wake the task at the deadline of the idle connection.
    fn set_timer(mut self: Pin<&mut Self>, cx: &mut Context<'_>, reusable: Reusable, now: &Moment) {
        let Some(wake_at) = now.monotonic_at(&reusable.until) else {
            return;
        };
        let this = self.as_mut().project();
        let clock = this.connection.keep_alive().clock();
        let timer = this.timer.poll(cx, clock, wake_at, now.monotonic);
        if timer.is_ready() {
            // The deadline has passed meanwhile: the task has to ask again.
            cx.waker().wake_by_ref();
        }
        self.set_reusable(Some(reusable), now);
    }

    /// Whether the last decision on the idle connection, to read, still holds. This takes no lock, and a third of
    /// what reading a [`Moment`] does: hyper reads from an idle connection several times for each request.
    #[inline]
    fn is_still_reusable(&self, cx: &Context<'_>) -> bool {
        self.seen_version == self.connection.version()
            && self.is_reader(cx)
            && self
                .reusable_until
                .as_ref()
                .is_some_and(|until| self.connection.keep_alive().clock().is_before(until))
    }

    /// Decides on the idle connection. Returns why it is not used again, if so.
    fn decide(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        now: Moment,
    ) -> Result<Reusable, RetireReason> {
        self.as_mut().set_reader(cx);
        let this = self.as_mut().project();
        match this.connection.on_idle_read(now, cx.waker()) {
            ReadDecision::Read(reusable) => Ok(reusable),
            ReadDecision::Retire { reason, sentinel } => {
                *this.reusable_until = None;
                if sentinel.is_some() {
                    *this.sentinel = sentinel;
                }
                if this.retirement.retire() && this.sentinel.is_none() {
                    // hyper does not, after an error. One poll is enough for TLS to send `close_notify`.
                    let _ = self.transport().poll_shutdown(cx);
                }
                Err(reason)
            }
        }
    }
}

/// Reads from a transport if its connection may still be used, and reports the bytes to the connection.
struct Reported<'a, T>(Pin<&'a mut IdleAwareIo<T>>);

impl<T: Read + Write> AsyncRead for Reported<'_, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self(io) = &mut *self;
        let is_idle = io.mode == Mode::Idle && !io.is_flushing;
        let decided = if is_idle && !io.is_still_reusable(cx) {
            let now = io.now();
            match io.as_mut().decide(cx, now) {
                Ok(reusable) => Some((reusable, now)),
                Err(reason) => return Poll::Ready(Err(retire::error(reason))),
            }
        } else {
            None
        };
        let before = buf.filled().len();
        let read = Pin::new(&mut TokioIo::new(io.as_mut().transport())).poll_read(cx, buf);
        match &read {
            Poll::Pending => {
                if let Some((reusable, now)) = decided {
                    io.as_mut().set_timer(cx, reusable, &now);
                } else if !is_idle && !io.is_reader(cx) {
                    // An earlier decision on an idle connection holds for the same task only.
                    io.as_mut().set_reader(cx);
                    io.connection.on_waiting(cx.waker());
                }
            }
            Poll::Ready(Err(_)) => io.connection.on_end(Cause::Error),
            Poll::Ready(Ok(())) => {
                let bytes = buf.filled().get(before..).unwrap_or_default();
                let is_eof_or_data = !bytes.is_empty() || buf.remaining() > 0;
                if is_eof_or_data {
                    io.as_mut().on_read(bytes);
                }
            }
        }
        *io.as_mut().project().is_awaiting = read.is_pending();
        read
    }
}

impl<T> IdleAwareIo<T> {
    /// Keeps a decision for the next reads, for as long as it holds and the timer need not be set.
    #[inline]
    fn set_reusable(self: Pin<&mut Self>, reusable: Option<Reusable>, now: &Moment) {
        let this = self.project();
        *this.reusable_until = reusable.and_then(|Reusable { until, version }| {
            let wake_at = now.monotonic_at(&until)?;
            let monotonic = this.timer.fires_by(wake_at, now.monotonic)?;
            *this.seen_version = version;
            let clock = this.connection.keep_alive().clock();
            clock.limit(&Moment { monotonic, ..until })
        });
    }

    /// Reports bytes that were read; none is EOF.
    fn on_read(mut self: Pin<&mut Self>, bytes: &[u8]) {
        if bytes.is_empty() {
            self.connection.on_end(Cause::Eof);
            return;
        }
        let now = self.now();
        let this = self.as_mut().project();
        let (mode, reusable) = this.connection.on_read(bytes, *this.is_awaiting, now);
        *this.mode = mode;
        self.set_reusable(reusable, &now);
    }

    /// Reports how much of the buffers was written at `now`.
    fn on_written<'a>(
        mut self: Pin<&mut Self>,
        cx: &Context<'_>,
        bufs: impl IntoIterator<Item = &'a [u8]>,
        written: &Poll<io::Result<usize>>,
        now: Moment,
    ) {
        let this = self.as_mut().project();
        match written {
            &Poll::Ready(Ok(accepted)) if accepted > 0 => {
                let mut left = accepted;
                let pieces = bufs.into_iter().map(|buf| {
                    let piece = buf.get(..left).unwrap_or(buf);
                    left = left.saturating_sub(piece.len());
                    piece
                });
                let (mode, reusable) = this.connection.on_written(pieces, now);
                *this.mode = mode;
                self.as_mut().set_reusable(reusable, &now);
                if mode == Mode::Idle {
                    // The response was read before its request was written.
                    self.wake_reader(cx);
                }
            }
            // Though nothing was accepted, the request has left its queue, and would be lost with the
            // connection.
            written => {
                if let Poll::Ready(Err(_)) = written {
                    this.connection.on_write_failed(now);
                } else {
                    this.connection.on_sending(now);
                }
                *this.reusable_until = None;
                *this.mode = Mode::Busy;
            }
        }
    }

    fn is_reader(&self, cx: &Context<'_>) -> bool {
        self.reader.is_some() && self.reader == Task::of(cx)
    }

    /// Makes the task of `cx` the reader. The caller passes its waker to the connection.
    fn set_reader(self: Pin<&mut Self>, cx: &Context<'_>) {
        if !self.is_reader(cx) {
            let this = self.project();
            *this.reader = Task::of(cx);
            *this.timer = IdleTimer::default();
        }
    }

    /// Wakes the task that reads: the idle connection has to be read from for its timer to start. The task
    /// of `cx`, which writes, may be another one.
    fn wake_reader(self: Pin<&mut Self>, cx: &Context<'_>) {
        cx.waker().wake_by_ref();
        if !self.is_reader(cx) {
            self.connection.wake();
        }
    }
}

impl<T: Write> Write for IdleAwareIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.mode == Mode::Opaque || buf.is_empty() {
            return self.transport().poll_write(cx, buf);
        }
        let now = self.now();
        let written = self.as_mut().transport().poll_write(cx, buf);
        self.on_written(cx, [buf], &written, now);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.mode == Mode::Opaque || bufs.iter().all(|buf| buf.is_empty()) {
            return self.transport().poll_write_vectored(cx, bufs);
        }
        let now = self.now();
        let written = self.as_mut().transport().poll_write_vectored(cx, bufs);
        self.on_written(cx, bufs.iter().map(|buf| &**buf), &written, now);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.as_ref().is_some_and(T::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.as_mut().transport().poll_flush(cx);
        let this = self.as_mut().project();
        let was_flushing = std::mem::replace(this.is_flushing, flushed.is_pending());
        if was_flushing && flushed.is_ready() && *this.mode == Mode::Idle {
            // While flushing, reads did not ask whether the connection may be used.
            self.wake_reader(cx);
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sentinel.is_some() {
            return Poll::Ready(Ok(()));
        }
        self.transport().poll_shutdown(cx)
    }
}

impl<T: fmt::Debug> fmt::Debug for IdleAwareIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleAwareIo")
            .field("transport", self.get_ref())
            .field("handle", &self.handle())
            .finish()
    }
}

/// Reports the connection as dropped when it is dropped itself.
struct ReportDrop(Arc<Connection>);

impl Deref for ReportDrop {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Drop for ReportDrop {
    fn drop(&mut self) {
        self.on_drop();
    }
}
