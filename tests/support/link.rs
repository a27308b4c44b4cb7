//! An in-process byte link with the properties of a network: latency, bandwidth, buffers.
//!
//! A link follows tokio's clock, so a test in paused time sees each byte arrive in the millisecond
//! in which it was due, and an example in real time sees the same. tokio's timers round up to a
//! millisecond, so latencies below that are not worth setting. A link without latency and without
//! bandwidth limits never reads a clock and never needs a timer.
//!
//! What a direction of the link does:
//!
//! 1. A write is accepted at once while the direction's buffer has room. This is the moment at
//!    which the writer believes that it has written.
//! 2. Bytes leave one after another at the direction's bandwidth, cut into segments, and arrive
//!    `latency` after they have left, and a jitter later, but never before what was sent before.
//! 3. FIN (`shutdown`, or the end being dropped) queues behind the bytes and travels as they do.
//! 4. What is written towards an end that was dropped is accepted and lost.
//! 5. A [`Line`] can hold everything back for a while, or for good.
//!
//! What it does not do: lose or reorder anything else, send acknowledgements, or answer with RST
//! what is written to a dropped end.

use std::fmt;
use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::direction::Direction;
pub use super::transit::Queue;
use super::transit::{Jitter, Transit};

/// The properties of links; [`pair`](Self::pair) makes as many of them as are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    latency: Duration,
    /// Bytes per second from the server to the client; `None` is without limit.
    down: Option<u64>,
    /// Bytes per second from the client to the server; `None` is without limit.
    up: Option<u64>,
    segment: usize,
    buffer: usize,
    jitter: Duration,
    /// One write in so many is late by all of the jitter; zero is any delay up to that.
    spikes: u32,
    seed: u64,
}

impl Link {
    /// No latency, unlimited bandwidth, 4 MiB of buffer per direction.
    pub fn new() -> Self {
        Self {
            latency: Duration::ZERO,
            down: None,
            up: None,
            segment: SEGMENT,
            buffer: 4 << 20,
            jitter: Duration::ZERO,
            spikes: 0,
            seed: 0,
        }
    }

    /// The time that bytes and FIN spend on their way, in each direction: half a round trip.
    pub fn latency(mut self, one_way: Duration) -> Self {
        self.latency = one_way;
        self
    }

    /// Limits the direction server to client, the one that responses take.
    pub fn bandwidth(mut self, bytes_per_second: u64) -> Self {
        self.down = Some(bytes_per_second.max(1));
        self
    }

    /// Limits the direction client to server, the one that requests take.
    pub fn bandwidth_up(mut self, bytes_per_second: u64) -> Self {
        self.up = Some(bytes_per_second.max(1));
        self
    }

    /// How many bytes leave at once where bandwidth is limited, at least 1. Default: the payload of a
    /// full TCP segment. More of them at once make less work for whoever reads.
    pub fn segment(mut self, bytes: usize) -> Self {
        self.segment = bytes.max(1);
        self
    }

    /// How many bytes a direction holds that were accepted and not read yet, at least 1. It stands
    /// for the send buffer of one socket and the receive buffer of the other.
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes.max(1);
        self
    }

    /// Adds up to so much to the latency, anew for each write. What follows waits for what is late.
    pub fn jitter(mut self, most: Duration) -> Self {
        self.jitter = most;
        self
    }

    /// Has only one write in so many be late by all of the jitter, all others by a quarter at most.
    pub fn spikes(mut self, one_in: u32) -> Self {
        self.spikes = one_in;
        self
    }

    /// What the jitter follows from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The latency of one direction.
    pub fn one_way(&self) -> Duration {
        self.latency
    }

    /// Makes a link: the client's end, then the server's.
    pub fn pair(&self) -> (LinkEnd, LinkEnd) {
        self.pair_behind(&Queue::default())
    }

    /// The same, whose responses wait in a queue with those of other links.
    pub fn pair_behind(&self, queue: &Queue) -> (LinkEnd, LinkEnd) {
        let up = self.direction(self.up, self.seed, Queue::default());
        let down = self.direction(self.down, !self.seed, queue.clone());
        let client = LinkEnd {
            incoming: Arc::clone(&down),
            outgoing: Arc::clone(&up),
        };
        let server = LinkEnd {
            incoming: up,
            outgoing: down,
        };
        (client, server)
    }

    fn direction(&self, rate: Option<u64>, seed: u64, queue: Queue) -> Arc<Mutex<Direction>> {
        let jitter = Jitter::new(self.jitter, self.spikes, seed);
        let transit = Transit::new(self.latency, rate, self.segment, jitter, queue);
        Arc::new(Mutex::new(Direction::new(transit, self.buffer)))
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

/// One end of a link. Dropping it sends FIN, unless `shutdown` has, and loses what was not read.
pub struct LinkEnd {
    incoming: Arc<Mutex<Direction>>,
    outgoing: Arc<Mutex<Direction>>,
}

impl LinkEnd {
    /// Drops this end so that the other one's reads fail with `ConnectionReset`, one latency from
    /// now. Bytes that are still on their way are overtaken, and lost.
    pub fn reset(self) {
        with(&self.outgoing, |outgoing| ((), outgoing.reset()));
    }

    /// When the first byte of what this end wrote last arrives; so it would have, too, if the other
    /// end is gone. `None` is at once.
    pub fn arrival(&self) -> Option<Instant> {
        with(&self.outgoing, |outgoing| {
            (outgoing.first_arrives_at(), None)
        })
    }

    /// What lies between the two ends.
    pub fn line(&self) -> Line {
        Line {
            directions: [Arc::clone(&self.incoming), Arc::clone(&self.outgoing)],
        }
    }
}

impl Drop for LinkEnd {
    fn drop(&mut self) {
        with(&self.outgoing, |outgoing| ((), outgoing.finish()));
        with(&self.incoming, |incoming| ((), incoming.abandon()));
    }
}

/// What lies between the two ends of a link, whoever holds them.
#[derive(Clone)]
pub struct Line {
    directions: [Arc<Mutex<Direction>>; 2],
}

impl Line {
    /// A partition that heals: what has not arrived yet, FIN and RST included, and what is sent
    /// from now on, arrives at that instant or later, in both directions.
    pub fn hold_until(&self, until: Instant) {
        for direction in &self.directions {
            with(direction, |direction| (direction.hold_until(until), None));
        }
    }

    /// A partition that does not: neither bytes nor FIN nor RST arrive any more, in either
    /// direction. What is written is accepted until the buffer is full.
    pub fn cut(&self) {
        for direction in &self.directions {
            with(direction, |direction| (direction.cut(), None));
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").finish_non_exhaustive()
    }
}

impl fmt::Debug for LinkEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkEnd").finish_non_exhaustive()
    }
}

impl AsyncRead for LinkEnd {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        with(&self.incoming, |incoming| {
            (incoming.poll_read(cx, buf), incoming.vacate())
        })
    }
}

impl AsyncWrite for LinkEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        with(&self.outgoing, |outgoing| {
            (outgoing.poll_write(cx, bufs), outgoing.announce())
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        with(&self.outgoing, |outgoing| {
            (Poll::Ready(Ok(())), outgoing.finish())
        })
    }
}

/// Runs `f` under the lock, then wakes the task it gives.
fn with<R>(
    direction: &Mutex<Direction>,
    f: impl FnOnce(&mut Direction) -> (R, Option<Waker>),
) -> R {
    let (value, task) = f(&mut direction.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(task) = task {
        task.wake();
    }
    value
}

/// The payload of a full TCP segment.
pub const SEGMENT: usize = 1460;
