//! How a connection that is not to be reused is closed, so that no request is lost with it.
//!
//! hyper hands requests to a connection's task through a channel of tokio's. A sender first counts its
//! message, then pushes it. A receiver that is dropped closes the channel, then takes out what was
//! pushed. A message that was counted before the one and is pushed after the other stays in the
//! channel for good: its request is never answered, and never fails (hyperium/hyper#4122,
//! tokio-rs/tokio#7714). A server's FIN seldom comes in that moment. A connection that closes itself at
//! its deadline, or because another thread retires it, may well do so just when it is handed out.
//!
//! So such a connection ends with an error, not with EOF: on an error hyper closes the channel and
//! empties it *before* the transport is dropped, and empties it again when it drops the channel, which
//! is right *after* that. [`let_others_finish`] comes in between.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::hint;
use std::io;
use std::thread;
use std::time::Instant;

use crate::clock::real_time;
use crate::proto::deadline::Reason;

/// How long a sender is waited for that runs on another processor, in turns: a microsecond or so. It has
/// some 50 instructions to go.
const TURNS: usize = 64;

/// How often the thread's processor is offered to a sender that the system has taken its own from.
const YIELDS: usize = 16;

/// Which part of its time a thread may be without its processor for that: one of so many.
const SHARE: u32 = 10;

thread_local! {
    /// When the thread may yield again.
    static NOT_BEFORE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// What a read on a connection reports that is not to be reused: `ConnectionAborted`, with the reason.
pub(super) fn error(reason: Reason) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, Retired(reason))
}

/// Gives other threads time to push what they had counted before the channel was closed.
///
/// For the drop of a transport whose connection ended with [`error`]. Whoever counts later is refused,
/// so there is at most one sender to wait for. Where nobody else wants the processor, all of this takes
/// some microseconds. Where others do, each turn may cost a time slice: so that thousands of connections
/// that expire at once do not stop a thread for seconds, it yields for a tenth of its time at most.
pub(super) fn let_others_finish() {
    for _ in 0..TURNS {
        hint::spin_loop();
    }
    let started = real_time();
    if NOT_BEFORE.get().is_some_and(|then| started < then) {
        return;
    }
    for _ in 0..YIELDS {
        thread::yield_now();
    }
    let took = real_time().saturating_duration_since(started);
    NOT_BEFORE.set(started.checked_add(took.saturating_mul(SHARE)));
}

#[derive(Debug)]
struct Retired(Reason);

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(reason) = self;
        write!(f, "connection retired by http-keepalive: {reason}")
    }
}

impl Error for Retired {}
