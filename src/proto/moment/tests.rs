//! Moments for tests and for the fuzzer, which have no clock.

use std::time::{Duration, Instant, SystemTime};

use super::Moment;

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
