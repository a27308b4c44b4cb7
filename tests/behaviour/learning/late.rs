//! Clients that find out late what a server did: their thread does something else, or their process is stopped.

use std::time::Duration;

use http_keepalive::{KeepAlivePolicy, Learn};
use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;
use tokio::time::{Instant, sleep};

use super::load::ask;
use super::origin::Origin;
use super::plan::Plan;
use super::{MILLISECOND, SECOND, keep_alive};
use crate::support::client::{HttpClient, guarded, plain};

/// What became of a program that makes one request after the other, or two at once.
#[derive(Debug, Default)]
struct Toll {
    /// Requests, or pairs of them, of which one failed.
    lost: usize,
    asked: usize,
}

/// Makes requests after each gap. What the server sent meanwhile is found just before the next request, if the gap
/// is listed as such, or just after it was written.
async fn ask_late<S: HttpClient>(
    origin: &Origin,
    client: &S,
    at_once: usize,
    gaps: &[(Duration, bool)],
) -> Toll {
    let mut toll = Toll::default();
    for (gap, is_found_before) in gaps {
        let asked = Instant::now() + *gap;
        origin.stall_until(if *is_found_before {
            asked - MILLISECOND
        } else {
            asked + MILLISECOND
        });
        sleep(*gap).await;
        let lost = match at_once {
            1 => ask(client).await.is_err(),
            _ => {
                let (one, other) = tokio::join!(ask(client), ask(client));
                one.is_err() || other.is_err()
            }
        };
        toll.lost += usize::from(lost);
        toll.asked += 1;
    }
    toll
}

/// Gaps of a program, around and beyond the timeout of its server.
fn gaps(timeout: Duration, seed: u64) -> Vec<(Duration, bool)> {
    let mut random = XorShiftRng::seed_from_u64(seed);
    let longest = 5 * SECOND;
    let shortest = timeout / random.random_range(1..4);
    let mut gap = || (random.random_range(shortest..longest), random.random());
    (0..60).map(|_| gap()).collect()
}

const LEARNS: [Learn; 2] = [Learn::Shorten, Learn::Full];

#[tokio::test(start_paused = true)]
async fn what_is_found_late_costs_two_requests_at_most_whatever_the_gaps() {
    let (mut plain_lost, mut off_lost) = (0, 0);
    for seed in 0..4 {
        let timeout = MILLISECOND * (300 + 930 * seed as u32);
        let origin = || Origin::new(move || Plan::fin(timeout));
        let gaps = gaps(timeout, seed);
        for at_once in [1, 2] {
            for learn in LEARNS {
                let keep_alive = keep_alive(KeepAlivePolicy::default().learn(learn));
                let origin = origin();
                let client = guarded(&keep_alive, origin.connector());
                let toll = ask_late(&origin, &client, at_once, &gaps).await;
                assert!(toll.lost <= 2, "{timeout:?}, {learn:?}: {toll:?}, {gaps:?}");
                assert_eq!(toll.asked, gaps.len());
                let [known] = keep_alive.origins().try_into().unwrap();
                // That of the policy, less a margin of half a second and a round trip.
                assert!(known.window <= Some(4_300 * MILLISECOND), "{known}");
            }
        }

        // The controls.
        let origin = origin();
        let client = plain(origin.connector());
        plain_lost += ask_late(&origin, &client, 1, &gaps).await.lost;
        let off = keep_alive(KeepAlivePolicy::default().learn(Learn::Off));
        let client = guarded(&off, origin.connector());
        off_lost += ask_late(&origin, &client, 1, &gaps).await.lost;
    }
    assert!(plain_lost > 40 && off_lost > 40, "{plain_lost}, {off_lost}");
}

/// The same gaps over and over, as a program has them that does the same over and over.
#[tokio::test(start_paused = true)]
async fn a_program_that_is_driven_call_by_call_loses_two_requests_at_most() {
    for millis in [
        &[1_900, 1_300, 1_700, 1_200][..],
        &[3_600, 2_300],
        &[1_050, 950],
        &[4_400, 950, 3_900, 1_040, 2_000, 900],
    ] {
        let gaps = millis.iter().map(|millis| (MILLISECOND * *millis, false));
        let gaps: Vec<_> = gaps.cycle().take(40).collect();
        let mut lost = Vec::new();
        for learn in [Learn::Shorten, Learn::Full, Learn::Off] {
            let origin = Origin::new(|| Plan::fin(SECOND));
            let keep_alive = keep_alive(KeepAlivePolicy::default().learn(learn));
            let client = guarded(&keep_alive, origin.connector());
            lost.push(ask_late(&origin, &client, 1, &gaps).await.lost);
        }
        println!("{millis:?}: {lost:?}");
        assert!(
            lost[..2].iter().all(|lost| *lost <= 2),
            "{millis:?}: {lost:?}"
        );
        // The control.
        assert!(lost[2] >= 10, "{millis:?}: {lost:?}");
    }
}

/// Open for long, and dead for a request: a proxy whose upstream connection is gone.
#[tokio::test(start_paused = true)]
async fn a_connection_that_is_open_but_dead_costs_two_requests_at_most() {
    let (mut lost, mut off_lost) = ([0; 2], 0);
    for seed in 0..8 {
        let mut random = XorShiftRng::seed_from_u64(seed);
        let mut gap = || {
            (
                random.random_range(200 * MILLISECOND..3_600 * MILLISECOND),
                true,
            )
        };
        let gaps: Vec<_> = (0..40).map(|_| gap()).collect();
        let origin = || Origin::new(|| Plan::silence(SECOND));
        for (lost, learn) in lost.iter_mut().zip(LEARNS) {
            let keep_alive = keep_alive(KeepAlivePolicy::default().learn(learn));
            let origin = origin();
            let client = guarded(&keep_alive, origin.connector());
            let toll = ask_late(&origin, &client, 2, &gaps).await;
            assert!(toll.lost <= 2, "{learn:?}: {toll:?}, {gaps:?}");
            *lost += toll.lost;
        }
        // The control.
        let origin = origin();
        let off = keep_alive(KeepAlivePolicy::default().learn(Learn::Off));
        let client = guarded(&off, origin.connector());
        off_lost += ask_late(&origin, &client, 2, &gaps).await.lost;
    }
    println!("{lost:?}, {off_lost}");
    assert!(off_lost >= 80, "{off_lost}");
}

/// Something in between forgets connections, and says so to nobody. The policy is safe.
#[tokio::test(start_paused = true)]
async fn a_black_hole_makes_a_safe_policy_no_worse() {
    let hole = 1_500 * MILLISECOND;
    let gaps = [(2_000 * MILLISECOND, true), (300 * MILLISECOND, true)];
    let gaps: Vec<_> = gaps.into_iter().cycle().take(60).collect();
    for learn in [Learn::Off, Learn::Shorten, Learn::Full] {
        let origin = Origin::new(move || Plan::black_hole(hole));
        let policy = KeepAlivePolicy::default().max_idle(SECOND).learn(learn);
        let keep_alive = keep_alive(policy);
        let client = guarded(&keep_alive, origin.connector());
        let toll = ask_late(&origin, &client, 2, &gaps).await;
        assert_eq!(toll.lost, 0, "{learn:?}: {toll:?}");
        let [known] = keep_alive.origins().try_into().unwrap();
        assert_eq!(known.has_sentinel, learn == Learn::Full);
    }

    // The control.
    let origin = Origin::new(move || Plan::black_hole(hole));
    let client = plain(origin.connector());
    let toll = ask_late(&origin, &client, 2, &gaps).await;
    assert!(toll.lost > 10, "{toll:?}");
}
