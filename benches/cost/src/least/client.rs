//! A connector and a layer that do what a client has to do that follows its connections in the way of this crate.
//!
//! The bytes are seen as they pass, the heads are walked, and the end of each response is known. Both clocks are read with each write, with each read that
//! finds something, and before a read of an idle connection, whose limit is compared with them. Each takes a lock that
//! nobody else has. Each response has a handle of its connection, which the layer looks for.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use pin_project::pin_project;
use tokio::io::{AsyncRead, ReadBuf};
use tower_service::Service;

use super::{Walked, walk};

/// What all clones of a connector, or of a client, share: how many connections were opened, how many requests failed.
type Shared = Arc<AtomicUsize>;

type Now = (Instant, SystemTime);

fn now() -> Now {
    (tokio::time::Instant::now().into_std(), SystemTime::now())
}

#[derive(Debug, Default)]
struct State {
    bytes: usize,
    requests: usize,
    last: Option<Now>,
}

/// In the extensions of each response.
#[derive(Clone, Debug)]
struct Handle(Arc<Mutex<State>>);

/// A transport whose bytes are seen.
#[derive(Debug)]
pub struct Followed<T> {
    transport: T,
    state: Arc<Mutex<State>>,
    /// Until when the idle connection may be used; `None` while a request is open.
    limit: Option<Now>,
    /// Whether the head of a response has not been read.
    awaits_head: bool,
    /// How many bytes of its body have not been read. A chunked one comes whole, behind its head.
    left: usize,
}

struct Seen<'a, T>(&'a mut Followed<T>);

impl<T: Read + Unpin> AsyncRead for Seen<'_, T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let io = &mut *self.0;
        if let Some(limit) = io.limit {
            let now = now();
            if now.0 >= limit.0 || now.1 >= limit.1 {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut TokioIo::new(&mut io.transport)).poll_read(cx, buf);
        let bytes = &buf.filled()[before..];
        if !bytes.is_empty() {
            io.on_read(bytes);
        }
        read
    }
}

impl<T> Followed<T> {
    fn on_read(&mut self, bytes: &[u8]) {
        let now = now();
        let mut state = self.state.lock().unwrap();
        state.last = Some(now);
        state.bytes += bytes.len();
        let head = if std::mem::take(&mut self.awaits_head) {
            let Walked { length, body } = walk(bytes);
            self.left = body;
            length
        } else {
            0
        };
        self.left = self.left.saturating_sub(bytes.len() - head);
        if self.left == 0 {
            let later = Duration::from_secs(60);
            self.limit = Some((now.0 + later, now.1 + later));
        }
    }

    fn on_written(&mut self, bytes: &[u8]) {
        let now = now();
        self.limit = None;
        self.awaits_head = true;
        let mut state = self.state.lock().unwrap();
        state.last = Some(now);
        state.requests += 1;
        state.bytes += walk(bytes).length;
    }
}

impl<T: Read + Unpin> Read for Followed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut TokioIo::new(Seen(&mut self))).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> Write for Followed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.on_written(buf);
        Pin::new(&mut self.transport).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.on_written(&bufs[0]);
        Pin::new(&mut self.transport).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

impl<T: Connection> Connection for Followed<T> {
    fn connected(&self) -> Connected {
        let handle = Handle(Arc::clone(&self.state));
        self.transport.connected().extra(handle)
    }
}

/// Connects, and follows the connections.
#[derive(Clone, Debug)]
pub struct Connector<C> {
    inner: C,
    shared: Shared,
}

impl<C> Connector<C> {
    pub fn new(inner: C) -> Self {
        Self {
            inner,
            shared: Shared::default(),
        }
    }
}

impl<C> Service<Uri> for Connector<C>
where
    C: Service<Uri, Response: Send, Error: Send, Future: Send + 'static>,
{
    type Response = Followed<C::Response>;
    type Error = C::Error;
    type Future = BoxFuture<'static, Result<Self::Response, C::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        self.shared.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            Ok(Followed {
                transport: connecting.await?,
                state: Arc::default(),
                limit: None,
                awaits_head: false,
                left: 0,
            })
        })
    }
}

/// A client whose responses are asked for the handle of their connection.
#[derive(Clone, Debug)]
pub struct Layered<S> {
    inner: S,
    shared: Shared,
}

impl<S> Layered<S> {
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            shared: Shared::default(),
        }
    }
}

impl<S, B, C> Service<Request<B>> for Layered<S>
where
    S: Service<Request<B>, Response = Response<C>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = LayeredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        LayeredFuture {
            inner: self.inner.call(request),
            shared: Arc::clone(&self.shared),
        }
    }
}

#[pin_project]
#[derive(Debug)]
pub struct LayeredFuture<F> {
    #[pin]
    inner: F,
    shared: Shared,
}

impl<F, B, E> Future for LayeredFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let polled = this.inner.poll(cx);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Ok(response)) => {
                let Some(Handle(state)) = response.extensions().get() else {
                    unreachable!("each connection has one");
                };
                assert!(state.lock().unwrap().requests > 0);
            }
            Poll::Ready(Err(_)) => {
                this.shared.fetch_add(1, Ordering::Relaxed);
            }
        }
        polled
    }
}
