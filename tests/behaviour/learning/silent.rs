//! A server that says nothing of its timeout.

use std::time::Duration;

use http_keepalive::{KeepAlivePolicy, Learn};
use tokio::time::sleep;

use super::load::{Asking, Load, allowed, ask};
use super::origin::Origin;
use super::plan::{BAD_REQUEST, Farewell, LAST_CHUNK, Plan, TIMED_OUT, UNAVAILABLE};
use super::{MILLISECOND, URI, full, keep_alive};
use crate::support::client::{guarded, plain};

/// The server's timeouts to try.
const TIMEOUTS: [Duration; 3] = [
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(75),
];

fn load(timeout: Duration) -> Load {
    Load {
        users: 20,
        lasts: 20 * timeout,
        gaps: timeout / 10..timeout * 12 / 10,
        seed: 4,
    }
}

async fn asking(policy: KeepAlivePolicy, timeout: Duration) -> Asking {
    let origin = Origin::new(move || Plan::fin(timeout));
    let keep_alive = keep_alive(policy);
    let client = || guarded(&keep_alive, origin.connector());
    load(timeout).run(&origin, client).await
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_nobody_names_fails_no_request_and_is_known_within_three_closes() {
    for timeout in TIMEOUTS {
        let asking = asking(full(), timeout).await;

        assert_eq!(asking.failed(), 0, "{timeout:?}: {asking:?}");
        let settled = asking.after(3);
        println!("{timeout:?}: {settled:?}");
        assert!(settled.requests() > 500, "{timeout:?}: {settled:?}");
        assert!(settled.percent() >= 95.0, "{timeout:?}: {settled:?}");
    }
}

/// The control: the guess stands for ever.
#[tokio::test(start_paused = true)]
async fn without_learning_a_guess_that_is_too_short_reconnects() {
    let off = full().learn(Learn::Off);
    for (policy, timeout, most) in [
        (off.max_idle(TIMEOUTS[0] / 2), TIMEOUTS[0], 50.0),
        (off, TIMEOUTS[1], 1.0),
        // It only ever shortens, as it is by default.
        (KeepAlivePolicy::default(), TIMEOUTS[2], 1.0),
    ] {
        let asking = asking(policy, timeout).await;

        println!("{timeout:?}: {asking:?}");
        assert_eq!(asking.failed(), 0, "{timeout:?}: {asking:?}");
        assert!(asking.percent() < most, "{timeout:?}: {asking:?}");
    }
}

/// The other control.
#[tokio::test(start_paused = true)]
async fn without_learning_a_guess_that_is_too_long_fails() {
    let too_long = |timeout: Duration| {
        let policy = KeepAlivePolicy::default().learn(Learn::Off);
        policy.max_idle(timeout * 5 / 4)
    };
    let asking = asking(too_long(TIMEOUTS[1]), TIMEOUTS[1]).await;
    println!("{asking:?}");
    assert!(asking.failed() > 0, "{asking:?}");

    for timeout in [TIMEOUTS[0], TIMEOUTS[2]] {
        let origin = Origin::new(move || Plan::fin(timeout));
        let client = || plain(origin.connector());
        let asking = load(timeout).run(&origin, client).await;
        println!("{timeout:?}: {asking:?}");
        assert!(asking.failed() > 0, "{timeout:?}: {asking:?}");
    }
}

/// Those that are under way when the first one shows it are all that can be lost.
#[tokio::test(start_paused = true)]
async fn a_timeout_below_the_guess_costs_no_more_than_the_first_exchanges() {
    let timeout = Duration::from_secs(2);
    for policy in [full(), KeepAlivePolicy::default()] {
        let asking = asking(policy, timeout).await;

        println!("{timeout:?}: {asking:?}");
        assert!(asking.failed() <= 2, "{asking:?}");
        assert_eq!(asking.after(2).failed(), 0, "{asking:?}");
    }

    // The control.
    let off = KeepAlivePolicy::default().learn(Learn::Off);
    let asking = asking(off, timeout).await;
    println!("{timeout:?}: {asking:?}");
    assert!(asking.failed() > 20, "{asking:?}");
}

#[tokio::test(start_paused = true)]
async fn a_close_is_learned_from_by_whichever_sign_it_shows() {
    let second = Duration::from_secs(1);
    for (farewell, is_close) in [
        (Farewell::Fin, true),
        (Farewell::Reset, true),
        (Farewell::Bytes(TIMED_OUT), true),
        (Farewell::OnlyBytes(TIMED_OUT), true),
        (Farewell::Bytes(BAD_REQUEST), true),
        (Farewell::Bytes(UNAVAILABLE), true),
        (Farewell::Bytes(LAST_CHUNK), true),
        (Farewell::Bytes(b"bye"), true),
        // The control.
        (Farewell::Silence, false),
    ] {
        let policy = KeepAlivePolicy::default().max_idle(60 * second);
        let keep_alive = keep_alive(policy);
        let origin = Origin::new(move || Plan {
            farewell,
            ..Plan::fin(10 * second)
        });
        for _ in 0..2 {
            let client = guarded(&keep_alive, origin.connector());
            drop(ask(&client).await.unwrap());
            sleep(20 * second).await;
        }

        let allowed = allowed(&guarded(&keep_alive, origin.connector()), URI).await;

        // Less the default margin.
        let expected = if is_close { 9 * second } else { 59 * second };
        let off = allowed.abs_diff(expected);
        assert!(off < 5 * MILLISECOND, "{farewell:?}: {allowed:?}");
    }
}
