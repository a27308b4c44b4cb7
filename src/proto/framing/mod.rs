//! Where HTTP/1 messages end, followed passively in both directions.
//!
//! The rules are those of RFC 9112 §6.3 and §7.1 in the form in which hyper's client applies them:
//!
//! 1. Responses to HEAD, and 204 and 304, have no body, whatever their fields say.
//! 2. 1xx other than 101 are interim: another response follows.
//! 3. 101, and a 2xx to CONNECT, end HTTP on the connection: [`OpaqueReason`].
//! 4. `Transfer-Encoding` ending in `chunked` overrides `Content-Length`; with another last coding, a
//!    response lasts until EOF.
//! 5. Several `Content-Length` values must be equal.
//! 6. Without either field, a response lasts until EOF, and a request has no body.
//!
//! An exchange has ended when its request was completely written *and* its final response
//! completely read, in either order. Bytes that are not understood, or that parsers understand differently,
//! make the connection [`OpaqueReason`] for good. The `Keep-Alive` fields of a final response, and whether it says
//! that its connection ends, are found on the same walk over its head.
//!
//! Memory: in each direction at most [`MAX_LINE`] bytes of an unfinished line of a head, and nothing of
//! bodies. Time: linear in the bytes of heads, chunk heads and trailers; one subtraction for each piece of a
//! body.
//!
//! [`MAX_LINE`]: head::MAX_LINE

mod body;
mod head;
#[cfg(test)]
mod tests;
mod tracker;

pub use self::tracker::OpaqueReason;
pub(crate) use self::tracker::{Progress, Tracker};
