//! The transport wrapper: moves bytes, tells what moved, and applies the verdict.

use std::fmt;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::client::legacy::connect;
use hyper_util::rt::TokioIo;
use pin_project::{pin_project, pinned_drop};
use tokio::io::AsyncRead;

use super::task::Task;
use super::timer::IdleTimer;
use super::{retire, sentinel};
use crate::connection::{BeforeRead, Connection, ConnectionHandle, Standing, Watch};
use crate::proto::Now;
use crate::proto::end::Cause;
use crate::proto::framing::Opaque;

/// How much an idle read takes by way of the stack: what hyper reads at once, unless much comes.
const IDLE_READ: usize = 8192;

/// A transport that closes when it has been idle for too long: what an
/// [`IdleAwareConnector`](crate::IdleAwareConnector) connects.
///
/// Reads and writes as the transport within does, and hands on what that says of itself, with a
/// [`ConnectionHandle`] added to its extras. Once the connection is idle and not to be reused, it shuts the
/// transport down, and a read fails with [`ConnectionAborted`](io::ErrorKind::ConnectionAborted).
#[pin_project(PinnedDrop)]
pub struct IdleAwareIo<T> {
    /// There until this is dropped.
    #[pin]
    transport: Option<T>,
    /// Takes the transport, and leaves it open to learn from it.
    keep: fn(Pin<&mut Option<T>>, Box<Watch>),
    connection: Followed,
    timer: IdleTimer,
    /// What the connection said last.
    standing: Standing,
    /// Whether nothing was read since something was written.
    awaits_response: bool,
    /// Whether something that was accepted could not be flushed yet: to close now would lose it.
    is_flushing: bool,
    /// The task that waited for something to read last: the timer's, and woken where another one writes.
    reader: Option<Task>,
    /// Whether a read has failed because the connection is not to be reused.
    is_retired: bool,
    /// Once it is let go of, it is to be left open to learn from.
    watch: Option<Box<Watch>>,
}

impl<T> IdleAwareIo<T> {
    pub(super) fn new(transport: T, connection: Connection) -> Self
    where
        T: Read + Write + connect::Connection + Unpin + Send + 'static,
    {
        let http2 = transport.connected().is_negotiated_h2();
        if http2 {
            connection.on_opaque(Opaque::Http2);
        }
        Self {
            transport: Some(transport),
            keep: sentinel::keep,
            connection: Followed(Arc::new(connection)),
            timer: IdleTimer::default(),
            standing: if http2 {
                Standing::Opaque
            } else {
                Standing::Idle
            },
            awaits_response: false,
            is_flushing: false,
            reader: None,
            is_retired: false,
            watch: None,
        }
    }

    /// The handle of this connection, following it from request to request.
    pub fn handle(&self) -> ConnectionHandle {
        let Followed(connection) = &self.connection;
        ConnectionHandle::following(Arc::clone(connection))
    }

    /// The transport within.
    pub fn get_ref(&self) -> &T {
        let Some(transport) = &self.transport else {
            unreachable!("it is taken when this is dropped");
        };
        transport
    }

    /// Unwraps the transport within, which is not followed from here on.
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
}

#[pinned_drop]
impl<T> PinnedDrop for IdleAwareIo<T> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        if *this.is_retired {
            retire::let_others_finish(this.connection.keep_alive().clock());
        }
        if let Some(watch) = this.watch.take() {
            (this.keep)(this.transport, watch);
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
        match self.standing {
            Standing::Opaque => self.transport().poll_read(cx, buf),
            Standing::Idle if !self.is_flushing => {
                let now = self.connection.keep_alive().clock().read();
                let is_fresh = self.is_reader(cx) && self.timer.is_fresh(&now);
                if is_fresh && !self.connection.is_disturbed() {
                    self.poll_read_fresh(cx, buf)
                } else {
                    self.poll_read_asked(cx, buf, &now)
                }
            }
            Standing::Idle | Standing::Busy => {
                let mut this = self;
                let read = this.as_mut().poll_read_followed(cx, buf);
                if read.is_pending() && !this.is_reader(cx) {
                    this.on_waiting(cx);
                }
                read
            }
        }
    }
}

/// Reading, and what was read.
impl<T: Read + Write> IdleAwareIo<T> {
    /// Reads if the connection may still be used, and has it looked at when its time is up.
    #[cold]
    #[inline(never)]
    fn poll_read_asked(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
        now: &Now,
    ) -> Poll<io::Result<()>> {
        self.as_mut().project().timer.on_fresh(None);
        self.as_mut().set_reader(cx);
        let (until, fresh_until) = match self.connection.before_read(now, cx.waker()) {
            BeforeRead::Read { until, fresh_until } => (until, fresh_until),
            BeforeRead::Retire { reason, watch } => {
                let this = self.as_mut().project();
                if watch.is_some() {
                    *this.watch = watch;
                }
                if !std::mem::replace(this.is_retired, true) && this.watch.is_none() {
                    // hyper does not, after an error. Once is enough for TLS to say goodbye.
                    let _ = self.transport().poll_shutdown(cx);
                }
                return Poll::Ready(Err(retire::error(reason)));
            }
        };
        let read = self.as_mut().poll_read_followed(cx, buf);
        let (Poll::Pending, Some(until)) = (&read, until) else {
            return read;
        };
        let this = self.project();
        let clock = this.connection.keep_alive().clock();
        if this.timer.poll(cx, clock, now, until).is_ready() {
            // Time is up, or the timer is early: either way it is to be asked once more.
            cx.waker().wake_by_ref();
        } else {
            this.timer.on_fresh(fresh_until);
        }
        Poll::Pending
    }

    /// Reads where mostly nothing comes, but for the rest of a response whose beginning was put aside.
    /// What comes is copied once: that costs nothing as long as there is nothing, unlike to make a buffer
    /// of hyper's one that can be looked at.
    #[inline]
    fn poll_read_fresh(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut room = [MaybeUninit::uninit(); IDLE_READ];
        let Some(room) = room.get_mut(..buf.remaining()) else {
            return self.poll_read_followed(cx, buf);
        };
        let mut copied = ReadBuf::uninit(room);
        let read = self.as_mut().transport().poll_read(cx, copied.unfilled());
        if read.is_ready() {
            self.on_read(copied.filled(), buf.remaining(), &read);
        }
        if let Poll::Ready(Ok(())) = read {
            buf.put_slice(copied.filled());
        }
        read
    }

    /// Reads into a buffer of hyper's, by way of tokio's trait, which shows what was read without a
    /// copy.
    #[inline]
    fn poll_read_followed(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut TokioIo::new(Shown(self))).poll_read(cx, buf)
    }
}

/// Reads from a transport, and tells what was read.
struct Shown<'a, T>(Pin<&'a mut IdleAwareIo<T>>);

impl<T: Read + Write> AsyncRead for Shown<'_, T> {
    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self(io) = &mut *self;
        let before = buf.filled().len();
        let read = Pin::new(&mut TokioIo::new(io.as_mut().transport())).poll_read(cx, buf);
        if read.is_ready() {
            let bytes = buf.filled().get(before..).unwrap_or_default();
            let room = bytes.len().saturating_add(buf.remaining());
            io.as_mut().on_read(bytes, room, &read);
        }
        read
    }
}

impl<T> IdleAwareIo<T> {
    /// Tells what was read, where there was room for so much.
    fn on_read(self: Pin<&mut Self>, bytes: &[u8], room: usize, read: &Poll<io::Result<()>>) {
        let this = self.project();
        if let Poll::Ready(Err(_)) = read {
            return this.connection.on_end(Cause::Error);
        }
        if bytes.is_empty() {
            if room > 0 {
                this.connection.on_end(Cause::Eof);
            }
            return;
        }
        let first = std::mem::take(this.awaits_response);
        let now = first.then(|| this.connection.keep_alive().clock().read());
        // Whether it is fresh, the next read finds out, and has this followed if not.
        let defers = now
            .as_ref()
            .is_some_and(|now| this.timer.may_be_fresh() && this.connection.defer(bytes, now));
        if defers {
            *this.standing = Standing::Idle;
            return;
        }
        let moved = this.connection.on_read(bytes, now);
        *this.standing = moved.standing;
        if moved.standing == Standing::Idle {
            this.timer.on_fresh(moved.fresh_until);
        }
    }

    /// Something is about to be written. Returns the time, if the connection was idle.
    fn before_write(self: Pin<&mut Self>, is_empty: bool) -> Option<Now> {
        let this = self.project();
        if *this.standing != Standing::Idle || is_empty {
            return None;
        }
        *this.standing = Standing::Busy;
        Some(this.connection.keep_alive().clock().read())
    }

    /// Tells what was written of the buffers, and when it was begun on an idle connection.
    fn on_written<'a>(
        self: Pin<&mut Self>,
        cx: &Context<'_>,
        bufs: impl IntoIterator<Item = &'a [u8]>,
        written: &Poll<io::Result<usize>>,
        sent: Option<&Now>,
    ) {
        match written {
            &Poll::Ready(Ok(accepted)) if accepted > 0 => {
                self.on_accepted(cx, bufs, accepted, sent);
            }
            _ => self.on_refused(written, sent),
        }
    }

    fn on_accepted<'a>(
        mut self: Pin<&mut Self>,
        cx: &Context<'_>,
        bufs: impl IntoIterator<Item = &'a [u8]>,
        accepted: usize,
        mut sent: Option<&Now>,
    ) {
        let this = self.as_mut().project();
        let mut left = accepted;
        for buf in bufs {
            let accepted = buf.get(..left).unwrap_or(buf);
            if accepted.is_empty() {
                continue;
            }
            left = left.saturating_sub(accepted.len());
            *this.standing = this.connection.on_written(accepted, sent.take()).standing;
        }
        *this.awaits_response = true;
        if *this.standing == Standing::Idle {
            // The response was there before its request was out.
            this.timer.on_fresh(None);
            self.wake_reader(cx);
        }
    }

    /// The task waits for something to read.
    #[cold]
    #[inline(never)]
    fn on_waiting(mut self: Pin<&mut Self>, cx: &Context<'_>) {
        self.as_mut().set_reader(cx);
        self.connection.on_waiting(cx.waker());
    }

    #[inline]
    fn is_reader(&self, cx: &Context<'_>) -> bool {
        self.reader.is_some() && self.reader == Task::of(cx)
    }

    /// The task reads from here on, whose waker the connection is given.
    fn set_reader(self: Pin<&mut Self>, cx: &Context<'_>) {
        if !self.is_reader(cx) {
            let this = self.project();
            *this.reader = Task::of(cx);
            *this.timer = IdleTimer::default();
        }
    }

    /// Has the connection read from, though nobody may have a reason to before the next request: that
    /// read starts the timer. The task of `cx` writes; another one may be that reads.
    fn wake_reader(self: Pin<&mut Self>, cx: &Context<'_>) {
        cx.waker().wake_by_ref();
        if !self.is_reader(cx) {
            self.connection.wake();
        }
    }

    /// Nothing was accepted: still, whoever writes a request has taken it off its queue.
    #[cold]
    #[inline(never)]
    fn on_refused(self: Pin<&mut Self>, written: &Poll<io::Result<usize>>, sent: Option<&Now>) {
        let this = self.project();
        if let Some(now) = sent {
            this.connection.on_sending(now);
        }
        if let Poll::Ready(Err(_)) = written {
            this.connection.on_end(Cause::Error);
        }
    }
}

impl<T: Write> Write for IdleAwareIo<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = self.as_mut().before_write(buf.is_empty());
        let written = self.as_mut().transport().poll_write(cx, buf);
        if self.standing != Standing::Opaque {
            self.on_written(cx, [buf], &written, sent.as_ref());
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let is_empty = bufs.iter().all(|buf| buf.is_empty());
        let sent = self.as_mut().before_write(is_empty);
        let written = self.as_mut().transport().poll_write_vectored(cx, bufs);
        if self.standing != Standing::Opaque {
            let bufs = bufs.iter().map(|buf| &**buf);
            self.on_written(cx, bufs, &written, sent.as_ref());
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.as_ref().is_some_and(T::is_write_vectored)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.as_mut().transport().poll_flush(cx);
        let this = self.as_mut().project();
        let was_flushing = std::mem::replace(this.is_flushing, flushed.is_pending());
        if was_flushing && flushed.is_ready() && *this.standing == Standing::Idle {
            // It was not asked whether it may be used.
            this.timer.on_fresh(None);
            self.wake_reader(cx);
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.watch.is_some() {
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

/// A connection that ends when it is let go of.
struct Followed(Arc<Connection>);

impl Deref for Followed {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.on_end(Cause::Dropped);
    }
}
