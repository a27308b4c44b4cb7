//! How often a request was sent.

use http::{Extensions, Response};

use crate::proto::provenance::Provenance;

/// How often the request to a response was sent, in the response's extensions if that was more than once.
///
/// [`ReplayPolicy`](crate::ReplayPolicy) inserts it. What became of the last attempt tells
/// [`Provenance::of_response`], as always.
///
/// ```
/// use http_keepalive::{Attempts, Provenance};
///
/// # fn look<B>(response: http::Response<B>) {
/// let attempts = Attempts::of_response(&response);
/// let connection = Provenance::of_response(&response).and_then(|it| it.connection());
/// println!("attempt {} was answered, on connection {connection:?}", attempts.count());
/// if let Some(failure) = attempts.last_failure() {
///     println!("the one before was {:?}", failure.outcome());
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Attempts {
    pub(super) count: u32,
    pub(super) last_failure: Option<Provenance>,
}

impl Attempts {
    /// Of the request to this response.
    pub fn of_response<B>(response: &Response<B>) -> Self {
        Self::of_extensions(response.extensions())
    }

    /// As [`of_response`](Self::of_response), from the extensions of the response.
    pub fn of_extensions(extensions: &Extensions) -> Self {
        extensions.get().copied().unwrap_or(Self {
            count: 1,
            last_failure: None,
        })
    }

    /// How often it was sent, or tried to: at least 1. What hyper-util's client sends on another connection by itself
    /// counts as one.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// What became of the attempt before the last; `None` if there was one attempt.
    pub fn last_failure(&self) -> Option<Provenance> {
        self.last_failure
    }
}
