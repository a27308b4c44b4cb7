//! What is said of a configuration that makes no sense.

use std::fmt;

/// A [`KeepAlivePolicy`](crate::KeepAlivePolicy) holds a value that makes no sense.
///
/// The text says which, and what was expected; it is for people, and not part of the API.
#[derive(Clone, Eq, PartialEq)]
pub struct PolicyError {
    expected: Expected,
}

/// What a setting was expected to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Expected {
    EvidenceAgeAboveZero,
    HintCeilingAboveZero,
    LearnCeilingAboveZero,
    MaxIdleAboveZero,
}

impl PolicyError {
    pub(crate) const fn new(expected: Expected) -> Self {
        Self { expected }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
