//! The client, and its future.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Uri, Version};
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::{self, Connected};
use tower_service::Service;

use super::connect::connect;
use super::connection::{Connection, Unanswered};
use super::host::{CheckOut, Host, Permit, Pooled, Turn, Waiting};
use super::hosts::Hosts;
#[cfg(feature = "http2")]
use super::http2::Http2;
use super::request;
use super::settings::PoolSettings;
use super::stats::PoolStats;
use super::timeout::within;
use crate::connect::IdleAwareConnector;
use crate::connection::{ClientError, ClientErrorKind, ConnectionHandle};
use crate::executor::ConnectionTask;

/// A client for HTTP/1 and HTTP/2 with a pool of its own: a tower service, cheap to clone. Clones share connections.
///
/// Made by [`KeepAlive::client_over`](crate::KeepAlive::client_over), with the
/// [`KeepAliveLayer`](crate::KeepAliveLayer) around it, or by `KeepAlive::client` with feature `rustls`.
///
/// 1. Of idle connections the one that was used last is taken first. Each is asked whether it may still be used as the
///    request is given to it. If not, the request goes to the next one, or to a new connection.
/// 2. Where none is idle, a connection is opened, and the request takes whichever comes first: that one, or one that
///    another request is done with. A connection that was opened and is not needed stays idle.
/// 3. A connection goes back to the pool once its request and its response are over, also after the response was dropped
///    by its caller, if little of it was left. It does not if its bytes were not understood, since no deadline is known
///    then.
/// 4. A request that hyper returns unsent goes out again on another connection, unless it had a new one.
/// 5. Requests need absolute URIs. On HTTP/1 they are sent in origin form (`/path`), in absolute form to a forward
///    proxy, and a CONNECT in authority form (RFC 9112 §3.2).
///
/// The extensions of a response have what the connector added to its connection, and the
/// [`ConnectionHandle`].
///
/// # Who drives a connection
///
/// The future of a request polls its HTTP/1 connection itself while it waits for the response, which saves two changes of
/// tasks per request. At all other times, the connection's own task does: while it is idle, while the body of a response is
/// read, or while that of the request is still being sent after the response has begun. So a request that is not polled
/// makes no progress.
pub struct Client<C, B> {
    shared: Arc<Shared<C, B>>,
}

struct Shared<C, B> {
    connector: IdleAwareConnector<C>,
    settings: PoolSettings,
    hosts: Hosts<B>,
}

type BoxError = Box<dyn Error + Send + Sync>;

/// What a request waits for.
enum First<B> {
    /// A connection that was set free.
    Free(Turn<B>),
    /// A new one.
    Opened(Result<(Pooled<B>, bool), ClientError>),
}

impl<C, B> Client<C, B> {
    pub(crate) fn new(connector: IdleAwareConnector<C>, settings: PoolSettings) -> Self {
        let hosts = Hosts::new(settings.limits());
        Self {
            shared: Arc::new(Shared {
                connector,
                settings,
                hosts,
            }),
        }
    }

    /// The connections of the pool in numbers, by origin, in no order.
    pub fn stats(&self) -> Vec<PoolStats> {
        self.shared.hosts.stats()
    }
}

impl<C, B> Service<Request<B>> for Client<C, B>
where
    C: Service<Uri, Error: Into<BoxError>> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + connect::Connection + Unpin + Send + 'static,
    C::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<Incoming>;
    type Error = ClientError;
    type Future = ClientFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ClientFuture {
        let shared = Arc::clone(&self.shared);
        let mut request = Some(request);
        // A block has one copy of what it captures, a function two of its arguments.
        ClientFuture(Box::pin(async move { shared.request(&mut request).await }))
    }
}

impl<C, B> Shared<C, B>
where
    C: Service<Uri, Error: Into<BoxError>> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + connect::Connection + Unpin + Send + 'static,
    C::Future: Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    async fn request(
        self: &Arc<Self>,
        request: &mut Option<Request<B>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let host = self.host_of(request.as_mut())?;
        while let Some(unsent) = request {
            let (connection, is_new) = self.check_out(&host, unsent.uri()).await?;
            let sent = match connection {
                Pooled::Http1(connection) => self.send(&host, &connection, request).await,
                #[cfg(feature = "http2")]
                Pooled::Http2(http2) => share(&host, &http2, request).await,
            };
            match sent {
                // It goes out on another connection.
                Err(_) if request.is_some() && !is_new && self.settings.retries => {}
                sent => return sent,
            }
        }
        unreachable!("what was sent has returned")
    }

    /// Checks a request, and finds the host of its URI.
    fn host_of(&self, request: Option<&mut Request<B>>) -> Result<Arc<Host<B>>, ClientError> {
        let Some(request) = request else {
            unreachable!("the caller has one");
        };
        request::check(request).map_err(ClientError::new)?;
        let host = self.hosts.get(request.uri());
        host.ok_or_else(|| ClientError::new(ClientErrorKind::AbsoluteUriRequired))
    }

    /// Sends a request on an HTTP/1 connection.
    async fn send(
        &self,
        host: &Host<B>,
        connection: &Arc<Connection<B>>,
        request: &mut Option<Request<B>>,
    ) -> Result<Response<Incoming>, ClientError> {
        let Some(prepared) = request else {
            unreachable!("the caller has one");
        };
        if prepared.version() == Version::HTTP_2 {
            connection.put();
            *request = None;
            let error = ClientError::new(ClientErrorKind::UnsupportedVersion);
            return Err(error.on(connection.handle(), connection.connected()));
        }
        let field = self.settings.sets_host.then(|| host.field());
        let is_proxied = connection.connected().is_proxied();
        let target = request::prepare(prepared, field, is_proxied);
        match connection.send(request).await {
            Ok(response) => Ok(response),
            Err(unanswered) => {
                if let Some(unsent) = request {
                    *unsent.uri_mut() = target;
                }
                Err(failed(
                    unanswered,
                    connection.handle(),
                    connection.connected(),
                ))
            }
        }
    }

    /// A connection to send a request on, and whether it is new.
    async fn check_out(
        self: &Arc<Self>,
        host: &Host<B>,
        uri: &Uri,
    ) -> Result<(Pooled<B>, bool), ClientError> {
        let mut checked_out = host.check_out();
        loop {
            checked_out = match checked_out {
                CheckOut::Idle(connection) => return Ok((connection, false)),
                CheckOut::Wait(waiting, Some(permit)) => {
                    return self.open(waiting, permit, uri).await;
                }
                CheckOut::Wait(waiting, None) => match self.wait(waiting).await? {
                    Turn::Free(connection) => CheckOut::Idle(connection),
                    Turn::Connect(permit, place) => host.check_out_with(permit, place),
                },
            };
        }
    }

    /// Waits where there are as many connections as may be.
    async fn wait(&self, waiting: Waiting<B>) -> Result<Turn<B>, ClientError> {
        let clock = self.connector.keep_alive().clock();
        let turn = within(clock, self.settings.queue_timeout, waiting).await;
        turn.ok_or_else(|| ClientError::new(ClientErrorKind::QueueTimeout))
    }

    /// Opens a connection, unless one is set free before.
    async fn open(
        self: &Arc<Self>,
        mut waiting: Waiting<B>,
        permit: Permit<B>,
        uri: &Uri,
    ) -> Result<(Pooled<B>, bool), ClientError> {
        let (shared, uri) = (Arc::clone(self), request::root_of(uri));
        let mut opening = Box::pin(async move {
            let connector = shared.connector.clone();
            connect(connector, uri, &shared.settings, permit).await
        });
        let mut is_begun = false;
        let first = poll_fn(|cx| {
            if let Poll::Ready(turn) = Pin::new(&mut waiting).poll(cx) {
                return Poll::Ready(First::Free(turn));
            }
            is_begun = true;
            opening.as_mut().poll(cx).map(First::Opened)
        });
        match first.await {
            First::Opened(opened) => opened,
            First::Free(Turn::Free(connection)) => {
                if is_begun {
                    let executor = self.connector.keep_alive().executor();
                    executor.spawn(ConnectionTask::new(async move {
                        if let Ok((Pooled::Http1(connection), _)) = opening.await {
                            connection.put();
                        }
                    }));
                }
                Ok((connection, false))
            }
            First::Free(Turn::Connect(..)) => unreachable!("it has a permit"),
        }
    }
}

/// Sends a request on an HTTP/2 connection.
#[cfg(feature = "http2")]
async fn share<B: Body + Send + 'static>(
    host: &Host<B>,
    http2: &Http2<B>,
    request: &mut Option<Request<B>>,
) -> Result<Response<Incoming>, ClientError> {
    match http2.send(request).await {
        Ok(mut response) => {
            http2.connected().get_extras(response.extensions_mut());
            Ok(response)
        }
        Err(unanswered) => {
            if request.is_some() {
                // It takes no more requests.
                host.unshare(http2);
            }
            Err(failed(unanswered, http2.handle(), http2.connected()))
        }
    }
}

fn failed(
    unanswered: Unanswered,
    connection: ConnectionHandle,
    connected: &Connected,
) -> ClientError {
    let (kind, error) = match unanswered {
        Unanswered::Unsent(error) => (ClientErrorKind::Canceled, error),
        Unanswered::Failed(error) => (ClientErrorKind::SendRequest, Some(error)),
    };
    let failed = ClientError::new(kind).on(connection, connected);
    match error {
        Some(error) => failed.with_source(error),
        None => failed,
    }
}

impl<C, B> Clone for Client<C, B> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<C: fmt::Debug, B> fmt::Debug for Client<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("connector", &self.shared.connector)
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

/// Waits for a response: the future of [`Client`].
///
/// Dropping it closes its connection, if that is HTTP/1 and the response has not begun.
#[must_use = "futures do nothing unless polled"]
pub struct ClientFuture(
    Pin<Box<dyn Future<Output = Result<Response<Incoming>, ClientError>> + Send>>,
);

impl Future for ClientFuture {
    type Output = Result<Response<Incoming>, ClientError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFuture").finish_non_exhaustive()
    }
}
