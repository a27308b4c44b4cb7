//! The safety margin.

use std::time::Duration;

/// How much sooner than the server the client gives up an idle connection.
///
/// It is subtracted from the timeout that is expected of the server, in both bounds of
/// [the rule](crate::KeepAlivePolicy#the-rule). It has to cover what cannot be known: by how much longer the next
/// request takes to the server than the last one did, and how late the timers of both sides are. On networks that
/// lost no packets, 100 ms was enough in all measurements.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SafetyMargin {
    /// A tenth of the expected timeout, within 100 ms and one second, but never more than a quarter of the timeout.
    #[default]
    Default,
    /// A fixed margin, whatever the expected timeout.
    Fixed(Duration),
}

impl From<Duration> for SafetyMargin {
    fn from(margin: Duration) -> Self {
        Self::Fixed(margin)
    }
}
