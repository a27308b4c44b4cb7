//! What stands for the network: loopback sockets on the clients' side, a [`Link`] to the server behind.
//!
//! A client whose connector cannot be replaced still has its bytes delayed. Each connection that is
//! accepted gets a link of its own, and all that moves goes through it, FIN included: a server that
//! closes is heard of one latency later. A reset on one side is a reset on the other. Bytes that reach
//! a server which has closed are lost, as behind a load balancer; no RST answers them, and over a
//! network with latency it would come after the FIN.

use std::io::Result;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::servers::Servers;
use crate::support::link::{Link, LinkEnd, Queue};

/// Accepts connections until it is dropped; those there are then go on.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    servers: Servers,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// With a link for each connection; those that are `shared` share a queue.
    pub async fn start(servers: Servers, link: Link, shared: bool) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let queue = shared.then(Queue::default);
        let accepting = tokio::spawn(accept(listener, servers.clone(), link, queue));
        Ok(Self {
            address,
            servers,
            accepting,
        })
    }

    pub fn uri(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many connections were opened through it.
    pub fn connections(&self) -> u64 {
        self.servers.connections()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Ends with the first failure; who connects then is refused, and counts it.
async fn accept(listener: TcpListener, servers: Servers, link: Link, queue: Option<Queue>) {
    while let Ok((socket, _)) = listener.accept().await {
        let (near, far) = match &queue {
            Some(queue) => link.pair_behind(queue),
            None => link.pair(),
        };
        servers.accepting(Instant::now()).accept(far);
        tokio::spawn(carry(socket, near));
    }
}

/// Moves bytes both ways until both sides have closed.
async fn carry(mut socket: TcpStream, mut link: LinkEnd) {
    let carried = async {
        // Segments leave as they come, not when the client has acknowledged the one before.
        socket.set_nodelay(true)?;
        copy_bidirectional(&mut socket, &mut link).await
    };
    if carried.await.is_err() {
        // Makes the socket's end a reset. Should that fail, the client sees FIN.
        drop(socket.set_zero_linger());
        link.reset();
    }
}
