//! What stands for the network: loopback sockets on the client's side, a link to the server behind.
//!
//! A server's close reaches its client half a round trip later, and a request that is sent before that is lost. With
//! real latencies it is a matter of chance which requests are. Here the close is held back until the client sends, or
//! closes itself: each request that can be lost is lost, and none for another reason, however slow the machine is.

use std::io::{ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::link::{Link, LinkEnd};
use crate::support::server::Server;

/// Accepts connections until it is dropped; those there are then go on.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    network: Arc<Network>,
    accepting: JoinHandle<()>,
}

impl Relay {
    pub async fn start(server: Server) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let network = Arc::new(Network::default());
        let accepting = tokio::spawn(accept(listener, server, Arc::clone(&network)));
        Ok(Self {
            address,
            network,
            accepting,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn network(&self) -> &Network {
        &self.network
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// What the network does to connections.
#[derive(Debug, Default)]
pub struct Network {
    /// In milliseconds.
    delay_of_second: AtomicU64,
    loses_next_response: AtomicBool,
}

impl Network {
    pub fn delay_second_requests(&self, delay: Duration) {
        let millis = delay.as_millis() as u64;
        self.delay_of_second.store(millis, Ordering::SeqCst);
    }

    pub fn lose_next_response(&self) {
        self.loses_next_response.store(true, Ordering::SeqCst);
    }
}

async fn accept(listener: TcpListener, server: Server, network: Arc<Network>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (near, far) = Link::new().pair();
        server.accept(far);
        let network = Arc::clone(&network);
        tokio::spawn(async move {
            // A failure is that of a client which has closed, and ends both sides.
            drop(carry(socket, near, &network).await);
        });
    }
}

/// Moves bytes both ways, until one side closes and the other may know.
async fn carry(mut socket: TcpStream, mut link: LinkEnd, network: &Network) -> Result<()> {
    socket.set_nodelay(true)?;
    let (mut up, mut down) = (vec![0; PIECE], vec![0; PIECE]);
    // A request begins with the first bytes behind a response.
    let (mut requests, mut is_answered) = (0, true);
    loop {
        tokio::select! {
            length = socket.read(&mut up) => {
                let length = length?;
                if length == 0 {
                    return link.shutdown().await;
                }
                if std::mem::take(&mut is_answered) {
                    requests += 1;
                    if requests % 2 == 0 {
                        sleep(Duration::from_millis(network.delay_of_second.load(Ordering::SeqCst))).await;
                    }
                }
                // The link accepts what comes too late for its server, and loses it.
                link.write_all(&up[..length]).await?;
            }
            length = link.read(&mut down) => {
                let length = length?;
                if length == 0 {
                    if is_answered {
                        hold_back_close(&mut socket).await?;
                    }
                    return socket.shutdown().await;
                }
                is_answered = true;
                if network.loses_next_response.swap(false, Ordering::SeqCst) {
                    return Err(ErrorKind::ConnectionReset.into());
                }
                socket.write_all(&down[..length]).await?;
            }
        }
    }
}

/// The server has closed. The client learns of it when the client has sent something, which is lost, or has closed.
async fn hold_back_close(socket: &mut TcpStream) -> Result<()> {
    let mut lost = vec![0; PIECE];
    socket.read(&mut lost).await.map(drop)
}

const PIECE: usize = 64 << 10;
