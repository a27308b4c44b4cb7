//! The one place that reads a clock.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;

use crate::proto::{Moment, Now, Reading};

/// Both clocks, and the timer that goes with the monotonic one. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clock {
    timer: Arc<dyn Timer + Send + Sync>,
    /// What readings of the monotonic clock count from.
    epoch: Instant,
    /// In place of the system's wall clock.
    wall: Option<Arc<WallClock>>,
}

/// Reads a wall clock.
pub(crate) type WallClock = dyn Fn() -> SystemTime + Send + Sync;

impl Clock {
    fn of(timer: Arc<dyn Timer + Send + Sync>, wall: Option<Arc<WallClock>>) -> Self {
        Self {
            epoch: timer.now(),
            timer,
            wall,
        }
    }

    pub(crate) fn with_timer(self, timer: Arc<dyn Timer + Send + Sync>) -> Self {
        Self::of(timer, self.wall)
    }

    pub(crate) fn with_wall_clock(self, wall: Arc<WallClock>) -> Self {
        Self {
            wall: Some(wall),
            ..self
        }
    }

    pub(crate) fn now(&self) -> Moment {
        self.moment(&self.read())
    }

    /// Reads both clocks, and no more.
    #[inline]
    pub(crate) fn read(&self) -> Now {
        Now {
            monotonic: self.timer.now(),
            wall: match &self.wall {
                None => system_time(),
                Some(wall) => wall(),
            },
        }
    }

    pub(crate) fn moment(&self, now: &Now) -> Moment {
        Moment {
            monotonic: self.reading(now.monotonic),
            wall: match now.wall.duration_since(SystemTime::UNIX_EPOCH) {
                Ok(after) => Reading::after(after),
                Err(before) => Reading::before(before.duration()),
            },
        }
    }

    /// What the clocks show at a moment; `None` beyond what they can tell.
    pub(crate) fn at(&self, moment: &Moment) -> Option<Now> {
        Some(Now {
            monotonic: self.instant(moment.monotonic)?,
            wall: match moment.wall.offset() {
                Ok(after) => SystemTime::UNIX_EPOCH.checked_add(after)?,
                Err(before) => SystemTime::UNIX_EPOCH.checked_sub(before)?,
            },
        })
    }

    fn reading(&self, now: Instant) -> Reading {
        match now.checked_duration_since(self.epoch) {
            Some(after) => Reading::after(after),
            // Built by one clock, used by another that lags behind.
            None => Reading::before(self.epoch.saturating_duration_since(now)),
        }
    }

    /// The instant of a reading of the monotonic clock; `None` beyond what it can tell.
    pub(crate) fn instant(&self, reading: Reading) -> Option<Instant> {
        match reading.offset() {
            Ok(after) => self.epoch.checked_add(after),
            Err(before) => self.epoch.checked_sub(before),
        }
    }

    pub(crate) fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.timer.sleep_until(deadline)
    }

    pub(crate) fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        self.timer.reset(sleep, deadline);
    }
}

/// The system's wall clock.
fn system_time() -> SystemTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "every reading of the wall clock is this one"
    )]
    SystemTime::now()
}

impl Default for Clock {
    fn default() -> Self {
        Self::of(Arc::new(TokioTimer::new()), None)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}
