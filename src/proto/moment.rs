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
        let monotonic = self.monotonic.saturating_duration_since(earlier.monotonic);
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        monotonic.max(wall)
    }
}
