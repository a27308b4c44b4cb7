//! The lines to add: a connector for the builders of object_store.

use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt;
use http_keepalive::{IdleAwareConnector, KeepAlive, KeepAliveService, Provenance, RequestOutcome};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use object_store::ClientOptions;
use object_store::client::{
    self, HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
    HttpResponseBody, HttpService,
};
use tokio::time::timeout;
use tower::{BoxError, Layer, ServiceExt};

/// For `with_http_connector` of a builder.
#[derive(Clone, Debug)]
pub struct KeepAliveConnector {
    client: KeepAliveService<Client<IdleAwareConnector<HttpConnector>, HttpRequestBody>>,
    timeout: Duration,
}

impl KeepAliveConnector {
    /// Waits so long for the head of a response. The timeouts of `ClientOptions` are those of object_store's own client.
    pub fn new(keep_alive: &KeepAlive, timeout: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(timeout));
        let connector = keep_alive.connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self {
            client: keep_alive.layer().layer(client),
            timeout,
        }
    }
}

impl client::HttpConnector for KeepAliveConnector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for KeepAliveConnector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let response = timeout(self.timeout, self.client.clone().oneshot(request)).await;
        let response = response.map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?;
        let response = response.map_err(|error| explained(error.into()))?;
        Ok(response
            .map(|body| HttpResponseBody::new(body.map_err(|error| explained(error.into())))))
    }
}

/// Tells object_store whether to send a request again.
fn explained(error: BoxError) -> HttpError {
    let kind = match Provenance::of_error(&*error).map(|provenance| provenance.outcome()) {
        // It repeats these whatever the request is.
        Some(RequestOutcome::Unsent) => HttpErrorKind::Connect,
        // It repeats these only if the request is idempotent.
        _ => HttpErrorKind::Interrupted,
    };
    HttpError::new_boxed(kind, error)
}
