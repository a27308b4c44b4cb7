//! By how much sooner than others a connection gives up, so that many do not in the same instant.

use std::time::Duration;

/// A part of a whole, from none of it to all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fraction {
    /// In units of a 2³¹st.
    parts: u32,
}

impl Fraction {
    pub(crate) const NONE: Self = Self { parts: 0 };
    const ALL: u32 = 1 << 31;

    /// One of so many parts; of no parts, everything.
    pub(crate) const fn one_of(parts: u32) -> Self {
        Self {
            parts: match Self::ALL.checked_div(parts) {
                Some(parts) => parts,
                None => Self::ALL,
            },
        }
    }

    /// `None` for what is no number from 0 to 1.
    pub(crate) fn new(fraction: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 2³¹, and what is lost is less than one part"
        )]
        (0.0..=1.0).contains(&fraction).then(|| Self {
            parts: (fraction * f64::from(Self::ALL)) as u32,
        })
    }
}

/// The lot of one connection: a number that is spread evenly over connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Jitter(u32);

impl Jitter {
    /// That of a connection that gives up as late as it may.
    pub(crate) const LATEST: Self = Self(0);

    /// Follows from the number of the connection, and from a seed that another process has not.
    pub(crate) const fn of(connection: u64, seed: u64) -> Self {
        Self((mix(connection ^ mix(seed)) >> 32) as u32)
    }

    /// What is left of a time that may be shorter by up to that fraction; nothing only of nothing.
    pub(crate) fn shorten(self, time: Duration, by: Fraction) -> Duration {
        if self.0 == 0 || by == Fraction::NONE {
            return time;
        }
        // Less than 2⁶³, of a whole that is 2⁶³.
        let parts = u128::from(self.0).saturating_mul(u128::from(by.parts));
        // What is longer than 584 years is shortened as that is.
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let less = u128::from(nanoseconds).saturating_mul(parts) >> 63;
        let less = u64::try_from(less).unwrap_or(u64::MAX);
        time.saturating_sub(Duration::from_nanos(less))
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
