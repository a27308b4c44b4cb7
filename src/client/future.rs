//! The service's future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::uri::{Authority, Scheme};
use http::{Response, Uri, Version};
use pin_project::pin_project;

use crate::connection::ConnectionHandle;
use crate::origin::Origin;
use crate::proto::keep_alive;
use crate::shared::KeepAlive;

/// Where a request went, unless it could not be given a `Connection` field anyway: what an origin is made of, which costs
/// less to keep than the origin itself, and is seldom asked for.
#[derive(Debug)]
pub(super) struct Asked(Scheme, Authority);

impl Asked {
    pub(super) fn of(uri: &Uri) -> Option<Self> {
        Some(Self(uri.scheme()?.clone(), uri.authority()?.clone()))
    }

    fn origin(&self) -> Option<Origin> {
        Origin::new(&self.0, &self.1)
    }
}

/// Waits for a response, and heeds its hint: the future of
/// [`KeepAliveService`](crate::KeepAliveService).
///
/// Dropping it drops the future of the client within, and nothing else.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    asked: Option<Asked>,
    /// Whether the request holds `CloseAfterResponse`.
    close: bool,
    keep_alive: KeepAlive,
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(inner: F, asked: Option<Asked>, close: bool, keep_alive: KeepAlive) -> Self {
        Self {
            inner,
            asked,
            close,
            keep_alive,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        learn_version(this.keep_alive, this.asked.as_ref(), response.version());
        heed_hint(this.keep_alive, &mut response);
        if *this.close {
            // The field may not have been sent, nor need the server heed it.
            let handle = response.extensions().get::<ConnectionHandle>();
            handle.into_iter().for_each(ConnectionHandle::retire);
        }
        Poll::Ready(Ok(response))
    }
}

/// Remembers which origins speak HTTP/2, so that they are not asked again.
fn learn_version(keep_alive: &KeepAlive, asked: Option<&Asked>, version: Version) {
    let http2 = version > Version::HTTP_11;
    let origin = || asked.and_then(Asked::origin);
    keep_alive.origins().on_answer(origin, http2);
}

fn heed_hint<B>(keep_alive: &KeepAlive, response: &mut Response<B>) {
    if response.version() > Version::HTTP_11 {
        return;
    }
    let Some(parsed) = keep_alive::parse(response.headers()) else {
        return;
    };
    keep_alive
        .counters()
        .on_hint(parsed.hint.is_some(), parsed.invalid);
    let Some(hint) = parsed.hint else { return };
    if let Some(connection) = response.extensions().get::<ConnectionHandle>() {
        connection.on_hint(hint);
    }
    response.extensions_mut().insert(hint);
}
