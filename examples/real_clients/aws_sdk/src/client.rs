//! The lines to add: an HTTP client for the SDK.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    self as smithy, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http_keepalive::{IdleAwareConnector, KeepAlive, KeepAliveService, Provenance, RequestOutcome};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;
use tower::{BoxError, Layer, ServiceExt};

/// For `http_client` of a service's configuration, or of `aws_config`.
#[derive(Debug, Default)]
pub struct HttpClient {
    keep_alive: KeepAlive,
    /// A pool for each connect timeout that was asked for, which is seldom more than one.
    pools: Mutex<HashMap<Option<Duration>, Pool>>,
}

type Pool = KeepAliveService<Client<IdleAwareConnector<HttpConnector>, SdkBody>>;

impl HttpClient {
    pub fn new(keep_alive: KeepAlive) -> Self {
        let pools = Mutex::default();
        Self { keep_alive, pools }
    }

    fn pool(&self, connect_timeout: Option<Duration>) -> Pool {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(connect_timeout);
        let connector = self.keep_alive.connector(connector);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        self.keep_alive.layer().layer(client)
    }
}

impl smithy::HttpClient for HttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = settings.connect_timeout();
        let pool = pools
            .entry(limit)
            .or_insert_with(|| self.pool(limit))
            .clone();
        SharedHttpConnector::new(Connector {
            pool,
            read_timeout: settings.read_timeout(),
        })
    }
}

#[derive(Debug)]
struct Connector {
    pool: Pool,
    read_timeout: Option<Duration>,
}

impl smithy::HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let is_idempotent = request.method().is_idempotent();
        let response = self.pool.clone().oneshot(request);
        let limit = self.read_timeout.unwrap_or(Duration::MAX);
        HttpConnectorFuture::new(async move {
            let response = timeout(limit, response)
                .await
                .map_err(|late| ConnectorError::timeout(late.into()))?;
            let response = response.map_err(|error| explained(error.into(), is_idempotent))?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Tells the SDK whether to send a request again: it repeats what is called IO, whatever the request is.
fn explained(error: BoxError, is_idempotent: bool) -> ConnectorError {
    match Provenance::of_error(&*error).map(|provenance| provenance.outcome()) {
        Some(RequestOutcome::Unsent) => ConnectorError::io(error),
        Some(_) if is_idempotent => ConnectorError::io(error),
        _ => ConnectorError::other(error, None),
    }
}
