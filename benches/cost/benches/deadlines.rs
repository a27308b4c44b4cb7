//! What closing idle connections at their deadline takes.
//!
//! ```text
//! cargo bench -p cost --bench deadlines
//! ```
//!
//! Of many idle connections some expire in the same moment. Polls of the client's tasks and clock
//! readings are counted for the whole of it and given per expired connection, as is the time; neither
//! grows with the connections that do not expire. `cargo test --test footprint deadlines` holds the counts to that.
//!
//! The second table has connections that were used again since their timer was set. It is not moved
//! with every exchange, so it fires early, once, and is moved then.
//!
//! There is no server and no network, and time is virtual, so that all of it is the client's work.

use std::time::{Duration, Instant};

use cost::canned::{Canned, CannedConnector, TYPICAL};
use cost::support::deadline_work::{Counted, Work};
use cost::{is_trial, pairs, paused_runtime};

fn main() {
    let scale = if is_trial() { 100 } else { 1 };
    let mut table = pairs::table(["expired", "of", "polls", "clock readings", "time each"]);
    for (expired, all) in [
        (1_000, 1_000),
        (1_000, 10_000),
        (1_000, 50_000),
        (10_000, 50_000),
        (50_000, 50_000),
    ] {
        let (expired, all) = (expired / scale, all / scale);
        let measured = median(|| closing(expired, all - expired));
        table.add_row(row(expired, all, measured));
    }
    println!("at the deadline, per expired connection\n{table}");

    let mut table = pairs::table(["used again", "of", "polls", "clock readings", "time each"]);
    for connections in [1_000, 10_000, 50_000] {
        let connections = connections / scale;
        let measured = median(|| moving(connections));
        table.add_row(row(connections, connections, measured));
    }
    println!("at a deadline that has moved on, per connection\n{table}");
}

fn row(connections: usize, of: usize, (work, time): (Work, Duration)) -> [String; 5] {
    let each = |count| format!("{:.2}", count as f64 / connections as f64);
    let time = time.as_secs_f64() * 1e6 / connections as f64;
    [
        connections.to_string(),
        of.to_string(),
        each(work.polls),
        each(work.readings),
        format!("{time:.2} µs"),
    ]
}

fn closing(expired: usize, idle: usize) -> (Work, Duration) {
    let runtime = paused_runtime();
    let client = runtime.block_on(async { counted() });
    runtime.block_on(client.open(expired, idle));
    let started = Instant::now();
    let work = runtime.block_on(client.pass());
    (work, started.elapsed())
}

fn moving(connections: usize) -> (Work, Duration) {
    let runtime = paused_runtime();
    let client = runtime.block_on(async { counted() });
    runtime.block_on(client.open_and_use(connections));
    let started = Instant::now();
    let work = runtime.block_on(client.pass());
    (work, started.elapsed())
}

fn counted() -> Counted<CannedConnector> {
    Counted::new(CannedConnector(Canned::whole(TYPICAL)))
}

/// The one of a few with the median time. The counts are the same in each.
fn median(measure: impl Fn() -> (Work, Duration)) -> (Work, Duration) {
    let mut runs: Vec<_> = (0..3).map(|_| measure()).collect();
    let (work, _) = runs[0];
    assert!(runs.iter().all(|(other, _)| *other == work), "{runs:?}");
    runs.sort_unstable_by_key(|(_, time)| *time);
    runs[runs.len() / 2]
}
