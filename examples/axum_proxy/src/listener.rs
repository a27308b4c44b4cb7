//! axum's server on links in this process, in place of sockets.

use std::future::pending;
use std::io::Result;

use axum::Router;
use axum::serve::Listener;
use hyper_util::client::legacy::connect::Connected;
use tokio::task::JoinSet;

use crate::support::link::{Link, LinkEnd};
use crate::support::wire::{FarEnds, WireConnector, wires};

/// Serves what comes over links, until `tasks` is dropped; gives the connector that leads there.
pub fn serve(router: Router, tasks: &mut JoinSet<()>) -> WireConnector {
    let (connector, ends) = wires(Link::new(), Connected::new);
    tasks.spawn(async move {
        // Ends with the task only.
        drop(axum::serve(LinkListener(ends), router).await);
    });
    connector
}

struct LinkListener(FarEnds);

impl Listener for LinkListener {
    type Io = LinkEnd;
    type Addr = ();

    async fn accept(&mut self) -> (LinkEnd, ()) {
        match self.0.accept().await {
            Some(end) => (end, ()),
            // Nobody is left who could connect.
            None => pending().await,
        }
    }

    fn local_addr(&self) -> Result<()> {
        Ok(())
    }
}
