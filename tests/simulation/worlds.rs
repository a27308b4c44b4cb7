//! Many worlds, several at a time.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;

use super::run::{Outcome, Watched, run};

/// Runs the world of each seed, on so many threads, and passes on each outcome as it comes.
pub fn run_all(
    seeds: Range<u64>,
    threads: usize,
    watched: Watched,
    is_verbose: bool,
    on_outcome: impl FnMut(Outcome),
) {
    let next = &AtomicU64::new(seeds.start);
    let (sender, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, end) = (sender.clone(), seeds.end);
            scope.spawn(move || {
                let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < end);
                while let Some(seed) = take() {
                    if sender.send(run(seed, watched, is_verbose)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        outcomes.into_iter().for_each(on_outcome);
    });
}
