//! Connections whose far end the test itself holds, to write on it whatever a server may.

use std::io::{Error, ErrorKind, Result};
use std::task::{Context, Poll};

use http::Uri;
use hyper_util::client::legacy::connect::Connected;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tower_service::Service;

use super::link::{Link, LinkEnd};
use super::stream::{Connects, Stream};

/// A connector, and where the far ends of its connections come out.
///
/// `connected` is what the connections say of themselves.
pub fn wires(link: Link, connected: fn() -> Connected) -> (WireConnector, FarEnds) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let connector = WireConnector {
        link,
        connected,
        far_ends: sender,
    };
    (connector, FarEnds(receiver))
}

/// Connects links whose far ends go to [`FarEnds`]; ignores the address.
#[derive(Clone, Debug)]
pub struct WireConnector {
    link: Link,
    connected: fn() -> Connected,
    far_ends: mpsc::UnboundedSender<LinkEnd>,
}

impl Service<Uri> for WireConnector {
    type Response = Wire;
    type Error = Error;
    type Future = std::future::Ready<Result<Wire>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Fails once nobody takes the far ends any more.
    fn call(&mut self, _: Uri) -> Self::Future {
        let (near, far) = self.link.pair();
        let sent = self.far_ends.send(far);
        let wire = Wire::new(near, self.connected);
        let refused = |_| Error::from(ErrorKind::ConnectionRefused);
        std::future::ready(sent.map(|()| wire).map_err(refused))
    }
}

/// The far ends of connections, in the order in which they were opened.
#[derive(Debug)]
pub struct FarEnds(mpsc::UnboundedReceiver<LinkEnd>);

impl FarEnds {
    /// The next connection's far end, raw; `None` once there is no connector any more.
    pub async fn accept(&mut self) -> Option<LinkEnd> {
        self.0.recv().await
    }

    /// The next connection's far end, to talk HTTP/1 on it by hand.
    pub async fn peer(&mut self) -> Peer {
        Peer {
            end: self.accept().await.expect("a connector"),
        }
    }
}

/// The far end of an HTTP/1 connection, driven by hand.
#[derive(Debug)]
pub struct Peer {
    end: LinkEnd,
}

impl Peer {
    /// The head of the next request; `None` if the connection ended instead. Requests without a
    /// body only.
    pub async fn request(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.end.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return None,
            }
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// Writes bytes as they are.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.end.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Takes a request and answers it with `200`, `ok`, and further fields.
    pub async fn serve(&mut self, fields: &str) -> String {
        let head = self.request().await.expect("a request");
        self.send(format!(
            "HTTP/1.1 200 OK\r\n{fields}content-length: 2\r\n\r\nok"
        ))
        .await;
        head
    }

    /// Lets go of the connection so that the client's reads fail.
    pub fn reset(self) {
        self.end.reset();
    }

    /// What else the client sends until it closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.end.read_to_end(&mut rest).await.unwrap();
        rest
    }
}

/// The near end of a connection, in hyper's terms.
pub type Wire = Stream<fn() -> Connected>;

impl Connects for fn() -> Connected {
    fn connected(&self) -> Connected {
        self()
    }
}
