//! A contest of clients: paced requests, and what became of them.

#![allow(
    dead_code,
    unused_imports,
    reason = "each of those who include this uses a part of it"
)]

pub mod args;
mod contest;
mod output;
mod progress;
mod report;

pub use self::contest::{Contest, Pace};
pub use self::output::{Claim, Output, Tell};
pub use self::progress::progress_bar;
pub use self::report::{ClientReport, Report, claims, table, text};
pub use crate::support::tally::{Tally, answer};
