//! The beginning of a response that is not followed yet.
//!
//! On a connection whose time is far from up it does not matter where a response ends: whether the
//! connection is idle or busy, it is only read from. And nearly always nobody ever needs to know: a
//! client that does not pipeline writes its next request when the response has ended, so that the
//! request proves it. So what came is put aside, and looked at only if something depends on it before.

use super::Moment;

/// The longest piece that is put aside, in bytes.
///
/// Small responses come in one piece, and to look at their heads is what costs most about them.
pub(crate) const ROOM: usize = 1024;

/// Room for the piece with which a response begins.
#[derive(Debug)]
pub(super) struct Deferred {
    bytes: [u8; ROOM],
    length: usize,
    at: Moment,
}

impl Deferred {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; ROOM],
            length: 0,
            at: Moment::LEAST,
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
    pub(super) fn put(&mut self, bytes: &[u8], at: Moment) {
        if let Some(room) = self.bytes.get_mut(..bytes.len()) {
            room.copy_from_slice(bytes);
            self.length = bytes.len();
            self.at = at;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// When what was put aside came. Nothing is, from then on.
    #[inline]
    pub(super) fn forget(&mut self) -> Option<Moment> {
        let length = std::mem::take(&mut self.length);
        (length > 0).then_some(self.at)
    }

    /// What was put aside, and when it came.
    pub(super) fn look(&self) -> Option<(&[u8], Moment)> {
        let bytes = self.bytes.get(..self.length)?;
        (!bytes.is_empty()).then_some((bytes, self.at))
    }
}
