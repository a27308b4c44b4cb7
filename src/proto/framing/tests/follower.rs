//! Drives a tracker as `Lifecycle` does, and keeps account of what it said.

use crate::proto::framing::head::MAX_LINE;
use crate::proto::framing::{OpaqueReason, Progress, Tracker};

/// What is known of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Outcome {
    /// No exchange is open: every one that began has ended, if any did.
    Idle,
    Open,
    /// Open, and only the peer's closing ends it.
    UntilEof,
    Opaque(OpaqueReason),
}

/// A tracker, and what it said so far.
#[derive(Debug)]
pub(super) struct Follower {
    tracker: Tracker,
    begun: usize,
    ended: usize,
    opaque: Option<OpaqueReason>,
}

impl Follower {
    pub(super) fn new() -> Self {
        Self {
            tracker: Tracker::new(),
            begun: 0,
            ended: 0,
            opaque: None,
        }
    }

    pub(super) fn on_written(&mut self, bytes: &[u8]) -> Progress {
        if self.opaque.is_some() {
            return Progress::default();
        }
        let progress = self.tracker.on_written(bytes);
        self.account(progress)
    }

    pub(super) fn on_read(&mut self, bytes: &[u8]) -> Progress {
        if self.opaque.is_some() {
            return Progress::default();
        }
        let progress = self.tracker.on_read(bytes);
        self.account(progress)
    }

    fn account(&mut self, progress: Result<Progress, OpaqueReason>) -> Progress {
        assert!(
            self.tracker.kept() <= 2 * (2 * MAX_LINE),
            "of each of the two heads no more than a line may be kept (a Vec may double)"
        );
        match progress {
            Ok(progress) => {
                // In one piece an end comes before a beginning, so it is of what had begun before.
                assert!(!progress.ended || self.ended < self.begun);
                self.ended += usize::from(progress.ended);
                self.begun += usize::from(progress.begun);
                assert!(self.begun - self.ended <= 1, "exchanges do not overlap");
                progress
            }
            Err(reason) => {
                self.opaque = Some(reason);
                Progress::default()
            }
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        match self.opaque {
            Some(reason) => Outcome::Opaque(reason),
            None if self.begun == self.ended => Outcome::Idle,
            None if self.tracker.is_until_eof() => Outcome::UntilEof,
            None => Outcome::Open,
        }
    }

    /// How many exchanges have ended.
    pub(super) fn ended(&self) -> usize {
        self.ended
    }

    pub(super) fn status(&self) -> u16 {
        self.tracker.status()
    }
}
