//! The decisions of this crate, as plain state machines and functions.
//!
//! Nothing in this folder does IO, takes a lock, writes a log or reads a clock. Whoever drives it
//! follows three conventions:
//!
//! * `on_*` methods take a fact from outside (bytes that were written or read, a hint) and say what
//!   followed from it. Bytes of a peer never make them panic, nor keep more than a stated bound.
//! * Where a fact has a time, the driver passes it as an argument, last: a [`Moment`], one reading
//!   of the monotonic and of the wall clock, or [`Now`], the same as it was read, where it may never be
//!   reckoned with; an [`Epoch`] makes the one of the other. [`Happened`] says which facts need a time,
//!   so that the driver reads the clock no more often than that.
//! * Everything else only answers a question.
//!
//! ```text
//!   bytes ──▶ framing::Tracker ──▶ Exchange ──facts──▶ deadline ──▶ Verdict
//!              where messages       what was sent,      until when
//!              end                  read, and when      it may be reused
//! ```
//!
//! A small response may be put aside on its way to the tracker, and stay there: see [`deferred`].
//!
//! [`Happened`]: exchange::Happened

mod anchor;
pub(crate) mod deadline;
pub(crate) mod deferred;
pub(crate) mod end;
pub(crate) mod exchange;
pub(crate) mod framing;
#[cfg(any(fuzzing, test))]
pub mod fuzzing;
pub(crate) mod jitter;
pub(crate) mod keep_alive;
pub(crate) mod learn;
mod moment;
mod token;
pub(crate) mod vigil;

pub(crate) use self::moment::{Epoch, Moment, Now, Reading, Span};
