//! The beginning of a response that is not followed yet.
//!
//! On a connection whose time is far from up it does not matter where a response ends: whether the
//! connection is idle or busy, it is only read from. And nearly always nobody ever needs to know: a
//! client that does not pipeline writes its next request when the response has ended, so that the
//! request proves it. So what came is put aside, and looked at only if something depends on it before.
//!
//! So it goes on from exchange to exchange, and what one needs for that is here: when it was begun, which
//! is not reckoned with before that matters, and what its request was like.

use super::Now;
use super::framing::PlainRequest;

/// The longest piece that is put aside, in bytes.
///
/// Small responses come in one piece, and to look at their heads is what costs most about them.
pub(crate) const ROOM: usize = 960;

/// Room for the piece with which a response begins.
#[derive(Debug)]
pub(super) struct Deferred {
    bytes: [u8; ROOM],
    length: usize,
    /// When it came; `None` while nothing is put aside.
    at: Option<Now>,
    /// When the request in flight was begun, as the clocks were read, if it followed upon a piece that
    /// was put aside.
    pub(super) begun: Option<Now>,
    /// Tells requests that are taken in few steps.
    pub(super) plain: Box<PlainRequest>,
}

impl Deferred {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            length: 0,
            at: None,
            begun: None,
            plain: Box::new(PlainRequest::new()),
        }
    }

    /// Whether a piece may be put aside: one that fits, of a response that is neither interim nor an
    /// upgrade, and after which HTTP goes on.
    #[inline]
    pub(super) fn takes(bytes: &[u8]) -> bool {
        bytes.len() <= ROOM && bytes.starts_with(b"HTTP/1.1 2")
    }

    /// Puts a piece aside that came at `at`.
    #[inline]
    pub(super) fn put(&mut self, bytes: &[u8], at: Now) {
        if let Some(room) = self.bytes.get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.length = bytes.len();
            self.at = Some(at);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at.is_none()
    }

    /// When what was put aside came. Nothing is, from then on.
    #[inline]
    pub(super) fn forget(&mut self) -> Option<Now> {
        self.length = 0;
        self.at.take()
    }

    /// What was put aside, and when it came.
    pub(super) fn look(&self) -> Option<(&[u8], Now)> {
        Some((self.bytes.get(..self.length)?, self.at?))
    }
}
