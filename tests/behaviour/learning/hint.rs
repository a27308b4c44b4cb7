//! A server that names a longer timeout than it has.

use std::time::Duration;

use http_keepalive::{KeepAlivePolicy, Learn};

use super::load::{Asking, Load};
use super::origin::{Origin, Traits};
use super::plan::Plan;
use super::{MILLISECOND, RTT, keep_alive};
use crate::support::client::guarded;

const TIMEOUT: Duration = Duration::from_secs(30);

/// Users whose gaps are like any.
fn load(seed: u64) -> Load {
    Load {
        users: 10,
        lasts: 40 * TIMEOUT,
        gaps: TIMEOUT / 10..TIMEOUT * 12 / 10,
        seed,
    }
}

/// One user, whose requests are under way when the server closes.
fn unlucky() -> Load {
    let gap = TIMEOUT - RTT / 2;
    Load {
        users: 1,
        lasts: 20 * TIMEOUT,
        gaps: gap..gap + MILLISECOND,
        seed: 0,
    }
}

async fn asking(policy: KeepAlivePolicy, load: Load) -> Asking {
    let hinted = Traits {
        hint: Some("timeout=60"),
        ..Traits::default()
    };
    let origin = Origin::with(hinted, || Plan::fin(TIMEOUT));
    let keep_alive = keep_alive(policy);
    let client = || guarded(&keep_alive, origin.connector());
    load.run(&origin, client).await
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_is_a_lie_is_corrected_by_the_first_close() {
    for (seed, learn) in [(0, Learn::Shorten), (1, Learn::Full)] {
        let asking = asking(KeepAlivePolicy::default().learn(learn), load(seed)).await;

        println!("{learn:?}: {asking:?}");
        assert!(asking.failed() <= 1, "{asking:?}");
        let corrected = asking.after(1);
        assert!(corrected.requests() > 500, "{corrected:?}");
        assert_eq!(corrected.failed(), 0, "{corrected:?}");
        assert!(corrected.percent() >= 95.0, "{corrected:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_is_a_lie_is_corrected_by_the_first_failure() {
    // The control loses each request that finds a connection, every second one.
    for (learn, failed) in [(Learn::Shorten, 1), (Learn::Full, 1), (Learn::Off, 10)] {
        let asking = asking(KeepAlivePolicy::default().learn(learn), unlucky()).await;

        println!("{learn:?}: {asking:?}");
        assert_eq!(asking.failed(), failed, "{learn:?}: {asking:?}");
    }
}

/// The control.
#[tokio::test(start_paused = true)]
async fn without_learning_a_hint_that_is_a_lie_is_believed_again_and_again() {
    let asking = asking(KeepAlivePolicy::default().learn(Learn::Off), load(0)).await;

    println!("{asking:?}");
    assert!(asking.after(1).failed() >= 3, "{asking:?}");
    assert!(asking.after(20).failed() >= 1, "{asking:?}");
}
