//! The layer.

use tower_layer::Layer;

use super::service::ReqwestService;

/// Makes a client that takes [`reqwest::Request`] and gives [`reqwest::Response`] of one that speaks
/// the types of `http`.
///
/// 1. Method, URL, headers, version, extensions and body of a request are passed on as they are.
///    Bodies are streamed, in both directions; an absent one is empty.
/// 2. So are status, headers, version, extensions and body of a response: the
///    [`ConnectionHandle`](crate::ConnectionHandle) is in its extensions.
/// 3. [`reqwest::Response::url`] is the URL of the request, unless a service within set another with
///    [`reqwest::ResponseBuilderExt`].
/// 4. An error of the client within is passed on as it is, boxed, where it is not already: it can be
///    downcast to what it was. A URL that is not a URI, and so cannot be sent, is a
///    [`reqwest::Error`].
///
/// What a `reqwest::Client` does beyond sending is not done: redirects, decompression, cookies,
/// default headers, proxies. Use layers of tower-http within, or connectors. In particular a
/// [timeout](reqwest::RequestBuilder::timeout) of a request is **not** heeded; see
/// [`guide::reqwest`](crate::guide::reqwest) for how to.
///
/// ```
/// use http_keepalive::{KeepAlive, ReqwestLayer};
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
/// use tower::{Service, ServiceBuilder};
///
/// # async fn send(request: reqwest::Request) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
/// let keep_alive = KeepAlive::default();
/// let connector = keep_alive.connector(HttpConnector::new());
/// let mut client = ServiceBuilder::new()
///     .layer(ReqwestLayer::new())
///     .layer(keep_alive.layer())
///     .service(Client::builder(TokioExecutor::new()).build(connector));
///
/// let response: reqwest::Response = client.call(request).await?;
/// println!("{} from {}", response.status(), response.url());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct ReqwestLayer(());

impl ReqwestLayer {
    /// The layer.
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for ReqwestLayer {
    type Service = ReqwestService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ReqwestService::new(inner)
    }
}
