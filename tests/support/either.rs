//! hyper-util's client or this crate's own, so that one test holds both to the same.

use std::env;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use http_keepalive::{
    ClientError, ClientErrorKind, ClientFuture, ConnectionHandle, IdleAwareConnector, KeepAlive,
    KeepAliveService, PoolSettings,
};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connect, Connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;

type BoxError = Box<dyn Error + Send + Sync>;

/// Set to `own`, it makes [`is_own`] true.
pub const VARIABLE: &str = "HTTP_KEEPALIVE_TEST_CLIENT";

/// Whether the tests are about this crate's own client; about hyper-util's otherwise.
pub fn is_own() -> bool {
    static IS_OWN: OnceLock<bool> = OnceLock::new();
    *IS_OWN.get_or_init(|| match env::var(VARIABLE) {
        Ok(client) if client == "own" => true,
        Ok(client) if client == "legacy" => false,
        Ok(other) => panic!("{VARIABLE} is {other:?}, and has to be `own` or `legacy`"),
        Err(_) => false,
    })
}

/// A client, with both halves of this crate.
pub type Guarded<C, B = Full<Bytes>> = KeepAliveService<EitherClient<C, B>>;

/// A client over this crate's connector, without the layer.
#[allow(
    clippy::large_enum_variant,
    reason = "there are few, and this is not the library"
)]
pub enum EitherClient<C, B = Full<Bytes>> {
    Legacy(legacy::Client<IdleAwareConnector<C>, B>),
    Own(http_keepalive::Client<C, B>),
}

/// A client over this crate's connector, without the layer.
pub fn unlayered<C, B>(keep_alive: &KeepAlive, connector: C) -> EitherClient<C, B>
where
    C: Service<Uri>,
    IdleAwareConnector<C>: Connect + Clone,
    B: Body<Data: Send> + Send,
{
    let set_legacy = |builder: &mut legacy::Builder| {
        builder.pool_timer(TokioTimer::new());
    };
    unlayered_with(keep_alive, connector, set_legacy, |_| {})
}

/// The same, where each of both is set up in its own way. The first of them begins without a timer.
pub fn unlayered_with<C, B>(
    keep_alive: &KeepAlive,
    connector: C,
    set_legacy: impl FnOnce(&mut legacy::Builder),
    set_own: impl FnOnce(&mut PoolSettings),
) -> EitherClient<C, B>
where
    C: Service<Uri>,
    IdleAwareConnector<C>: Connect + Clone,
    B: Body<Data: Send> + Send,
{
    if is_own() {
        let builder = keep_alive.client_over(connector).pool(set_own);
        return EitherClient::Own(builder.build().into_inner());
    }
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    set_legacy(&mut builder);
    EitherClient::Legacy(builder.build(keep_alive.connector(connector)))
}

impl<C, B> Service<Request<B>> for EitherClient<C, B>
where
    C: Service<Uri, Error: Into<BoxError>> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Connection + Unpin + Send + 'static,
    C::Future: Send + 'static,
    IdleAwareConnector<C>: Connect,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<Incoming>;
    type Error = EitherError;
    type Future = EitherFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), EitherError>> {
        match self {
            Self::Legacy(client) => client.poll_ready(cx).map_err(EitherError::Legacy),
            Self::Own(client) => client.poll_ready(cx).map_err(EitherError::Own),
        }
    }

    fn call(&mut self, request: Request<B>) -> EitherFuture {
        match self {
            Self::Legacy(client) => EitherFuture::Legacy(client.call(request)),
            Self::Own(client) => EitherFuture::Own(client.call(request)),
        }
    }
}

impl<C: Clone, B> Clone for EitherClient<C, B> {
    fn clone(&self) -> Self {
        match self {
            Self::Legacy(client) => Self::Legacy(client.clone()),
            Self::Own(client) => Self::Own(client.clone()),
        }
    }
}

impl<C, B> fmt::Debug for EitherClient<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EitherClient")
    }
}

/// Waits for a response.
pub enum EitherFuture {
    Legacy(legacy::ResponseFuture),
    Own(ClientFuture),
}

impl Future for EitherFuture {
    type Output = Result<Response<Incoming>, EitherError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Legacy(future) => Pin::new(future).poll(cx).map_err(EitherError::Legacy),
            Self::Own(future) => Pin::new(future).poll(cx).map_err(EitherError::Own),
        }
    }
}

/// The client's error, which is the source of this one.
#[derive(Debug)]
pub enum EitherError {
    Legacy(legacy::Error),
    Own(ClientError),
}

impl EitherError {
    /// Whether no connection could be opened.
    pub fn is_connect(&self) -> bool {
        match self {
            Self::Legacy(error) => error.is_connect(),
            Self::Own(error) => error.kind() == ClientErrorKind::Connect,
        }
    }

    /// The connection that the request was given.
    pub fn connection(&self) -> Option<ConnectionHandle> {
        match self {
            Self::Legacy(error) => {
                let mut extensions = http::Extensions::new();
                error.connect_info()?.get_extras(&mut extensions);
                extensions.remove()
            }
            Self::Own(error) => error.connection().cloned(),
        }
    }

    /// hyper's error, if a connection failed.
    pub fn hyper(&self) -> Option<&hyper::Error> {
        match self {
            Self::Legacy(error) => error.source()?.downcast_ref(),
            Self::Own(error) => error.hyper(),
        }
    }
}

impl fmt::Display for EitherError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Legacy(error) => error.fmt(f),
            Self::Own(error) => error.fmt(f),
        }
    }
}

impl Error for EitherError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Legacy(error) => Some(error),
            Self::Own(error) => Some(error),
        }
    }
}

impl From<legacy::Error> for EitherError {
    fn from(error: legacy::Error) -> Self {
        Self::Legacy(error)
    }
}
