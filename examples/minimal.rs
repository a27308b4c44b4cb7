//! A client that never reuses a connection its server is about to close, to copy.
//!
//! ```text
//! cargo run --example minimal -- http://localhost:3000/
//! ```

use std::error::Error;

use http_body_util::BodyExt;
use http_keepalive::{ConnectionHandle, KeepAlive};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tower::{Layer, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let url = std::env::args().nth(1).ok_or("expected a URL")?;
    fetch_twice(&url).await
}

/// Makes two requests, over one connection if the server keeps it.
pub async fn fetch_twice(url: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let keep_alive = KeepAlive::default();
    let connector = keep_alive.connector(HttpConnector::new());
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let client = keep_alive.layer().layer(client);

    for _ in 0..2 {
        let request = http::Request::get(url).body(String::new())?;
        let mut response = client.clone().oneshot(request).await?;
        let connection = response.extensions_mut().remove::<ConnectionHandle>();
        let body = response.into_body().collect().await?.to_bytes();
        println!("{} bytes, over {connection:?}", body.len());
    }
    Ok(())
}
