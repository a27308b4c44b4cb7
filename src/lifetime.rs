//! How long a connection serves at all, and how those of many are spread.

use std::time::Duration;

use crate::error::{Expected, PolicyError};
use crate::policy::KeepAlivePolicy;
use crate::proto::jitter::Fraction;

/// Settings that end a connection however busy it is, and that keep many from ending together. None
/// of them ever acts while a request or its response is under way.
impl KeepAlivePolicy {
    /// How long a connection is used after it was established. The default is `None`: without end.
    ///
    /// For addresses that change behind a name, and load balancers that are to see new connections
    /// now and then: a busy connection never idles for long. When its time is up it closes as soon as
    /// it is idle. One that was not used yet serves the request that it was opened for. Counts, as
    /// idle time does, on the monotonic and on the wall clock, whichever says more: the time that a
    /// machine was suspended is part of a connection's life.
    ///
    /// Each connection is given up sooner by a lot of its own, see
    /// [`lifetime_jitter`](Self::lifetime_jitter). Must be above zero.
    pub fn max_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.max_lifetime = lifetime.into();
        self
    }

    /// By which part of [`max_lifetime`](Self::max_lifetime), at most, a connection is given up
    /// sooner, so that many which were opened together do not all close, and open anew, together. The
    /// default is `0.1`; `0.0` is none.
    ///
    /// The lots are spread evenly over connections, stay what they are, and differ from one process
    /// to the next. Must be from 0 to 1.
    pub fn lifetime_jitter(mut self, fraction: f64) -> Self {
        self.lifetime_jitter = Fraction::new(fraction);
        self
    }

    /// How many requests a connection serves. The default is `None`: without end.
    ///
    /// What the server says (`Keep-Alive: max=…`) counts besides; the smaller wins. Must be above
    /// zero.
    pub fn max_requests(mut self, requests: impl Into<Option<u64>>) -> Self {
        self.max_requests = requests.into();
        self
    }

    /// By which part, at most, a connection is given up sooner than its idle deadline, so that a
    /// thousand that idle since the same moment do not close, and open anew, in the same instant. The
    /// default is `0.0`: none.
    ///
    /// Only ever shortens what the rule above leaves. The lots are those of
    /// [`lifetime_jitter`](Self::lifetime_jitter). Must be from 0 to 1.
    pub fn idle_jitter(mut self, fraction: f64) -> Self {
        self.idle_jitter = Fraction::new(fraction);
        self
    }

    pub(crate) fn check_lifetime(&self) -> Result<(), PolicyError> {
        if self.max_lifetime.is_some_and(|lifetime| lifetime.is_zero()) {
            return Err(PolicyError::new(Expected::MaxLifetimeAboveZero));
        }
        if self.max_requests == Some(0) {
            return Err(PolicyError::new(Expected::MaxRequestsAboveZero));
        }
        if self.lifetime_jitter.is_none() {
            return Err(PolicyError::new(Expected::LifetimeJitterFraction));
        }
        if self.idle_jitter.is_none() {
            return Err(PolicyError::new(Expected::IdleJitterFraction));
        }
        Ok(())
    }
}
