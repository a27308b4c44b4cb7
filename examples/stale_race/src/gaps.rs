//! How long users think between a response and their next request.

use std::ops::Range;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// The gaps of all users, the same for every client.
///
/// Uniform and stratified: the range is cut into as many cells as there are gaps, and each cell has
/// one. Each user gets a gap from each of as many equal parts of the range as there are rounds, in an
/// order of their own, so all users take nearly the same time.
#[derive(Debug)]
pub struct Gaps {
    of_users: Vec<Vec<Duration>>,
}

impl Gaps {
    pub fn new(users: u32, rounds: u32, range: Range<Duration>, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let part = (range.end - range.start) / rounds;
        let mut of_users = vec![Vec::with_capacity(rounds as usize); users as usize];
        for round in 0..rounds {
            let mut cells: Vec<_> = (0..users).collect();
            cells.shuffle(&mut random);
            for (gaps, cell) in of_users.iter_mut().zip(cells) {
                let within = (f64::from(cell) + random.random::<f64>()) / f64::from(users);
                gaps.push(range.start + part * round + part.mul_f64(within));
            }
        }
        for gaps in &mut of_users {
            gaps.shuffle(&mut random);
        }
        Self { of_users }
    }

    /// The gaps of each user, in order.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &[Duration]> {
        self.of_users.iter().map(Vec::as_slice)
    }

    /// How long the slowest user thinks, all in all.
    pub fn longest(&self) -> Duration {
        let sums = self.users().map(|gaps| gaps.iter().sum());
        sums.max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range<Duration> = Duration::from_millis(800)..Duration::from_millis(9_600);

    #[test]
    fn each_cell_of_the_range_has_one_gap() {
        let gaps = Gaps::new(50, 8, RANGE, 1);
        let mut all: Vec<_> = gaps.users().flatten().copied().collect();
        all.sort();

        assert_eq!(all.len(), 400);
        for (cell, gap) in all.iter().enumerate() {
            let start = RANGE.start + Duration::from_millis(22) * cell as u32;
            let end = start + Duration::from_millis(22);
            assert!((start..=end).contains(gap), "cell {cell}: {gap:?}");
        }
    }

    #[test]
    fn all_users_take_about_the_same_time_though_in_another_order() {
        let gaps = Gaps::new(50, 20, RANGE, 1);
        for user in gaps.users() {
            let sum: Duration = user.iter().sum();
            assert!(sum.abs_diff(20 * Duration::from_millis(5_200)) < Duration::from_millis(2_200));
            assert!(!user.is_sorted());
        }
    }

    #[test]
    fn a_seed_gives_the_same_gaps_again_and_another_seed_others() {
        let of = |seed| Gaps::new(5, 5, RANGE, seed).of_users;
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
