//! Moments, and the time between them.

use std::num::NonZeroU64;
use std::time::Duration;

/// When something happened, by the monotonic and by the wall clock.
///
/// The monotonic clock of several systems stands still while a laptop sleeps or a function is
/// frozen. The wall clock goes on, but may be set. Neither alone tells how long a server has been
/// counting.
///
/// Both are nanoseconds from an origin that all moments of one clock share. They reach 292 years in
/// either direction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    pub(crate) monotonic: i64,
    pub(crate) wall: i64,
}

impl Moment {
    /// Behind every other moment: for what has no end.
    pub(crate) const LATEST: Self = Self {
        monotonic: i64::MAX,
        wall: i64::MAX,
    };

    /// The time from `earlier` to this moment: the larger of what the two clocks say.
    ///
    /// A clock that went back counts as one on which no time passed.
    #[inline]
    pub(crate) fn since(&self, earlier: &Self) -> Span {
        let monotonic = elapsed(earlier.monotonic, self.monotonic);
        let wall = elapsed(earlier.wall, self.wall);
        Span::from_nanoseconds(monotonic.max(wall))
    }

    /// The time from `earlier` to this moment by the monotonic clock alone.
    pub(crate) fn monotonic_since(&self, earlier: &Self) -> Span {
        Span::from_nanoseconds(elapsed(earlier.monotonic, self.monotonic))
    }

    /// The time that is left until `later`, by the clock on which less is left; `None` if none is.
    #[inline]
    pub(crate) fn until(&self, later: &Self) -> Option<Span> {
        if self.monotonic >= later.monotonic || self.wall >= later.wall {
            return None;
        }
        let monotonic = later.monotonic.abs_diff(self.monotonic);
        let wall = later.wall.abs_diff(self.wall);
        Some(Span::from_nanoseconds(monotonic.min(wall)))
    }

    /// When the monotonic clock will show that one of the clocks has reached `later`; the last of its readings
    /// if that is never. `None` if a clock has reached it already.
    #[inline]
    pub(crate) fn monotonic_at(&self, later: &Self) -> Option<i64> {
        let left = self.until(later)?;
        Some(if *later == Self::LATEST {
            i64::MAX
        } else {
            self.monotonic.saturating_add_unsigned(left.nanoseconds())
        })
    }

    /// The moment `time` later on both clocks; beyond what a moment can tell, [`LATEST`](Self::LATEST).
    #[inline]
    pub(crate) fn saturating_add(&self, time: Span) -> Self {
        let later = |clock: i64| clock.checked_add_unsigned(time.nanoseconds());
        match (later(self.monotonic), later(self.wall)) {
            (Some(monotonic), Some(wall)) => Self { monotonic, wall },
            _ => Self::LATEST,
        }
    }

    /// The earlier of two moments, on each clock.
    #[inline]
    pub(crate) fn min(self, other: Self) -> Self {
        Self {
            monotonic: self.monotonic.min(other.monotonic),
            wall: self.wall.min(other.wall),
        }
    }

    /// The later of two moments, on each clock.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            monotonic: self.monotonic.max(other.monotonic),
            wall: self.wall.max(other.wall),
        }
    }

    /// The moment `time` earlier on both clocks, as far as a moment can tell.
    #[inline]
    pub(crate) fn saturating_sub(&self, time: Span) -> Self {
        let time = i64::try_from(time.nanoseconds()).unwrap_or(i64::MAX);
        Self {
            monotonic: self.monotonic.saturating_sub(time),
            wall: self.wall.saturating_sub(time),
        }
    }
}

/// Nanoseconds from `earlier` to `later`; zero if the clock went back.
#[inline]
fn elapsed(earlier: i64, later: i64) -> u64 {
    if later > earlier {
        later.abs_diff(earlier)
    } else {
        0
    }
}

/// A duration of up to 584 years in eight bytes, also as an `Option`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Span {
    /// Nanoseconds, plus one.
    above: NonZeroU64,
}

impl Span {
    pub(crate) const ZERO: Self = Self {
        above: NonZeroU64::MIN,
    };

    /// A duration that is longer than a span can be is cut off.
    #[inline]
    pub(crate) const fn new(time: Duration) -> Self {
        // `Duration::as_nanos` counts in twice as many bits, which every reading of a clock would pay for.
        let seconds = time.as_secs().saturating_mul(1_000_000_000);
        Self::from_nanoseconds(seconds.saturating_add(time.subsec_nanos() as u64))
    }

    #[inline]
    pub(crate) const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self {
            above: NonZeroU64::MIN.saturating_add(nanoseconds),
        }
    }

    #[inline]
    pub(crate) const fn nanoseconds(self) -> u64 {
        self.above.get().wrapping_sub(1)
    }

    #[inline]
    pub(crate) fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    #[inline]
    pub(crate) fn saturating_add(self, other: Self) -> Self {
        Self {
            above: self.above.saturating_add(other.nanoseconds()),
        }
    }

    #[inline]
    pub(crate) fn saturating_sub(self, other: Self) -> Self {
        Self::from_nanoseconds(self.nanoseconds().saturating_sub(other.nanoseconds()))
    }

    #[inline]
    pub(crate) fn saturating_mul(self, factor: u64) -> Self {
        Self::from_nanoseconds(self.nanoseconds().saturating_mul(factor))
    }

    /// One of so many equal parts; of no parts, nothing.
    pub(crate) fn part(self, of: u64) -> Self {
        Self::from_nanoseconds(self.nanoseconds().checked_div(of).unwrap_or_default())
    }

    pub(crate) fn abs_diff(self, other: Self) -> Self {
        Self::from_nanoseconds(self.nanoseconds().abs_diff(other.nanoseconds()))
    }

    #[inline]
    pub(crate) fn duration(self) -> Duration {
        Duration::from_nanos(self.nanoseconds())
    }
}

#[cfg(any(fuzzing, test))]
mod tests;
