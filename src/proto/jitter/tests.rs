use proptest::prelude::*;

use std::time::Duration;

use super::*;

const HOUR: Span = Span::new(Duration::from_secs(3_600));

fn fraction(fraction: f64) -> Fraction {
    Fraction::new(fraction).unwrap()
}

#[test]
fn connections_one_after_the_other_are_spread_evenly() {
    const CONNECTIONS: u64 = 16_000;
    for seed in [0, 1, u64::MAX] {
        let mut drawers = [0_u32; 16];
        for connection in 0..CONNECTIONS {
            drawers[(Jitter::of(connection, seed).0 >> 28) as usize] += 1;
        }
        for drawer in drawers {
            // 1 000 each, and no further from that than chance goes: six standard deviations.
            assert!((815..=1_185).contains(&drawer), "{seed}: {drawers:?}");
        }
    }
}

#[test]
fn two_processes_do_not_go_in_step() {
    let same = (0..1_000).filter(|&connection| {
        let (one, other) = (Jitter::of(connection, 1), Jitter::of(connection, 2));
        one.0.abs_diff(other.0) < u32::MAX / 100
    });
    // About a fiftieth by chance.
    assert!(same.count() < 60);
}

#[test]
fn the_latest_is_not_shortened() {
    for by in [Fraction::NONE, fraction(0.3), fraction(1.0)] {
        assert_eq!(Jitter::LATEST.shorten(HOUR, by), HOUR);
    }
}

#[test]
fn the_earliest_is_shortened_by_all_of_the_fraction() {
    let earliest = Jitter(u32::MAX);

    assert_eq!(earliest.shorten(HOUR, Fraction::NONE), HOUR);
    let half = earliest.shorten(HOUR, fraction(0.5));
    assert!(
        (half.duration().as_secs_f64() - 1_800.0).abs() < 0.001,
        "{half:?}"
    );
    let all = earliest.shorten(HOUR, fraction(1.0));
    assert!(all.duration() < Duration::from_millis(1), "{all:?}");
}

proptest! {
    #[test]
    fn a_time_gets_only_ever_shorter_by_the_fraction_at_most(
        jitter: u32,
        nanoseconds in 1..=u64::MAX,
        by in 0.0..=1.0,
    ) {
        let time = Span::from_nanoseconds(nanoseconds);
        let left = Jitter(jitter).shorten(time, fraction(by));

        prop_assert!(left <= time);
        prop_assert!(!left.is_zero());
        // A float holds 53 bits of the 64.
        let least = time.duration().as_secs_f64() * (1.0 - by);
        prop_assert!(left.duration().as_secs_f64() >= least * (1.0 - 1e-12) - 1e-9);
    }

    #[test]
    fn the_longest_time_does_not_overflow(jitter: u32, by in 0.0..=1.0) {
        let left = Jitter(jitter).shorten(Span::new(Duration::MAX), fraction(by));
        prop_assert!(!left.is_zero());
    }
}
