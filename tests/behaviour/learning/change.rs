//! A server whose timeout is changed while it runs.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_keepalive::{ConnectionEvent, EventKind, KeepAlive, KeepAlivePolicy, Learn};
use tokio::time::{Instant, sleep, sleep_until};

use super::load::{Asking, Load, ask};
use super::origin::Origin;
use super::plan::Plan;
use super::{SECOND, builder, full, keep_alive};
use crate::support::client::guarded;

const SHORT: Duration = Duration::from_secs(10);
const LONG: Duration = Duration::from_secs(60);

/// What became of a load whose gaps suit the timeout that comes.
#[derive(Debug)]
struct Change {
    before: Asking,
    after: Asking,
    /// What was asked once the server had closed twice since, or three times where its timeout is longer.
    settled: Asking,
    /// What was asked in the last minutes.
    last: Asking,
}

/// Has a server wait for `from`, until that may be known, and then for `to`.
async fn change(keep_alive: &KeepAlive, [from, to]: [Duration; 2], seed: u64) -> Change {
    let load = Load {
        users: if from < to { 10 } else { 5 },
        lasts: 16 * LONG,
        gaps: to / 10..to * 12 / 10,
        seed,
    };
    change_under(keep_alive, [from, to], load).await
}

async fn change_under(keep_alive: &KeepAlive, [from, to]: [Duration; 2], load: Load) -> Change {
    let origin = Origin::new(move || Plan::fin(from));
    let at = Instant::now() + 4 * LONG;
    let change = async {
        sleep_until(at).await;
        origin.set(move || Plan::fin(to));
        // By then, idle times that began before are over where they were shorter, and none that began
        // since is.
        sleep_until(at + SHORT).await;
        origin.closes()
    };
    let client = || guarded(keep_alive, origin.connector());
    let (all, closes) = tokio::join!(load.run(&origin, client), change);
    let (before, after) = all.split(at);
    Change {
        last: after.split(at + 5 * LONG).1,
        settled: after.after(closes + 3),
        before,
        after,
    }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_timeout_costs_two_requests_at_most_and_is_known_within_three_closes() {
    for seed in 0..2 {
        let shortening = full().learn(Learn::Shorten).max_idle(LONG);
        for policy in [full(), shortening] {
            let change = change(&keep_alive(policy), [LONG, SHORT], seed).await;

            println!("{change:?}");
            assert_eq!(change.before.failed(), 0, "{change:?}");
            assert!(change.after.failed() <= 2, "{change:?}");
            assert_eq!(change.settled.failed(), 0, "{change:?}");
            assert!(change.settled.percent() >= 95.0, "{change:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_shorter_timeout_costs_many_users_of_one_process_two_requests_at_most() {
    for seed in 0..2 {
        let keep_alive = keep_alive(full().learn(Learn::Shorten).max_idle(LONG));
        let load = Load {
            users: 100,
            lasts: 8 * LONG,
            gaps: LONG / 10..LONG * 12 / 10,
            seed,
        };
        let change = change_under(&keep_alive, [LONG, LONG / 2], load).await;
        let failed = change.before.failed() + change.after.failed();
        assert!(failed <= 2, "{change:?}");
    }
}

/// The control.
#[tokio::test(start_paused = true)]
async fn without_learning_a_shorter_timeout_costs_many() {
    let policy = full().learn(Learn::Off).max_idle(LONG);

    let change = change(&keep_alive(policy), [LONG, SHORT], 0).await;

    println!("{change:?}");
    assert_eq!(change.before.failed(), 0, "{change:?}");
    assert!(change.after.failed() >= 5, "{change:?}");
}

/// From sentinels, or once what was seen before is too old.
#[tokio::test(start_paused = true)]
async fn a_longer_timeout_is_found_anew() {
    let shortening = full()
        .learn(Learn::Shorten)
        .max_idle(LONG)
        .evidence_age(4 * LONG);
    for policy in [full(), shortening] {
        let change = change(&keep_alive(policy), [SHORT, LONG], 0).await;

        println!("{change:?}");
        let failed = change.before.failed() + change.after.failed();
        assert_eq!(failed, 0, "{change:?}");
        assert!(change.last.requests() > 100, "{change:?}");
        assert!(change.last.percent() >= 95.0, "{change:?}");
        if policy == full() {
            assert!(change.settled.requests() > 100, "{change:?}");
            assert!(change.settled.percent() >= 95.0, "{change:?}");
        }
    }
}

/// The control.
#[tokio::test(start_paused = true)]
async fn without_sentinels_a_longer_timeout_is_not_known_before() {
    let shortening = full().learn(Learn::Shorten).max_idle(LONG);
    for policy in [full(), shortening] {
        let keep_alive = builder().policy(policy).sentinels(0).build().unwrap();

        let change = change(&keep_alive, [SHORT, LONG], 0).await;

        println!("{change:?}");
        assert!(change.last.requests() > 100, "{change:?}");
        assert!(change.last.percent() < 20.0, "{change:?}");
    }
}

/// What an observer is told: whether a timeout was learned, or is forgotten, and which.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(bool, Duration)>>>);

impl Told {
    fn keep_alive(&self, policy: KeepAlivePolicy) -> KeepAlive {
        let told = self.clone();
        let observer = move |event: &ConnectionEvent<'_>| {
            let now = match event.kind {
                EventKind::TimeoutLearned { timeout, .. } => (true, timeout),
                EventKind::TimeoutForgotten { timeout, .. } => (false, timeout),
                _ => return,
            };
            told.0.lock().unwrap().push(now);
        };
        builder().policy(policy).observer(observer).build().unwrap()
    }

    fn all(&self) -> Vec<(bool, Duration)> {
        self.0.lock().unwrap().clone()
    }
}

fn is_near(of: Duration) -> impl Fn(&Duration) -> bool {
    move |told| told.abs_diff(of) < of / 20
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_is_learned_is_told_and_one_that_is_contradicted() {
    let told = Told::default();

    let change = change(&told.keep_alive(full()), [SHORT, LONG], 0).await;

    println!("{:?}, {change:?}", told.all());
    let [(true, first), .., (true, last)] = told.all()[..] else {
        panic!("{:?}", told.all());
    };
    assert!(
        is_near(SHORT)(&first) && is_near(LONG)(&last),
        "{:?}",
        told.all()
    );
    let forgotten: Vec<_> = told
        .all()
        .into_iter()
        .filter_map(|(is_learned, timeout)| (!is_learned).then_some(timeout))
        .collect();
    assert!(!forgotten.is_empty());
    assert!(forgotten.iter().all(is_near(SHORT)), "{:?}", told.all());
}

/// With the next connection, at the latest.
#[tokio::test(start_paused = true)]
async fn a_timeout_that_is_too_old_is_told_to_be_forgotten() {
    let told = Told::default();
    let policy = full().learn(Learn::Shorten).evidence_age(10 * LONG);
    let origin = Origin::new(|| Plan::fin(SECOND));
    let client = guarded(&told.keep_alive(policy), origin.connector());
    for _ in 0..4 {
        let _ = ask(&client).await;
        sleep(SECOND * 3 / 2).await;
    }
    let [(true, learned)] = told.all()[..] else {
        panic!("{:?}", told.all());
    };

    sleep(11 * LONG).await;
    ask(&client).await.unwrap();

    assert_eq!(told.all(), [(true, learned), (false, learned)]);
}
