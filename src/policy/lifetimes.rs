//! Limits of a connection's life, and jitter.

use std::time::Duration;

use super::{Fraction, KeepAlivePolicy};
use crate::error::{Expected, PolicyError};

/// Limits of a connection's life, and jitter that keeps many connections from ending together. None of
/// these settings acts while a request or its response is under way.
impl KeepAlivePolicy {
    /// How long a connection is used after connecting. The default is `None`: without end.
    ///
    /// For names whose addresses change, and for load balancers that should receive new connections now
    /// and then: idle time alone never ends a busy connection. At the end of its lifetime a connection
    /// closes as soon as it is idle. An unused connection first serves the request that it was opened for.
    /// The lifetime is the larger of what the monotonic and the wall clock say, so that the time for which
    /// a machine was suspended counts.
    ///
    /// [`lifetime_jitter`](Self::lifetime_jitter) shortens the lifetime of each connection. Must be above
    /// zero.
    pub fn max_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.max_lifetime = lifetime.into();
        self
    }

    /// The largest fraction of [`max_lifetime`](Self::max_lifetime) by which a connection ends sooner, so
    /// that connections that were opened together do not all close, and reopen, together. The default is
    /// `0.1`; `0.0` is none.
    ///
    /// Jitter is spread evenly over connections. That of a connection never changes, and differs from one
    /// process to the next. Must be from 0 to 1.
    pub fn lifetime_jitter(mut self, fraction: f64) -> Self {
        self.lifetime_jitter = Fraction::new(fraction);
        self
    }

    /// How many requests a connection serves. The default is `None`: without end.
    ///
    /// The server's limit (`Keep-Alive: max=…`) also holds; the smaller of both counts. Must be above zero.
    pub fn max_requests(mut self, requests: impl Into<Option<u64>>) -> Self {
        self.max_requests = requests.into();
        self
    }

    /// The largest fraction by which a connection's idle time is shortened, so that a thousand connections
    /// that became idle together do not close, and reopen, in the same instant. The default is `0.0`: none.
    ///
    /// Only shortens the idle time that [the rule](Self#the-rule) allows. A connection's jitter is spread
    /// as for [`lifetime_jitter`](Self::lifetime_jitter). Must be from 0 to 1.
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
