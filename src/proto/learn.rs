//! What closes and survivals say about a server's idle timeout.
//!
//! All times are idle times as this side sees them: from when the last response was completely read
//! to when the server's FIN came, or to when a request was written that failed. In that frame closes,
//! failures and survivals compare with each other, however far away the server is.
//!
//! 1. A *limit* is a close, or a request that failed after so much idle time. The server's timeout
//!    seems to be no longer.
//! 2. A *survival* is a connection that was reused, or still open, after so much idle time. If that
//!    time began after a limit was seen, and goes beyond it by a quarter, it refutes the limit: what
//!    closed early then was a deploy, a crash, an accident.
//! 3. A limit is *confirmed* by another one near it, or where it was a sentinel that was closed, which
//!    does nothing else but wait for that.
//! 4. A single close that stands against [`HISTORY`] survivals beyond it binds nobody before it is
//!    confirmed. A failed request always does.
//! 5. The *bound* is the least limit that binds.
//! 6. Everything is forgotten after some time, and only the last few of each are kept.

use std::time::Duration;

use super::{Moment, Span};
use crate::policy::{KeepAlivePolicy, Learn};

/// How many limits, and how many survivals, are kept of one origin.
const KEPT: usize = 8;

/// How many idle times have to have gone beyond a single close for it to count as an accident.
const HISTORY: usize = 2;

/// What timers and schedulers are off by, whatever the timeout.
pub(crate) const SLOP: Duration = Duration::from_millis(100);

/// What is seen of an idle connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Evidence {
    /// When it became idle.
    pub(crate) since: Moment,
    /// When this was seen.
    pub(crate) at: Moment,
    /// How long it had been idle.
    pub(crate) idle: Span,
    /// By how much the server may have counted more.
    pub(crate) slack: Span,
    /// Whether a sentinel saw it.
    pub(crate) watched: bool,
}

impl Evidence {
    /// The same, seen at another time.
    pub(crate) fn at(self, now: &Moment) -> Self {
        Self {
            at: *now,
            idle: Span::new(now.since(&self.since)),
            ..self
        }
    }
}

/// What a limit is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// The server closed an idle connection.
    Close,
    /// A request on a reused connection got no answer.
    Failure,
}

/// A timeout that the server seems not to exceed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limit {
    pub(crate) seen: Evidence,
    pub(crate) kind: Kind,
}

impl Limit {
    /// The idle time beyond which a survival speaks against it.
    pub(crate) fn refuted_beyond(&self) -> Duration {
        let idle = self.seen.idle.duration();
        idle.saturating_add(idle / 4)
            .saturating_add(self.seen.slack.duration())
            .saturating_add(SLOP)
    }

    /// The longest timeout that it may stand for.
    fn latest(&self) -> Duration {
        let idle = self.seen.idle.duration();
        idle.saturating_add(self.seen.slack.duration())
            .saturating_add(SLOP)
    }

    /// Whether both may be the same timeout.
    fn is_near(&self, other: &Self) -> bool {
        let (a, b) = (self.seen.idle.duration(), other.seen.idle.duration());
        let tolerance = (a.max(b) / 8)
            .saturating_add(self.seen.slack.duration())
            .saturating_add(other.seen.slack.duration())
            .saturating_add(SLOP);
        a.abs_diff(b) <= tolerance
    }
}

/// What follows for connections to the origin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Findings {
    /// The server's timeout seems not to be longer.
    pub(crate) bound: Option<Span>,
    /// By how much the limits differ that confirm the bound; `None` if it is not confirmed.
    pub(crate) spread: Option<Span>,
    /// The longest idle time that a sentinel was left open for.
    pub(crate) survived: Option<Span>,
    /// The least idle time after which a request failed, unless one was answered later after a longer.
    pub(crate) failed: Option<Span>,
}

/// What is known of one origin's idle timeout: a bounded number of facts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learned {
    limits: [Option<Limit>; KEPT],
    survivals: [Option<Evidence>; KEPT],
    /// See [`Findings::failed`]. Between the two there may be something that forgets connections without
    /// a word: one that is only listened to never hears of it.
    failed: Option<Evidence>,
}

impl Learned {
    /// A connection ended, or a request failed, after so much idle time. Returns whether that is to
    /// be taken for the server's timeout from here on.
    pub(crate) fn on_limit(&mut self, limit: Limit, age: Duration) -> bool {
        let now = limit.seen.at;
        self.forget(&now, age);
        match limit.kind {
            // It was open until then.
            Kind::Close => self.on_survival(limit.seen, age),
            Kind::Failure => self.on_failure(limit.seen),
        }
        if self.pairs(&limit) {
            // The server has changed: what it did before is no argument any more.
            let changed = limit.refuted_beyond();
            let before = |survival: &Evidence| survival.idle.duration() > changed;
            self.survivals
                .iter_mut()
                .for_each(|place| *place = place.filter(|survival| !before(survival)));
        }
        let place = oldest(&mut self.limits, |limit| limit.seen.at);
        *place = Some(limit);
        self.binds(&limit)
    }

    fn on_failure(&mut self, seen: Evidence) {
        if self.failed.is_none_or(|failed| seen.idle <= failed.idle) {
            self.failed = Some(seen);
        }
    }

    /// A connection was used again, or is still open, after so much idle time.
    pub(crate) fn on_survival(&mut self, survival: Evidence, age: Duration) {
        self.forget(&survival.at, age);
        // Both clocks, as in `Moment::since`: began before is not later.
        let is_later = |seen: &Evidence| seen.at.monotonic <= survival.since.monotonic;
        let refutes = |limit: &Limit| {
            is_later(&limit.seen) && survival.idle.duration() > limit.refuted_beyond()
        };
        let was_answered = |failed: &Evidence| {
            !survival.watched && is_later(failed) && survival.idle > failed.idle
        };
        self.failed = self.failed.filter(|failed| !was_answered(failed));
        self.limits
            .iter_mut()
            .for_each(|place| *place = place.filter(|limit| !refutes(limit)));
        let same = self
            .survivals
            .iter_mut()
            .flatten()
            .find(|known| known.watched && survival.watched && known.since == survival.since);
        if let Some(same) = same {
            *same = survival;
            return;
        }
        let place = least(&mut self.survivals);
        if place.is_none_or(|known| known.idle <= survival.idle) {
            *place = Some(survival);
        }
    }

    /// All this was seen before, in another life.
    pub(crate) fn remember(
        &mut self,
        limits: impl Iterator<Item = Limit>,
        survivals: impl Iterator<Item = Evidence>,
    ) {
        for limit in limits {
            if limit.kind == Kind::Failure {
                self.on_failure(limit.seen);
            }
            *oldest(&mut self.limits, |limit| limit.seen.at) = Some(limit);
        }
        for survival in survivals {
            *least(&mut self.survivals) = Some(survival);
        }
    }

    /// A survival teaches something if its idle time is longer.
    pub(crate) fn worth_more_than(&self) -> Span {
        let kept = match self.survivals.iter().min_by_key(|place| rank(place)) {
            Some(Some(least)) => least.idle.duration(),
            _ => Duration::ZERO,
        };
        let refuted = self.limits.iter().flatten().map(Limit::refuted_beyond);
        Span::new(refuted.fold(kept, Duration::min))
    }

    /// What is older than that counts no more.
    pub(crate) fn forget(&mut self, now: &Moment, age: Duration) {
        let is_recent = |at: &Moment| now.since(at) < age;
        for place in &mut self.limits {
            *place = place.filter(|limit| is_recent(&limit.seen.at));
        }
        for place in self.survivals.iter_mut().chain([&mut self.failed]) {
            *place = place.filter(|seen| is_recent(&seen.at));
        }
    }

    /// What follows from all this.
    pub(crate) fn findings(&self) -> Findings {
        let bound = self.bound();
        Findings {
            bound: bound.map(|limit| limit.seen.idle),
            spread: bound
                .filter(|bound| self.is_confirmed(bound))
                .map(|bound| self.spread(&bound)),
            survived: self
                .survivals
                .iter()
                .flatten()
                .filter(|survival| survival.watched)
                .map(|survival| survival.idle)
                .max(),
            failed: self.failed.map(|failed| failed.idle),
        }
    }

    /// Whether a connection that is not used any more would teach something if it were left open;
    /// `hinted`: whether the server names its timeout.
    pub(crate) fn wants_sentinel(&self, policy: &KeepAlivePolicy, hinted: bool) -> bool {
        match policy.learn {
            Learn::Off => false,
            Learn::Full if !hinted => true,
            // What binds keeps connections from surviving it: nothing else could ever refute it. Two
            // accidents that look alike are confirmed, and still accidents.
            Learn::Full | Learn::Shorten => self.bound().is_some(),
        }
    }

    /// The limits that are kept, and whether each counts.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (&Limit, bool)> {
        let limits = self.limits.iter().flatten();
        limits.map(|limit| (limit, self.binds(limit)))
    }

    pub(crate) fn survivals(&self) -> impl Iterator<Item = &Evidence> {
        self.survivals.iter().flatten()
    }

    /// Whether the server is seen to close sooner than it says.
    pub(crate) fn contradicts(&self, hint: Duration) -> bool {
        self.bound().is_some_and(|limit| limit.latest() < hint)
    }

    /// The least limit that binds.
    pub(crate) fn bound(&self) -> Option<Limit> {
        self.limits()
            .filter(|(limit, binds)| *binds && !self.is_outdone(limit))
            .map(|(limit, _)| *limit)
            .min_by_key(|limit| limit.seen.idle)
    }

    /// Whether another close says the same more precisely: where the server may have counted more, by how
    /// much is what the other tells.
    fn is_outdone(&self, limit: &Limit) -> bool {
        let latest = limit.latest();
        let others = self.limits.iter().flatten();
        limit.kind == Kind::Close
            && others
                .filter(|other| other.kind == Kind::Close && other.seen.slack < limit.seen.slack)
                .map(|other| other.seen.idle)
                .any(|idle| limit.seen.idle <= idle && idle.duration() <= latest)
    }

    fn binds(&self, limit: &Limit) -> bool {
        limit.kind == Kind::Failure || self.pairs(limit) || !self.stands_alone(limit)
    }

    pub(crate) fn is_confirmed(&self, limit: &Limit) -> bool {
        self.pairs(limit)
            || limit.kind == Kind::Close && limit.seen.watched && !self.stands_alone(limit)
    }

    /// Whether another limit says the same.
    fn pairs(&self, limit: &Limit) -> bool {
        let others = self.limits.iter().flatten();
        others
            .filter(|other| *other != limit)
            .any(|other| other.is_near(limit))
    }

    /// Whether what survived speaks against it.
    fn stands_alone(&self, limit: &Limit) -> bool {
        let beyond = limit.refuted_beyond();
        let survivals = self.survivals.iter().flatten();
        survivals
            .filter(|survival| survival.idle.duration() > beyond)
            .count()
            >= HISTORY
    }

    fn spread(&self, bound: &Limit) -> Span {
        let near = self.limits.iter().flatten();
        let most = near
            .filter(|limit| limit.is_near(bound) && !self.is_outdone(limit))
            .map(|limit| {
                let (idle, slack) = (limit.seen.idle.duration(), limit.seen.slack.duration());
                idle.saturating_add(slack)
            })
            .fold(bound.seen.idle.duration(), Duration::max);
        Span::new(most.saturating_sub(bound.seen.idle.duration()))
    }
}

/// A free place, or the one of what was seen first.
fn oldest<T: Copy>(places: &mut [Option<T>; KEPT], at: impl Fn(&T) -> Moment) -> &mut Option<T> {
    let key = |place: &Option<T>| place.as_ref().map(|kept| at(kept).monotonic);
    let [first, rest @ ..] = places;
    rest.iter_mut().fold(
        first,
        |best, place| if key(place) < key(best) { place } else { best },
    )
}

/// A free place, or that of the shortest survival.
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

/// What sentinels saw is worth more than anything else.
fn rank(place: &Option<Evidence>) -> Option<(bool, Span)> {
    place.map(|survival| (survival.watched, survival.idle))
}

#[cfg(test)]
mod tests;
