//! One connection as a service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::SendRequest;
use tower_service::Service;

use super::BoxError;
use super::error::NotReusable;
use crate::connection::{ConnectionHandle, Http1Error};

/// One HTTP/1 connection as a service; made by [`MakeHttp1`](crate::MakeHttp1).
///
/// Ready when the last response was read to its end, for as long as the connection may be reused. After that
/// [`poll_ready`](Service::poll_ready) fails, so that a pool does not take the connection back.
///
/// A response has the [`ConnectionHandle`] in its extensions. A request is sent as it is: `Host`, and a target in origin
/// form (`/path`), are the caller's to set.
///
/// # Errors
///
/// [`NotReusable`], from `poll_ready` alone, or an [`Http1Error`], from which
/// [`Provenance::of_error`](crate::Provenance::of_error) tells what became of the request.
pub struct Http1Connection<B> {
    sender: SendRequest<B>,
    handle: ConnectionHandle,
}

impl<B> Http1Connection<B> {
    pub(super) fn new(sender: SendRequest<B>, handle: ConnectionHandle) -> Self {
        Self { sender, handle }
    }

    /// Whether the connection may be used for another request: a predicate for a pool's `retain`.
    ///
    /// Also `true` while a request or a response is under way.
    pub fn is_reusable(&self) -> bool {
        !self.sender.is_closed() && self.handle.is_reusable()
    }

    /// The handle of this connection, which follows it from request to request.
    pub fn handle(&self) -> &ConnectionHandle {
        &self.handle
    }
}

impl<B: Body + Send + 'static> Service<Request<B>> for Http1Connection<B> {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Http1ResponseFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let failed = |error| Http1Error::new(error, self.handle.follow());
        ready!(self.sender.poll_ready(cx)).map_err(failed)?;
        if self.handle.is_reusable() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Ready(Err(NotReusable.into()))
        }
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let response = self.sender.send_request(request);
        Http1ResponseFuture {
            response: Box::pin(response),
            handle: self.handle.follow(),
        }
    }
}

impl<B> fmt::Debug for Http1Connection<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Connection")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

type Sending = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

/// The future of [`Http1Connection`].
pub struct Http1ResponseFuture {
    response: Sending,
    /// Follows the connection.
    handle: ConnectionHandle,
}

impl Future for Http1ResponseFuture {
    type Output = Result<Response<Incoming>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.response.as_mut().poll(cx));
        let failed = |error| Http1Error::new(error, self.handle.follow());
        let mut response = response.map_err(failed)?;
        // The clone is fixed to this request.
        response.extensions_mut().insert(self.handle.clone());
        Poll::Ready(Ok(response))
    }
}

impl fmt::Debug for Http1ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1ResponseFuture")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
