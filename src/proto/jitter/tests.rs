use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

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
fn a_fraction_is_a_number_from_nothing_to_all() {
    for wrong in [-0.1, 1.1, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Fraction::new(wrong), None, "{wrong}");
    }
    assert_eq!(Fraction::new(0.0), Some(Fraction::NONE));
    assert_eq!(Fraction::new(-0.0), Some(Fraction::NONE));
    assert_eq!(Fraction::new(1.0), Some(Fraction::one_of(1)));
    assert_eq!(Fraction::new(0.5), Some(Fraction::one_of(2)));
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
    assert!((half.as_secs_f64() - 1_800.0).abs() < 0.001, "{half:?}");
    let all = earliest.shorten(HOUR, fraction(1.0));
    assert!(all < Duration::from_millis(1), "{all:?}");
}

proptest! {
    #[test]
    fn a_time_gets_only_ever_shorter_by_the_fraction_at_most(
        jitter: u32,
        nanoseconds in 1..=u64::MAX,
        by in 0.0..=1.0,
    ) {
        let time = Duration::from_nanos(nanoseconds);
        let left = Jitter(jitter).shorten(time, fraction(by));

        prop_assert!(left <= time);
        prop_assert!(!left.is_zero());
        // A float holds 53 bits of the 64.
        let least = time.as_secs_f64() * (1.0 - by);
        prop_assert!(left.as_secs_f64() >= least * (1.0 - 1e-12) - 1e-9);
    }

    #[test]
    fn the_longest_time_does_not_overflow(jitter: u32, by in 0.0..=1.0) {
        let left = Jitter(jitter).shorten(Duration::MAX, fraction(by));
        prop_assert!(!left.is_zero());
    }
}
