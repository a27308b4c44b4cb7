//! The state that the transport wrapper and the handles share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::origin::Origin;
use crate::proto::Moment;
use crate::proto::deadline::{self, Verdict};
use crate::proto::end::{Cause, End};
use crate::proto::exchange::{Exchange, Happened};
use crate::proto::framing::Opaque;
use crate::proto::keep_alive::KeepAliveHint;
use crate::shared::KeepAlive;
use crate::trace;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    origin: Option<Origin>,
    keep_alive: KeepAlive,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    exchange: Exchange,
    /// Wakes the task that drives the connection, once that has waited for something to read.
    waker: Option<Waker>,
}

/// What the transport wrapper has to do with what it moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// Tell what is read and written.
    Busy,
    /// Ask before each read.
    Idle,
    /// Nothing any more.
    Opaque,
}

/// What to do with a read on an idle connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BeforeRead {
    /// Report EOF: the connection is not to be used again.
    Eof,
    /// Read, and ask again at `until`, if it is given.
    Read {
        now: Instant,
        until: Option<Instant>,
        /// Whether the task has changed since it was asked last.
        moved: bool,
    },
}

impl Connection {
    /// A connection that is established now, after `connecting` for so long.
    pub(crate) fn open(
        keep_alive: &KeepAlive,
        origin: Option<Origin>,
        connecting: Duration,
        now: Moment,
    ) -> Self {
        keep_alive.counters().on_open();
        Self {
            id: keep_alive.next_id(),
            origin,
            keep_alive: keep_alive.clone(),
            state: Mutex::new(State {
                exchange: Exchange::new(connecting, now),
                waker: None,
            }),
        }
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    pub(crate) fn keep_alive(&self) -> &KeepAlive {
        &self.keep_alive
    }

    /// Nothing is to be followed on this connection.
    pub(crate) fn on_opaque(&self, reason: Opaque) {
        self.state().exchange.on_opaque(reason);
        self.keep_alive.counters().on_opaque(reason);
    }

    /// Asked before a read on an idle connection; `waker` is that of the task that reads.
    pub(crate) fn before_read(&self, waker: &Waker) -> BeforeRead {
        let now = self.keep_alive.clock().now();
        let mut state = self.state();
        let verdict = state.exchange.verdict(self.keep_alive.policy(), &now);
        let until = match verdict {
            Some(Verdict::Retire(_)) => return BeforeRead::Eof,
            Some(Verdict::Reuse { until }) => until,
            None => None,
        };
        let moved = !state
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker));
        if moved {
            state.waker = Some(waker.clone());
        }
        BeforeRead::Read {
            now: now.monotonic,
            until,
            moved,
        }
    }

    /// Something is about to be written on an idle connection.
    pub(crate) fn on_sending(&self) {
        let now = self.keep_alive.clock().now();
        self.state().exchange.on_sending(now);
    }

    /// Takes bytes that were read.
    pub(crate) fn on_read(&self, bytes: &[u8]) -> Standing {
        let window = self.keep_alive.policy().response_window;
        self.tell(|exchange| exchange.on_read(bytes, window))
    }

    /// Takes bytes that were written.
    pub(crate) fn on_written(&self, bytes: &[u8]) -> Standing {
        self.tell(|exchange| exchange.on_written(bytes))
    }

    fn tell(&self, tell: impl FnOnce(&mut Exchange) -> Happened) -> Standing {
        let (happened, standing) = {
            let mut state = self.state();
            let happened = tell(&mut state.exchange);
            (happened, state.standing())
        };
        if let Some(reason) = happened.opaque() {
            self.keep_alive.counters().on_opaque(reason);
        }
        if !happened.needs_time() && !happened.begun() {
            return standing;
        }
        let now = happened.needs_time().then(|| self.keep_alive.clock().now());
        let mut state = self.state();
        if let Some(now) = now {
            let window = self.keep_alive.policy().response_window;
            state.exchange.at(happened, window, now);
        }
        if happened.begun() {
            let reused = state.exchange.request().number > 1;
            self.keep_alive.counters().on_exchange(reused);
        }
        state.standing()
    }

    /// The connection ended. Only the first call counts.
    pub(crate) fn on_end(&self, cause: Cause) {
        let (end, requests, waker) = {
            let mut state = self.state();
            let end = state.exchange.on_end(cause, self.keep_alive.policy());
            (end, state.exchange.request().number, state.waker.take())
        };
        // A handle may outlive the task by far.
        drop(waker);
        let Some(end) = end else { return };
        self.keep_alive.counters().on_end(end);
        self.log_end(end, requests);
    }

    fn log_end(&self, end: End, requests: u64) {
        trace::debug!(
            connection = ?self.id,
            origin = ?self.origin,
            requests = ?requests,
            end = ?end,
            "connection ended"
        );
    }

    /// Takes what the server said in its response to the `request`th request.
    pub(crate) fn on_hint(&self, hint: KeepAliveHint, request: u64) {
        let policy = self.keep_alive.policy();
        if deadline::is_clamped(policy, hint.timeout()) {
            self.keep_alive.counters().on_clamped_hint();
        }
        self.change(|exchange| exchange.on_hint(hint, request, policy));
    }

    /// Not to be used again.
    pub(crate) fn retire(&self) {
        self.change(Exchange::retire);
    }

    /// Changes something, and has the connection looked at if the change says so.
    fn change(&self, change: impl FnOnce(&mut Exchange) -> bool) {
        let waker = {
            let mut state = self.state();
            let look = change(&mut state.exchange);
            if look { state.waker.clone() } else { None }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Answers a question.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Exchange) -> R) -> R {
        look(&self.state().exchange)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock leaves the state half changed, and a verdict on it is only ever
        // too careful: a panic elsewhere does not spread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn standing(&self) -> Standing {
        if self.exchange.opaque().is_some() {
            Standing::Opaque
        } else if self.exchange.is_idle() {
            Standing::Idle
        } else {
            Standing::Busy
        }
    }
}
