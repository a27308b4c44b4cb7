//! A WebSocket through the proxy.

use futures_util::{SinkExt, StreamExt};
use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{accept_async, client_async};
use tower::ServiceExt;

use super::{Front, soon};
use crate::support::link::Link;
use crate::support::wire::wires;

#[tokio::test(start_paused = true)]
async fn a_websocket_passes_through() {
    let (connector, mut ends) = wires(Link::new(), Connected::new);
    let front = Front::before(connector);
    let upstream = tokio::spawn(async move {
        let end = ends.accept().await.unwrap();
        let mut socket = accept_async(end).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });

    let uri = "ws://proxy.test/socket";
    let wire = front.connector.clone().oneshot(uri.parse().unwrap());
    let shaking = client_async(uri, TokioIo::new(wire.await.unwrap()));
    let (mut socket, response) = soon(shaking).await.unwrap();
    for word in ["one", "two"] {
        soon(socket.send(Message::text(word))).await.unwrap();
        let echo = soon(socket.next()).await.unwrap().unwrap();
        assert_eq!(echo, Message::text(word));
    }
    soon(socket.close(None)).await.unwrap();
    while soon(socket.next()).await.is_some() {}

    soon(upstream).await.unwrap();
    assert_eq!(response.headers().get("content-length"), None);
}
