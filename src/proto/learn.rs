//! What closes and survivals say about a server's idle timeout.
//!
//! All times are idle times as this side sees them: from when the last response was completely read
//! to when the server's FIN arrived, or to when a request was written that failed. So closes,
//! failures and survivals compare with each other, however far away the server is.
//!
//! 1. An *upper bound* is a close, or a failed request, after some idle time. The server's timeout
//!    seems to be no longer than that.
//! 2. A *survival* is a connection that was reused, or was still open, after some idle time. If that
//!    idle time began after an upper bound was observed, and goes beyond it by a quarter, it refutes the
//!    bound: the close was an accident, such as a deploy or a crash.
//! 3. An upper bound is *confirmed* by another one near it, or if it is the close of a sentinel, which
//!    does nothing but wait for it.
//! 4. A single close against which [`HISTORY`] survivals beyond it speak does not bind before it is
//!    confirmed. A failed request always binds.
//! 5. *The bound* is the least upper bound that binds.
//! 6. Everything is forgotten after some time, and only the last few of each kind are kept.

use std::time::Duration;

use super::time::{Moment, Span};
use crate::policy::{KeepAlivePolicy, Learn};

/// How many upper bounds, and how many survivals, are kept of one origin.
const KEPT: usize = 8;

/// How many survivals beyond a single close make it an accident.
const HISTORY: usize = 2;

/// The error of timers and schedulers, whatever the timeout.
pub(crate) const SLOP: Span = Span::new(Duration::from_millis(100));

/// An observation of an idle connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Evidence {
    /// When it became idle.
    pub(crate) since: Moment,
    /// When this was observed.
    pub(crate) at: Moment,
    /// How long it had been idle.
    pub(crate) idle: Span,
    /// How much longer the server may have counted it as idle.
    pub(crate) slack: Span,
    /// Whether the connection was a sentinel.
    pub(crate) by_sentinel: bool,
}

impl Evidence {
    /// The observation of the same connection at another time.
    pub(crate) fn at(self, now: &Moment) -> Self {
        Self {
            at: *now,
            idle: now.since(&self.since),
            ..self
        }
    }
}

/// What an upper bound follows from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The server closed an idle connection.
    Close,
    /// A request on a reused connection got no answer.
    Failure,
}

/// An upper bound of the server's idle timeout.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct UpperBound {
    pub(crate) evidence: Evidence,
    pub(crate) kind: Kind,
}

impl UpperBound {
    /// The idle time beyond which a survival speaks against it.
    pub(crate) fn refuted_beyond(&self) -> Span {
        let idle = self.evidence.idle;
        idle.saturating_add(idle.part(4))
            .saturating_add(self.evidence.slack)
            .saturating_add(SLOP)
    }

    /// The longest timeout that is consistent with it.
    fn max_timeout(&self) -> Span {
        let idle = self.evidence.idle;
        idle.saturating_add(self.evidence.slack)
            .saturating_add(SLOP)
    }

    /// Whether both are consistent with one timeout.
    fn is_near(&self, other: &Self) -> bool {
        let (a, b) = (self.evidence.idle, other.evidence.idle);
        let tolerance = a
            .max(b)
            .part(8)
            .saturating_add(self.evidence.slack)
            .saturating_add(other.evidence.slack)
            .saturating_add(SLOP);
        a.abs_diff(b) <= tolerance
    }
}

/// What follows for connections to the origin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Findings {
    /// The server's timeout seems not to be longer.
    pub(crate) bound: Option<Span>,
    /// The spread of the upper bounds that confirm the bound; `None` if it is not confirmed.
    pub(crate) spread: Option<Span>,
    /// The longest idle time that a sentinel was left open for.
    pub(crate) survived: Option<Span>,
    /// The least idle time after which a request failed, unless one was answered later after a longer.
    pub(crate) failed: Option<Span>,
}

/// What was observed of one origin's idle timeout: a bounded number of facts.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    bounds: [Option<UpperBound>; KEPT],
    survivals: [Option<Evidence>; KEPT],
    /// See [`Findings::failed`]. Something on the way may forget connections without a packet, which a
    /// connection that only listens never notices.
    failed: Option<Evidence>,
}

impl History {
    /// Adds an upper bound. Returns whether it binds from now on.
    pub(crate) fn on_bound(&mut self, bound: UpperBound, age: Span) -> bool {
        let now = bound.evidence.at;
        self.forget(&now, age);
        match bound.kind {
            // It was open until then.
            Kind::Close => self.on_survival(bound.evidence, age),
            Kind::Failure => self.on_failure(bound.evidence),
        }
        if self.is_paired(&bound) {
            // The server has changed: longer survivals from before do not count any more.
            let changed = bound.refuted_beyond();
            let before = |survival: &Evidence| survival.idle > changed;
            self.survivals
                .iter_mut()
                .for_each(|place| *place = place.filter(|survival| !before(survival)));
        }
        let place = oldest(&mut self.bounds, |bound| bound.evidence.at);
        *place = Some(bound);
        self.binds(&bound)
    }

    fn on_failure(&mut self, failure: Evidence) {
        if self.failed.is_none_or(|failed| failure.idle <= failed.idle) {
            self.failed = Some(failure);
        }
    }

    /// Adds a connection that was used again, or was still open, after some idle time.
    pub(crate) fn on_survival(&mut self, survival: Evidence, age: Span) {
        self.forget(&survival.at, age);
        // Both clocks, as in `Moment::since`: began before is not later.
        let is_later = |other: &Evidence| other.at.monotonic <= survival.since.monotonic;
        let refutes = |bound: &UpperBound| {
            is_later(&bound.evidence) && survival.idle > bound.refuted_beyond()
        };
        let was_answered = |failed: &Evidence| {
            !survival.by_sentinel && is_later(failed) && survival.idle > failed.idle
        };
        self.failed = self.failed.filter(|failed| !was_answered(failed));
        self.bounds
            .iter_mut()
            .for_each(|place| *place = place.filter(|bound| !refutes(bound)));
        let same = self.survivals.iter_mut().flatten().find(|known| {
            known.by_sentinel && survival.by_sentinel && known.since == survival.since
        });
        if let Some(same) = same {
            *same = survival;
            return;
        }
        let place = least(&mut self.survivals);
        if place.is_none_or(|known| known.idle <= survival.idle) {
            *place = Some(survival);
        }
    }

    /// Adds what another process observed.
    pub(crate) fn remember(
        &mut self,
        bounds: impl Iterator<Item = UpperBound>,
        survivals: impl Iterator<Item = Evidence>,
    ) {
        for bound in bounds {
            if bound.kind == Kind::Failure {
                self.on_failure(bound.evidence);
            }
            *oldest(&mut self.bounds, |bound| bound.evidence.at) = Some(bound);
        }
        for survival in survivals {
            *least(&mut self.survivals) = Some(survival);
        }
    }

    /// A survival with a longer idle time than this may change something.
    pub(crate) fn worth_more_than(&self) -> Span {
        let kept = match self.survivals.iter().min_by_key(|place| rank(place)) {
            Some(Some(least)) => least.idle,
            _ => Span::ZERO,
        };
        let refuted = self.bounds.iter().flatten().map(UpperBound::refuted_beyond);
        refuted.fold(kept, Span::min)
    }

    /// Removes what is older than `age`.
    pub(crate) fn forget(&mut self, now: &Moment, age: Span) {
        let is_recent = |at: &Moment| now.since(at) < age;
        for place in &mut self.bounds {
            *place = place.filter(|bound| is_recent(&bound.evidence.at));
        }
        for place in self.survivals.iter_mut().chain([&mut self.failed]) {
            *place = place.filter(|evidence| is_recent(&evidence.at));
        }
    }

    /// What follows from the history.
    pub(crate) fn findings(&self) -> Findings {
        let bound = self.bound();
        Findings {
            bound: bound.map(|bound| bound.evidence.idle),
            spread: bound
                .filter(|bound| self.is_confirmed(bound))
                .map(|bound| self.spread(&bound)),
            survived: self
                .survivals
                .iter()
                .flatten()
                .filter(|survival| survival.by_sentinel)
                .map(|survival| survival.idle)
                .max(),
            failed: self.failed.map(|failed| failed.idle),
        }
    }

    /// Whether something may be learned from a sentinel; `hinted` is whether the server names its timeout.
    pub(crate) fn wants_sentinel(&self, policy: &KeepAlivePolicy, hinted: bool) -> bool {
        match policy.learn {
            Learn::Off => false,
            Learn::Full if !hinted => true,
            // Nothing but a sentinel survives a bound, and so could refute it. Two accidents that look
            // alike are confirmed, and still accidents.
            Learn::Full | Learn::Shorten => self.bound().is_some(),
        }
    }

    /// The upper bounds that are kept, and whether each binds.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = (&UpperBound, bool)> {
        let bounds = self.bounds.iter().flatten();
        bounds.map(|bound| (bound, self.binds(bound)))
    }

    pub(crate) fn survivals(&self) -> impl Iterator<Item = &Evidence> {
        self.survivals.iter().flatten()
    }

    /// Whether the server was observed to close sooner than its hint says.
    pub(crate) fn contradicts(&self, hint: Span) -> bool {
        self.bound().is_some_and(|bound| bound.max_timeout() < hint)
    }

    /// The least upper bound that binds.
    pub(crate) fn bound(&self) -> Option<UpperBound> {
        self.bounds()
            .filter(|(bound, binds)| *binds && !self.is_superseded(bound))
            .map(|(bound, _)| *bound)
            .min_by_key(|bound| bound.evidence.idle)
    }

    /// Whether a close with less slack is consistent with the same timeout, and so tells it more precisely.
    fn is_superseded(&self, bound: &UpperBound) -> bool {
        let max_timeout = bound.max_timeout();
        let others = self.bounds.iter().flatten();
        bound.kind == Kind::Close
            && others
                .filter(|other| {
                    other.kind == Kind::Close && other.evidence.slack < bound.evidence.slack
                })
                .map(|other| other.evidence.idle)
                .any(|idle| bound.evidence.idle <= idle && idle <= max_timeout)
    }

    fn binds(&self, bound: &UpperBound) -> bool {
        bound.kind == Kind::Failure || self.is_paired(bound) || !self.is_contradicted(bound)
    }

    pub(crate) fn is_confirmed(&self, bound: &UpperBound) -> bool {
        self.is_paired(bound)
            || bound.kind == Kind::Close
                && bound.evidence.by_sentinel
                && !self.is_contradicted(bound)
    }

    /// Whether another upper bound is near.
    fn is_paired(&self, bound: &UpperBound) -> bool {
        let others = self.bounds.iter().flatten();
        others
            .filter(|other| *other != bound)
            .any(|other| other.is_near(bound))
    }

    /// Whether survivals speak against it.
    fn is_contradicted(&self, bound: &UpperBound) -> bool {
        let beyond = bound.refuted_beyond();
        let survivals = self.survivals.iter().flatten();
        survivals.filter(|survival| survival.idle > beyond).count() >= HISTORY
    }

    fn spread(&self, bound: &UpperBound) -> Span {
        let near = self.bounds.iter().flatten();
        let most = near
            .filter(|other| other.is_near(bound) && !self.is_superseded(other))
            .map(|other| {
                let (idle, slack) = (other.evidence.idle, other.evidence.slack);
                idle.saturating_add(slack)
            })
            .fold(bound.evidence.idle, Span::max);
        most.saturating_sub(bound.evidence.idle)
    }
}

/// A free place, or the place of the oldest fact.
fn oldest<T: Copy>(places: &mut [Option<T>; KEPT], at: impl Fn(&T) -> Moment) -> &mut Option<T> {
    let key = |place: &Option<T>| place.as_ref().map(|kept| at(kept).monotonic);
    let [first, rest @ ..] = places;
    rest.iter_mut().fold(
        first,
        |best, place| if key(place) < key(best) { place } else { best },
    )
}

/// A free place, or the place of the shortest survival.
fn least(places: &mut [Option<Evidence>; KEPT]) -> &mut Option<Evidence> {
    let [first, rest @ ..] = places;
    rest.iter_mut().fold(first, |best, place| {
        if rank(place) < rank(best) {
            place
        } else {
            best
        }
    })
}

/// Survivals of sentinels outrank all others.
fn rank(place: &Option<Evidence>) -> Option<(bool, Span)> {
    place.map(|survival| (survival.by_sentinel, survival.idle))
}

#[cfg(test)]
mod tests;
