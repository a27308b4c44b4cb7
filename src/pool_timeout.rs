//! The rule of this crate as one number, for the pools of other clients.

use std::time::Duration;

use crate::policy::KeepAlivePolicy;
use crate::proto::deadline;
use crate::proto::time::Span;

impl KeepAlivePolicy {
    /// An idle timeout for the pool of a client without this crate's connector, such as a plain
    /// `reqwest::Client` or hyper-util's: the idle time that the second bound of [the rule](Self#the-rule)
    /// allows for `max_idle` and this round trip. 4 s by default.
    ///
    /// A constant cannot follow hints, nor when each request was sent, nor a network that is slower than
    /// `round_trip`, nor the skew of a response that drained slowly; see
    /// [`guide::reqwest`](crate::guide::reqwest) for what that costs.
    ///
    /// Never zero, with which hyper-util's pool sweeps nothing: where the policy allows no reuse, it is
    /// a nanosecond. Such a client should also have `pool_max_idle_per_host(0)`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use http_keepalive::KeepAlivePolicy;
    ///
    /// // Behind a load balancer that closes after 60 s.
    /// let policy = KeepAlivePolicy::default().max_idle(Duration::from_secs(60));
    /// let round_trip = Duration::from_millis(100);
    /// assert_eq!(policy.pool_idle_timeout(round_trip), Duration::from_secs(59));
    /// ```
    #[must_use]
    pub fn pool_idle_timeout(&self, round_trip: Duration) -> Duration {
        let round_trip = Span::new(round_trip);
        deadline::constant_window(self, round_trip).map_or(Duration::from_nanos(1), Span::duration)
    }
}
