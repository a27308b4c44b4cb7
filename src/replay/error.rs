//! Errors of construction.

use std::fmt;

/// A setting of a [`ReplayPolicy`](crate::ReplayPolicy) or a [`ReplayBody`](crate::ReplayBody) is out of its range.
///
/// The text says which, and what was expected. It is for people, and not part of the API.
#[derive(Clone, Eq, PartialEq)]
pub struct ReplayError {
    expected: Expected,
}

/// What was expected.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Expected {
    BoundAboveZero,
    BudgetAboveNothing,
    BudgetPerSecond,
    BudgetShare,
    BudgetSpan,
    /// With what was given instead.
    FieldName(Box<str>),
}

impl ReplayError {
    pub(super) const fn new(expected: Expected) -> Self {
        Self { expected }
    }
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.expected {
            Expected::BoundAboveZero => {
                "the bound of a `ReplayBody` is zero, expected a number of bytes above zero; \
                 to never send a body again, use it without a `ReplayBody`"
            }
            Expected::BudgetAboveNothing => {
                "`budget` allows nothing, expected a number per second or a share above zero; \
                 to send nothing again, use the client without the policy"
            }
            Expected::BudgetPerSecond => {
                "`budget` has too many per second, expected a number below 2147483647"
            }
            Expected::BudgetShare => {
                "the share of `budget` is out of range, expected a number from 0.0 to 1000.0; \
                 0.2 is one repeat for five responses"
            }
            Expected::BudgetSpan => {
                "the time span of `budget` is out of range, expected a duration from 1 s to 60 s"
            }
            Expected::FieldName(name) => {
                return write!(
                    f,
                    "`key_field` is {name:?}, expected the name of a header field (RFC 9110 §5.1)"
                );
            }
        })
    }
}

impl fmt::Debug for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A `main` that returns the error prints it by `Debug`.
        write!(f, "ReplayError({self})")
    }
}

impl std::error::Error for ReplayError {}
