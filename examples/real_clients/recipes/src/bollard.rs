//! Docker, over its Unix socket.

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker, errors::Error};
use http_keepalive::KeepAlive;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use hyperlocal::UnixConnector;
use tower::{Layer, Service};

pub fn docker(keep_alive: &KeepAlive, socket: &str) -> Result<Docker, Error> {
    let connector = keep_alive.connector(UnixConnector);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let client = keep_alive.layer().layer(client);
    let transport = move |request: BollardRequest| {
        // hyper-util's client is always ready.
        let response = client.clone().call(request);
        async move { Ok(response.await?) }
    };
    // The path of the socket, as hyperlocal expects it in a URI.
    let address: http::Uri = hyperlocal::Uri::new(socket, "/").into();
    let address = address.to_string();
    let address = address.trim_end_matches('/');
    Docker::connect_with_custom_transport(transport, Some(address), 120, API_DEFAULT_VERSION)
}
