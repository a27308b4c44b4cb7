//! What is passed on of heads, and what is not.

use http::header::{CONNECTION, HOST, VIA};
use http::{HeaderMap, StatusCode, Version};

use super::{Front, get};
use crate::clients::plain;
use crate::support::link::Link;
use crate::support::server::Server;

fn server() -> Server {
    Server::builder().hint("timeout=75, max=9").build()
}

/// What the upstream sees of a request with these fields.
async fn seen(fields: &[(&'static str, &str)]) -> HeaderMap {
    let server = server();
    let front = Front::before(server.connector(Link::new()));
    let mut request = get("/path?query");
    for &(name, value) in fields {
        request.headers_mut().append(name, value.parse().unwrap());
    }

    let response = front.ask(request).await;

    assert_eq!(response.status(), StatusCode::OK);
    let requests = server.requests();
    assert_eq!(requests[0].path, "/path");
    requests[0].headers.clone()
}

#[tokio::test(start_paused = true)]
async fn the_upstreams_hint_stays_with_the_proxy() {
    let server = server();
    let front = Front::before(server.connector(Link::new()));

    let response = front.ask(get("/")).await;

    assert_eq!(response.headers().get("keep-alive"), None);
    assert_eq!(response.headers()[VIA], "1.1 axum-proxy");
    assert_eq!(response.version(), Version::HTTP_11);
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_the_upstreams_hint_is_passed_on() {
    let front = Front::with(plain(server().connector(Link::new())));

    let response = front.ask(get("/")).await;

    assert_eq!(response.headers()["keep-alive"], "timeout=75, max=9");
}

#[tokio::test(start_paused = true)]
async fn the_upstream_learns_whom_a_request_came_by() {
    let seen = seen(&[("x-forwarded-for", "203.0.113.7"), ("via", "1.0 outer")]).await;

    let all = |name| -> Vec<_> { seen.get_all(name).iter().collect() };
    assert_eq!(all("x-forwarded-for"), ["203.0.113.7", "192.0.2.1"]);
    assert_eq!(all("via"), ["1.0 outer", "1.1 axum-proxy"]);
    assert_eq!(all("x-forwarded-host"), ["proxy.test"]);
    assert_eq!(all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen[HOST], "upstream.test");
}

#[tokio::test(start_paused = true)]
async fn what_the_client_says_of_its_connection_stays_there() {
    let seen = seen(&[
        (
            "connection",
            "close, x-hop, x-forwarded-for, via, x-forwarded-host",
        ),
        ("x-hop", "1"),
        ("keep-alive", "timeout=1"),
        ("x-end", "2"),
    ])
    .await;

    assert_eq!(seen[CONNECTION], "keep-alive", "this crate's own");
    assert_eq!(seen.get("x-hop"), None);
    assert_eq!(seen.get("keep-alive"), None);
    assert_eq!(seen["x-end"], "2");
    assert_eq!(seen["x-forwarded-for"], "192.0.2.1", "which is the proxy's");
    assert_eq!(seen["x-forwarded-host"], "proxy.test");
}
