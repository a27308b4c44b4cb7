//! What is known of connections, collected from their events and from responses.

use std::collections::BTreeMap;
use std::time::Duration;

use http_keepalive::{CloseCause, ConnectionEvent, ConnectionHandle, EventKind, Observer, Stats};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::common::Tally;
use crate::counts::{count, name};
use crate::load::Outcome;

/// An observer that remembers the connections that are open, and counts the rest. Clones are the same board.
#[derive(Clone, Debug)]
pub struct Board(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    /// By their id.
    connections: BTreeMap<u64, Connection>,
    /// By origin.
    counts: BTreeMap<String, Counts>,
    closes: BTreeMap<&'static str, u64>,
    stats: Stats,
}

/// Numbers of one origin.
#[derive(Debug, Default)]
pub struct Counts {
    /// Connections.
    pub opened: u64,
    /// Requests on a connection that had served another.
    pub reused: u64,
    /// What became of requests.
    pub tally: Tally,
}

/// A connection that is open.
#[derive(Debug)]
struct Connection {
    origin: String,
    phase: Phase,
    /// Requests begun.
    requests: u64,
    /// Since its first response: it knows the deadline.
    handle: Option<ConnectionHandle>,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Idle { since: Instant },
    Active { since: Instant },
    Forwarded,
}

/// A connection, as it is at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub id: u64,
    /// Requests begun.
    pub requests: u64,
    pub state: RowState,
}

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowState {
    /// It waits for its first request.
    Unused,
    /// It may be reused for `left` more, of `allowed` when its last response ended.
    Idle { left: Duration, allowed: Duration },
    /// A request has been under way for so long.
    Active { elapsed: Duration },
    /// It is only forwarded.
    Forwarded,
}

impl Board {
    pub fn new() -> Self {
        Self(watch::Sender::default())
    }

    /// A request to an origin came to that.
    pub fn on_outcome(&self, origin: &str, outcome: Outcome) {
        self.0.send_modify(|state| {
            let outcome = outcome.map(|handle| {
                if let Some(handle) = handle {
                    state.on_handle(handle);
                }
            });
            state.of(origin).tally.count(outcome);
        });
    }

    /// The numbers, as counted here.
    pub fn stats(&self) -> Stats {
        self.0.borrow().stats
    }

    /// Waits until no connection is open.
    pub async fn closed(&self) {
        let mut states = self.0.subscribe();
        let waited = states.wait_for(|state| state.connections.is_empty()).await;
        // The sender is in `self`.
        debug_assert!(waited.is_ok(), "the board is gone");
    }

    /// The connections to an origin that are open, in the order in which they were opened.
    pub fn rows(&self, origin: &str, now: Instant) -> Vec<Row> {
        let state = self.0.borrow();
        let connections = state.connections.iter();
        connections
            .filter(|(_, connection)| connection.origin == origin)
            .map(|(&id, connection)| connection.row(id, now))
            .collect()
    }

    /// Shows the numbers of an origin.
    pub fn with_counts<R>(&self, origin: &str, show: impl FnOnce(&Counts) -> R) -> R {
        match self.0.borrow().counts.get(origin) {
            Some(counts) => show(counts),
            None => show(&Counts::default()),
        }
    }

    /// How often connections closed for each cause.
    pub fn closes(&self) -> BTreeMap<&'static str, u64> {
        self.0.borrow().closes.clone()
    }
}

impl Observer for Board {
    fn on_event(&self, event: &ConnectionEvent<'_>) {
        let now = Instant::now();
        self.0.send_modify(|state| state.on_event(event, now));
    }
}

impl State {
    fn of(&mut self, origin: &str) -> &mut Counts {
        self.counts.entry(origin.to_owned()).or_default()
    }

    fn on_event(&mut self, event: &ConnectionEvent<'_>, now: Instant) {
        count(&mut self.stats, event.kind);
        let id = event.connection;
        match event.kind {
            EventKind::Opened { .. } => {
                let origin = event.origin.map(ToString::to_string).unwrap_or_default();
                self.of(&origin).opened += 1;
                let opened = Connection {
                    origin,
                    phase: Phase::Idle { since: now },
                    requests: 0,
                    handle: None,
                };
                self.connections.insert(id, opened);
            }
            EventKind::Closed { cause, .. } => self.on_closed(id, cause),
            kind => {
                let Some(connection) = self.connections.get_mut(&id) else {
                    return;
                };
                connection.on_event(kind, now);
                if matches!(kind, EventKind::RequestBegun { number, .. } if number > 1) {
                    let origin = connection.origin.clone();
                    self.of(&origin).reused += 1;
                }
            }
        }
    }

    fn on_closed(&mut self, id: u64, cause: CloseCause) {
        self.connections.remove(&id);
        *self.closes.entry(name(cause)).or_default() += 1;
    }

    fn on_handle(&mut self, handle: ConnectionHandle) {
        // It may have closed meanwhile.
        if let Some(connection) = self.connections.get_mut(&handle.id()) {
            connection.handle = Some(handle);
        }
    }
}

impl Connection {
    fn on_event(&mut self, kind: EventKind, now: Instant) {
        match kind {
            EventKind::RequestBegun { number, .. } => {
                self.requests = number;
                self.phase = Phase::Active { since: now };
            }
            EventKind::ResponseEnded { .. } => self.phase = Phase::Idle { since: now },
            EventKind::BecameOpaque { .. } => self.phase = Phase::Forwarded,
            _ => {}
        }
    }

    fn row(&self, id: u64, now: Instant) -> Row {
        Row {
            id,
            requests: self.requests,
            state: self.state(now),
        }
    }

    fn state(&self, now: Instant) -> RowState {
        match self.phase {
            Phase::Idle { since } => {
                let deadline = self.handle.as_ref().and_then(ConnectionHandle::deadline);
                match deadline.map(Instant::from_std) {
                    Some(deadline) => RowState::Idle {
                        left: deadline.saturating_duration_since(now),
                        allowed: deadline.saturating_duration_since(since),
                    },
                    None => RowState::Unused,
                }
            }
            Phase::Active { since } => RowState::Active {
                elapsed: now.saturating_duration_since(since),
            },
            Phase::Forwarded => RowState::Forwarded,
        }
    }
}
