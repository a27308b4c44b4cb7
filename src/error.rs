//! Configuration errors.

use std::fmt;

/// A configuration error: a setting of a [`KeepAlivePolicy`](crate::KeepAlivePolicy) is out of its range,
/// an [`OriginMatcher`](crate::OriginMatcher) names no origin, or there are too many policies.
///
/// The text says which, and what was expected. It is for people, and not part of the API.
#[derive(Clone, Eq, PartialEq)]
pub struct PolicyError {
    expected: Expected,
    /// The matcher of the policy, as it was written; `None` for the default policy.
    matcher: Option<Box<str>>,
}

/// What was expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Expected {
    EvidenceAgeAboveZero,
    FewerPolicies,
    HintCeilingAboveZero,
    IdleJitterFraction,
    LearnCeilingAboveZero,
    LifetimeJitterFraction,
    MaxIdleAboveZero,
    MaxLifetimeAboveZero,
    MaxRequestsAboveZero,
    OriginPattern,
    #[cfg(feature = "server")]
    AgeJitterFraction,
    #[cfg(feature = "server")]
    FirstHeadAboveZero,
    #[cfg(feature = "server")]
    MaxConnectionAgeAboveZero,
    #[cfg(feature = "server")]
    MaxConnectionsAboveZero,
    #[cfg(feature = "server")]
    ServerMaxRequestsAboveZero,
    #[cfg(feature = "server")]
    SlowHeadAboveZero,
    #[cfg(feature = "server")]
    TimeoutInSeconds,
}

impl PolicyError {
    pub(crate) const fn new(expected: Expected) -> Self {
        Self {
            expected,
            matcher: None,
        }
    }

    /// Sets the matcher of the policy that the error is in.
    pub(crate) fn with_matcher(self, matcher: &str) -> Self {
        Self {
            matcher: Some(matcher.into()),
            ..self
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(matcher) = &self.matcher {
            write!(f, "in the policy for `{matcher}`: ")?;
        }
        f.write_str(match self.expected {
            Expected::EvidenceAgeAboveZero => {
                "`evidence_age` is zero, expected a duration above zero; \
                 to learn nothing, use `learn(Learn::Off)`"
            }
            Expected::HintCeilingAboveZero => {
                "`hint_ceiling` is zero, expected a duration above zero; \
                 to ignore what servers say, use `hints(false)`"
            }
            Expected::LearnCeilingAboveZero => {
                "`learn_ceiling` is zero, expected a duration above zero; \
                 to never expect a longer timeout than policy and hint do, use `learn(Learn::Shorten)`"
            }
            Expected::MaxIdleAboveZero => {
                "`max_idle` is zero, expected a duration above zero; \
                 to never reuse a connection, use `reuse(false)`"
            }
            Expected::FewerPolicies => {
                "too many, expected fewer than 65535 policies; \
                 to match many origins with one, use `OriginMatcher::matching`"
            }
            Expected::OriginPattern => {
                "it names no origin, expected an origin (`https://example.com:8443`), \
                 a host (`example.com`), or the hosts below one (`*.example.com`)"
            }
            Expected::IdleJitterFraction => {
                "`idle_jitter` is no fraction, expected a number from 0.0 (none) to 1.0"
            }
            Expected::LifetimeJitterFraction => {
                "`lifetime_jitter` is no fraction, expected a number from 0.0 (none) to 1.0"
            }
            Expected::MaxLifetimeAboveZero => {
                "`max_lifetime` is zero, expected a duration above zero, or `None` for no end; \
                 to never reuse a connection, use `reuse(false)`"
            }
            Expected::MaxRequestsAboveZero => {
                "`max_requests` is zero, expected a number above zero, or `None` for no end; \
                 to never reuse a connection, use `reuse(false)`"
            }
            #[cfg(feature = "server")]
            Expected::AgeJitterFraction => {
                "`age_jitter` is no fraction, expected a number from 0.0 (none) to 1.0"
            }
            #[cfg(feature = "server")]
            Expected::FirstHeadAboveZero => {
                "`first_head` is zero, expected a duration above zero, or `None` for that of an idle connection"
            }
            #[cfg(feature = "server")]
            Expected::MaxConnectionAgeAboveZero => {
                "`max_connection_age` is zero, expected a duration above zero, or `None` for no end; \
                 to close after each response, use `max_requests(1)`"
            }
            #[cfg(feature = "server")]
            Expected::MaxConnectionsAboveZero => {
                "`max_connections` is zero, expected a number above zero, or `None` for any number"
            }
            #[cfg(feature = "server")]
            Expected::ServerMaxRequestsAboveZero => {
                "`max_requests` is zero, expected a number above zero, or `None` for no end; \
                 to close after each response, use `max_requests(1)`"
            }
            #[cfg(feature = "server")]
            Expected::SlowHeadAboveZero => {
                "`slow_head` is zero, expected a duration above zero, or `None` for no end"
            }
            #[cfg(feature = "server")]
            Expected::TimeoutInSeconds => {
                "`timeout` cannot be written as `Keep-Alive: timeout=…`, expected a whole number of seconds, \
                 above zero and below 2³²"
            }
        })
    }
}

impl fmt::Debug for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A `main` that returns the error prints it by `Debug`.
        write!(f, "PolicyError({self})")
    }
}

impl std::error::Error for PolicyError {}
