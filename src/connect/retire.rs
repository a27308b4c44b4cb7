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

use std::error::Error;
use std::fmt;
use std::io;
use std::thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::proto::deadline::Reason;

/// How often the processor is offered to a sender that the system may have taken its own from. Where
/// nobody wants it, that takes some microseconds: enough for one that runs, with some 50 instructions to go.
const YIELDS: usize = 16;

/// After how long it is offered no more. On a busy machine each turn may cost a time slice, of milliseconds.
const WAIT: Duration = Duration::from_micros(100);

/// What a read on a connection reports that is not to be reused: `ConnectionAborted`, with the reason.
pub(super) fn error(reason: Reason) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, Retired(reason))
}

/// Gives other threads time to push what they had counted before the channel was closed.
///
/// For the drop of a transport whose connection ended with [`error`]. Whoever counts later is refused,
/// so there is at most one sender to wait for. A wait that keeps the processor would lose more requests on a
/// busy machine.
pub(super) fn let_others_finish(clock: &Clock) {
    let end = clock.monotonic().checked_add(WAIT);
    for _ in 0..YIELDS {
        thread::yield_now();
        if end.is_none_or(|end| clock.monotonic() >= end) {
            break;
        }
    }
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
