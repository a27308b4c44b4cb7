//! What is shown, at one moment.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::board::{Board, Row};
use crate::servers::{Server, Servers, Site};

/// What is shown.
#[derive(Clone, Debug)]
pub struct View {
    /// In the order of their keys.
    pub servers: Vec<ServerView>,
    /// How often connections closed for each cause.
    pub closes: BTreeMap<&'static str, u64>,
    pub is_paused: bool,
}

/// What is shown of a server.
#[derive(Clone, Debug)]
pub struct ServerView {
    pub site: Site,
    pub is_running: bool,
    /// Connections to it so far.
    pub opened: u64,
    pub requests: u64,
    /// Requests on a connection that had served another.
    pub reused: u64,
    pub failed: u64,
    /// How often each error was the cause.
    pub failures: BTreeMap<String, u64>,
    pub rows: Vec<Row>,
}

impl View {
    /// What is to be seen now.
    pub fn of(board: &Board, servers: &Servers, is_paused: bool) -> Self {
        let now = Instant::now();
        let servers = servers.all().iter();
        Self {
            servers: servers
                .map(|server| ServerView::of(server, board, now))
                .collect(),
            closes: board.closes(),
            is_paused,
        }
    }

    /// The sum over all servers.
    pub fn sum(&self, number: impl Fn(&ServerView) -> u64) -> u64 {
        self.servers.iter().map(number).sum()
    }
}

impl ServerView {
    fn of(server: &Server, board: &Board, now: Instant) -> Self {
        let site = server.site;
        let origin = site.origin();
        let rows = board.rows(&origin, now);
        board.with_counts(&origin, |counts| Self {
            site,
            is_running: server.is_running(),
            opened: counts.opened,
            requests: counts.tally.requests,
            reused: counts.reused,
            failed: counts.tally.failed,
            failures: counts.tally.failures.clone(),
            rows,
        })
    }
}
