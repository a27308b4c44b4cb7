//! The layer that tells clients how long connections are kept.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::connection::ServedConnection;
use super::drain::Stage;
use super::server::ServerKeepAlive;
use crate::proto::serve::{Advice, Answer, On, advise};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Says in HTTP/1 responses how long the server keeps an idle connection, and which response is the last. Made by
/// [`ServerKeepAlive::layer`]; with axum, [`ServerKeepAlive::make_service`] applies it. Cheap to clone.
///
/// 1. A response to HTTP/2, a switch of protocols (101), and a response to CONNECT are not changed.
/// 2. If the response is the last one of its connection, it gets `Connection: close`: in a [`Drain`](crate::Drain); and if
///    the layer knows the connection, when [`max_requests`](crate::ServerPolicy::max_requests) or
///    [`max_connection_age`](crate::ServerPolicy::max_connection_age) are reached.
/// 3. A response with `Connection: close`, or to a request that has it, is not changed otherwise. Nor is one to HTTP/1.0
///    without `Connection: keep-alive`.
/// 4. Any other gets `Keep-Alive: timeout=…`, with `max=…` if `max_requests` is set and the layer knows the connection;
///    unless the handler has set the field. The [`IdleStream`](crate::IdleStream) keeps the handler's word then, up to an
///    hour.
/// 5. A response to HTTP/1.0 gets `Connection: keep-alive` too, without which its client would not keep the connection.
///
/// Goes outside of layers that change `Connection` or `Keep-Alive`. Errors pass through unchanged.
#[derive(Clone, Debug)]
#[must_use]
pub struct AdvertiseLayer {
    of: Of,
}

/// What the layer knows. One pointer, since each request clones it.
#[derive(Clone, Debug)]
enum Of {
    Server(ServerKeepAlive),
    Connection(ServedConnection),
}

impl AdvertiseLayer {
    pub(super) fn new(server: ServerKeepAlive) -> Self {
        Self {
            of: Of::Server(server),
        }
    }

    /// For the service of this connection alone.
    pub fn on(self, connection: &ServedConnection) -> Self {
        Self {
            of: Of::Connection(connection.clone()),
        }
    }

    fn server(&self) -> &ServerKeepAlive {
        match &self.of {
            Of::Server(server) => server,
            Of::Connection(connection) => connection.server(),
        }
    }

    fn connection(&self) -> Option<&ServedConnection> {
        match &self.of {
            Of::Server(_) => None,
            Of::Connection(connection) => Some(connection),
        }
    }
}

impl<S> Layer<S> for AdvertiseLayer {
    type Service = AdvertiseService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AdvertiseService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service wrapped by an [`AdvertiseLayer`].
///
/// Errors and readiness are those of the inner service.
#[derive(Clone, Debug)]
pub struct AdvertiseService<S> {
    inner: S,
    layer: AdvertiseLayer,
}

impl<S> AdvertiseService<S> {
    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Returns the inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, C> Service<Request<B>> for AdvertiseService<S>
where
    S: Service<Request<B>, Response = Response<C>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = AdvertiseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let asked = Asked::of(&request);
        let applied = asked.map(|asked| Applied {
            layer: self.layer.clone(),
            asked,
            on: self.layer.connection().map(ServedConnection::on_request),
        });
        AdvertiseFuture {
            inner: self.inner.call(request),
            applied,
        }
    }
}

/// What an HTTP/1 request asks of its connection.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// Whether it is to stay open.
    keep_alive: bool,
    is_http_10: bool,
    is_connect: bool,
}

impl Asked {
    /// `None` for HTTP/2.
    fn of<B>(request: &Request<B>) -> Option<Self> {
        let is_http_10 = match request.version() {
            Version::HTTP_09 | Version::HTTP_10 => true,
            Version::HTTP_11 => false,
            _ => return None,
        };
        let headers = request.headers();
        Some(Self {
            keep_alive: if is_http_10 {
                has_option(headers, "keep-alive")
            } else {
                !has_option(headers, "close")
            },
            is_http_10,
            is_connect: request.method() == Method::CONNECT,
        })
    }
}

/// Whether `Connection` has this option (RFC 9110 §7.6.1).
fn has_option(headers: &HeaderMap, option: &str) -> bool {
    if !headers.contains_key(CONNECTION) {
        return false;
    }
    let values = headers.get_all(CONNECTION).into_iter();
    let mut options = values.flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    options.any(|named| named.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}

/// Waits for a response, and applies the rules of [`AdvertiseLayer`] to it.
///
/// Dropping it drops the inner service's future, and does nothing else.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct AdvertiseFuture<F> {
    #[pin]
    inner: F,
    /// `None` for HTTP/2.
    applied: Option<Applied>,
}

/// The layer, and the request that it answers.
#[derive(Debug)]
struct Applied {
    layer: AdvertiseLayer,
    asked: Asked,
    on: Option<On>,
}

impl<F, B, E> Future for AdvertiseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut polled = this.inner.poll(cx);
        // Changed in place, since a response is large.
        if let (Poll::Ready(Ok(response)), Some(applied)) = (&mut polled, this.applied) {
            applied.apply(response);
        }
        polled
    }
}

impl Applied {
    fn apply<B>(&self, response: &mut Response<B>) {
        let Self { layer, asked, on } = self;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS || asked.is_connect {
            return;
        }
        let headers = response.headers_mut();
        if !asked.keep_alive || has_option(headers, "close") {
            return;
        }
        let server = layer.server();
        let answer = Answer {
            is_draining: server.stage() >= Stage::Closing,
            on: *on,
        };
        let policy = server.policy();
        let now = policy.max_connection_age.map(|_| server.now());
        match advise(policy, &answer, now.as_ref()) {
            Advice::Close(reason) => {
                headers.remove(KEEP_ALIVE);
                let close = HeaderValue::from_static("close");
                if has_option(headers, "keep-alive") {
                    headers.insert(CONNECTION, close);
                } else {
                    headers.append(CONNECTION, close);
                }
                server.on_last_response(layer.connection(), reason);
            }
            Advice::Stay { max } => {
                let field = headers.entry(KEEP_ALIVE);
                field.or_insert_with(|| server.hint(max));
                if asked.is_http_10 && !has_option(headers, "keep-alive") {
                    headers.append(CONNECTION, HeaderValue::from_static("keep-alive"));
                }
            }
        }
    }
}
