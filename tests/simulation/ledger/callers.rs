//! What the callers tell.

use std::time::Duration;

use http_keepalive::Learn;
use tokio::time::Instant;

use super::{Cause, Event, Ledger, Request, State};
use crate::simulation::counts::Struck;
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
            idle_before: Duration::ZERO,
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
                state.count_loss(id, cause, failure);
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

/// How many more if the server's goodbye may have been the answer to one of them. Such a response shows no more than
/// the end of an idle connection does: where requests had been answered after such an idle time, a third one is needed.
const MORE_IF_AMBIGUOUS: usize = 1;

/// A loss to the idle timer that a client which knows the timeout would not have had.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    found: Instant,
    /// How long the connection had been idle before the request, as this side can tell.
    pub(super) idle: Duration,
    /// Whether the client cannot tell it from an answer.
    is_ambiguous: bool,
    /// Whether another request was answered since, after at least as long an idle time. Where the round trip varies, or
    /// a response lies unread, this side sees the server's timeout blurred by as much. Within that blur, a timer looks
    /// like a server that hangs up on some requests.
    pub(super) is_refuted: bool,
}

impl State {
    /// A timeout that never changes is known after few losses. Those count as one whose requests were begun
    /// before the first of them was found.
    fn count_loss(&mut self, id: u64, cause: Cause, failure: &Failure) {
        let request = &self.requests[id as usize];
        let by_timer = matches!(
            cause,
            Cause::IdleTimer | Cause::LearnedWrongly | Cause::ToldWrongly
        );
        let is_counted = self.is_guarded && by_timer && request.is_beyond;
        if !is_counted || !self.world.is_learnable() {
            return;
        }
        let is_known = |loss: &Loss| request.written_at <= loss.found;
        if self.losses.last().is_some_and(is_known) {
            return;
        }
        let now = Instant::now();
        let is_response = matches!(failure, Failure::Goodbye { .. });
        self.losses.push(Loss {
            found: now,
            idle: request.idle_before,
            is_refuted: false,
            is_ambiguous: is_response && self.world.server.goodbye.may_be_an_answer(),
        });
        self.losses.retain(|loss| now - loss.found < REMEMBERED);
        let recent = self.losses.len();
        let standing = || self.losses.iter().filter(|loss| !loss.is_refuted);
        let is_ambiguous = standing().any(|loss| loss.is_ambiguous);
        let most = LOSSES + if is_ambiguous { MORE_IF_AMBIGUOUS } else { 0 };
        let count = standing().count();
        if count > most {
            self.violation(&format!(
                "request {id} is loss number {recent} to the same idle timer within half an hour, of which answers \
                 refute {}",
                recent - count
            ));
        } else if count > LOSSES {
            self.counts.strike(Struck::ThirdLoss);
        } else if recent > LOSSES {
            self.counts.strike(Struck::RefutedLoss);
        }
    }
}
