//! A stream that can be sent again.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use hyper::body::{Body, Bytes, Frame, SizeHint};

use super::BoxError;
use super::error::{Expected, ReplayError};
use super::repeatable::Repeatable;
use super::source::Source;

/// How many bytes are kept unless another bound is set.
const BOUND: usize = 64 << 10;

/// A body around a stream that can be sent again: what is read of the stream is kept, up to a bound.
///
/// ```
/// use http_body_util::combinators::BoxBody;
/// use http_keepalive::{KeepAlive, ReplayBody, ReplayPolicy};
/// use hyper::body::Bytes;
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
/// use tower::ServiceBuilder;
/// use tower::retry::RetryLayer;
///
/// type Upload = BoxBody<Bytes, std::io::Error>;
///
/// # let keep_alive = KeepAlive::default();
/// # let connector = keep_alive.connector(HttpConnector::new());
/// let client = ServiceBuilder::new()
///     .map_request(|request: http::Request<Upload>| request.map(ReplayBody::new))
///     .layer(RetryLayer::new(ReplayPolicy::default()))
///     .layer(keep_alive.layer())
///     .service(Client::builder(TokioExecutor::new()).build::<_, ReplayBody<Upload>>(connector));
/// # let _ = client;
/// ```
///
/// 1. Nothing is read ahead: a frame is read of the stream when the attempt that has come furthest asks for it.
/// 2. Its bytes, and its trailers, are copied, at most as many as the bound, 64 KiB unless
///    [set](Self::with_bound). Frames pass as they are; what is read again may come in other frames.
/// 3. If there is more, all that was kept is dropped. The attempt that is under way goes on, and is not repeated: the
///    body [is capped](Self::is_capped). So it is if the stream fails.
/// 4. A body, and those that [repeat](Repeatable::repeat) it, may be polled in any order, by several tasks. Each has
///    the whole body; one that is asked for what was dropped fails.
///
/// The inner body has to be `Unpin`, as hyper-util's client wants it of any; a boxed one is.
pub struct ReplayBody<B> {
    source: Arc<Mutex<Source<B>>>,
    /// How many bytes were read of this.
    position: u64,
    is_ended: bool,
}

impl<B> ReplayBody<B> {
    /// Keeps up to 64 KiB.
    pub fn new(body: B) -> Self {
        Self::of(Source::new(body, BOUND))
    }

    /// Keeps up to so many bytes, of data and trailers together.
    ///
    /// # Errors
    ///
    /// If that is zero.
    pub fn with_bound(body: B, bytes: usize) -> Result<Self, ReplayError> {
        match bytes {
            0 => Err(ReplayError::new(Expected::BoundAboveZero)),
            _ => Ok(Self::of(Source::new(body, bytes))),
        }
    }

    fn of(source: Source<B>) -> Self {
        Self::at_start(Arc::new(Mutex::new(source)))
    }

    fn at_start(source: Arc<Mutex<Source<B>>>) -> Self {
        Self {
            source,
            position: 0,
            is_ended: false,
        }
    }

    /// Whether it cannot be sent again: there was more than the bound, or the stream failed.
    pub fn is_capped(&self) -> bool {
        self.source().is_capped()
    }

    fn source(&self) -> MutexGuard<'_, Source<B>> {
        // The stream is polled under the lock, and may panic. Nothing is half changed then.
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Repeatable for ReplayBody<B> {
    fn repeat(&self) -> Option<Self> {
        (!self.is_capped()).then(|| Self::at_start(Arc::clone(&self.source)))
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        let (polled, read, to_wake) = {
            let mut source = self.source();
            let polled = source.poll_frame(self.position, cx);
            let to_wake = source.update_waiting(cx.waker(), polled.is_pending());
            (polled, source.read(), to_wake)
        };
        to_wake.into_iter().for_each(Waker::wake);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) if !frame.is_trailers() => self.position = read,
            Poll::Ready(_) => self.is_ended = true,
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended || self.source().is_end_stream(self.position)
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_ended {
            return SizeHint::with_exact(0);
        }
        self.source().size_hint(self.position)
    }
}

/// The stream may know only the task that polled this: the others have to poll it themselves.
impl<B> Drop for ReplayBody<B> {
    fn drop(&mut self) {
        let waiting = self.source().take_waiting();
        waiting.into_iter().for_each(Waker::wake);
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody")
            .field("position", &self.position)
            .field("is_capped", &self.is_capped())
            .finish_non_exhaustive()
    }
}
