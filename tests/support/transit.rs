//! When what is sent in one direction of a [`Link`](super::link::Link) arrives.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;
use tokio::time::Instant;

/// When something happens; `None`, where no clock is needed, is at once.
pub(super) type Due = Option<Instant>;

/// A queue before a slow part of the way, which several links share: what is sent on one of them waits for what
/// was sent on any of them before.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// When the last byte that is in it has left.
    sent_at: Arc<Mutex<Due>>,
}

impl Queue {
    /// Puts something into the queue that takes so long to leave. Says when it has left.
    fn send(&self, now: Due, takes: Duration) -> Due {
        let mut sent_at = self.sent_at.lock().unwrap();
        *sent_at = (*sent_at).max(now).map(|at| at + takes);
        *sent_at
    }
}

/// The way that bytes take: how long each part of them is on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Transit {
    latency: Duration,
    /// Bytes per second; `None` is without limit.
    rate: Option<u64>,
    /// How many bytes leave at once where the rate is limited.
    segment: usize,
    jitter: Jitter,
    /// What has been accepted and has not left.
    queue: Queue,
    /// When the last byte accepted so far has left.
    sent_at: Due,
    /// When the last byte accepted so far arrives.
    arrives_at: Due,
    /// When the first byte of the last write arrives.
    first_arrives_at: Due,
    /// Nothing arrives before.
    held_until: Due,
}

impl Transit {
    pub(super) fn new(
        latency: Duration,
        rate: Option<u64>,
        segment: usize,
        jitter: Jitter,
        queue: Queue,
    ) -> Self {
        Self {
            latency,
            rate,
            segment,
            jitter,
            queue,
            ..Self::default()
        }
    }

    /// Whether what is sent arrives later than at once.
    fn is_timed(&self) -> bool {
        self.rate.is_some()
            || !self.latency.is_zero()
            || self.jitter.random.is_some()
            || self.held_until.is_some()
    }

    pub(super) fn now(&self) -> Due {
        self.is_timed().then(Instant::now)
    }

    /// Puts bytes on their way, behind all that was sent before; says when which part arrives.
    pub(super) fn send(&mut self, len: usize) -> impl Iterator<Item = (Due, usize)> + use<'_> {
        let now = self.now();
        let jitter = self.jitter.next();
        let segment = self.rate.map_or(len, |_| self.segment);
        (0..len).step_by(segment.max(1)).map(move |start| {
            let part = segment.min(len - start);
            let takes = self
                .rate
                .map_or(0, |rate| part as u64 * 1_000_000_000 / rate);
            // `None`, no clock, is less than any instant.
            self.sent_at = self.queue.send(now, Duration::from_nanos(takes));
            let arrives_at = self.after(self.sent_at, jitter);
            if start == 0 {
                self.first_arrives_at = arrives_at;
            }
            (arrives_at, part)
        })
    }

    /// When FIN arrives, behind all that was sent before.
    pub(super) fn finish(&mut self) -> Due {
        let jitter = self.jitter.next();
        self.after(self.sent_at.max(self.now()), jitter)
    }

    /// When RST arrives, which waits for nothing.
    pub(super) fn overtake(&self) -> Due {
        let arrives_at = self.now().map(|now| now + self.latency);
        arrives_at.max(self.held_until)
    }

    /// Nothing arrives before that. What is on its way is told by [`delayed`](Self::delayed).
    pub(super) fn hold_until(&mut self, until: Instant) {
        self.held_until = self.held_until.max(Some(until));
        self.arrives_at = self.delayed(self.arrives_at);
    }

    /// When something arrives that was due then.
    pub(super) fn delayed(&self, due: Due) -> Due {
        due.max(self.held_until)
    }

    /// When the first byte of what was written last arrives.
    pub(super) fn first_arrives_at(&self) -> Due {
        self.first_arrives_at
    }

    /// When something arrives that has left at `sent_at`; never before what was sent before it.
    fn after(&mut self, sent_at: Due, jitter: Duration) -> Due {
        let due = sent_at.map(|at| at + self.latency + jitter);
        self.arrives_at = self.delayed(due.max(self.arrives_at));
        self.arrives_at
    }
}

/// Delays that differ from write to write, the same for the same seed.
#[derive(Clone, Debug, Default)]
pub(super) struct Jitter {
    most: Duration,
    /// One delay in so many is `most`, all others are up to a quarter of it; zero is none.
    spikes: u32,
    random: Option<XorShiftRng>,
}

impl Jitter {
    pub(super) fn new(most: Duration, spikes: u32, seed: u64) -> Self {
        Self {
            most,
            spikes,
            random: (!most.is_zero()).then(|| XorShiftRng::seed_from_u64(seed)),
        }
    }

    /// The next delay, in whole milliseconds.
    fn next(&mut self) -> Duration {
        let most = self.most.as_millis() as u64;
        let Some(random) = &mut self.random else {
            return Duration::ZERO;
        };
        let millis = match self.spikes {
            0 => random.random_range(0..=most),
            spikes if random.random_ratio(1, spikes) => most,
            _ => random.random_range(0..=most / 4),
        };
        Duration::from_millis(millis)
    }
}
