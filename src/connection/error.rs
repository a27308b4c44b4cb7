//! A request that failed on a connection of one's own.

use std::error::Error;
use std::fmt;

use super::handle::ConnectionHandle;

/// A request on an [`Http1Connection`](crate::Http1Connection) failed, with hyper's error as its source.
///
/// [`Provenance::of_error`](crate::Provenance::of_error) tells what became of the request.
#[derive(Debug)]
pub struct Http1Error {
    error: hyper::Error,
    /// Follows the connection.
    connection: ConnectionHandle,
}

impl Http1Error {
    pub(crate) fn new(error: hyper::Error, connection: ConnectionHandle) -> Self {
        Self { error, connection }
    }

    /// hyper's error. If [it is canceled](hyper::Error::is_canceled), the request was not sent.
    pub fn hyper(&self) -> &hyper::Error {
        &self.error
    }

    /// The connection.
    pub fn connection(&self) -> &ConnectionHandle {
        &self.connection
    }
}

impl fmt::Display for Http1Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request on an HTTP/1 connection failed")
    }
}

impl Error for Http1Error {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}
