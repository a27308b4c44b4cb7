//! Readings of clocks, and the time between them.

use std::num::NonZeroU64;
use std::time::{Duration, Instant, SystemTime};

/// One reading of one clock: nanoseconds from a moment that all readings of that clock count from.
///
/// Half of what the clocks' own types take, and cheaper to compare. It reaches 292 years in either
/// direction, and no further.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Reading(i64);

impl Reading {
    /// Before all others.
    const LEAST: Self = Self(i64::MIN);

    /// So long after the moment that is counted from.
    #[inline]
    pub(crate) fn after(time: Duration) -> Self {
        Self(nanoseconds(time))
    }

    /// So long before the moment that is counted from.
    pub(crate) fn before(time: Duration) -> Self {
        Self(nanoseconds(time).saturating_neg())
    }

    /// Turns the moment that is counted from into that of the reading: what to add, or else what to
    /// subtract.
    pub(crate) fn offset(self) -> Result<Duration, Duration> {
        let distance = Duration::from_nanos(self.0.unsigned_abs());
        if self.0 < 0 {
            Err(distance)
        } else {
            Ok(distance)
        }
    }

    /// Nanoseconds since an earlier reading; zero if it is none.
    #[inline]
    pub(crate) fn since(self, earlier: Self) -> u64 {
        if self.0 <= earlier.0 {
            return 0;
        }
        self.0.abs_diff(earlier.0)
    }

    /// As a number, for those who keep it in one.
    pub(crate) fn nanoseconds(self) -> i64 {
        self.0
    }

    /// From such a number.
    pub(crate) fn from_nanoseconds(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    /// Some time before this, as far as a reading reaches.
    fn saturating_sub(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(nanoseconds(time)))
    }

    /// `None` beyond what a reading reaches.
    pub(crate) fn checked_add(self, time: Duration) -> Option<Self> {
        let time = i64::try_from(time.as_nanos()).ok()?;
        self.0.checked_add(time).map(Self)
    }
}

/// No more than a reading reaches.
#[inline]
fn nanoseconds(time: Duration) -> i64 {
    const SECOND: i64 = 1_000_000_000;
    const MOST: u64 = i64::MAX.unsigned_abs() / SECOND.unsigned_abs();
    match i64::try_from(time.as_secs()) {
        // So many do not overflow.
        Ok(seconds) if time.as_secs() < MOST => seconds
            .wrapping_mul(SECOND)
            .wrapping_add(i64::from(time.subsec_nanos())),
        _ => i64::try_from(saturating_nanoseconds(time)).unwrap_or(i64::MAX),
    }
}

/// No more than the number holds. What `Duration` itself gives takes twice as wide a number.
#[inline]
fn saturating_nanoseconds(time: Duration) -> u64 {
    time.as_secs()
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::from(time.subsec_nanos()))
}

/// When something happened, by the monotonic and by the wall clock.
///
/// The monotonic clock of several systems stands still while a laptop sleeps or a function is
/// frozen; the wall clock does not, but may be set. Neither alone tells how long a server has been
/// counting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    pub(crate) monotonic: Reading,
    pub(crate) wall: Reading,
}

impl Moment {
    /// Before all others.
    pub(crate) const LEAST: Self = Self {
        monotonic: Reading::LEAST,
        wall: Reading::LEAST,
    };

    /// The time from `earlier` to this moment: the larger of what the two clocks say.
    ///
    /// A clock that went back counts as one on which nothing passed.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let monotonic = self.monotonic.since(earlier.monotonic);
        let wall = self.wall.since(earlier.wall);
        Duration::from_nanos(monotonic.max(wall))
    }

    /// Some time before this, on both clocks, as far as they reach.
    pub(crate) fn saturating_sub(&self, duration: Duration) -> Self {
        Self {
            monotonic: self.monotonic.saturating_sub(duration),
            wall: self.wall.saturating_sub(duration),
        }
    }

    /// What comes first, on each of the clocks.
    pub(crate) fn earlier(&self, other: &Self) -> Self {
        Self {
            monotonic: self.monotonic.min(other.monotonic),
            wall: self.wall.min(other.wall),
        }
    }

    /// The moment by which `duration` has passed on both clocks; `None` beyond what they can tell.
    pub(crate) fn checked_add(&self, duration: Duration) -> Option<Self> {
        Some(Self {
            monotonic: self.monotonic.checked_add(duration)?,
            wall: self.wall.checked_add(duration)?,
        })
    }
}

/// Both clocks, as they are read: what is compared often need not be reckoned with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Now {
    pub(crate) monotonic: Instant,
    pub(crate) wall: SystemTime,
}

impl Now {
    /// Whether this comes before `other` on both clocks.
    #[inline]
    pub(crate) fn is_before(&self, other: &Self) -> bool {
        self.monotonic < other.monotonic && self.wall < other.wall
    }

    /// The time from `earlier` to this moment, as [`Moment::since`] has it.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let monotonic = self.monotonic.saturating_duration_since(earlier.monotonic);
        let wall = self.wall.duration_since(earlier.wall);
        monotonic.max(wall.unwrap_or_default())
    }

    /// The same, if it is less than that: mostly one clock shows that it is not.
    pub(crate) fn since_if_less(&self, earlier: &Self, than: Span) -> Option<Span> {
        let is_less = |time| Some(Span::new(time)).filter(|time| *time < than);
        is_less(self.monotonic.saturating_duration_since(earlier.monotonic))?;
        is_less(self.since(earlier))
    }
}

/// What readings count from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Epoch {
    monotonic: Instant,
    wall: SystemTime,
}

impl Epoch {
    pub(crate) fn new(monotonic: Instant, wall: SystemTime) -> Self {
        Self { monotonic, wall }
    }

    /// To be reckoned with.
    pub(crate) fn moment(&self, now: &Now) -> Moment {
        Moment {
            monotonic: match now.monotonic.checked_duration_since(self.monotonic) {
                Some(after) => Reading::after(after),
                // Built by one clock, used by another that lags behind.
                None => Reading::before(self.monotonic.saturating_duration_since(now.monotonic)),
            },
            wall: match now.wall.duration_since(self.wall) {
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
                Ok(after) => self.wall.checked_add(after)?,
                Err(before) => self.wall.checked_sub(before)?,
            },
        })
    }

    /// The instant of a reading of the monotonic clock; `None` beyond what it can tell.
    pub(crate) fn instant(&self, reading: Reading) -> Option<Instant> {
        match reading.offset() {
            Ok(after) => self.monotonic.checked_add(after),
            Err(before) => self.monotonic.checked_sub(before),
        }
    }
}

/// A duration of up to 584 years, kept in eight bytes, also where there may be none.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Span {
    /// One more than its nanoseconds.
    above: NonZeroU64,
}

impl Span {
    pub(crate) const ZERO: Self = Self {
        above: NonZeroU64::MIN,
    };

    /// The longest.
    pub(crate) const MAX: Self = Self {
        above: NonZeroU64::MAX,
    };

    /// What is longer than a span can tell is cut off.
    pub(crate) fn new(time: Duration) -> Self {
        let nanoseconds = saturating_nanoseconds(time);
        Self {
            above: NonZeroU64::MIN.saturating_add(nanoseconds),
        }
    }

    pub(crate) fn duration(self) -> Duration {
        Duration::from_nanos(self.nanoseconds())
    }

    pub(crate) fn nanoseconds(self) -> u64 {
        self.above.get().saturating_sub(1)
    }

    pub(crate) fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self {
            above: NonZeroU64::MIN.saturating_add(nanoseconds),
        }
    }
}

/// Moments for tests, all counted from one.
#[cfg(any(fuzzing, test))]
mod tests;
