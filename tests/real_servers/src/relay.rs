//! The network between the clients and a server: a TCP relay that delays bytes, FIN and RST.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tower_service::Service;

use crate::support::link::{Link, LinkEnd};

/// Relays connections to a server over links, until it is dropped.
pub struct Relay {
    address: SocketAddr,
    link: Link,
    task: JoinHandle<()>,
}

impl Relay {
    pub async fn start(server: SocketAddr, latency: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let link = Link::new().latency(latency);
        let task = tokio::spawn(accept(listener, server, link));
        Ok(Self {
            address,
            link,
            task,
        })
    }

    /// Where clients find the server.
    pub fn uri(&self) -> Uri {
        let uri = format!("http://{}/", self.address);
        uri.parse().expect("an address makes a URI")
    }

    /// Connects in the time that this takes over such a network.
    pub fn connector(&self) -> FarConnector {
        FarConnector {
            inner: HttpConnector::new(),
            round_trip: 2 * self.link.one_way(),
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, link: Link) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(relay(client, server, link));
    }
}

async fn relay(client: TcpStream, server: SocketAddr, link: Link) -> io::Result<()> {
    let server = TcpStream::connect(server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (near, far) = link.pair();
    tokio::join!(pass(client, near), pass(server, far));
    Ok(())
}

/// Both ways until both have ended. If one fails, so does the far end of the link, in its time, and
/// the socket there is reset too.
async fn pass(mut socket: TcpStream, mut end: LinkEnd) {
    if copy_bidirectional(&mut socket, &mut end).await.is_err() {
        let _ = socket.set_zero_linger();
        end.reset();
    }
}

/// Connects to a relay as if to the server behind it.
///
/// The relay accepts at once, so connecting to it takes no time, where TCP's handshake with the
/// server would take a round trip. This crate takes the time that connecting takes for a bound of the
/// round trip, as it may; so the connector waits for as long as the handshake would take.
#[derive(Clone)]
pub struct FarConnector {
    inner: HttpConnector,
    round_trip: Duration,
}

impl Service<Uri> for FarConnector {
    type Response = <HttpConnector as Service<Uri>>::Response;
    type Error = <HttpConnector as Service<Uri>>::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = self.inner.call(uri);
        let round_trip = self.round_trip;
        Box::pin(async move {
            sleep(round_trip).await;
            connecting.await
        })
    }
}
