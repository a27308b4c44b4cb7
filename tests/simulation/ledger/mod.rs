//! What really happened: told by both ends of every connection, by the callers and by the world, and
//! held against what must not happen.
//!
//! Nothing in here knows what this crate knows. Where messages begin and end is told by who writes
//! them, and what a deadline is follows from [`Policy`](super::policy::Policy).
//!
//! | must not happen | seen by |
//! |---|---|
//! | a request is written past its connection's deadline; where learning may lengthen it, past the longest time that any connection was seen open for | `client_end`, before the write |
//! | a request is written twice | `client_end`, before the write |
//! | a request reaches a server twice | `server_end`, on arrival |
//! | a connection is closed by this side while an exchange is open, or before its deadline | `client_end`, on shutdown or drop |
//! | a response or a request arrives altered, or for another one | the reader of each body |
//! | a failure without a cause, or one that an honest idle timer explains, whatever was learned | `cause`, on failure |
//! | a third loss to the same idle timer within half an hour, where it can be learned; a fourth, where one of them may have been an answer (a 400 or a 503). Those that an answer after as long an idle time refuted do not count | `callers`, on failure |
//! | an idle connection outlives its deadline; a socket, or a task, outlives the client | the world, at its end |

mod callers;
mod cause;
mod client_end;
mod connection;
mod server_end;
mod troubles;

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_keepalive::Learn;
use tokio::time::Instant;

pub use self::callers::Failure;
pub use self::cause::Cause;
pub use self::server_end::Closing;

use self::callers::Loss;
use self::connection::{Connection, Deadline};
use super::counts::{Counts, Struck};
use super::origin::Hint;
use super::plan::Plan;
use super::process::{Process, Stop};
use super::world::World;

/// What really happened. Clones are the same ledger.
#[derive(Clone)]
pub struct Ledger(Arc<Mutex<State>>);

struct State {
    world: Arc<World>,
    process: Process,
    /// Whether it is this crate that is watched, and not a client as it comes.
    is_guarded: bool,
    is_verbose: bool,
    /// The last caller has gone.
    is_left: bool,
    /// The client is let go of.
    is_ending: bool,
    started: Instant,
    connections: Vec<Connection>,
    connected_last: usize,
    /// By the numbers of this crate.
    followed: HashMap<u64, usize>,
    requests: Vec<Request>,
    /// When the client, or a part of it, was stopped, and until when.
    freezes: Vec<(Instant, Instant)>,
    /// Reads saw nothing of what had arrived, at some time.
    were_reads_stopped: bool,
    /// When nothing passed, and until when.
    partitions: Vec<(Instant, Instant)>,
    refused_at: Option<Instant>,
    /// Losses to the idle timer that a client which knows it would not have had.
    losses: Vec<Loss>,
    /// The timeout that the server named last, if new connections go by it, and the number of
    /// requests.
    told: (Option<Duration>, Option<u64>),
    /// When a caller let go of a request last. hyper closes the connection that was to carry it.
    let_go_at: Option<Instant>,
    counts: Counts,
    violations: Vec<String>,
    digest: DefaultHasher,
}

/// One request.
struct Request {
    plan: Plan,
    opened_at: Instant,
    /// The connection it was written on.
    connection: Option<usize>,
    written_at: Instant,
    /// Until when that was allowed.
    deadline: Option<Deadline>,
    /// Until when it would have been by a client that knows the server's timeout.
    known: Option<Deadline>,
    /// It was written later than by a client that knows the server's timeout as well as one can.
    is_beyond: bool,
    /// How long its connection had been idle before it, as this side can tell.
    idle_before: Duration,
    /// When it reaches the server, or would have.
    arrives_at: Option<Instant>,
    writings: u32,
    arrivals: u32,
    /// Nothing more of its body will come.
    is_complete: bool,
    /// The server has read it to its end.
    has_arrived: bool,
    /// Its body broke off, as planned.
    broke: bool,
    /// Its caller waits for nothing more.
    is_abandoned: bool,
    /// The server will not answer it, as planned.
    is_ignored: bool,
    hint: Hint,
}

/// What goes into the digest of a run.
#[derive(Clone, Copy, Debug, Hash)]
enum Event {
    Connected(usize),
    Refused,
    Begun { connection: usize, id: u64 },
    Arrived { connection: usize, id: u64 },
    Written { connection: usize, bytes: usize },
    Read { connection: usize, bytes: usize },
    ServerCloses(usize, Closing),
    ClientSawEnd(usize),
    ClientClosed(usize),
    Answered(u64),
    GivenUp(u64),
    Failed(u64, Cause),
    Stopped(Stop, Duration),
    Partition(Duration),
    Cut,
    Restart,
    ClockSet(i64),
}

impl Ledger {
    pub fn new(world: Arc<World>, process: Process, is_guarded: bool, is_verbose: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            world,
            process,
            is_guarded,
            is_verbose,
            is_left: false,
            is_ending: false,
            started: Instant::now(),
            connections: Vec::new(),
            connected_last: 0,
            followed: HashMap::new(),
            requests: Vec::new(),
            freezes: Vec::new(),
            were_reads_stopped: false,
            partitions: Vec::new(),
            refused_at: None,
            losses: Vec::new(),
            told: (None, None),
            let_go_at: None,
            counts: Counts {
                worlds: 1,
                ..Counts::default()
            },
            violations: Vec::new(),
            digest: DefaultHasher::new(),
        })))
    }

    /// Something that must not happen did, as seen from outside.
    pub fn violation(&self, what: &str) {
        self.state().violation(what);
    }

    /// Nobody makes requests any more.
    pub fn on_callers_gone(&self) {
        self.state().is_left = true;
    }

    /// Whether anybody makes requests.
    pub fn has_callers(&self) -> bool {
        !self.state().is_left
    }

    /// The client is let go of.
    pub fn on_ending(&self) {
        self.state().is_ending = true;
    }

    /// How many connections are open, as the client and as the server sees it.
    pub fn open(&self) -> (usize, usize) {
        let state = self.state();
        let (mut client, mut server) = (0, 0);
        for connection in &state.connections {
            client += usize::from(connection.client_closed.is_none());
            server += usize::from(!connection.server_ended);
        }
        (client, server)
    }

    /// How many are open to the client that should not be, after such a long time.
    pub fn overdue(&self) -> usize {
        let state = self.state();
        let connections = state.connections.iter().enumerate();
        let overdue = connections.filter(|&(number, connection)| {
            // A request that waits for room on a line that is cut is the kernel's to give up.
            let is_held = connection.is_cut && !connection.is_response_read();
            connection.client_closed.is_none() && !is_held && !state.is_stuck(number)
        });
        overdue.count()
    }

    /// Connections that lead nowhere, or are stuck: their servers wait in vain.
    pub fn lost_connections(&self) -> Vec<usize> {
        let mut state = self.state();
        let connections = 0..state.connections.len();
        let (stuck, others): (Vec<_>, Vec<_>) =
            connections.partition(|&number| state.is_stuck(number));
        let lost = |&number: &usize| state.connections[number].is_cut;
        let lost = others.into_iter().filter(lost).chain(stuck.iter().copied());
        let lost = lost.collect();
        stuck
            .iter()
            .for_each(|_| state.counts.strike(Struck::Stuck));
        lost
    }

    /// Until when the connections that are idle may wait at most; `None` if that is for ever.
    pub fn longest_idle(&self) -> Option<Duration> {
        let state = self.state();
        let policy = &state.world.policy;
        let hint = state
            .world
            .server
            .hint
            .map(|hint| policy.expected(Some(hint)));
        let longest = policy.max_idle.max(hint.unwrap_or_default());
        let longest = match policy.learn {
            Learn::Full => longest.max(policy.learn_ceiling),
            _ => longest,
        };
        (longest < Duration::from_secs(100_000)).then_some(longest)
    }

    /// The sums, what must not have happened, and the digest of all that did.
    pub fn finish(&self) -> (Counts, Vec<String>, u64) {
        let state = self.state();
        (
            state.counts.clone(),
            state.violations.clone(),
            state.digest.finish(),
        )
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, event: Event) {
        let now = Instant::now().duration_since(self.started);
        (now, event).hash(&mut self.digest);
        if self.is_verbose {
            eprintln!("{:10.3} {event:?}", now.as_secs_f64());
        }
    }

    fn violation(&mut self, what: &str) {
        let now = Instant::now().duration_since(self.started);
        let what = format!("at {:.3} s: {what}", now.as_secs_f64());
        if self.is_verbose {
            eprintln!("VIOLATION {what}");
        }
        // One is enough to look into; a broken world could fill the memory.
        if self.violations.len() < 5 {
            self.violations.push(what);
        }
    }

    /// Whether hyper's client does not get on with it, with or without this crate:
    ///
    /// * Once a response is complete, it does not go on to write that request's body, if that had
    ///   to wait for room.
    /// * If its caller lets go of a request, it still writes what it has of it, before it closes; a
    ///   server that first wants its response to be read then waits for ever.
    fn is_stuck(&self, number: usize) -> bool {
        let connection = &self.connections[number];
        let is_half_written = connection.request.is_some_and(|id| {
            let request = &self.requests[id as usize];
            !request.has_arrived && (request.is_abandoned || connection.is_response_read())
        });
        connection.client_closed.is_none() && is_half_written
    }

    /// Whether the client, or a part of it, was stopped all the time.
    fn was_stopped_throughout(&self, from: Instant, to: Instant) -> bool {
        let mut freezes = self.freezes.iter();
        freezes.any(|&(start, end)| start <= from && to <= end)
    }

    /// For how long the client, or a part of it, was stopped meanwhile.
    fn stopped_for(&self, from: Instant, to: Instant) -> Duration {
        let freezes = self.freezes.iter();
        let parts =
            freezes.map(|&(start, end)| end.min(to).saturating_duration_since(start.max(from)));
        parts.sum()
    }

    fn was_frozen(&self, from: Instant, to: Instant) -> bool {
        overlaps(&self.freezes, from, to)
    }

    fn was_parted(&self, from: Instant, to: Instant) -> bool {
        overlaps(&self.partitions, from, to)
    }
}

fn overlaps(spans: &[(Instant, Instant)], from: Instant, to: Instant) -> bool {
    spans.iter().any(|&(start, end)| start <= to && from <= end)
}
