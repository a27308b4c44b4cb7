//! Errors of clients, boxed or not.

use std::error::Error;

use hyper_util::client::legacy;

use super::BoxError;
use crate::connection::ClientError;

/// An error of a client in which [`ReplayPolicy`](crate::ReplayPolicy) looks for what became of the request.
///
/// It is [`ClientError`], hyper-util's, or boxed, as that of most of tower's middleware is. For one's own error type, implement this, or
/// box the error: `map_err(tower::BoxError::from)`. The trait is needed because a box is no [`Error`] itself.
pub trait AsError {
    /// The error, whose chain of sources leads to that of the client.
    fn as_error(&self) -> &(dyn Error + 'static);
}

impl AsError for legacy::Error {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsError for ClientError {
    fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }
}

impl AsError for BoxError {
    fn as_error(&self) -> &(dyn Error + 'static) {
        &**self
    }
}
