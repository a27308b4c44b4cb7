//! The parser and the tracker by themselves: what the library does with bytes, without a client, a
//! lock, or a clock.

use std::time::{Duration, Instant, SystemTime};

use http::HeaderMap;

use crate::policy::KeepAlivePolicy;
use crate::proto::deadline::Verdict;
use crate::proto::exchange::Exchange;
use crate::proto::framing::Tracker;
use crate::proto::{Epoch, Moment, Now, keep_alive};

/// Finds where messages end.
#[derive(Debug)]
pub struct Follower(Tracker);

impl Default for Follower {
    fn default() -> Self {
        Self(Tracker::new())
    }
}

impl Follower {
    /// Takes bytes of a request; says whether they are understood.
    pub fn on_written(&mut self, bytes: &[u8]) -> bool {
        self.0.on_written(bytes).is_ok()
    }

    /// Takes bytes of a response; says whether they end it, `None` if they are not understood.
    pub fn on_read(&mut self, bytes: &[u8]) -> Option<bool> {
        self.0.on_read(bytes).ok().map(|progress| progress.ended)
    }
}

/// The life of one connection, as the transport wrapper tells it.
#[derive(Debug)]
pub struct Life {
    exchange: Exchange,
    policy: KeepAlivePolicy,
    epoch: Epoch,
    now: Moment,
}

impl Default for Life {
    fn default() -> Self {
        let epoch = Epoch::new(Instant::now(), SystemTime::UNIX_EPOCH);
        let now = epoch.moment(&Now {
            monotonic: Instant::now(),
            wall: SystemTime::now(),
        });
        Self {
            exchange: Exchange::new(Duration::from_millis(1), now),
            policy: KeepAlivePolicy::default(),
            epoch,
            now,
        }
    }
}

impl Life {
    /// One exchange: asked, written, read, and asked once more. Says whether it may be followed by
    /// another.
    pub fn exchange(&mut self, request: &[u8], response: &[u8]) -> bool {
        let Self {
            exchange,
            policy,
            epoch,
            now,
        } = self;
        let window = policy.response_window;
        let before = exchange.verdict(policy, now);
        exchange.on_sending(epoch, *now);
        let happened = exchange.on_written(request);
        if happened.needs_time() {
            exchange.at(happened, window, *now);
        }
        let happened = exchange.on_read(response, window);
        if happened.needs_time() {
            exchange.at(happened, window, *now);
        }
        let after = exchange.verdict(policy, now);
        let may = |verdict| matches!(verdict, Some(Verdict::Reuse { .. }));
        may(before) && may(after)
    }
}

/// Reads the `Keep-Alive` fields of a message; says whether they hold a hint.
pub fn has_hint(headers: &HeaderMap) -> bool {
    keep_alive::parse(headers).is_some_and(|parsed| parsed.hint.is_some())
}
