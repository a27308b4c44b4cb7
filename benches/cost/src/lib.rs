//! What the benches share: servers, a transport that is a canned response, and measuring two things
//! side by side.
//!
//! ```text
//! cargo bench -p cost                     everything, some minutes
//! cargo bench -p cost --bench body        one of them
//! cargo bench -p cost -- --test           that they run, in seconds; the figures mean nothing then
//! ```
//!
//! Each bench says at its top what it measures. What is a ratio is measured by turns in one run, by
//! [`pairs`]; what stands alone, by criterion.

// It has no tests, and those of the parts below need what it does not depend on. `cargo test --lib` builds
// them all the same.
#![cfg(not(test))]
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "what is taken from the library links to the library"
)]

pub mod canned;
pub mod least;
pub mod pairs;
pub mod parser;
pub mod rates;
pub mod repeated;
#[path = "../../../tests/support/mod.rs"]
pub mod support;

// The parts of the library that are not public and that `parser` measures, built as the library builds
// them.
#[allow(dead_code, unreachable_pub, reason = "only a part is measured")]
#[path = "../../../src/error.rs"]
mod error;
#[allow(dead_code, unreachable_pub, reason = "only a part is measured")]
#[path = "../../../src/policy/mod.rs"]
mod policy;
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "only a part is measured"
)]
#[path = "../../../src/proto/mod.rs"]
mod proto;

/// Whether only to show that everything runs: what criterion takes `--test` for.
pub fn is_trial() -> bool {
    std::env::args().any(|arg| arg == "--test")
}

/// So many seconds, or no time at all in a trial.
pub fn budget(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(if is_trial() { 0 } else { seconds })
}

/// A runtime of one thread, so that what is measured is work and not waking another core.
pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The same, in virtual time.
#[cfg(feature = "virtual-time")]
pub fn paused_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}
