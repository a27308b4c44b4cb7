//! The servers, a client with this crate, and its users.

use http_keepalive::{
    ConnectionEvent, KeepAlive, KeepAliveBuilder, MetricsObserver, Observer, Stats,
};

use crate::board::Board;
use crate::load::Load;
use crate::servers::{SITES, Servers};
use crate::support::client::guarded;
use crate::view::View;

/// What is started.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Users of each server.
    pub users: u32,
    /// Whether events are counted by the facade `metrics`, too.
    pub has_metrics: bool,
}

/// What runs.
#[derive(Debug)]
pub struct Running {
    pub servers: Servers,
    pub board: Board,
    pub keep_alive: KeepAlive,
    pub load: Load,
}

impl Trial {
    /// Starts it all, with the clock of the builder.
    pub fn start(&self, builder: KeepAliveBuilder) -> Result<Running, String> {
        let (servers, board) = (Servers::start(&SITES), Board::new());
        let builder = if self.has_metrics {
            builder.observer(both(board.clone(), MetricsObserver::new()))
        } else {
            builder.observer(board.clone())
        };
        let keep_alive = builder.build().map_err(|error| error.to_string())?;
        let client = || guarded(&keep_alive, servers.clone());
        let seen = board.clone();
        let load = Load::start(&SITES, self.users, client, move |site, outcome| {
            seen.on_outcome(&site.origin(), outcome);
        });
        Ok(Running {
            servers,
            board,
            keep_alive,
            load,
        })
    }
}

/// A `KeepAlive` has one observer.
fn both(one: impl Observer, other: impl Observer) -> impl Observer {
    move |event: &ConnectionEvent<'_>| {
        one.on_event(event);
        other.on_event(event);
    }
}

impl Running {
    /// What is to be seen now.
    pub fn view(&self) -> View {
        View::of(&self.board, &self.servers, self.load.is_paused())
    }

    /// Ends the load, waits until all connections are closed, and returns what was counted: by the observer, and
    /// by the crate itself.
    pub async fn stop(self) -> (Stats, Stats) {
        self.load.stop().await;
        self.board.closed().await;
        (self.board.stats(), self.keep_alive.stats())
    }
}
