//! How a retired connection is closed, so that no request is lost with it.
//!
//! hyper hands requests to a connection's task through a channel of tokio's. A sender first counts its
//! message, then pushes it. A receiver that is dropped closes the channel, then drains it. A message that
//! was counted before the close and is pushed after the drain stays in the channel for good: its request is
//! never answered, and never fails (hyperium/hyper#4122, tokio-rs/tokio#7714). A server's FIN seldom comes
//! in that moment. A connection that closes itself at its deadline, or because another thread retires it,
//! may well do so just when the pool hands it out.
//!
//! So such a connection ends with an error, not with EOF. On an error hyper closes and drains the channel
//! *before* it drops the transport, and drains the channel again right *after* that, when it drops the
//! receiver. [`yield_to_senders`] runs in between.

use std::error::Error;
use std::fmt;
use std::io;
use std::thread;
use std::time::Duration;

use crate::clock::Clock;
use crate::proto::deadline::RetireReason;

/// How often the thread yields its processor to a sender that may have been preempted. If no thread wants the
/// processor, that takes some microseconds: enough for a running sender to execute some 50 instructions.
const YIELDS: usize = 16;

/// After how long the thread stops yielding. On a busy machine each yield may cost a time slice, of
/// milliseconds.
const WAIT: Duration = Duration::from_micros(100);

/// Whether a connection is retired, and whether its drop has to yield to senders then. One byte of each connection.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Retirement {
    #[default]
    NotYet,
    /// Requests may be in its queue, or on their way there.
    Retired,
    /// Its pool has a lock, under which it sends a request or drops the connection.
    NotYetWithLock,
    RetiredWithLock,
}

impl Retirement {
    /// Returns whether the connection was not retired before.
    pub(super) fn retire(&mut self) -> bool {
        let before = *self;
        *self = match before {
            Self::NotYet | Self::Retired => Self::Retired,
            Self::NotYetWithLock | Self::RetiredWithLock => Self::RetiredWithLock,
        };
        *self != before
    }

    /// Whether a sender may be about to queue a request.
    pub(super) fn has_senders(self) -> bool {
        self == Self::Retired
    }
}

/// The error of a read on a retired connection: `ConnectionAborted`, with the reason.
pub(super) fn error(reason: RetireReason) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, Retired(reason))
}

/// Gives other threads time to push messages that were counted before the channel was closed.
///
/// Called when a transport is dropped whose connection ended with [`error`]. The closed channel counts no
/// more messages, so there is at most one sender to wait for. A wait that keeps the processor would lose more
/// requests on a busy machine.
pub(super) fn yield_to_senders(clock: &Clock) {
    let end = clock.monotonic().checked_add(WAIT);
    for _ in 0..YIELDS {
        thread::yield_now();
        if end.is_none_or(|end| clock.monotonic() >= end) {
            break;
        }
    }
}

#[derive(Debug)]
struct Retired(RetireReason);

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(reason) = self;
        write!(f, "connection retired by http-keepalive: {reason}")
    }
}

impl Error for Retired {}
