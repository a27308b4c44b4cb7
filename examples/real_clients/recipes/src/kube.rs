//! Kubernetes' API. For HTTPS the connector is `config.rustls_https_connector()?`, feature `rustls-tls`.

use http_keepalive::KeepAlive;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use kube::{Config, client::ConfigExt};
use tower::{BoxError, ServiceBuilder};

pub fn client(keep_alive: &KeepAlive, config: Config) -> kube::Result<kube::Client> {
    let connector = keep_alive.connector(HttpConnector::new());
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .layer(keep_alive.layer())
        .service(Client::builder(TokioExecutor::new()).build(connector));
    Ok(kube::Client::new(service, config.default_namespace))
}
