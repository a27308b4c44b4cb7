//! Random worlds: see [`simulation`].

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

use simulation::{Cause, Counts, Watched, run};

#[test]
fn smoke() {
    for watched in [Watched::Guarded, Watched::Plain] {
        let mut counts = Counts::default();
        for seed in 0..40 {
            let outcome = run(seed, watched, false);
            counts.add(&outcome.counts);
            for violation in &outcome.violations {
                println!("{watched:?} seed {seed}: {violation}");
            }
        }
        println!("{counts:#?}");
    }
}
