//! Chance, all of it from one seed.

use std::time::Duration;

use rand::{Rng, RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

/// A source of chance; the same seed gives the same draws on every machine.
pub struct Draw(XorShiftRng);

impl Draw {
    pub fn new(seed: u64) -> Self {
        let mut random = XorShiftRng::seed_from_u64(seed);
        // Seeds that are alike give first draws that are alike.
        for _ in 0..8 {
            random.next_u64();
        }
        Self(random)
    }

    /// A seed for another source.
    pub fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub fn chance(&mut self, probability: f64) -> bool {
        self.0.random_bool(probability)
    }

    /// From `least` to `most`, both included.
    pub fn number(&mut self, least: u64, most: u64) -> u64 {
        self.0.random_range(least..=most.max(least))
    }

    /// The same, where each order of magnitude is as likely as every other; `least` is above zero.
    pub fn magnitude(&mut self, least: u64, most: u64) -> u64 {
        let (low, high) = ((least as f64).ln(), (most as f64 + 1.0).ln());
        let drawn = self.0.random_range(low..=high.max(low)).exp() as u64;
        drawn.clamp(least, most)
    }

    /// Whole milliseconds, from `least` to `most`.
    pub fn time(&mut self, least: Duration, most: Duration) -> Duration {
        let millis = self.number(least.as_millis() as u64, most.as_millis() as u64);
        Duration::from_millis(millis)
    }

    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let last = choices.len() as u64 - 1;
        choices[self.number(0, last) as usize]
    }

    /// The first choice that a draw falls to; what is left of 1 falls to the last one.
    pub fn weighted<T: Copy>(&mut self, choices: &[(f64, T)]) -> T {
        let mut left = self.0.random_range(0.0..1.0);
        for &(weight, choice) in choices {
            if left < weight {
                return choice;
            }
            left -= weight;
        }
        choices[choices.len() - 1].1
    }
}
