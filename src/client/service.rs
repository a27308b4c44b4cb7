//! The service.

use std::task::{Context, Poll};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use tower_service::Service;

use super::close::CloseAfterResponse;
use super::future::{Asked, ResponseFuture};
use super::hop_by_hop::strip_request_hop_by_hop;
use crate::origin::{Fingerprint, Origin};
use crate::shared::KeepAlive;

/// An HTTP client within a [`KeepAliveLayer`](crate::KeepAliveLayer).
///
/// Its error is that of the client within. Its readiness too.
#[derive(Clone, Debug)]
pub struct KeepAliveService<S> {
    inner: S,
    keep_alive: KeepAlive,
    strips: bool,
}

impl<S> KeepAliveService<S> {
    pub(super) fn new(inner: S, keep_alive: KeepAlive, strips: bool) -> Self {
        Self {
            inner,
            keep_alive,
            strips,
        }
    }

    /// What is shared with the other parts.
    pub fn keep_alive(&self) -> &KeepAlive {
        &self.keep_alive
    }

    /// The client within.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The client within.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the client within.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Adds the `Connection` field where it belongs. Returns where a request goes that got one, and
    /// one that was spared it for what its origin spoke last: the answer may tell otherwise.
    fn prepare<B>(&self, request: &mut Request<B>, close: bool) -> Option<Asked> {
        if request.version() > Version::HTTP_11 || request.headers().contains_key(CONNECTION) {
            return None;
        }
        let origins = self.keep_alive.store();
        let origin = Fingerprint::of(request.uri());
        if origins.http2().contains(origin) {
            return Some(Asked {
                origin,
                hint: false,
            });
        }
        let policies = self.keep_alive.policies();
        let close = close || !policies.allow_reuse(|| Origin::of(request.uri()));
        if !close && !origins.asked().is_worth_asking(origin) {
            return None;
        }
        let value = if close { "close" } else { "keep-alive" };
        request
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static(value));
        // Without an authority it may be any server's.
        request.uri().authority()?;
        Some(Asked {
            origin,
            hint: !close,
        })
    }
}

impl<S, B, C> Service<Request<B>> for KeepAliveService<S>
where
    S: Service<Request<B>, Response = Response<C>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if self.strips {
            strip_request_hop_by_hop(&mut request);
        }
        let close = request.extensions().get::<CloseAfterResponse>().is_some();
        let asked = self.prepare(&mut request, close);
        let response = self.inner.call(request);
        ResponseFuture::new(response, asked, close, self.strips, self.keep_alive.clone())
    }
}
