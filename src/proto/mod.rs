//! The decisions of this crate, as plain state machines and functions.
//!
//! Nothing in this folder does IO, takes a lock, writes a log or reads a clock. The driver follows three
//! conventions:
//!
//! * `on_*` methods take an event from outside (bytes that were written or read, a hint) and say what
//!   followed from it. Bytes of a peer never make them panic, nor keep more than a stated bound.
//! * Every event comes with its time as the last argument: a [`Moment`](time::Moment), one reading of the
//!   monotonic and of the wall clock.
//! * Everything else only answers a question.
//!
//! ```text
//!   bytes ──▶ framing::Tracker ──▶ connection::Lifecycle ──facts──▶ deadline ──▶ Verdict
//!              where messages       what was sent and read,          until when
//!              end, the hint        and when                         it may be reused
//! ```

pub(crate) mod connection;
pub(crate) mod deadline;
pub(crate) mod framing;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
pub(crate) mod hint;
pub(crate) mod jitter;
pub(crate) mod learn;
pub(crate) mod provenance;
#[cfg(feature = "replay")]
pub(crate) mod replay;
pub(crate) mod sentinel;
#[cfg(feature = "server")]
pub(crate) mod serve;
pub(crate) mod skew;
pub(crate) mod time;
mod token;
