//! A server that names a longer timeout than it has.

use std::time::Duration;

use http_keepalive::{KeepAlivePolicy, Learn};

use super::keep_alive;
use super::load::{Asking, Load};
use super::origin::{Origin, Plan};
use crate::support::client::guarded;

async fn asking(policy: KeepAlivePolicy, seed: u64) -> Asking {
    let timeout = Duration::from_secs(30);
    let origin = Origin::with_hint("timeout=60", move || Plan::fin(timeout));
    let load = Load {
        users: 10,
        lasts: 60 * timeout,
        gaps: timeout / 10..timeout * 12 / 10,
        seed,
    };
    let keep_alive = keep_alive(policy);
    let client = || guarded(&keep_alive, origin.connector());
    load.run(&origin, client).await
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_is_a_lie_is_corrected_by_the_first_close() {
    for (seed, learn) in [(0, Learn::Shorten), (1, Learn::Full)] {
        let asking = asking(KeepAlivePolicy::default().learn(learn), seed).await;

        println!("{learn:?}: {asking:?}");
        assert!(asking.failed() <= 1, "{asking:?}");
        let corrected = asking.after(1);
        assert!(corrected.requests() > 500, "{corrected:?}");
        assert_eq!(corrected.failed(), 0, "{corrected:?}");
        assert!(corrected.percent() >= 95.0, "{corrected:?}");
    }
}

/// The control.
#[tokio::test(start_paused = true)]
async fn without_learning_it_is_believed_again_and_again() {
    let asking = asking(KeepAlivePolicy::default().learn(Learn::Off), 0).await;

    println!("off: {asking:?}");
    assert!(asking.after(1).failed() >= 3, "{asking:?}");
    assert!(asking.after(20).failed() >= 1, "{asking:?}");
}
