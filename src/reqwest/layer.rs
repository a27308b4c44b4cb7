//! The layer.

use tower_layer::Layer;

use super::service::ReqwestService;

/// Wraps a client of `http` types into one that takes [`reqwest::Request`] and returns
/// [`reqwest::Response`].
///
/// 1. Method, URL, headers, version, extensions and body of a request are passed on unchanged.
///    Bodies are streamed, in both directions; an absent body becomes an empty one.
/// 2. Status, headers, version, extensions and body of a response are passed on unchanged. The
///    [`ConnectionHandle`](crate::ConnectionHandle) is in the extensions.
/// 3. [`reqwest::Response::url`] is the URL of the request, unless an inner service set another with
///    [`reqwest::ResponseBuilderExt`].
/// 4. An error of the inner client is passed on, boxed if it is not already, and can be downcast to its
///    type. For a URL that is not a URI, and so cannot be sent, the error is a [`reqwest::Error`].
///
/// What a `reqwest::Client` does beyond sending is not done: redirects, decompression, cookies,
/// default headers, proxies. Use inner layers of tower-http, or connectors. In particular the
/// [timeout](reqwest::RequestBuilder::timeout) of a request is **not** applied;
/// [`guide::reqwest`](crate::guide::reqwest) shows a service that does.
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
