//! The policy of a server.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::Fraction;
use crate::error::{Expected, PolicyError};

/// How long a server keeps idle connections, and what else ends them.
///
/// Plain data, built from [`ServerPolicy::new`] or a preset by setters that take and return it.
/// [`ServerKeepAlive::new`](crate::ServerKeepAlive::new) checks it.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | [`timeout`](Self::timeout) | 65 s | the idle timeout that clients are told |
/// | [`grace`](Self::grace) | 2 s | how much longer an idle connection is kept than clients are told |
/// | [`first_head`](Self::first_head) | timeout and grace | how long a new connection may send nothing |
/// | [`slow_head`](Self::slow_head) | 30 s | how long the head of a request may take |
/// | [`max_requests`](Self::max_requests) | none | how many requests a connection serves |
/// | [`max_connection_age`](Self::max_connection_age) | none | after how long a connection is to end |
/// | [`age_jitter`](Self::age_jitter) | 0.1 | fraction of `max_connection_age` that jitter may take |
/// | [`age_grace`](Self::age_grace) | none | how much longer a busy connection may take to end |
/// | [`max_connections`](Self::max_connections) | none | how many connections may be open |
///
/// # Presets
///
/// What stands in front of a server keeps its idle connections for a time of its own. It is safe if the server waits
/// longer:
///
/// | preset | its idle timeout | timeout here |
/// |---|---|---|
/// | [`behind_aws_alb`](Self::behind_aws_alb) | 60 s unless set otherwise | 65 s |
/// | [`behind_google_cloud`](Self::behind_google_cloud) | 600 s, fixed | 620 s |
/// | [`behind_heroku`](Self::behind_heroku) | 90 s, fixed | 95 s |
/// | [`behind_nginx`](Self::behind_nginx) | 60 s (`keepalive_timeout` in `upstream`) | 65 s |
/// | [`short`](Self::short) | none: clients that read the hint | 5 s |
///
/// ```
/// use std::time::Duration;
/// use http_keepalive::{ServerKeepAlive, ServerPolicy};
///
/// let policy = ServerPolicy::behind_aws_alb()
///     .max_connection_age(Duration::from_secs(3_600))
///     .max_connections(10_000);
/// let keep_alive = ServerKeepAlive::new(policy)?;
/// # let _ = keep_alive;
/// # Ok::<(), http_keepalive::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct ServerPolicy {
    pub(crate) timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) first_head: Option<Duration>,
    pub(crate) slow_head: Option<Duration>,
    pub(crate) max_requests: Option<u32>,
    pub(crate) max_connection_age: Option<Duration>,
    /// `None` if the value is no fraction.
    pub(crate) age_jitter: Option<Fraction>,
    pub(crate) age_grace: Option<Duration>,
    /// Zero is an error.
    pub(crate) max_connections: Option<usize>,
}

impl Default for ServerPolicy {
    /// 65 s: more than what most load balancers wait by default, and as Node.js has it.
    fn default() -> Self {
        Self::new(Duration::from_secs(65))
    }
}

impl ServerPolicy {
    /// A policy with this timeout, and defaults for all else.
    pub fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            grace: Duration::from_secs(2),
            first_head: None,
            slow_head: Some(Duration::from_secs(30)),
            max_requests: None,
            max_connection_age: None,
            age_jitter: Some(Fraction::one_of(10)),
            age_grace: None,
            max_connections: None,
        }
    }

    /// Behind an Application Load Balancer of AWS, which keeps idle connections for 60 s unless set otherwise, and does
    /// not read hints: 65 s.
    pub fn behind_aws_alb() -> Self {
        Self::new(Duration::from_secs(65))
    }

    /// Behind a load balancer of Google Cloud, which keeps idle connections for 600 s, and cannot be told otherwise:
    /// 620 s, as Google asks for.
    pub fn behind_google_cloud() -> Self {
        Self::new(Duration::from_secs(620))
    }

    /// Behind Heroku's router, which keeps idle connections for 90 s: 95 s.
    pub fn behind_heroku() -> Self {
        Self::new(Duration::from_secs(95))
    }

    /// Behind nginx with `keepalive` in its `upstream` block, whose `keepalive_timeout` is 60 s there: 65 s.
    pub fn behind_nginx() -> Self {
        Self::new(Duration::from_secs(65))
    }

    /// For clients that connect by themselves and read the hint, when connections are dear: 5 s, as Apache httpd has it.
    /// Clients that read no hint reconnect more often, and meet the race more often.
    pub fn short() -> Self {
        Self::new(Duration::from_secs(5))
    }

    /// The idle timeout that clients are told (`Keep-Alive: timeout=…`). The default is 65 s.
    ///
    /// Must be a whole number of seconds above zero, since the field knows no fractions.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How much longer an idle connection is kept than clients are told. The default is 2 s.
    ///
    /// A client counts from when it has received the response, and its next request is on its way for a while. Both have
    /// to fit in. With zero the race is back for each client that uses the timeout to its end.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long a new connection may send nothing. The default is `None`: as long as an idle one is kept.
    ///
    /// Browsers and load balancers open connections ahead of need, and believe that they last as long as others. So less
    /// than [`timeout`](Self::timeout) and [`grace`](Self::grace) brings the race back for those. Must be above
    /// zero.
    pub fn first_head(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.first_head = time.into();
        self
    }

    /// How long the head of a request may take from its first byte to its last. The default is 30 s, as in hyper;
    /// `None` is without end. Must be above zero.
    pub fn slow_head(mut self, time: impl Into<Option<Duration>>) -> Self {
        self.slow_head = time.into();
        self
    }

    /// How many requests a connection serves. The default is `None`: without end.
    ///
    /// Clients are told how many may follow (`max=…`). The last response says `Connection: close`. That takes a service
    /// that knows its connection: see [`AdvertiseLayer`](crate::AdvertiseLayer). Must be above zero.
    pub fn max_requests(mut self, requests: impl Into<Option<u32>>) -> Self {
        self.max_requests = requests.into();
        self
    }

    /// After how long a connection is to end, so that load balancers spread anew, and names are looked up anew. The
    /// default is `None`: without end.
    ///
    /// The next response says `Connection: close`. That takes a service that knows its connection: see
    /// [`AdvertiseLayer`](crate::AdvertiseLayer). An idle connection is not closed for its age, since
    /// its client was told that it stays open, and would meet the race; it ends as other idle ones do. Must be above zero.
    pub fn max_connection_age(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.max_connection_age = age.into();
        self
    }

    /// The largest fraction of [`max_connection_age`](Self::max_connection_age) by which a connection ends sooner, so that
    /// connections that were opened together do not all end together. The default is `0.1`. Must be from 0 to 1.
    pub fn age_jitter(mut self, fraction: f64) -> Self {
        self.age_jitter = Fraction::new(fraction);
        self
    }

    /// How much longer a request or response may take that is under way when the
    /// [age](Self::max_connection_age) is reached. The default is `None`: as long as it likes. After that the
    /// connection is closed in the midst of it. Not applied to upgraded connections, nor to HTTP/2.
    pub fn age_grace(mut self, grace: impl Into<Option<Duration>>) -> Self {
        self.age_grace = grace.into();
        self
    }

    /// How many connections may be open. The default is `None`: any number.
    ///
    /// For one more, the connection that has been idle for longest is closed; one that is new has a second for its first
    /// request. If none is idle, the new one waits, and no other is accepted meanwhile. HTTP/2 and upgraded connections
    /// count, and are never closed for it. Must be above zero.
    pub fn max_connections(mut self, connections: impl Into<Option<usize>>) -> Self {
        self.max_connections = connections.into();
        self
    }

    /// The cap on connections, if there is one.
    pub(crate) fn cap(&self) -> Option<NonZeroUsize> {
        self.max_connections.and_then(NonZeroUsize::new)
    }

    /// Returns an error for a value that is out of its range.
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        let is_zero = |time: Option<Duration>| time.is_some_and(|time| time.is_zero());
        let seconds = u32::try_from(self.timeout.as_secs());
        let wrong = if self.timeout.subsec_nanos() > 0 || seconds.map_or(true, |s| s == 0) {
            Some(Expected::TimeoutInSeconds)
        } else if is_zero(self.first_head) {
            Some(Expected::FirstHeadAboveZero)
        } else if is_zero(self.slow_head) {
            Some(Expected::SlowHeadAboveZero)
        } else if self.max_requests == Some(0) {
            Some(Expected::ServerMaxRequestsAboveZero)
        } else if is_zero(self.max_connection_age) {
            Some(Expected::MaxConnectionAgeAboveZero)
        } else if self.age_jitter.is_none() {
            Some(Expected::AgeJitterFraction)
        } else if self.max_connections == Some(0) {
            Some(Expected::MaxConnectionsAboveZero)
        } else {
            None
        };
        wrong.map_or(Ok(()), |expected| Err(PolicyError::new(expected)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_and_defaults_are_valid() {
        for policy in [
            ServerPolicy::default(),
            ServerPolicy::short(),
            ServerPolicy::behind_aws_alb(),
            ServerPolicy::behind_google_cloud(),
            ServerPolicy::behind_heroku(),
            ServerPolicy::behind_nginx(),
        ] {
            assert_eq!(policy.check(), Ok(()));
        }
    }

    #[test]
    fn an_error_says_what_was_expected() {
        let policy = ServerPolicy::default();
        let zero = Duration::ZERO;
        for (wrong, says) in [
            (policy.timeout(zero), "`timeout`"),
            (policy.timeout(Duration::from_millis(1_500)), "whole number"),
            (policy.timeout(Duration::MAX), "`timeout`"),
            (policy.first_head(zero), "`first_head`"),
            (policy.slow_head(zero), "`slow_head`"),
            (policy.max_requests(0), "`max_requests`"),
            (policy.max_connection_age(zero), "`max_connection_age`"),
            (policy.age_jitter(1.5), "`age_jitter`"),
            (policy.max_connections(0), "`max_connections`"),
        ] {
            let said = wrong.check().unwrap_err().to_string();
            assert!(said.contains(says) && said.contains("expected"), "{said}");
        }
    }
}
