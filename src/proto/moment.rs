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
#[allow(dead_code, reason = "tests use all of it")]
impl Moment {
    /// So many milliseconds after the moment that all tests count from.
    pub(crate) fn at(millis: u64) -> Self {
        Self::epoch().after(Duration::from_millis(millis))
    }

    /// The same moment each time, long enough after what the wall clock calls its own epoch.
    pub(crate) fn epoch() -> Self {
        static EPOCH: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(|| {
            #[expect(
                clippy::disallowed_methods,
                reason = "an instant can be had from nowhere else; tests only count from it"
            )]
            Instant::now()
        });
        Self {
            monotonic: *EPOCH,
            wall: SystemTime::UNIX_EPOCH,
        }
        .wall_forward(Duration::from_secs(1_000_000_000))
    }

    /// Some time later by both clocks.
    pub(crate) fn after(self, time: Duration) -> Self {
        let monotonic = self.monotonic.checked_add(time);
        Self {
            monotonic: monotonic.expect("tests stay within what the clock can tell"),
            ..self.wall_forward(time)
        }
    }

    /// The same, with the wall clock set forward, or the monotonic one left behind by a sleep.
    pub(crate) fn wall_forward(self, time: Duration) -> Self {
        let wall = self.wall.checked_add(time);
        Self {
            wall: wall.expect("tests stay within what the clock can tell"),
            ..self
        }
    }

    /// The same, with the wall clock set back.
    pub(crate) fn wall_back(self, time: Duration) -> Self {
        let wall = self.wall.checked_sub(time);
        Self {
            wall: wall.expect("tests stay within what the clock can tell"),
            ..self
        }
    }
}
