//! The lines to add.

use clickhouse::Client;
use http_keepalive::KeepAlive;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

/// A client whose connections close before the server does, at the time that the server names.
pub fn client(keep_alive: &KeepAlive) -> Client {
    let connector = keep_alive.connector(HttpConnector::new());
    Client::with_http_client(legacy::Client::builder(TokioExecutor::new()).build(connector))
}
