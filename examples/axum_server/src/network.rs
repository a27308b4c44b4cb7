//! The network between clients and servers: a link for each connection, and a loopback socket at its far end.

use std::io::Result;
use std::net::SocketAddr;
use std::time::Duration;

use hyper_util::client::legacy::connect::Connected;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::link::{Link, LinkEnd};
use crate::support::wire::{FarEnds, WireConnector, wires};

/// The time that bytes take from a client to a server, and back.
pub const LATENCY: Duration = Duration::from_millis(40);

/// A connector whose connections lead to the server at this address, until `tasks` is dropped.
pub fn link_to(address: SocketAddr, tasks: &mut JoinSet<()>) -> WireConnector {
    let (connector, far_ends) = wires(Link::new().latency(LATENCY), Connected::new);
    tasks.spawn(carry_all(far_ends, address));
    connector
}

async fn carry_all(mut far_ends: FarEnds, address: SocketAddr) {
    let mut carried = JoinSet::new();
    while let Some(far) = far_ends.accept().await {
        carried.spawn(carry(far, address));
        // The results of those that ended are not kept.
        while carried.try_join_next().is_some() {}
    }
    // The connector is gone. Its connections may be open.
    while carried.join_next().await.is_some() {}
}

/// Moves bytes both ways until both sides have closed. A reset of the socket is a reset of the link.
async fn carry(mut far: LinkEnd, address: SocketAddr) {
    // The server accepts when the client's first packet arrives.
    sleep(LATENCY).await;
    if copy(&mut far, address).await.is_err() {
        far.reset();
    }
}

async fn copy(far: &mut LinkEnd, address: SocketAddr) -> Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    copy_bidirectional(far, &mut socket).await?;
    Ok(())
}
