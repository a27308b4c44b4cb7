//! What the callers tell.

use std::time::Duration;

use http_keepalive::Learn;
use tokio::time::Instant;

use super::{Cause, Event, Ledger, Request, State};
use crate::simulation::origin::Hint;
use crate::simulation::plan::Plan;

/// How a request failed, as its caller sees it.
#[derive(Clone, Debug)]
pub enum Failure {
    /// There was no connection to be had.
    Connect,
    /// An error of the client, and the connection it names.
    Client {
        connection: Option<usize>,
        text: String,
    },
    /// An error amid the response.
    Body { connection: usize, text: String },
    /// What a server says as it closes an idle connection, taken for the answer.
    Goodbye { connection: usize },
    /// Nothing came for too long.
    TimedOut,
}

impl Ledger {
    /// A caller makes a request; returns its number.
    pub fn open_request(&self, plan: Plan) -> u64 {
        let mut state = self.state();
        let now = Instant::now();
        let id = state.requests.len() as u64;
        let is_complete = plan.request.len == 0;
        if state.is_verbose {
            eprintln!("{id}: {plan:?}");
        }
        state.requests.push(Request {
            plan,
            opened_at: now,
            connection: None,
            written_at: now,
            deadline: None,
            known: None,
            is_beyond: false,
            arrives_at: None,
            writings: 0,
            arrivals: 0,
            is_complete,
            has_arrived: false,
            broke: false,
            is_abandoned: false,
            is_ignored: false,
            hint: Hint::default(),
        });
        state.counts.requests += 1;
        id
    }

    /// The request's body is handed over to its end.
    pub fn request_complete(&self, id: u64) {
        self.state().requests[id as usize].is_complete = true;
    }

    /// The request's body breaks off.
    pub fn request_broke(&self, id: u64) {
        let mut state = self.state();
        state.let_go_at = Some(Instant::now());
        state.requests[id as usize].broke = true;
    }

    /// The head of the response came.
    pub fn heard(&self, id: u64, connection: usize) {
        let mut state = self.state();
        let request = &state.requests[id as usize];
        if request.connection != Some(connection) {
            let written = request.connection;
            state.violation(&format!(
                "request {id} was written on connection {written:?} and answered on {connection}"
            ));
        }
    }

    /// The response came, and is what the server sent.
    pub fn answered(&self, id: u64, connection: usize, promised: Option<std::time::Instant>) {
        let mut state = self.state();
        state.note(Event::Answered(id));
        state.counts.answered += 1;
        // Where a server is seen to wait longer than was thought, what was named may come later. But what
        // is over is over.
        let is_final = state.world.policy.learn == Learn::Off;
        let now = state.process.now();
        let holds = |end: &std::time::Instant| is_final || *end <= now;
        state.connections[connection].promised = promised.filter(holds);
        if state.requests[id as usize].arrivals != 1 {
            state.violation(&format!("request {id} was answered and never arrived"));
        }
    }

    /// The caller lets go of it.
    pub fn abandon(&self, id: u64) {
        let mut state = self.state();
        state.note(Event::GivenUp(id));
        state.counts.given_up += 1;
        state.let_go_at = Some(Instant::now());
        state.requests[id as usize].is_abandoned = true;
    }

    /// It failed. Returns why.
    pub fn failed(&self, id: u64, failure: &Failure) -> Option<Cause> {
        let mut state = self.state();
        state.let_go_at = Some(Instant::now());
        state.requests[id as usize].is_abandoned = true;
        match state.cause(id, failure) {
            Ok(cause) => {
                state.note(Event::Failed(id, cause));
                *state.counts.failures.entry(cause).or_default() += 1;
                if cause.is_preventable() && state.is_guarded {
                    let request = &state.requests[id as usize];
                    let on = request.connection;
                    let what = format!("request {id} on connection {on:?} failed: {cause}");
                    state.violation(&what);
                }
                state.count_loss(id, cause);
                Some(cause)
            }
            Err(what) => {
                state.violation(&format!("request {id} failed ({failure:?}): {what}"));
                None
            }
        }
    }
}

/// How often requests may be lost to one timeout before it is known, and for how long it then is.
const LOSSES: usize = 2;
const REMEMBERED: Duration = Duration::from_secs(1_800);

impl State {
    /// A timeout that never changes is known after few losses. Those count as one whose requests were begun
    /// before the first of them was found.
    fn count_loss(&mut self, id: u64, cause: Cause) {
        let request = &self.requests[id as usize];
        let by_timer = matches!(
            cause,
            Cause::IdleTimer | Cause::LearnedWrongly | Cause::ToldWrongly
        );
        let is_counted = self.is_guarded && by_timer && request.is_beyond;
        if !is_counted || !self.world.is_learnable() {
            return;
        }
        let is_known = |found: &Instant| request.written_at <= *found;
        if self.losses.last().is_some_and(is_known) {
            return;
        }
        let now = Instant::now();
        self.losses.push(now);
        let recent = self
            .losses
            .iter()
            .filter(|found| now - **found < REMEMBERED);
        let recent = recent.count();
        if recent > LOSSES {
            self.violation(&format!(
                "request {id} is loss number {recent} to the same idle timer within half an hour"
            ));
        }
    }
}
