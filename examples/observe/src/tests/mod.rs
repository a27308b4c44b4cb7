//! What is shown is what happens, in virtual time but for [`threads`] and [`prometheus`].

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod board;
mod load;
mod prometheus;
mod screen;
mod threads;

use std::time::Duration;

use http::Response;
use http_keepalive::KeepAlive;

use crate::board::{Board, Row};
use crate::servers::{SITES, Servers};
use crate::support::client::{Guarded, builder, exchange, get, guarded};

const SECOND: Duration = Duration::from_secs(1);

/// The servers, and a client of one user, whose events a board collects.
struct Rig {
    servers: Servers,
    board: Board,
    keep_alive: KeepAlive,
    client: Guarded<Servers>,
}

impl Rig {
    fn new() -> Self {
        let (servers, board) = (Servers::start(&SITES), Board::new());
        let keep_alive = builder().observer(board.clone()).build().unwrap();
        let client = guarded(&keep_alive, servers.clone());
        Self {
            servers,
            board,
            keep_alive,
            client,
        }
    }

    /// A request to the server of that index.
    async fn ask(&self, server: usize) -> Result<(), String> {
        let origin = SITES[server].origin();
        let answer = exchange(&self.client, get(&origin)).await;
        let outcome = answer
            .map(|mut response: Response<_>| response.extensions_mut().remove())
            .map_err(|error| error.to_string());
        self.board.on_outcome(&origin, outcome.clone());
        outcome.map(drop)
    }

    /// The connections to it.
    fn rows(&self, server: usize) -> Vec<Row> {
        let now = tokio::time::Instant::now();
        self.board.rows(&SITES[server].origin(), now)
    }

    fn closes(&self) -> Vec<(&'static str, u64)> {
        self.board.closes().into_iter().collect()
    }
}
