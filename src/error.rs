//! What is said of a configuration that makes no sense.

use std::fmt;

/// A [`KeepAlivePolicy`](crate::KeepAlivePolicy) holds a value that makes no sense, or is meant for what
/// names no origin.
///
/// The text says which, and what was expected; it is for people, and not part of the API.
#[derive(Clone, Eq, PartialEq)]
pub struct PolicyError {
    expected: Expected,
    /// Which origins it is about, or the text that was to say so.
    of: Option<Box<str>>,
}

/// What a setting was expected to be.
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
}

impl PolicyError {
    pub(crate) const fn new(expected: Expected) -> Self {
        Self { expected, of: None }
    }

    /// The same of the policy for some origins.
    pub(crate) fn of(self, origins: &str) -> Self {
        Self {
            of: Some(origins.into()),
            ..self
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(of) = &self.of {
            write!(f, "in the policy for `{of}`: ")?;
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
                 to never expect more of a server than it says, use `learn(Learn::Shorten)`"
            }
            Expected::MaxIdleAboveZero => {
                "`max_idle` is zero, expected a duration above zero; \
                 to never reuse a connection, use `reuse(false)`"
            }
            Expected::FewerPolicies => {
                "too many, expected fewer than 65535 policies; \
                 to tell many origins apart, use `OriginMatcher::matching`"
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
        })
    }
}

impl fmt::Debug for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `main` prints an error it returns by `Debug`: the sentence serves there too.
        write!(f, "PolicyError({self})")
    }
}

impl std::error::Error for PolicyError {}
