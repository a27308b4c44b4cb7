//! The methods of tower-http-client on a client of this crate.

use http_body_util::Full;
use http_keepalive::KeepAlive;
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::{Client, Error, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::Layer;
use tower_http_client::ServiceExt;

pub async fn status(keep_alive: &KeepAlive, url: &str) -> Result<http::StatusCode, Error> {
    let connector = keep_alive.connector(HttpConnector::new());
    let client = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
    let mut client = keep_alive.layer().layer(client);

    let request = http::Request::get(url)
        .body(Full::default())
        .unwrap_or_default();
    let response: http::Response<Incoming> = client.execute(request).await?;
    Ok(response.status())
}
