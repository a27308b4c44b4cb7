//! One reading of the two clocks.

use std::time::{Duration, Instant, SystemTime};

/// When something happened, by the monotonic and by the wall clock.
///
/// The monotonic clock of several systems stands still while a laptop sleeps or a function is
/// frozen; the wall clock does not, but may be set. Neither alone tells how long a server has been
/// counting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    pub(crate) monotonic: Instant,
    pub(crate) wall: SystemTime,
}

impl Moment {
    /// The time from `earlier` to this moment: the larger of what the two clocks say.
    ///
    /// A clock that went back counts as one on which nothing passed.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        if self == earlier {
            // What happens at once is read from the clock but once.
            return Duration::ZERO;
        }
        let monotonic = self.monotonic.saturating_duration_since(earlier.monotonic);
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        monotonic.max(wall)
    }

    /// The moment by which `duration` has passed on both clocks; `None` beyond what they can tell.
    pub(crate) fn checked_add(&self, duration: Duration) -> Option<Self> {
        Some(Self {
            monotonic: self.monotonic.checked_add(duration)?,
            wall: self.wall.checked_add(duration)?,
        })
    }

    /// Whether this comes before `other` on both clocks.
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.monotonic < other.monotonic && self.wall < other.wall
    }
}

/// Moments for tests, all counted from one.
#[cfg(any(fuzzing, test))]
mod tests;
