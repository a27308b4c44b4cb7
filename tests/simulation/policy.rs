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
    }

    /// The idle timeout to expect of a server that gave that hint.
    pub fn expected(&self, hint: Option<Duration>) -> Duration {
        match hint {
            Some(hint) if self.hints => hint.min(self.ceiling),
            _ => self.max_idle,
        }
    }

    /// What is kept off it, besides the skew, where a round trip takes that long.
    pub fn margin(&self, expected: Duration, round_trip: Duration) -> Duration {
        let least = 2 * round_trip;
        let margin = match self.margin {
            SafetyMargin::Fixed(margin) => margin,
            SafetyMargin::Adaptive { floor } => floor + least,
            _ => Duration::from_secs(1).min(expected / 4),
        };
        margin.max(least)
    }

    /// For how long a connection may wait for its first request whatever the margin, as it was
    /// opened for one.
    pub const FIRST_USE: Duration = Duration::from_secs(1);
}
