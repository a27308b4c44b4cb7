//! The rule that this crate promises to follow, once more and on its own, to hold it to it.

use std::time::Duration;

use http_keepalive::{KeepAlivePolicy, Learn, SafetyMargin};

/// A policy, readable.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    pub max_idle: Duration,
    pub margin: SafetyMargin,
    pub hints: bool,
    pub ceiling: Duration,
    pub window: u64,
    pub learn: Learn,
    pub learn_ceiling: Duration,
}

impl Policy {
    pub fn to_keep_alive(self) -> KeepAlivePolicy {
        KeepAlivePolicy::default()
            .max_idle(self.max_idle)
            .safety_margin(self.margin)
            .hints(self.hints)
            .hint_ceiling(self.ceiling)
            .response_window(self.window)
            .learn(self.learn)
            .learn_ceiling(self.learn_ceiling)
    }

    /// The idle timeout to expect of a server that gave that hint.
    pub fn expected(&self, hint: Option<Duration>) -> Duration {
        match hint {
            Some(hint) if self.hints => hint.min(self.ceiling),
            _ => self.max_idle,
        }
    }

    /// Whether what is learned of a server that gave that hint may lengthen what policy allows.
    pub fn may_lengthen(&self, hint: Option<Duration>) -> bool {
        self.learn == Learn::Full && !(self.hints && hint.is_some())
    }

    /// What is kept off it, counted from when a request was sent.
    pub fn margin(&self, expected: Duration) -> Duration {
        match self.margin {
            SafetyMargin::Fixed(margin) => margin,
            _ => (expected / 10)
                .clamp(Duration::from_millis(100), Duration::from_secs(1))
                .min(expected / 4),
        }
    }

    /// What is kept off it, counted from when a response was read, besides skew and delay, where a round trip
    /// takes that long.
    pub fn margin_after(&self, expected: Duration, round_trip: Duration) -> Duration {
        let least = Duration::from_secs(1).min(expected / 4);
        self.margin(expected).max(least).max(2 * round_trip)
    }

    /// For how long a connection may wait for its first request whatever the margin, as it was
    /// opened for one.
    pub const FIRST_USE: Duration = Duration::from_secs(1);
}
