//! The safety margin.

use std::time::Duration;

/// How much sooner than the server the client gives up an idle connection.
///
/// Whatever is chosen, the margin is at least two round trips (but see `Adaptive`), and the skew of the
/// last response is added to it; see [`KeepAlivePolicy`](crate::KeepAlivePolicy). The round trip is
/// bounded from above by what was measured on the connection itself: the time that connecting took,
/// and the time between a request's first byte and its response's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SafetyMargin {
    /// One second, but never more than a quarter of the expected timeout.
    #[default]
    Default,
    /// A fixed margin, whatever the expected timeout.
    Fixed(Duration),
    /// `floor` plus two round trips: reuse for nearly as long as is safe, on fast and on slow
    /// networks. See [`SafetyMargin::adaptive`].
    ///
    /// Under [`Learn::Full`](crate::Learn::Full), where the server's timeout is known: `floor` plus one
    /// round trip, plus the spread of the times at which the server was seen to close.
    Adaptive {
        /// The margin on top of the round trips, for the timers of both sides.
        floor: Duration,
    },
}

impl SafetyMargin {
    /// [`SafetyMargin::Adaptive`] with a floor of 100 ms.
    pub const fn adaptive() -> Self {
        Self::Adaptive {
            floor: Duration::from_millis(100),
        }
    }
}

impl From<Duration> for SafetyMargin {
    fn from(margin: Duration) -> Self {
        Self::Fixed(margin)
    }
}
