//! The service.

use std::task::{Context, Poll};

use ::reqwest::{Body, Request, Response, Url};
use hyper::body::{Body as HttpBody, Bytes};
use tower_service::Service;

use super::BoxError;
use super::future::ReqwestFuture;

/// An HTTP client wrapped by a [`ReqwestLayer`](crate::ReqwestLayer).
///
/// Readiness is that of the inner client.
#[derive(Clone, Debug)]
pub struct ReqwestService<S> {
    inner: S,
}

impl<S> ReqwestService<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
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
}

impl<S, B> Service<Request> for ReqwestService<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>>,
    S::Error: Into<BoxError>,
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + Sync + 'static,
{
    type Response = Response;
    type Error = BoxError;
    type Future = ReqwestFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let url: Url = request.url().clone();
        match http::Request::try_from(request) {
            Ok(request) => ReqwestFuture::new(self.inner.call(request), url),
            Err(error) => ReqwestFuture::failed(error),
        }
    }
}
