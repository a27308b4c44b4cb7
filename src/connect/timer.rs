//! The timer that has an idle connection looked at when its time is up.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use hyper::rt::Sleep;

use crate::clock::Clock;

/// At most one sleep a connection, allocated when the connection first waits idle, and moved only
/// when it fires too early, or would fire too late.
///
/// With every exchange the deadline moves on, and the sleep stays behind: it fires early, once in a
/// while, and is moved then.
#[derive(Default)]
pub(super) struct IdleTimer {
    armed: Option<Armed>,
    /// Whether it would wake another task than the one that asked last.
    is_astray: bool,
}

struct Armed {
    sleep: Pin<Box<dyn Sleep>>,
    at: Instant,
}

impl IdleTimer {
    /// A task asks. `moved`: whether it is another one than that which asked last.
    pub(super) fn on_asked(&mut self, moved: bool) {
        self.is_astray |= moved;
    }

    /// Has the task that asked woken at `until`, or before. Ready when that time has come.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        clock: &Clock,
        now: Instant,
        until: Instant,
    ) -> Poll<()> {
        let is_astray = std::mem::take(&mut self.is_astray);
        let armed = match &mut self.armed {
            // It will fire in time, and wake this task.
            Some(armed) if armed.at <= until && now < armed.at && !is_astray => {
                return Poll::Pending;
            }
            Some(armed) => {
                if armed.at != until {
                    clock.reset(&mut armed.sleep, until);
                    armed.at = until;
                }
                armed
            }
            none => none.insert(Armed {
                sleep: clock.sleep_until(until),
                at: until,
            }),
        };
        armed.sleep.as_mut().poll(cx)
    }
}

impl fmt::Debug for IdleTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleTimer")
            .field("at", &self.armed.as_ref().map(|armed| armed.at))
            .finish()
    }
}
