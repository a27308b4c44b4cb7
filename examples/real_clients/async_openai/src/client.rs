//! The lines to add.

use async_openai::middleware::{HttpRequestFactory, retry::OpenAIRetryLayer};
use async_openai::{Client, config::Config, error::OpenAIError};
use http_keepalive::{KeepAlive, ReqwestLayer};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// A client whose connections close before the server does.
pub fn client<C: Config>(config: C, keep_alive: &KeepAlive) -> Client<C> {
    let connector = keep_alive.connector(HttpConnector::new());
    let http = ServiceBuilder::new()
        .layer(ReqwestLayer::new())
        .layer(keep_alive.layer())
        .service(legacy::Client::builder(TokioExecutor::new()).build(connector));
    let send = service_fn(move |request: HttpRequestFactory| {
        let http = http.clone();
        async move {
            http.oneshot(request.build().await?)
                .await
                .map_err(OpenAIError::from)
        }
    });
    // As by default: after 429 and 5xx.
    let service = ServiceBuilder::new()
        .layer(OpenAIRetryLayer::default())
        .service(send);
    Client::with_config(config).with_http_service(service)
}
