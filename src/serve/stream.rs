//! The transport wrapper: moves bytes, reports what moved, and applies the verdict.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project::{pin_project, pinned_drop};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::ServedConnection;
use super::drain::Stage;
use super::event::ServerEventKind;
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

    /// Asks whether the connection stays open, and sets the timer to ask again. Returns why it does not.
    fn decide(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<ServerCloseCause> {
        self.as_mut().set_reader(cx);
        let this = self.project();
        let server = this.connection.server();
        let is_surplus = this.connection.is_surplus();
        let limit = this.served.limit(server.policy_ref(), is_surplus)?;
        let now = server.now();
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

    /// A read found nothing. Returns whether the connection ends.
    fn on_nothing(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let cause = self.as_mut().decide(cx);
        if let Some(cause) = cause {
            self.end(cause);
        }
        cause.is_some()
    }

    fn on_read(self: Pin<&mut Self>, bytes: &[u8]) {
        if self.served.mode() == Mode::Opaque {
            return;
        }
        let now = self.now();
        let this = self.project();
        let idle_since = this.served.idle_since();
        let opaque = this.served.on_read(bytes, now);
        if let Some(since) = idle_since {
            this.connection.set_idle_since(None);
            if this.connection.is_surplus() && this.connection.set_surplus(false) {
                this.connection.server().on_not_surplus();
            }
            let id = this.connection.id();
            this.connection
                .server()
                .tell(id, || ServerEventKind::RequestBegun {
                    idle_before: now.monotonic_since(&since).duration(),
                });
        }
        on_opaque(this.connection, opaque);
    }

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
        let was_idle = this.served.mode() == Mode::Idle;
        let mut left = written;
        let pieces = bufs.into_iter().map(|buf| {
            let piece = buf.get(..left).unwrap_or(buf);
            left = left.saturating_sub(piece.len());
            piece
        });
        let opaque = this.served.on_written(pieces, now);
        on_opaque(this.connection, opaque);
        if !was_idle && self.served.mode() == Mode::Idle {
            self.as_mut().on_idle(cx);
            let id = self.connection.id();
            self.connection
                .server()
                .tell(id, || ServerEventKind::ResponseEnded);
        }
    }

    /// A flush has begun to wait, waits, or has ended after that.
    fn on_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>, is_flushed: bool) {
        let now = self.now();
        let this = self.as_mut().project();
        this.served.on_flush(is_flushed, now);
        this.connection.set_idle_since(this.served.idle_since());
        if is_flushed && self.served.mode() == Mode::Idle {
            self.on_idle(cx);
        }
    }

    /// The connection has become idle. hyper does not read again if its last read found nothing, so the timer is set here.
    fn on_idle(mut self: Pin<&mut Self>, cx: &mut Context<'_>) {
        self.connection.set_idle_since(self.served.idle_since());
        self.connection.server().on_idle();
        if self.as_mut().decide(cx).is_some() {
            cx.waker().wake_by_ref();
        }
    }
}

fn on_opaque(connection: &ServedConnection, reason: Option<OpaqueReason>) {
    if let Some(reason) = reason {
        connection.set_idle_since(None);
        connection.set_opaque();
        let server = connection.server();
        server.on_opaque();
        server.tell(connection.id(), || ServerEventKind::BecameOpaque { reason });
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
        let before = buf.filled().len();
        // What has arrived counts, however late it is.
        match self.as_mut().project().transport.poll_read(cx, buf) {
            Poll::Pending if self.as_mut().on_nothing(cx) => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => {
                self.end(ServerCloseCause::Error);
                Poll::Ready(Err(error))
            }
            Poll::Ready(Ok(())) => {
                let bytes = buf.filled().get(before..).unwrap_or_default();
                if !bytes.is_empty() {
                    self.on_read(bytes);
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
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "the server has ended its connections",
            ));
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
            Poll::Pending => self.connection.set_writer(cx.waker()),
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
        let flushed = self.as_mut().project().transport.poll_flush(cx);
        if self.served.is_flushing() || flushed.is_pending() {
            self.on_flush(cx, flushed.is_ready());
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().transport.poll_shutdown(cx)
    }
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
