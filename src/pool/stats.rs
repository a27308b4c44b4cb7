//! The pool in numbers.

use crate::origin::Origin;

/// The connections to one origin, in numbers; returned by [`Client::stats`](crate::Client::stats).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PoolStats {
    /// The origin.
    pub origin: Origin,
    /// Connections that wait for a request.
    pub idle: usize,
    /// Connections with a request or a response under way, those that are closing, and HTTP/2.
    pub busy: usize,
    /// Connections that are being opened.
    pub connecting: usize,
    /// Requests that wait for a connection, also those that one is being opened for.
    pub waiting: usize,
}
