//! The one place that reads a clock.

use std::fmt;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use hyper::rt::{Sleep, Timer};
use hyper_util::rt::TokioTimer;

use crate::proto::time::{Moment, Span};
use crate::trace;

/// Both clocks, and the timer that goes with the monotonic one. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Clock {
    /// `None` is tokio's timer and clock.
    timer: Option<Arc<dyn Timer + Send + Sync>>,
    /// The instant that monotonic readings count from.
    origin: Instant,
    /// `None` is the system's wall clock.
    wall: Option<Arc<WallClock>>,
    /// Whether tokio's timer was found missing.
    no_timer: Arc<AtomicBool>,
}

/// A moment in the clocks' own types: comparing it with the present costs a third of reading a [`Moment`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    monotonic: Instant,
    wall: SystemTime,
}

/// Reads a wall clock.
pub(crate) type WallClock = dyn Fn() -> SystemTime + Send + Sync;

impl Clock {
    pub(crate) fn with_timer(self, timer: Arc<dyn Timer + Send + Sync>) -> Self {
        Self {
            origin: timer.now(),
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

    /// Reads both clocks.
    #[inline]
    pub(crate) fn now(&self) -> Moment {
        let monotonic = self.monotonic_reading();
        let wall = self.system_time();
        Moment {
            monotonic,
            // Counted from what all processes share, so that moments can be saved.
            wall: match wall.duration_since(SystemTime::UNIX_EPOCH) {
                Ok(after) => nanoseconds(after),
                Err(before) => nanoseconds(before.duration()).saturating_neg(),
            },
        }
    }

    /// Reads the monotonic clock, and has the wall clock show the same.
    #[cfg(feature = "server")]
    #[inline]
    pub(crate) fn monotonic_now(&self) -> Moment {
        let monotonic = self.monotonic_reading();
        Moment {
            monotonic,
            wall: monotonic,
        }
    }

    /// Reads the monotonic clock, as the moments of this clock count it.
    #[inline]
    fn monotonic_reading(&self) -> i64 {
        let monotonic = self.monotonic();
        match monotonic.checked_duration_since(self.origin) {
            Some(after) => nanoseconds(after),
            // The timer of a builder that was cloned may lag behind the one it was built with.
            None => nanoseconds(self.origin.saturating_duration_since(monotonic)).saturating_neg(),
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

    /// Reads the wall clock alone.
    #[inline]
    pub(crate) fn system_time(&self) -> SystemTime {
        match &self.wall {
            None => system_time(),
            Some(wall) => wall(),
        }
    }

    /// Whether neither clock has reached the limit.
    #[inline]
    pub(crate) fn is_before(&self, limit: &Limit) -> bool {
        self.monotonic() < limit.monotonic && self.system_time() < limit.wall
    }

    /// A moment as a limit; `None` beyond what the clocks can represent.
    #[inline]
    pub(crate) fn limit(&self, moment: &Moment) -> Option<Limit> {
        let since_epoch = u64::try_from(moment.wall).ok().map(Duration::from_nanos)?;
        Some(Limit {
            monotonic: self.instant(moment.monotonic)?,
            wall: SystemTime::UNIX_EPOCH.checked_add(since_epoch)?,
        })
    }

    /// The instant of a reading of the monotonic clock; `None` for the last reading, which stands for never, and
    /// beyond what an instant can represent.
    pub(crate) fn instant(&self, monotonic: i64) -> Option<Instant> {
        if monotonic == i64::MAX {
            return None;
        }
        let distance = Duration::from_nanos(monotonic.unsigned_abs());
        if monotonic < 0 {
            self.origin.checked_sub(distance)
        } else {
            self.origin.checked_add(distance)
        }
    }

    /// `None` where there is no timer: tokio's, on a runtime without a time driver, or on no runtime.
    pub(crate) fn sleep_until(&self, deadline: Instant) -> Option<Pin<Box<dyn Sleep>>> {
        match &self.timer {
            Some(timer) => Some(timer.sleep_until(deadline)),
            None if self.no_timer.load(Ordering::Relaxed) => None,
            None => {
                // Tokio tells by a panic alone. Its message says what is missing, once.
                let sleep = catch_unwind(|| TokioTimer::new().sleep_until(deadline)).ok();
                if sleep.is_none() {
                    self.no_timer.store(true, Ordering::Relaxed);
                    trace::warn!(
                        target: "http_keepalive",
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

/// For hyper.
#[cfg(feature = "http2")]
impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        match &self.timer {
            None => TokioTimer::new().sleep(duration),
            Some(timer) => timer.sleep(duration),
        }
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        match &self.timer {
            None => TokioTimer::new().sleep_until(deadline),
            Some(timer) => timer.sleep_until(deadline),
        }
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: Instant) {
        Self::reset(self, sleep, deadline);
    }

    fn now(&self) -> Instant {
        self.monotonic()
    }
}

/// As far as a moment can tell.
#[inline]
fn nanoseconds(time: Duration) -> i64 {
    i64::try_from(Span::new(time).nanoseconds()).unwrap_or(i64::MAX)
}

/// Tokio's clock, without the detour of a trait object.
#[inline]
fn tokio_time() -> Instant {
    #[expect(
        clippy::disallowed_methods,
        reason = "every reading of tokio's clock is this one"
    )]
    tokio::time::Instant::now().into_std()
}

/// The system's wall clock.
#[inline]
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
            origin: tokio_time(),
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
