//! Moments for tests and for the fuzzer, which have no clock.

use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use super::{Epoch, Moment, Now, Reading};

#[allow(dead_code, reason = "tests use all of it")]
impl Epoch {
    /// The same each time.
    pub(crate) fn of_tests() -> Self {
        #[expect(clippy::disallowed_methods, reason = "nobody looks when that was")]
        static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);
        Self::new(*EPOCH, SystemTime::UNIX_EPOCH)
    }
}

#[allow(dead_code, reason = "tests use all of it")]
impl Moment {
    /// So many milliseconds after the moment that all tests count from.
    pub(crate) fn at(millis: u64) -> Self {
        Self::epoch().after(Duration::from_millis(millis))
    }

    /// The same moment each time, long enough after what the wall clock calls its own epoch.
    pub(crate) fn epoch() -> Self {
        Self {
            monotonic: Reading::after(Duration::ZERO),
            wall: Reading::after(Duration::from_secs(1_000_000_000)),
        }
    }

    /// As the clocks of tests are read.
    pub(crate) fn read(self) -> Now {
        Epoch::of_tests()
            .at(&self)
            .expect("tests stay within what the clock can tell")
    }

    /// Some time later by both clocks.
    pub(crate) fn after(self, time: Duration) -> Self {
        self.checked_add(time)
            .expect("tests stay within what the clock can tell")
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
        Self {
            wall: self.wall.earlier(time),
            ..self
        }
    }
}

#[allow(dead_code, reason = "tests use all of it")]
impl Reading {
    /// Some time before this.
    pub(crate) fn earlier(self, time: Duration) -> Self {
        let time = i64::try_from(time.as_nanos());
        let earlier = time.ok().and_then(|time| self.0.checked_sub(time));
        Self(earlier.expect("tests stay within what the clock can tell"))
    }

    /// The time from an earlier reading to this.
    pub(crate) fn checked_duration_since(self, earlier: Self) -> Option<Duration> {
        (self >= earlier).then(|| Duration::from_nanos(self.since(earlier)))
    }
}

#[cfg(test)]
mod cases {
    use super::super::Span;
    use super::*;

    #[test]
    fn a_span_is_as_long_as_what_it_was_made_of() {
        for nanoseconds in [0, 1, 1_000_000_000, u64::MAX - 1] {
            let time = Duration::from_nanos(nanoseconds);
            assert_eq!(Span::new(time).duration(), time);
        }
        let longest = Duration::from_nanos(u64::MAX - 1);
        assert_eq!(Span::new(Duration::MAX).duration(), longest);
        assert_eq!(Span::ZERO.duration(), Duration::ZERO);
    }

    #[test]
    fn a_reading_reaches_as_far_as_it_can_and_no_further() {
        let day = Duration::from_secs(86_400);
        assert_eq!(Reading::after(day).offset(), Ok(day));
        assert_eq!(Reading::before(day).offset(), Err(day));
        assert_eq!(Reading::after(Duration::MAX), Reading(i64::MAX));
        assert_eq!(Reading::before(Duration::MAX), Reading(-i64::MAX));
        assert_eq!(Reading::after(Duration::MAX).checked_add(day), None);
        assert_eq!(Reading::after(day).checked_add(Duration::MAX), None);

        let all = Reading::after(Duration::MAX).since(Reading::before(Duration::MAX));
        assert_eq!(all, u64::MAX - 1);
        assert_eq!(Reading::before(day).since(Reading::after(day)), 0);
    }
}
