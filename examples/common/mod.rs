//! A contest of two clients: paced requests, and what became of them.

mod contest;
mod report;

pub use self::contest::{Contest, Pace};
#[allow(unused_imports, reason = "each example uses a part of this")]
pub use self::report::{Report, finish};
