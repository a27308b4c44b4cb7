//! A server that keeps only so many connections: one more, and it closes the one that has been idle for longest.

use http_keepalive::{KeepAlivePolicy, Learn};
use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::load::ask;
use super::origin::{Origin, Traits};
use super::plan::Plan;
use super::{MILLISECOND, SECOND, keep_alive};
use crate::support::client::guarded;

/// Two programs that share a server with six places: each asks once or four times at once, and thinks for a while.
/// Returns how many connections they opened.
async fn evicted(learn: Learn, scale: u32, seed: u64) -> usize {
    let crowded = Traits {
        delay: 15 * MILLISECOND,
        places: Some(6),
        ..Traits::default()
    };
    let origin = Origin::with(crowded, Plan::never);
    let started = Instant::now();
    let mut programs = JoinSet::new();
    for program in 0..2 {
        let keep_alive = keep_alive(KeepAlivePolicy::default().learn(learn));
        let client = guarded(&keep_alive, origin.connector());
        programs.spawn(async move {
            let mut random = XorShiftRng::seed_from_u64(seed * 2 + program);
            while started.elapsed() < scale * 15 * SECOND {
                let requests = if random.random_ratio(1, 3) { 4 } else { 1 };
                let mut burst = JoinSet::new();
                for _ in 0..requests {
                    let client = client.clone();
                    burst.spawn(async move { drop(ask(&client).await) });
                }
                burst.join_all().await;
                sleep(scale * MILLISECOND * random.random_range(100..800)).await;
            }
        });
    }
    programs.join_all().await;
    origin.connections()
}

#[tokio::test(start_paused = true)]
async fn evictions_are_no_timeout() {
    const LEARNS: [Learn; 3] = [Learn::Off, Learn::Shorten, Learn::Full];
    for scale in [1, 10] {
        let mut opened = [0; 3];
        for seed in 0..4 {
            for (opened, learn) in opened.iter_mut().zip(LEARNS) {
                *opened += evicted(learn, scale, seed).await;
            }
        }
        println!("{scale}: {opened:?}");
        // The control is the client that learns nothing.
        let most = opened[0] * 12 / 10;
        assert!(opened.iter().all(|opened| *opened <= most), "{opened:?}");
    }
}
