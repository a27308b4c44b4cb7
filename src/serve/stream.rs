//! The transport wrapper: moves bytes, reports what moved, and applies the verdict.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use pin_project::{pin_project, pinned_drop};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::ServedConnection;
use super::drain::Stage;
use super::event::ServerEventKind;
use super::server::ServerKeepAlive;
use crate::proto::connection::Mode;
use crate::proto::framing::OpaqueReason;
use crate::proto::serve::{Served, ServerCloseCause, Verdict};
use crate::proto::time::{Moment, Span};
use crate::task::Task;
use crate::timer::IdleTimer;

/// A server's transport that ends when it has been idle for as long as its client was told; made by
/// [`IdleListener`](crate::IdleListener) or [`ServerKeepAlive::admit`](crate::ServerKeepAlive::admit).
///
/// Reads and writes as the inner transport does. When its time has come, and nothing is there to read, a read ends (EOF):
/// hyper's server closes the connection then. In the midst of a request or response, on HTTP/2, and after an upgrade, it
/// does nothing.
#[pin_project(PinnedDrop)]
pub struct IdleStream<T> {
    #[pin]
    transport: T,
    connection: ServedConnection,
    served: Served,
    timer: IdleTimer,
    /// The task that read last. The timer wakes it.
    reader: Option<Task>,
    /// Why the connection ended.
    cause: Option<ServerCloseCause>,
    /// When it ended.
    ended: Option<Moment>,
}

impl<T> IdleStream<T> {
    pub(super) fn new(transport: T, connection: ServedConnection) -> Self {
        let served = Served::new(connection.accepted(), connection.jitter());
        Self {
            transport,
            connection,
            served,
            timer: IdleTimer::default(),
            reader: None,
            cause: None,
            ended: None,
        }
    }

    /// The connection, for the service that answers its requests.
    pub fn connection(&self) -> &ServedConnection {
        &self.connection
    }

    /// Returns the inner transport.
    pub fn get_ref(&self) -> &T {
        &self.transport
    }

    fn now(&self) -> Moment {
        self.connection.server().now()
    }

    /// Whether reads end now, and writes fail.
    fn is_cut(self: Pin<&mut Self>) -> bool {
        if self.connection.server().stage() == Stage::Cut {
            self.end(ServerCloseCause::Cut);
            return true;
        }
        false
    }

    /// The connection ends.
    fn end(self: Pin<&mut Self>, cause: ServerCloseCause) {
        if self.cause.is_none() {
            let now = self.now();
            let this = self.project();
            *this.cause = Some(cause);
            *this.ended = Some(now);
        }
    }

    /// Makes the task of `cx` the reader.
    fn set_reader(self: Pin<&mut Self>, cx: &Context<'_>) {
        if self.reader.is_none() || self.reader != Task::of(cx) {
            let this = self.project();
            *this.reader = Task::of(cx);
            *this.timer = IdleTimer::default();
            this.connection.set_reader(cx.waker());
        }
    }

    /// Asks whether the connection stays open, and sets the timer to ask again. Returns why it does not. `now` is
    /// asked only if there is a limit.
    fn decide(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        now: impl FnOnce(&ServerKeepAlive) -> Moment,
    ) -> Option<ServerCloseCause> {
        // Whoever writes here drives the connection. Another task may write once it is upgraded.
        if self.served.mode() != Mode::Opaque {
            self.as_mut().set_reader(cx);
        }
        let this = self.project();
        let server = this.connection.server();
        let is_surplus = this.connection.is_surplus();
        let limit = this.served.limit(server.policy(), is_surplus)?;
        let now = now(server);
        match limit.verdict(&now) {
            Verdict::Close(cause) => Some(cause),
            Verdict::Stay { until } => {
                let timer = this.timer.poll(cx, server.clock(), until, now.monotonic);
                if timer.is_ready() {
                    // The time has come meanwhile.
                    cx.waker().wake_by_ref();
                }
                None
            }
        }
    }

    /// Reports bytes that were read.
    fn on_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) {
        if self.served.mode() == Mode::Opaque {
            return;
        }
        let now = self.now();
        let this = self.as_mut().project();
        let server = this.connection.server();
        let before = this.served.spare_since(server.policy());
        let idle_since = this.served.idle_since();
        let opaque = this.served.on_read(bytes, now);
        if let (Some(since), None) = (idle_since, this.served.idle_since()) {
            server.tell(this.connection.id(), || ServerEventKind::RequestBegun {
                idle_before: now.monotonic_since(&since).duration(),
            });
        }
        self.on_bytes(cx, before, opaque, now);
    }

    /// Reports how much of the buffers was written.
    fn on_written<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: impl IntoIterator<Item = &'a [u8]>,
        written: usize,
    ) {
        if self.served.mode() == Mode::Opaque || written == 0 {
            return;
        }
        let now = self.now();
        let this = self.as_mut().project();
        let before = this.served.spare_since(this.connection.server().policy());
        let mut left = written;
        let pieces = bufs.into_iter().map(|buf| {
            let piece = buf.get(..left).unwrap_or(buf);
            left = left.saturating_sub(piece.len());
            piece
        });
        let opaque = this.served.on_written(pieces, now);
        self.on_bytes(cx, before, opaque, now);
    }

    /// Bytes were read or written at `now`. The connection may have become opaque or idle.
    fn on_bytes(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        spare_before: Option<Moment>,
        opaque: Option<OpaqueReason>,
        now: Moment,
    ) {
        if let Some(reason) = opaque {
            let connection = &self.connection;
            connection.set_opaque();
            connection.server().on_opaque();
            let id = connection.id();
            let kind = || ServerEventKind::BecameOpaque { reason };
            connection.server().tell(id, kind);
        }
        if self.as_mut().on_change(cx, spare_before, now) {
            let connection = &self.connection;
            let kind = || ServerEventKind::ResponseEnded;
            connection.server().tell(connection.id(), kind);
        }
    }

    /// Reports a flush that waits, or has ended after that.
    fn on_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>, is_flushed: bool) {
        let now = self.now();
        let this = self.as_mut().project();
        let before = this.served.spare_since(this.connection.server().policy());
        this.served.on_flush(is_flushed, now);
        self.on_change(cx, before, now);
    }

    /// Passes on that the connection has become idle, or is not any more. Returns whether it has.
    fn on_change(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        spare_before: Option<Moment>,
        now: Moment,
    ) -> bool {
        let this = self.as_mut().project();
        let server = this.connection.server();
        let spare_since = this.served.spare_since(server.policy());
        if spare_since == spare_before {
            return false;
        }
        if this.connection.set_spare_since(spare_since) {
            server.on_not_surplus();
        }
        if this.served.idle_since().is_none() {
            return false;
        }
        server.on_idle();
        // hyper does not read again if its last read found nothing, so the timer is set here.
        if self.decide(cx, |_| now).is_some() {
            cx.waker().wake_by_ref();
        }
        true
    }
}

impl<T: AsyncRead> AsyncRead for IdleStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.as_mut().is_cut() {
            return Poll::Ready(Ok(()));
        }
        self.as_mut().set_reader(cx);
        let before = buf.filled().len();
        // What has arrived counts, however late it is.
        let mut read = self.as_mut().project().transport.poll_read(cx, buf);
        if read.is_pending() {
            let Some(cause) = self.as_mut().decide(cx, ServerKeepAlive::now) else {
                return Poll::Pending;
            };
            // To a task that has used up its cooperative budget, tokio's transports say that there is nothing.
            let mut transport = self.as_mut().project().transport;
            let looked = poll_fn(|cx| transport.as_mut().poll_read(cx, buf));
            read = pin!(tokio::task::unconstrained(looked)).poll(cx);
            if read.is_pending() {
                self.end(cause);
                return Poll::Ready(Ok(()));
            }
        }
        match read {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => {
                self.end(ServerCloseCause::Error);
                Poll::Ready(Err(error))
            }
            Poll::Ready(Ok(())) => {
                let bytes = buf.filled().get(before..).unwrap_or_default();
                if !bytes.is_empty() {
                    self.on_read(cx, bytes);
                } else if buf.remaining() > 0 {
                    self.end(ServerCloseCause::Client);
                }
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl<T: AsyncWrite> IdleStream<T> {
    /// Before a write: whether it may be tried.
    fn before_write(self: Pin<&mut Self>) -> io::Result<()> {
        if self.is_cut() {
            return Err(ended());
        }
        Ok(())
    }

    /// The transport takes no more for now. Returns an error if the connection has had its time.
    fn on_blocked(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> io::Result<()> {
        self.connection.set_writer(cx.waker());
        if let Some(cause) = self.as_mut().decide(cx, ServerKeepAlive::now) {
            self.end(cause);
            return Err(ended());
        }
        Ok(())
    }

    fn after_write<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: impl IntoIterator<Item = &'a [u8]>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => self.on_blocked(cx)?,
            Poll::Ready(Ok(written)) => self.on_written(cx, bufs, *written),
            Poll::Ready(Err(_)) => self.as_mut().end(ServerCloseCause::Error),
        }
        written
    }
}

impl<T: AsyncWrite> AsyncWrite for IdleStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.as_mut().before_write()?;
        let written = self.as_mut().project().transport.poll_write(cx, buf);
        self.after_write(cx, [buf], written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.as_mut().before_write()?;
        let written = self
            .as_mut()
            .project()
            .transport
            .poll_write_vectored(cx, bufs);
        self.after_write(cx, bufs.iter().map(|buf| &**buf), written)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_mut().before_write()?;
        let flushed = self.as_mut().project().transport.poll_flush(cx);
        if self.served.is_flushing() || flushed.is_pending() {
            self.as_mut().on_flush(cx, flushed.is_ready());
        }
        if flushed.is_pending() {
            self.on_blocked(cx)?;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_mut().before_write()?;
        let shut_down = self.as_mut().project().transport.poll_shutdown(cx);
        if shut_down.is_pending() {
            self.connection.set_writer(cx.waker());
        }
        shut_down
    }
}

/// The error of a write when the connection has ended.
fn ended() -> io::Error {
    let reason = "the server has ended its connection";
    io::Error::new(io::ErrorKind::ConnectionAborted, reason)
}

#[pinned_drop]
impl<T> PinnedDrop for IdleStream<T> {
    fn drop(self: Pin<&mut Self>) {
        let now = self.ended.unwrap_or_else(|| self.now());
        let cause = self.cause.unwrap_or_else(|| self.served.dropped(&now));
        let since = |moment: Moment| -> Span { now.monotonic_since(&moment) };
        let idle = self.served.idle_since().map(|idle| since(idle).duration());
        let connection = &self.connection;
        let age = since(connection.accepted()).duration();
        connection.server().on_closed(connection, cause, idle, age);
        connection.forget_tasks();
    }
}

impl<T: fmt::Debug> fmt::Debug for IdleStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleStream")
            .field("transport", &self.transport)
            .field("connection", &self.connection)
            .finish_non_exhaustive()
    }
}
