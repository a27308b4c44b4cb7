//! How a connection ends.

use super::deadline::Reason;
use super::framing::Opaque;

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// This side closed it: the pool, the caller, or a `Connection: close`.
    Client,
    /// A response that lasts until EOF ended by it (RFC 9112 §6.3, rule 8).
    Delimited,
    /// Nothing was known of it.
    Opaque(Opaque),
    /// The server closed it, or it broke, in an exchange.
    PeerBusy,
    /// The server closed it, or it broke, while it was idle.
    PeerIdle,
    /// This crate closed it.
    Retired(Reason),
    /// The server closed it, or it broke, after a request on a connection that had served others,
    /// before the first byte of its response: the failure this crate is there to prevent.
    Stale,
}

/// What made a connection end, as the transport tells it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// This side let go of it.
    Dropped,
    /// A read found its end.
    Eof,
    /// A read or a write failed.
    Error,
}
