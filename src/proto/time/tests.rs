//! Moments for tests and for the fuzzer, which have no clock.

use super::*;

#[allow(dead_code, reason = "tests use all of it, the fuzzer some")]
impl Moment {
    /// So many milliseconds after [`Moment::epoch`].
    pub(crate) fn at(millis: u64) -> Self {
        Self::epoch().after(Duration::from_millis(millis))
    }

    /// The moment that all tests count from.
    pub(crate) fn epoch() -> Self {
        Self {
            monotonic: 0,
            wall: 1_000_000_000_000_000_000,
        }
    }

    /// Some time later by both clocks.
    pub(crate) fn after(self, time: Duration) -> Self {
        let later = self.saturating_add(Span::new(time));
        assert_ne!(later, Self::LATEST, "beyond what a moment can tell");
        later
    }

    /// The same moment with the wall clock set forward, or the monotonic one left behind by a sleep.
    pub(crate) fn wall_forward(self, time: Duration) -> Self {
        Self {
            wall: self.after(time).wall,
            ..self
        }
    }

    /// The same moment with the wall clock set back.
    pub(crate) fn wall_back(self, time: Duration) -> Self {
        Self {
            wall: self.saturating_sub(Span::new(time)).wall,
            ..self
        }
    }
}

#[cfg(test)]
mod cases {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_span_is_as_long_as_the_duration_it_was_made_of() {
        for nanoseconds in [0, 1, 1_000_000_000, u64::MAX - 1] {
            let time = Duration::from_nanos(nanoseconds);
            assert_eq!(Span::new(time).duration(), time);
        }
        let longest = Duration::from_nanos(u64::MAX - 1);
        assert_eq!(Span::new(Duration::MAX).duration(), longest);
        assert_eq!(Span::ZERO.duration(), Duration::ZERO);
    }

    #[test]
    fn the_clock_that_shows_more_time_counts() {
        let (earlier, later) = (Moment::at(1_000), Moment::at(3_000));
        let seconds = |seconds| Span::new(Duration::from_secs(seconds));
        assert_eq!(later.since(&earlier), seconds(2));
        assert_eq!(later.wall_forward(DAY).since(&earlier), seconds(86_402));
        assert_eq!(later.wall_back(DAY).since(&earlier), seconds(2));
        assert_eq!(
            later.wall_forward(DAY).monotonic_since(&earlier),
            seconds(2)
        );
        assert_eq!(earlier.since(&later), Span::ZERO);
    }

    #[test]
    fn a_moment_reaches_as_far_as_it_can_and_no_further() {
        let farthest = Moment::LATEST;
        let first = Moment {
            monotonic: i64::MIN,
            wall: i64::MIN,
        };
        assert_eq!(farthest.since(&first), Span::new(Duration::MAX));
        assert_eq!(first.since(&farthest), Span::ZERO);
        let nanosecond = Span::from_nanoseconds(1);
        assert_eq!(farthest.saturating_add(nanosecond), farthest);
        assert_eq!(
            Moment::at(0).saturating_add(Span::new(Duration::MAX)),
            farthest
        );
        assert_eq!(Moment::at(0).monotonic_at(&farthest), Some(i64::MAX));
        assert_eq!(first.saturating_sub(Span::new(Duration::MAX)), first);
    }
}
