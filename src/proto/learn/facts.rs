//! What was seen of one origin's connections.

use std::time::Duration;

use crate::proto::time::{Moment, Span};

/// The error of timers and schedulers, whatever the timeout. What ends within this time behind an answer was
/// not ended by an idle timer.
pub(crate) const SLOP: Span = Span::new(Duration::from_millis(100));

/// The jitter of a caller that makes a request every so often.
pub(super) const TICK: Span = Span::new(Duration::from_millis(20));

/// A connection had been idle for some time when something was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Evidence {
    /// When it became idle.
    pub(crate) since: Moment,
    /// When this was found.
    pub(crate) at: Moment,
    /// How long it had been idle: until it was found open or closed, or until a request was begun on it.
    pub(crate) idle: Span,
}

impl Evidence {
    /// Whether both were found in one instant.
    pub(super) fn is_simultaneous(&self, other: &Self) -> bool {
        let apart = self.at.monotonic.abs_diff(other.at.monotonic);
        apart <= SLOP.nanoseconds()
    }

    /// Whether both idle times are consistent with one idle timer.
    pub(super) fn is_near(&self, other: &Self) -> bool {
        let (shorter, longer) = if self.idle <= other.idle {
            (self, other)
        } else {
            (other, self)
        };
        longer.idle <= shorter.max_timeout()
    }

    /// The longest idle time that is consistent with a timer that ended a connection after this one. An open
    /// connection that has been idle for longer shows that there is no such timer.
    pub(super) fn max_timeout(&self) -> Span {
        self.idle
            .saturating_add(self.idle.part(16))
            .saturating_add(SLOP)
    }

    /// Whether the idle times differ by more than a quarter.
    pub(super) fn is_far_from(&self, other: &Self) -> bool {
        let (shorter, longer) = (self.idle.min(other.idle), self.idle.max(other.idle));
        longer > shorter.saturating_add(shorter.part(4)).saturating_add(SLOP)
    }

    /// Whether both show one idle timer. In one instant, several connections are ended by one cause.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        self.is_near(other) && !self.is_simultaneous(other)
    }
}

/// Something that was seen of a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Observation {
    /// A request was answered on a connection that had served others; which request, counted from one.
    Answer { evidence: Evidence, request: u32 },
    /// The server ended the idle connection, by closing it or by bytes that answer nothing. `open` is the idle time
    /// after which it was last seen open.
    Close { evidence: Evidence, open: Span },
    /// A request on a connection that had served others got no answer.
    Failure(Failure),
    /// The caller gave such a request up before it was answered.
    GivenUp(Evidence),
    /// The idle connection is still open.
    Open(Evidence),
    /// The server ended the connection right behind its answer to this request, counted from one.
    Limit { evidence: Evidence, requests: u32 },
}

impl Observation {
    /// When it was made.
    pub(super) fn at(&self) -> &Moment {
        match self {
            Self::Answer { evidence, .. }
            | Self::Close { evidence, .. }
            | Self::Failure(Failure { evidence, .. })
            | Self::GivenUp(evidence)
            | Self::Open(evidence)
            | Self::Limit { evidence, .. } => &evidence.at,
        }
    }
}

/// The server ended an idle connection, at some time after it was last seen open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Close {
    pub(crate) evidence: Evidence,
    /// The idle time after which it was last seen open.
    pub(crate) open: Span,
    /// Whether others ended in the same instant after another idle time: a restart, and no idle timer.
    pub(crate) is_restart: bool,
    /// Whether requests had been answered after such an idle time.
    pub(crate) is_doubted: bool,
}

impl Close {
    /// Whether it is known well enough when it happened to wait for as long the next time.
    pub(super) fn is_tight(&self) -> bool {
        let idle = self.evidence.idle;
        idle.saturating_sub(self.open) <= idle.part(8)
    }
}

/// A request on a connection that had served others got no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Failure {
    pub(crate) evidence: Evidence,
    /// When the request was sent.
    pub(crate) sent: Moment,
    /// The longest idle time after which a request was answered since.
    pub(crate) answered: Span,
    /// Whether others had been answered after such an idle time: the server may have hung up on this request.
    pub(crate) is_doubted: bool,
}
