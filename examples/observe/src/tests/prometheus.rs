//! The metrics over HTTP.

use std::net::{SocketAddr, TcpListener};

use http_keepalive::MetricsObserver;
use hyper_util::client::legacy::connect::HttpConnector;

use crate::prometheus::exporter;
use crate::servers::{SITES, Servers};
use crate::support::client::{builder, exchange, get, guarded, plain};

/// A port that nobody listens on.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap()
}

/// In real time, as there are sockets.
#[tokio::test]
async fn the_metrics_are_served_as_text() {
    let (address, recorder, serving) = loop {
        let address = free();
        // Somebody else may have taken it meanwhile.
        if let Ok((recorder, serving)) = exporter(address) {
            break (address, recorder, serving);
        }
    };
    tokio::spawn(serving);
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let observer = MetricsObserver::new();
    let keep_alive = builder().observer(observer).build().unwrap();
    let client = guarded(&keep_alive, Servers::start(&SITES));
    exchange(&client, get("http://quick.test/")).await.unwrap();

    let request = get(&format!("http://{address}/metrics"));
    let response = exchange(&plain(HttpConnector::new()), request).await;

    let page = response.unwrap().into_body();
    let page = String::from_utf8(page.to_vec()).unwrap();
    let server = "server_address=\"quick.test\",server_port=\"80\"";
    for line in [
        format!("http_client_open_connections{{http_connection_state=\"idle\",{server}}} 1"),
        format!("http_client_open_connections{{http_connection_state=\"active\",{server}}} 0"),
        format!("http_keepalive_stale_failures{{{server}}} 0"),
    ] {
        assert!(page.lines().any(|it| it == line), "{line} in\n{page}");
    }
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();

    let error = exporter(address).err().unwrap();

    let begin = format!("cannot serve metrics on {address}: ");
    assert!(error.starts_with(&begin), "{error}");
    assert_eq!(error.lines().count(), 1);
}
