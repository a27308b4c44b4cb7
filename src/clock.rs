//! The one place that reads a clock.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;

use crate::proto::Moment;

/// Both clocks, and the timer that goes with the monotonic one. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clock {
    timer: Arc<dyn Timer + Send + Sync>,
    /// In place of the system's wall clock.
    wall: Option<Arc<WallClock>>,
}

/// Reads a wall clock.
pub(crate) type WallClock = dyn Fn() -> SystemTime + Send + Sync;

impl Clock {
    pub(crate) fn with_timer(self, timer: Arc<dyn Timer + Send + Sync>) -> Self {
        Self { timer, ..self }
    }

    pub(crate) fn with_wall_clock(self, wall: Arc<WallClock>) -> Self {
        Self {
            wall: Some(wall),
            ..self
        }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment {
            monotonic: self.timer.now(),
            wall: self.wall.as_ref().map_or_else(system_time, |wall| wall()),
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
        Self {
            timer: Arc::new(TokioTimer::new()),
            wall: None,
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}
