//! The parser and the tracker by themselves: what the library does with bytes, without a client, a
//! lock, or a clock.

use std::time::Duration;

use http::HeaderMap;

use crate::policy::KeepAlivePolicy;
use crate::proto::connection::{Known, Lifecycle};
use crate::proto::deadline::Verdict;
use crate::proto::framing::Tracker;
use crate::proto::hint;
use crate::proto::time::{Moment, Span};

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

/// The life of one connection, as the transport wrapper reports it.
#[derive(Debug)]
pub struct Life {
    lifecycle: Lifecycle,
    policy: KeepAlivePolicy,
    now: Moment,
}

impl Default for Life {
    fn default() -> Self {
        let now = Moment {
            monotonic: 0,
            wall: 0,
        };
        Self {
            lifecycle: Lifecycle::new(Span::new(Duration::from_millis(1)), now),
            policy: KeepAlivePolicy::default(),
            now,
        }
    }
}

impl Life {
    /// One exchange: asked, written, read, and asked once more. Says whether it may be followed by
    /// another.
    pub fn exchange(&mut self, request: &[u8], response: &[u8]) -> bool {
        let Self {
            lifecycle,
            policy,
            now,
        } = self;
        let before = lifecycle.on_idle_read(policy, *now);
        let known = Known {
            policy,
            quickest: None,
        };
        let _ = lifecycle.on_written([request], &known, *now);
        let _ = lifecycle.on_read(response, true, &known, *now);
        let after = lifecycle.on_idle_read(policy, *now);
        let may = |verdict| matches!(verdict, Some(Verdict::Reuse { .. }));
        may(before) && may(after)
    }
}

/// Reads the `Keep-Alive` fields of a message; says whether they hold a hint.
pub fn has_hint(headers: &HeaderMap) -> bool {
    hint::parse(headers).is_some_and(|parsed| parsed.hint.is_some())
}
