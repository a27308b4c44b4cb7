//! A server that now and then closes an idle connection before its time.

use std::time::Duration;

use http_keepalive::{KeepAlive, KeepAlivePolicy, Learn};
use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;
use tokio::time::{Instant, sleep, sleep_until};

use super::load::{Asking, Load, ask};
use super::origin::Origin;
use super::plan::Plan;
use super::{MILLISECOND, full, keep_alive};
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
        lasts: 45 * timeout,
        gaps: timeout / 10..timeout * 12 / 10,
        seed,
    };
    let keep_alive = keep_alive(policy);
    let client = || guarded(&keep_alive, origin.connector());
    load.run(&origin, client).await
}

/// A server that takes ten requests on a connection, and does not say so. Its closes have nothing to do
/// with idle times.
#[tokio::test(start_paused = true)]
async fn a_server_that_closes_after_so_many_requests_keeps_its_reuse() {
    const REQUESTS: usize = 400;
    for learn in [Learn::Off, Learn::Shorten, Learn::Full] {
        let keep_alive = keep_alive(KeepAlivePolicy::default().learn(learn));
        let mut plans = 0;
        let origin = Origin::new(move || {
            plans += 1;
            if plans % 10 == 0 {
                Plan::fin(Duration::ZERO)
            } else {
                Plan::never()
            }
        });
        let client = guarded(&keep_alive, origin.connector());
        for _ in 0..REQUESTS {
            ask(&client).await.unwrap();
            // The close has come by then.
            sleep(50 * MILLISECOND).await;
        }
        assert_eq!(origin.closes(), REQUESTS / 10, "{learn:?}");
        assert_eq!(origin.connections(), REQUESTS / 10, "{learn:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn accidents_do_not_shrink_reuse_for_ever() {
    for (seed, seconds) in [(0, 60), (2, 5)] {
        let timeout = Duration::from_secs(seconds);
        let shortening = full().learn(Learn::Shorten).max_idle(timeout);
        for policy in [full(), shortening] {
            let asking = asking(policy, timeout, seed).await.after(3);

            let by_least = asking.percent_by_least();
            println!("{timeout:?}: {asking:?}, by the least close {by_least:.2} %");
            assert!(asking.requests() > 400, "{timeout:?}: {asking:?}");
            assert!(asking.percent() >= 80.0, "{timeout:?}: {asking:?}");
            // The control: who takes the shortest time that was ever seen for the timeout.
            assert!(by_least < 30.0, "{timeout:?}: {by_least}");
        }
    }
}

/// What is asked in the last minutes, well after a deploy that has closed all idle connections at once:
/// some of them after nearly the same time.
async fn asking_after_deploy(keep_alive: &KeepAlive) -> Asking {
    let timeout = Duration::from_secs(60);
    let origin = Origin::new(move || Plan::fin(timeout));
    let load = Load {
        users: 20,
        lasts: 15 * timeout,
        gaps: timeout / 10..timeout * 12 / 10,
        seed: 3,
    };
    let deployed = Instant::now() + 5 * timeout;
    let deploy = async {
        sleep_until(deployed).await;
        origin.deploy();
    };
    let client = || guarded(keep_alive, origin.connector());
    let (asking, ()) = tokio::join!(load.run(&origin, client), deploy);
    asking.split(deployed + 3 * timeout).1
}

#[tokio::test(start_paused = true)]
async fn a_deploy_is_no_timeout() {
    let shortening = full()
        .learn(Learn::Shorten)
        .max_idle(Duration::from_secs(60));
    for policy in [full(), shortening] {
        let asking = asking_after_deploy(&keep_alive(policy)).await;

        println!("{asking:?}");
        assert_eq!(asking.failed(), 0, "{asking:?}");
        assert!(asking.requests() > 200, "{asking:?}");
        assert!(asking.percent() >= 95.0, "{asking:?}");
        // The control: who takes the shortest time that was ever seen for the timeout.
        let by_least = asking.percent_by_least();
        assert!(by_least < 50.0, "{asking:?}: {by_least}");
    }
}
