//! Random worlds in virtual time, a fixed set of them: see [`simulation`].
//!
//! `cargo run --release -p simulate` runs as many as one likes.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "these are tests"
)]

#[path = "simulation/mod.rs"]
mod simulation;
mod support;

use std::any::Any;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread::available_parallelism;
use std::time::Duration;

use simulation::{Cause, Counts, Outcome, Struck, Watched, run, run_all};
use support::client::{HttpClient, exchange, get, guarded, keep_alive, plain};
use support::link::Link;
use support::server::{Server, full};

/// The worlds that are run each time: few, in which all kinds of trouble come.
const SEEDS: Range<u64> = 70..84;

/// Runs worlds; the sums, and all that must not happen and did.
fn sum_all(seeds: Range<u64>, watched: Watched) -> (Counts, Vec<String>) {
    let (of_own, mut counts, violations) = sum_both(seeds, watched);
    counts.add(&of_own);
    (counts, violations)
}

/// The same, where the sums are those of odd seeds, whose clients are this crate's own, and of even ones.
fn sum_both(seeds: Range<u64>, watched: Watched) -> (Counts, Counts, Vec<String>) {
    let threads = available_parallelism().map_or(1, NonZeroUsize::get);
    let [mut odd, mut even] = [Counts::default(), Counts::default()];
    let mut violations = Vec::new();
    run_all(seeds, threads, watched, false, |outcome| {
        let counts = if outcome.seed % 2 == 1 {
            &mut odd
        } else {
            &mut even
        };
        counts.add(&outcome.counts);
        let of_seed = outcome.violations.iter();
        violations.extend(of_seed.map(|what| format!("seed {}: {what}", outcome.seed)));
    });
    (odd, even, violations)
}

#[test]
fn nothing_happens_that_must_not() {
    let (of_own, mut counts, violations) = sum_both(SEEDS, Watched::Guarded);

    assert_eq!(violations, [""; 0]);
    for counts in [&of_own, &counts] {
        assert!(counts.exchanges > 2_000, "{counts:?}");
        assert!(counts.reused > counts.exchanges / 5, "{counts:?}");
    }
    counts.add(&of_own);
    assert_eq!(counts.failed(Cause::IdleTimer), 0);
    // Nor is it for want of exchanges, of reuse, or of trouble.
    assert!(counts.exchanges > 8_000, "{counts:?}");
    assert!(counts.lengthened > 100, "{counts:?}");
    let struck: BTreeSet<_> = counts.struck.into_keys().collect();
    for kind in [
        Struck::IdleTimer,
        Struck::Goodbye,
        Struck::Served,
        Struck::AtRandom,
        Struck::Evicted,
        Struck::Fault,
        Struck::Restart,
        Struck::Refused,
        Struck::Partition,
        Struck::Cut,
        Struck::Freeze,
        Struck::Suspend,
        Struck::Stall,
        Struck::StalledConnections,
        Struck::StalledReads,
        Struck::SetClock,
    ] {
        assert!(struck.contains(&kind), "no {kind}");
    }
}

#[test]
fn in_the_same_worlds_a_client_as_it_comes_fails_for_honest_idle_timers() {
    let seeds = SEEDS.start..SEEDS.start.midpoint(SEEDS.end);

    let (counts, violations) = sum_all(seeds, Watched::Plain);

    assert_eq!(violations, [""; 0]);
    assert!(counts.failed(Cause::IdleTimer) > 100, "{counts:?}");
}

#[test]
fn a_policy_that_expects_too_much_is_noticed() {
    let (_, violations) = sum_all(13..17, Watched::Careless);

    // Of either client.
    for rest in [0, 1] {
        let late = violations
            .iter()
            .filter(|what| what.contains("past the deadline"))
            .filter(|what| seed_of(what) % 2 == rest);
        assert!(late.count() > 0, "{violations:?}");
    }
}

fn seed_of(violation: &str) -> u64 {
    let seed = violation.strip_prefix("seed ").unwrap();
    seed.split_once(':').unwrap().0.parse().unwrap()
}

/// A quick world with troubles.
const QUICK: u64 = 5;

#[test]
fn a_seed_replays_the_same_run() {
    let again: Outcome = run(QUICK, Watched::Guarded, false);
    assert_eq!(run(QUICK, Watched::Guarded, false), again);
    assert_ne!(
        run(QUICK + 100, Watched::Guarded, false).digest,
        again.digest
    );
}

/// The memory that so many idle connections hold, and all that belongs to them, after some exchanges
/// on each.
fn held(parts: Parts, exchanges: usize, bodies: Range<usize>) -> i64 {
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let server = Server::builder()
            .record(false)
            .handler(|request| async move {
                // So that nobody gets a connection that another caller has had.
                tokio::time::sleep(Duration::from_millis(10)).await;
                let bytes: usize = request.uri().path()[1..].parse().unwrap();
                http::Response::builder()
                    .header("keep-alive", "timeout=60")
                    .body(full(vec![0; bytes]))
                    .unwrap()
            })
            .build();
        let connector = server.connector(Link::new().latency(Duration::from_millis(5)));
        let keep_alive = keep_alive(http_keepalive::KeepAlivePolicy::default());
        let client = match parts {
            Parts::None => runtime.block_on(use_all(plain(connector), exchanges, bodies)),
            Parts::Both => {
                runtime.block_on(use_all(guarded(&keep_alive, connector), exchanges, bodies))
            }
        };
        assert_eq!(server.open(), CONNECTIONS);
        kept = Some((client, runtime, server));
    });
    drop(kept);
    counted.bytes_current
}

#[derive(Clone, Copy)]
enum Parts {
    None,
    Both,
}

const CONNECTIONS: usize = 200;

async fn use_all<S: HttpClient<Future: Send> + Send + Sync + 'static>(
    client: S,
    exchanges: usize,
    bodies: Range<usize>,
) -> Box<dyn Any> {
    for round in 0..exchanges {
        let callers: Vec<_> = (0..CONNECTIONS)
            .map(|caller| {
                let bytes = bodies.start + (caller * 997 + round * 7919) % bodies.len();
                let client = client.clone();
                let request = get(&format!("http://server.test/{bytes}"));
                tokio::spawn(async move { exchange(&client, request).await.unwrap() })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
    }
    Box::new(client)
}

#[test]
fn a_connection_holds_little_memory_however_much_it_has_carried() {
    let connections = CONNECTIONS as i64;
    for bodies in [0..500, 2_000..32_000] {
        held(Parts::Both, 1, bodies.clone());

        let held = |parts, exchanges| held(parts, exchanges, bodies.clone());
        let [bare, bare_later] = [1, 15].map(|exchanges| held(Parts::None, exchanges));
        let [ours, ours_later] = [1, 15].map(|exchanges| held(Parts::Both, exchanges));

        let more = (ours - bare) / connections;
        let growth = ((ours_later - ours) - (bare_later - bare)) / connections;
        assert!(more < 2_000, "{bodies:?}: {more} bytes a connection");
        assert!(
            growth < 64,
            "{bodies:?}: {growth} bytes a connection more after 15 exchanges"
        );
    }
}
