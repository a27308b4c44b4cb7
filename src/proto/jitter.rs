//! How much sooner than others a connection is given up, so that many do not close in one instant.

use super::time::Span;
use crate::policy::Fraction;

/// One connection's position within the jitter range, spread evenly over connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Jitter(u32);

impl Jitter {
    /// The position of a connection that is given up as late as it may be.
    pub(crate) const LATEST: Self = Self(0);

    /// Follows from the number of the connection, and from a seed that differs between processes.
    pub(crate) const fn of(connection: u64, seed: u64) -> Self {
        Self((mix(connection ^ mix(seed)) >> 32) as u32)
    }

    /// Shortens a time by up to `by` of it; a time above zero stays above zero.
    pub(crate) fn shorten(self, time: Span, by: Fraction) -> Span {
        if self.0 == 0 || by == Fraction::NONE {
            return time;
        }
        // Less than 2⁶³, of a whole that is 2⁶³.
        let parts = u128::from(self.0).saturating_mul(u128::from(by.parts()));
        let less = u128::from(time.nanoseconds()).saturating_mul(parts) >> 63;
        let less = u64::try_from(less).unwrap_or(u64::MAX);
        time.saturating_sub(Span::from_nanoseconds(less))
    }
}

/// Makes numbers that follow one another look as if drawn at random (SplitMix64, by Steele, Lea and
/// Flood).
const fn mix(number: u64) -> u64 {
    let mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
