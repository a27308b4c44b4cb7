//! hyper's `SendRequest`s as tower's services, and what makes them. hyper leaves that to others.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::TokioExecutor;
use tower::{BoxError, Service};

type Answer = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;
type Making<S> = Pin<Box<dyn Future<Output = Result<S, BoxError>> + Send>>;

/// One HTTP/1 connection.
#[derive(Debug)]
pub struct Http1(pub http1::SendRequest<Full<Bytes>>);

impl Http1 {
    /// Speaks HTTP/1 on a transport, and drives the connection.
    pub async fn on<T>(io: T) -> hyper::Result<Self>
    where
        T: Read + Write + Send + Unpin + 'static,
    {
        let (sender, connection) = http1::handshake(io).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }
}

impl Service<Request<Full<Bytes>>> for Http1 {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Answer {
        Box::pin(self.0.send_request(request))
    }
}

/// The same connection for all who clone it.
#[derive(Clone, Debug)]
pub struct Shared(Arc<Mutex<Http1>>);

impl Service<Request<Full<Bytes>>> for Shared {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.lock().unwrap().poll_ready(cx)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Answer {
        self.0.lock().unwrap().call(request)
    }
}

impl From<Http1> for Shared {
    fn from(connection: Http1) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }
}

/// One HTTP/2 connection, the same for all who clone it.
#[derive(Clone, Debug)]
pub struct Http2(http2::SendRequest<Full<Bytes>>);

impl Http2 {
    async fn on<T>(io: T) -> hyper::Result<Self>
    where
        T: Read + Write + Send + Unpin + 'static,
    {
        let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        Ok(Self(sender))
    }
}

impl Service<Request<Full<Bytes>>> for Http2 {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Answer;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Answer {
        Box::pin(self.0.send_request(request))
    }
}

/// Makes HTTP/1 connections of what a connector connects.
#[derive(Clone, Debug)]
pub struct MakeHttp1<C>(pub C);

/// Makes HTTP/2 connections of what a connector connects.
#[derive(Clone, Debug)]
pub struct MakeHttp2<C>(pub C);

impl<C, D> Service<D> for MakeHttp1<C>
where
    C: Service<D, Error: Into<BoxError>, Future: Send + 'static>,
    C::Response: Read + Write + Send + Unpin + 'static,
{
    type Response = Http1;
    type Error = BoxError;
    type Future = Making<Http1>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, destination: D) -> Self::Future {
        let connecting = self.0.call(destination);
        Box::pin(async move { Ok(Http1::on(connecting.await.map_err(Into::into)?).await?) })
    }
}

impl<C, D> Service<D> for MakeHttp2<C>
where
    C: Service<D, Error: Into<BoxError>, Future: Send + 'static>,
    C::Response: Read + Write + Send + Unpin + 'static,
{
    type Response = Http2;
    type Error = BoxError;
    type Future = Making<Http2>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, destination: D) -> Self::Future {
        let connecting = self.0.call(destination);
        Box::pin(async move { Ok(Http2::on(connecting.await.map_err(Into::into)?).await?) })
    }
}
