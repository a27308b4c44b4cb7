//! A part of a whole.

/// A part of a whole, from none of it to all of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Fraction {
    /// In units of a 2³¹st.
    parts: u32,
}

impl Fraction {
    pub(crate) const NONE: Self = Self { parts: 0 };
    const ALL: u32 = 1 << 31;

    /// One of `parts` equal parts; of no parts, the whole.
    pub(crate) const fn one_of(parts: u32) -> Self {
        Self {
            parts: match Self::ALL.checked_div(parts) {
                Some(parts) => parts,
                None => Self::ALL,
            },
        }
    }

    /// `None` for anything but a number from 0 to 1.
    pub(crate) fn new(fraction: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between 0 and 2³¹, and less than one part is lost"
        )]
        (0.0..=1.0).contains(&fraction).then(|| Self {
            parts: (fraction * f64::from(Self::ALL)) as u32,
        })
    }

    /// The fraction in units of a 2³¹st.
    pub(crate) const fn parts(self) -> u32 {
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_a_number_from_nothing_to_all() {
        for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Fraction::new(wrong), None, "{wrong}");
        }
        assert_eq!(Fraction::new(0.0), Some(Fraction::NONE));
        assert_eq!(Fraction::new(-0.0), Some(Fraction::NONE));
        assert_eq!(Fraction::new(1.0), Some(Fraction::one_of(1)));
        assert_eq!(Fraction::new(0.5), Some(Fraction::one_of(2)));
    }
}
