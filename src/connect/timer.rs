//! The timer that has an idle connection looked at when its time is up.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Instant, SystemTime};

use hyper::rt::Sleep;

use crate::clock::Clock;
use crate::proto::Now;

/// At most one sleep a connection, allocated when the connection first waits idle, and moved only
/// when it fires too early, or would fire too late. It wakes the task that polled it first: for another
/// task there is to be another timer.
///
/// With every exchange the deadline moves on, and the sleep stays behind: it fires early, once in a
/// while, and is moved then. As long as it has not fired there is nothing to ask of the connection:
/// it is fresh.
#[derive(Default)]
pub(super) struct IdleTimer {
    armed: Option<Armed>,
    /// Until when the connection is fresh by the wall clock; `None` if it has to be asked.
    fresh_until: Option<SystemTime>,
}

struct Armed {
    sleep: Pin<Box<dyn Sleep>>,
    at: Instant,
}

impl IdleTimer {
    /// Whether the connection is fresh, so that it need not be asked, and the sleep wakes the task before
    /// that changes.
    #[inline]
    pub(super) fn is_fresh(&self, now: &Now) -> bool {
        let (Some(armed), Some(wall)) = (&self.armed, self.fresh_until) else {
            return false;
        };
        let looked_at = Now {
            monotonic: armed.at,
            wall,
        };
        now.is_before(&looked_at)
    }

    /// Whether the connection was fresh when that was looked at.
    #[inline]
    pub(super) fn may_be_fresh(&self) -> bool {
        self.fresh_until.is_some()
    }

    /// The connection has become fresh until then, or has to be asked: the sleep may lie behind.
    pub(super) fn on_fresh(&mut self, until: Option<Now>) {
        self.fresh_until = until
            .filter(|until| {
                self.armed
                    .as_ref()
                    .is_some_and(|armed| armed.at <= until.monotonic)
            })
            .map(|until| until.wall);
    }

    /// Has the task that asks woken at `until`, or before. Ready when that time has come.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        clock: &Clock,
        now: &Now,
        until: Instant,
    ) -> Poll<()> {
        let armed = match &mut self.armed {
            // It will fire in time.
            Some(armed) if armed.at <= until && now.monotonic < armed.at => {
                return Poll::Pending;
            }
            Some(armed) => {
                if armed.at != until {
                    clock.reset(&mut armed.sleep, until);
                    armed.at = until;
                }
                armed
            }
            none => match clock.sleep_until(until) {
                Some(sleep) => none.insert(Armed { sleep, at: until }),
                // Without a timer the connection closes when it is needed next.
                None => return Poll::Pending,
            },
        };
        // A task that has used up its budget is told Pending by tokio's timer, which then does not know
        // of the task: the sleep would count as armed, and never fire.
        pin!(tokio::task::unconstrained(armed.sleep.as_mut())).poll(cx)
    }
}

impl fmt::Debug for IdleTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleTimer")
            .field("at", &self.armed.as_ref().map(|armed| armed.at))
            .finish()
    }
}
