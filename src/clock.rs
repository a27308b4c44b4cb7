//! The one place that reads a clock.

use std::fmt;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;

use crate::proto::{Epoch, Moment, Now, Reading};
use crate::trace;

/// Both clocks, and the timer that goes with the monotonic one. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clock {
    /// In place of tokio's.
    timer: Option<Arc<dyn Timer + Send + Sync>>,
    epoch: Epoch,
    /// In place of the system's wall clock.
    wall: Option<Arc<WallClock>>,
    /// Whether tokio's timer was found missing.
    no_timer: Arc<AtomicBool>,
}

/// Reads a wall clock.
pub(crate) type WallClock = dyn Fn() -> SystemTime + Send + Sync;

impl Clock {
    pub(crate) fn with_timer(self, timer: Arc<dyn Timer + Send + Sync>) -> Self {
        Self {
            epoch: epoch(timer.now()),
            timer: Some(timer),
            ..self
        }
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
            monotonic: self.monotonic(),
            wall: match &self.wall {
                None => system_time(),
                Some(wall) => wall(),
            },
        }
    }

    /// Reads the monotonic clock alone.
    #[inline]
    pub(crate) fn monotonic(&self) -> Instant {
        match &self.timer {
            None => tokio_time(),
            Some(timer) => timer.now(),
        }
    }

    /// What its readings count from.
    pub(crate) fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// Its reading, to be reckoned with.
    pub(crate) fn moment(&self, now: &Now) -> Moment {
        self.epoch.moment(now)
    }

    /// What it shows at a moment; `None` beyond what it can tell.
    pub(crate) fn at(&self, moment: &Moment) -> Option<Now> {
        self.epoch.at(moment)
    }

    /// The instant of a reading of the monotonic clock; `None` beyond what it can tell.
    pub(crate) fn instant(&self, reading: Reading) -> Option<Instant> {
        self.epoch.instant(reading)
    }

    /// `None` where there is no timer: tokio's, on a runtime without a time driver, or on none.
    pub(crate) fn sleep_until(&self, deadline: Instant) -> Option<Pin<Box<dyn Sleep>>> {
        match &self.timer {
            Some(timer) => Some(timer.sleep_until(deadline)),
            None if self.no_timer.load(Ordering::Relaxed) => None,
            None => {
                // Tokio has no other way to tell. The panic says what is missing, once.
                let sleep = catch_unwind(|| TokioTimer::new().sleep_until(deadline)).ok();
                if sleep.is_none() {
                    self.no_timer.store(true, Ordering::Relaxed);
                    trace::warn!(
                        "no tokio time driver: idle connections close when they are needed next, not at \
                         their deadline"
                    );
                }
                sleep
            }
        }
    }

    pub(crate) fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        match &self.timer {
            None => TokioTimer::new().reset(sleep, deadline),
            Some(timer) => timer.reset(sleep, deadline),
        }
    }
}

/// A wall clock's readings are the same for all processes, so that they can be told each other.
fn epoch(monotonic: Instant) -> Epoch {
    Epoch::new(monotonic, SystemTime::UNIX_EPOCH)
}

/// Tokio's clock, without the detour of a trait object.
fn tokio_time() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "every reading of tokio's clock is this one"
    )]
    tokio::time::Instant::now().into_std()
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
            timer: None,
            epoch: epoch(tokio_time()),
            wall: None,
            no_timer: Arc::default(),
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}
