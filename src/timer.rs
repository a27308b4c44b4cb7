//! The timer that wakes the task of an idle connection at its deadline.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use hyper::rt::Sleep;

use crate::clock::Clock;

/// At most one sleep a connection, allocated when the connection first waits idle. It wakes the task
/// that polled it first, so another task needs another timer.
///
/// The deadline moves on with every exchange, and the sleep stays behind: it is moved once it has fired,
/// or where it would fire too late.
#[derive(Default)]
pub(crate) struct IdleTimer {
    armed: Option<Armed>,
}

struct Armed {
    sleep: Pin<Box<dyn Sleep>>,
    /// On the monotonic clock.
    at: i64,
}

impl IdleTimer {
    /// When the sleep fires, on the monotonic clock, if it wakes the task at `until` or before.
    #[inline]
    pub(crate) fn fires_by(&self, until: i64, now: i64) -> Option<i64> {
        let at = self.armed.as_ref()?.at;
        (now < at && at <= until).then_some(at)
    }

    /// Has the task woken at `until`, or before. Ready when the sleep has fired.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        clock: &Clock,
        until: i64,
        now: i64,
    ) -> Poll<()> {
        if self.fires_by(until, now).is_some() {
            return Poll::Pending;
        }
        let Some(instant) = clock.instant(until) else {
            // There is no end. A sleep that has fired would be ready with every poll.
            self.armed = None;
            return Poll::Pending;
        };
        let armed = match &mut self.armed {
            Some(armed) => {
                if armed.at != until {
                    clock.reset(&mut armed.sleep, instant);
                    armed.at = until;
                }
                armed
            }
            none => match clock.sleep_until(instant) {
                Some(sleep) => none.insert(Armed { sleep, at: until }),
                // Without a timer the connection closes when it is needed next.
                None => return Poll::Pending,
            },
        };
        // To a task that has used up its cooperative budget, tokio's timer returns `Pending` without
        // registering the task's waker: the sleep would count as armed, and never wake the task.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    #[expect(
        clippy::disallowed_methods,
        reason = "the clock of this test is tokio's"
    )]
    async fn a_timer_that_has_fired_wakes_nobody_once_there_is_no_end() {
        let clock = Clock::default();
        let mut timer = IdleTimer::default();
        let second = 1_000_000_000;
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(timer.poll(&mut cx, &clock, second, 0).is_pending());
        assert_eq!(timer.fires_by(second, 0), Some(second));
        tokio::time::sleep(Duration::from_secs(2)).await;

        let now = 2 * second;
        assert!(timer.poll(&mut cx, &clock, i64::MAX, now).is_pending());
        assert_eq!(timer.fires_by(i64::MAX, now), None);
    }
}
