//! GitHub's API. For HTTPS wrap an `HttpsConnector`.

use std::sync::Arc;

use http::{HeaderValue, Uri, header::USER_AGENT};
use http_keepalive::KeepAlive;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use octocrab::service::middleware::{base_uri::BaseUriLayer, extra_headers::ExtraHeadersLayer};
use octocrab::{AuthState, Octocrab, OctocrabBuilder};

pub fn octocrab(keep_alive: &KeepAlive, base: Uri) -> Octocrab {
    let connector = keep_alive.connector(HttpConnector::new());
    let agent = (USER_AGENT, HeaderValue::from_static("octocrab"));
    let built = OctocrabBuilder::new_empty()
        .with_service(Client::builder(TokioExecutor::new()).build(connector))
        .with_layer(&keep_alive.layer())
        .with_layer(&ExtraHeadersLayer::new(Arc::new(vec![agent])))
        .with_layer(&BaseUriLayer::new(base))
        .with_auth(AuthState::None)
        .build();
    built.unwrap_or_else(|never| match never {})
}
