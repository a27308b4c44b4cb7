//! A server on loopback, behind a network.

use std::time::Duration;

use crate::relay::{Network, Relay};
use crate::support::server::{Server, ServerBuilder};

/// A server on loopback, behind a network that delivers the server's close as late as a network can: with the client's
/// next request already on its way.
///
/// hyper serves, and closes `idle_timeout` after a response was written. The address is a socket, so that clients
/// whose connector cannot be replaced can be used as they come.
#[derive(Debug)]
pub struct Host {
    server: Server,
    relay: Relay,
}

impl Host {
    /// Starts the server, on a port of its own.
    pub async fn start(server: ServerBuilder) -> Result<Self, String> {
        let server = server.build();
        let relay = Relay::start(server.clone())
            .await
            .map_err(|error| format!("cannot listen on loopback: {error}"))?;
        Ok(Self { server, relay })
    }

    /// `http://address:port`, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.relay.address())
    }

    /// The server itself, which knows what has arrived.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Waits until the server has no connection left: their idle timeouts have run out, or the client has closed them.
    pub async fn closed(&self) {
        self.server.closed(self.server.connections()).await;
    }

    /// From now on each second request of a connection takes so much longer to the server than the first.
    pub fn delay_second_requests(&self, delay: Duration) {
        self.network().delay_second_requests(delay);
    }

    /// The next response is lost, and its connection closed: the server has executed the request, and the client
    /// cannot know that.
    pub fn lose_next_response(&self) {
        self.network().lose_next_response();
    }

    fn network(&self) -> &Network {
        self.relay.network()
    }
}
