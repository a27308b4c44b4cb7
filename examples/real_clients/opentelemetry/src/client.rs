//! The lines to add: a client for exporters.

use std::time::Duration;

use async_trait::async_trait;
use http_body_util::{BodyExt, Full, Limited};
use http_keepalive::{IdleAwareConnector, KeepAlive, KeepAliveService};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::{runtime::Handle, time::timeout};
use tower::{Layer, ServiceExt};

/// For `with_http_client` of an exporter. The SDK exports on threads of its own; a tokio runtime carries it out.
#[derive(Debug)]
pub struct ExportClient {
    client: KeepAliveService<Client<IdleAwareConnector<HttpConnector>, Full<Bytes>>>,
    runtime: Handle,
    timeout: Duration,
}

impl ExportClient {
    /// Runs on the runtime that this is called in.
    pub fn new(keep_alive: &KeepAlive, timeout: Duration) -> Self {
        let connector = keep_alive.connector(HttpConnector::new());
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self {
            client: keep_alive.layer().layer(client),
            runtime: Handle::current(),
            timeout,
        }
    }
}

#[async_trait]
impl HttpClient for ExportClient {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.client.clone().oneshot(request.map(Full::from));
        let limit = self.timeout;
        let whole = async move {
            let (head, body) = response.await?.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        self.runtime
            .spawn(async move { timeout(limit, whole).await? })
            .await?
    }
}

/// As much as `opentelemetry-http` takes of a response.
const MAX_BODY: usize = 4 << 20;
