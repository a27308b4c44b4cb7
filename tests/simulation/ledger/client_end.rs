//! What the client's end of a connection tells.

use std::sync::Arc;
use std::time::Duration;

use http_keepalive::Learn;
use tokio::time::Instant;

use super::connection::{Connection, Deadline};
use super::{Closing, Event, Ledger, State};
use crate::simulation::counts::Struck;
use crate::support::link::Line;

impl Ledger {
    /// The network has a connection, which took since then, and the server accepts it.
    pub fn accepted(&self, line: Line, connecting: Instant) -> usize {
        let mut state = self.state();
        let connection = state.connections.len();
        let told = state.told;
        state
            .connections
            .push(Connection::new(line, connecting, told));
        state.counts.connections += 1;
        connection
    }

    /// The client's process has it.
    pub fn connected(&self, connection: usize, connecting: Instant) {
        let mut state = self.state();
        let now = Instant::now();
        state.note(Event::Connected(connection));
        state.connected_last = connection;
        let connection = &mut state.connections[connection];
        connection.connected = now;
        connection.round_trip = now - connecting;
    }

    /// This crate follows what was connected last, under this number.
    pub fn on_followed(&self, id: u64) {
        let mut state = self.state();
        let connection = state.connected_last;
        state.followed.insert(id, connection);
    }

    /// The connection that this crate follows under that number.
    pub fn followed_as(&self, id: u64) -> usize {
        self.state().followed[&id]
    }

    pub fn refused(&self) {
        let mut state = self.state();
        state.refused_at = Some(Instant::now());
        state.note(Event::Refused);
        state.counts.strike(Struck::Refused);
    }

    /// The head of a request is about to be written.
    pub fn before_request(&self, connection: usize, id: u64) {
        let mut state = self.state();
        if state.connections[connection].request == Some(id) {
            // It was not accepted at the first attempt.
            return;
        }
        state.check_request(connection, id);
        let now = Instant::now();
        state.note(Event::Begun { connection, id });
        state.counts.exchanges += 1;
        let world = Arc::clone(&state.world);
        let connected = &state.connections[connection];
        let deadline = connected.deadline(&world.policy);
        let timeout = world.server.idle_timeout;
        // The timeout as it can be seen from here.
        let seen = timeout.map(|timeout| timeout + world.network.uncertainty());
        let seen = seen.and_then(|seen| connected.deadline_of(&world.policy, seen));
        let is_beyond = connected.begun > 0 && seen.is_some_and(|seen| now >= seen.at());
        let known = timeout.and_then(|timeout| connected.deadline_of(&world.policy, timeout));
        let idle_before = connected.idle(now);
        if state.connections[connection].begun > 0 {
            state.counts.reused += 1;
            let is_late = deadline.is_some_and(|deadline| now >= deadline.at());
            state.counts.lengthened += u64::from(state.is_guarded && is_late);
        }
        let request = &mut state.requests[id as usize];
        request.writings += 1;
        request.deadline = deadline;
        request.known = known;
        request.is_beyond = is_beyond;
        request.idle_before = idle_before;
        request.connection = Some(connection);
        request.written_at = now;
        let connection = &mut state.connections[connection];
        connection.close_round_trip();
        connection.begin(id);
    }

    /// The head of the last request arrives then.
    pub fn request_arrives(&self, connection: usize, at: Option<Instant>) {
        let mut state = self.state();
        if let Some(id) = state.connections[connection].request {
            state.requests[id as usize].arrives_at = at.or_else(|| Some(Instant::now()));
        }
    }

    /// Bytes were written. Those that follow the begin of their response say nothing of when its server was
    /// asked.
    pub fn on_written(&self, connection: usize) {
        let mut state = self.state();
        let connection = &mut state.connections[connection];
        connection.finished = Instant::now();
        if connection.final_read.is_none() {
            connection.sent_last = connection.finished;
        }
    }

    pub fn on_read(&self, number: usize, bytes: &[u8]) {
        let mut state = self.state();
        let now = Instant::now();
        state.note(Event::Read {
            connection: number,
            bytes: bytes.len(),
        });
        let connection = &mut state.connections[number];
        // A goodbye ends the idle time.
        connection.longest_idle = connection.longest_idle.max(connection.idle(now));
        let before = connection.read;
        connection.read += bytes.len() as u64;
        connection.finished = now;
        if connection.request.is_some() {
            connection.answered.get_or_insert(now);
        }
        let has_start = |start| (before..connection.read).contains(&start);
        if connection.response_start.is_some_and(has_start) {
            connection.final_read.get_or_insert(now);
        }
        if connection.ends_head(before, bytes) {
            state.on_hint(number);
            state.on_answer(number);
        }
    }

    /// EOF, or an error.
    pub fn on_end(&self, connection: usize) {
        let mut state = self.state();
        let now = Instant::now();
        if state.connections[connection].saw_end.replace(now).is_none() {
            state.note(Event::ClientSawEnd(connection));
        }
    }

    /// Shut down, or let go of.
    pub fn client_closed(&self, connection: usize) {
        let mut state = self.state();
        let closed = &mut state.connections[connection].client_closed;
        if closed.is_none() {
            *closed = Some(Instant::now());
            state.note(Event::ClientClosed(connection));
            state.check_close(connection);
        }
    }
}

impl State {
    /// The head of a final response was read: its hint counts from now on, whoever waits for the response.
    fn on_hint(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let (Some(id), true) = (connection.request, self.world.policy.hints) else {
            return;
        };
        let hint = self.requests[id as usize].hint;
        if let Some(timeout) = hint.timeout {
            let max_idle = self.world.policy.max_idle;
            self.told.0 = Some(timeout).filter(|told| !told.is_zero() && *told < max_idle);
            connection.hint = Some(timeout);
        }
        if let Some(max) = hint.max {
            self.told.1 = Some(connection.begun + max);
            connection.allowed = Some(connection.begun + max);
        }
    }

    /// The head of a final response was read: the connection survived its idle time.
    fn on_answer(&mut self, number: usize) {
        let connection = &self.connections[number];
        if let (Some(id), true) = (connection.request, connection.begun > 1) {
            let idle = self.requests[id as usize].idle_before;
            for loss in &mut self.losses {
                loss.is_refuted |= loss.idle <= idle;
            }
        }
    }

    fn check_request(&mut self, number: usize, id: u64) {
        let connection = &self.connections[number];
        let now = Instant::now();
        let mut wrong = Vec::new();
        if self.requests[id as usize].writings > 0 {
            wrong.push("it was written before".to_owned());
        }
        if connection.client_closed.is_some() {
            wrong.push("this side has closed".to_owned());
        }
        if self.is_guarded {
            let deadline = connection.deadline(&self.world.policy);
            match deadline {
                Some(deadline) if connection.begun > 0 && now >= deadline.at() => {
                    let deadline = self.lengthened(connection).unwrap_or(deadline);
                    let late = now.saturating_duration_since(deadline.at());
                    let why = deadline.reason();
                    if now >= deadline.at() {
                        wrong.push(format!("{late:?} past the deadline: {why}"));
                    }
                }
                None if connection.begun > 0 => wrong.push("the last exchange is open".to_owned()),
                _ => {}
            }
            if connection
                .promised
                .is_some_and(|end| self.process.now() >= end)
            {
                wrong.push("past the deadline that this crate named".to_owned());
            }
            if connection
                .allowed
                .is_some_and(|most| connection.begun >= most)
            {
                wrong.push("more requests than the server takes".to_owned());
            }
        }
        for wrong in wrong {
            self.violation(&format!("request {id} on connection {number}: {wrong}"));
        }
    }

    /// The latest deadline that may follow from what was learned, where that may lengthen what policy allows:
    /// nobody can know of a longer timeout than a connection was seen open for.
    fn lengthened(&self, connection: &Connection) -> Option<Deadline> {
        let policy = &self.world.policy;
        if !policy.may_lengthen(connection.hint) {
            return None;
        }
        let now = Instant::now();
        let connections = self.connections.iter();
        let idle = connections.map(|other| other.longest_idle.max(other.idle(now)));
        // Clocks count in milliseconds. One that is set shows any time.
        let seen = idle.max().unwrap_or_default() + Duration::from_millis(2);
        let seen = if self.world.sets_clock {
            Duration::MAX
        } else {
            seen
        };
        let expected = policy.expected(connection.hint);
        connection.deadline_of(policy, expected.max(seen.min(policy.learn_ceiling)))
    }

    fn check_close(&mut self, number: usize) {
        let connection = &self.connections[number];
        let Some(id) = connection.request else { return };
        let request = &self.requests[id as usize];
        let has_reason = connection.saw_end.is_some()
            || connection.said_goodbye
            || request.is_abandoned
            || request.broke;
        if has_reason {
            return;
        }
        let what = if !connection.is_response_read() {
            format!("while request {id} was unanswered")
        } else if !request.is_complete {
            format!("while request {id} was written")
        } else if let Some(early) = self.early(connection) {
            format!("{early:?} before its deadline")
        } else {
            return;
        };
        self.violation(&format!("connection {number} closed {what}"));
    }

    /// Whether the server has closed any connection on its own account, or failed a request.
    fn has_closed(&self) -> bool {
        self.connections.iter().any(|connection| {
            let closing = connection.closing.map(|(_, closing)| closing);
            connection.said_goodbye
                || connection.is_cut
                || closing.is_some_and(|closing| closing != Closing::Client)
        })
    }

    /// By how much an idle connection closes before its time.
    fn early(&self, connection: &Connection) -> Option<Duration> {
        let policy = &self.world.policy;
        let is_told = self.is_guarded && !self.is_ending && !self.world.sets_clock;
        let is_done = connection
            .allowed
            .is_some_and(|most| connection.begun >= most);
        // A thread that is stopped closes it later.
        let now = Instant::now();
        let is_let_go = self
            .let_go_at
            .is_some_and(|at| at == now || self.was_stopped_throughout(at, now));
        // What the server was seen to do may shorten what policy allows.
        let learns = policy.learn != Learn::Off && self.has_closed();
        if !is_told || is_done || is_let_go || learns || connection.is_longer_than(policy.window) {
            return None;
        }
        let at = connection.deadline(policy)?.certain();
        let early = at.saturating_duration_since(Instant::now());
        (!early.is_zero()).then_some(early)
    }
}
