//! The service.

use std::task::{Context, Poll};

use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use tower_service::Service;

use super::close::CloseAfterResponse;
use super::future::{PendingProbe, ResponseFuture};
use super::hop_by_hop::strip_request_hop_by_hop;
use crate::keep_alive::KeepAlive;
use crate::origin::{Fingerprint, Origin};

/// An HTTP client wrapped by a [`KeepAliveLayer`](crate::KeepAliveLayer).
///
/// Errors and readiness are those of the inner client.
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

    /// The `KeepAlive` that the service shares with other parts.
    pub fn keep_alive(&self) -> &KeepAlive {
        &self.keep_alive
    }

    /// Returns the inner client.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner client.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner client.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// Adds the `Connection` field, by rules 1 to 4 of the layer. Returns what to record of the origin when
    /// the response arrives.
    fn prepare<B>(&self, request: &mut Request<B>, close: bool) -> Option<PendingProbe> {
        if request.version() > Version::HTTP_11 || request.headers().contains_key(CONNECTION) {
            return None;
        }
        let origins = self.keep_alive.store();
        let origin = Fingerprint::of(request.uri());
        if origins.http2().contains(origin) {
            // The response may be HTTP/1 this time.
            return Some(PendingProbe {
                origin,
                asks_for_hint: false,
            });
        }
        let policies = self.keep_alive.policies();
        let close = close || !policies.allow_reuse(|| Origin::of(request.uri()));
        if !close && !origins.probe().is_worth_asking(origin) {
            return None;
        }
        let value = if close { "close" } else { "keep-alive" };
        request
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static(value));
        // Without an authority the origin is unknown.
        request.uri().authority()?;
        Some(PendingProbe {
            origin,
            asks_for_hint: !close,
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
        let probe = self.prepare(&mut request, close);
        let response = self.inner.call(request);
        ResponseFuture::new(response, probe, close, self.strips, self.keep_alive.clone())
    }
}
