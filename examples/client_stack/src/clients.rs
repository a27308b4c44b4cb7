//! The clients at the bottom of the stack, with and without this crate.

use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use http_keepalive::{IdleAwareConnector, KeepAlive, KeepAliveService};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use tokio_rustls::rustls::ClientConfig;
use tower::Service;

use crate::support::client;

/// What the stack sends.
pub type RequestBody = Full<Bytes>;

/// TLS around what connects.
pub fn https<C>(tls: ClientConfig, connector: C) -> HttpsConnector<C> {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(connector)
}

/// hyper-util's client as it comes: the control.
pub fn plain<C>(connector: C) -> Client<C, RequestBody>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    client::plain(connector)
}

/// The same client with both halves of this crate: the connector around TLS, the layer around the
/// client.
pub fn guarded<C>(
    keep_alive: &KeepAlive,
    connector: C,
) -> KeepAliveService<Client<IdleAwareConnector<C>, RequestBody>>
where
    C: Service<Uri>,
    IdleAwareConnector<C>: Connect + Clone + Send + Sync + 'static,
{
    client::guarded_legacy(keep_alive, connector)
}
