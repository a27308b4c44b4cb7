//! Why a connection is not ready.

use std::error::Error;
use std::fmt;

/// An [`Http1Connection`](crate::Http1Connection) is not ready, and will not be: it is past its idle deadline, or
/// retired.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct NotReusable;

impl fmt::Display for NotReusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is not to be used for another request")
    }
}

impl Error for NotReusable {}
