//! What the server's end of a connection tells.

use tokio::time::Instant;

use super::{Event, Ledger};
use crate::simulation::counts::Struck;
use crate::simulation::origin::Hint;
use crate::simulation::plan::Plan;

/// Why a server closed a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Closing {
    /// It was idle for as long as the server has patience.
    Idle,
    /// It had served as many requests as the server takes, which it had said, or not.
    Served {
        announced: bool,
    },
    AtRandom,
    /// It was idle for longest, and its place was needed.
    Evicted,
    Restart,
    /// By the plan of an exchange.
    Fault,
    /// The response ends with the connection.
    Delimited,
    /// The client had closed.
    Client,
    /// The world ended.
    World,
}

impl Ledger {
    /// The head of a request arrived.
    pub fn arrived(&self, connection: usize, id: u64) -> Plan {
        let mut state = self.state();
        state.note(Event::Arrived { connection, id });
        let request = &mut state.requests[id as usize];
        request.arrivals += 1;
        let plan = request.plan.clone();
        let is_again = request.arrivals > 1;
        let connection = &mut state.connections[connection];
        connection.at_server = Some(id);
        connection.idle_at_server = None;
        if is_again {
            state.violation(&format!("request {id} arrived twice"));
        }
        plan
    }

    /// The server will not answer it.
    pub fn ignores(&self, id: u64) {
        let mut state = self.state();
        state.requests[id as usize].is_ignored = true;
        state.counts.strike(Struck::Fault);
    }

    /// The next byte written is the first of the final response.
    pub fn responding(&self, connection: usize, id: u64, hint: Hint) {
        let mut state = self.state();
        let request = &mut state.requests[id as usize];
        request.hint = hint;
        let connection = &mut state.connections[connection];
        connection.response_start = Some(connection.written);
    }

    pub fn on_write(&self, connection: usize, bytes: usize) {
        let mut state = self.state();
        let now = Instant::now();
        state.note(Event::Written { connection, bytes });
        let connection = &mut state.connections[connection];
        if connection.response_start.is_some() {
            connection.final_written.get_or_insert(now);
        }
        connection.written += bytes as u64;
        connection.last_written = now;
    }

    /// The server has given its whole response to hyper, whose idle timer starts with this, though
    /// the end of it may still be in hyper's own buffer.
    pub fn response_handed_over(&self, connection: usize) {
        let mut state = self.state();
        let connection = &mut state.connections[connection];
        connection.handed_over = true;
        connection.completed.get_or_insert_with(Instant::now);
    }

    /// All that hyper had to write is written.
    pub fn on_flush(&self, connection: usize) {
        let mut state = self.state();
        let connection = &mut state.connections[connection];
        let has_begun = connection.final_written.is_some();
        if connection.handed_over && has_begun && connection.response_end.is_none() {
            connection.complete();
        }
    }

    /// All of the response is written.
    pub fn responded(&self, connection: usize) {
        self.state().connections[connection].complete();
    }

    /// Whether a response is not written to its end.
    pub fn is_responding(&self, connection: usize) -> bool {
        let connection = &self.state().connections[connection];
        connection.response_end.is_none() && !connection.server_ended
    }

    /// Which of these connections the server has had nothing to do on for longest.
    pub fn longest_idle_of(&self, connections: impl Iterator<Item = usize>) -> Option<usize> {
        let state = self.state();
        let idle = connections.filter_map(|number| {
            let connection = &state.connections[number];
            let since = connection.idle_at_server?;
            let has_all = |id| state.requests[id as usize].has_arrived;
            connection
                .at_server
                .is_some_and(has_all)
                .then_some((since, number))
        });
        idle.min().map(|(_, number)| number)
    }

    /// How many requests have arrived.
    pub fn served(&self, connection: usize) -> u64 {
        self.state().connections[connection].begun
    }

    /// A request was read to its end.
    pub fn arrived_whole(&self, id: u64) {
        self.state().requests[id as usize].has_arrived = true;
    }

    /// A request ends too soon.
    pub fn request_ended(&self, connection: usize, id: u64) {
        let mut state = self.state();
        let request = &state.requests[id as usize];
        let ends = &state.connections[connection];
        let by_server = ends
            .closing
            .is_some_and(|(_, closing)| closing != Closing::Client);
        let by_client = request.is_abandoned || request.broke || ends.saw_end.is_some();
        if !by_server && !by_client {
            state.violation(&format!(
                "connection {connection}: request {id} ends too soon"
            ));
        }
    }

    /// A request arrived altered.
    pub fn request_altered(&self, connection: usize, id: u64, at: u64) {
        let what = format!("connection {connection}: request {id} differs at byte {at}");
        self.state().violation(&what);
    }

    /// The server closes the connection, whose idle timer ran out, and is about to say so.
    pub fn says_goodbye(&self, connection: usize) {
        {
            let mut state = self.state();
            state.connections[connection].said_goodbye = true;
            state.counts.strike(Struck::Goodbye);
        }
        // Before anybody can read it.
        self.closing(connection, Closing::Idle);
    }

    /// Whether what it says answers nothing.
    pub fn said_goodbye(&self, connection: usize) -> bool {
        self.state().connections[connection].said_goodbye
    }

    /// The server closes it. Only the first call counts.
    pub fn closing(&self, connection: usize, closing: Closing) {
        let mut state = self.state();
        let now = Instant::now();
        if state.connections[connection].closing.is_some() {
            return;
        }
        state.note(Event::ServerCloses(connection, closing));
        state.connections[connection].closing = Some((now, closing));
        match closing {
            Closing::Idle => state.counts.strike(Struck::IdleTimer),
            Closing::Served { .. } => state.counts.strike(Struck::Served),
            Closing::Evicted => state.counts.strike(Struck::Evicted),
            Closing::AtRandom => state.counts.strike(Struck::AtRandom),
            Closing::Fault => state.counts.strike(Struck::Fault),
            Closing::Restart | Closing::Delimited | Closing::Client | Closing::World => {}
        }
        let since = state.connections[connection].completed;
        let early = since.zip(state.world.server.idle_timeout);
        if let (Closing::Idle, Some((since, timeout))) = (closing, early) {
            if now - since < timeout {
                state.violation(&format!(
                    "the server of connection {connection} is not honest"
                ));
            }
        }
    }

    pub fn server_ended(&self, connection: usize) {
        self.state().connections[connection].server_ended = true;
    }

    /// Whether the server did not end the response where it should.
    pub fn broke_off(&self, connection: usize) -> bool {
        let state = self.state();
        let closing = state.connections[connection].closing;
        closing.is_some_and(|(_, closing)| closing != Closing::Delimited)
    }
}
