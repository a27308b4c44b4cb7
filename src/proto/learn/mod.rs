//! What is known of a server: how long it keeps an idle connection, and how many requests it takes.
//!
//! Idle times are those of this side: from when the last response was completely read to when a request was
//! begun, or the connection was found open or closed. So they compare with each other, however far away the
//! server is.
//!
//! 1. A *close* is found at some time after it happened. It shows that the server's timeout is no longer than the
//!    idle time at which it was found, and longer than the one at which the connection was last seen open.
//! 2. One close is an accident. Two that agree are an idle timer, unless a connection was seen open for longer since
//!    the first, or another was closed sooner. Where requests had been answered after such an idle time, one more is
//!    needed. Closes in one instant have one cause; after different idle times, that is a restart.
//! 3. A *failure* is a request without an answer on a reused connection. Only an answer after an idle time at
//!    least as long refutes it: that a connection is open proves nothing to a request.
//! 4. One failure binds at once, unless a close after a much shorter idle time is known: a timer that ends connections
//!    then is not what ended this one. After two without an answer as above in between, no idle time is trusted but
//!    those that were answered since the first. Requests that are under way together fail for one reason. Where
//!    requests had been answered after such an idle time, a failure may have its reason in its request: then one more
//!    is needed for either.
//! 5. Where an answer refuted a close, or closes scatter, the server ends connections for other reasons, too, such as a
//!    limit of connections. Then four closes are needed that hardly differ, and one more failure as well.
//! 6. A request that its caller gave up limits by how much policy is exceeded, as a failure does.
//! 7. A connection that ends right behind an answer was ended by no idle timer. Two in a row that end behind
//!    the same request show a limit of requests, unless they were under way together. Such a limit explains no
//!    missing answer to a request within it.
//! 8. Everything is forgotten after some time, and only the last few facts of each kind are kept.

mod facts;
mod requests;
#[cfg(feature = "cli")]
mod watch;

use self::facts::TICK;
pub(crate) use self::facts::{Close, Evidence, Failure, Observation, SLOP};
use self::requests::RequestLimit;
#[cfg(feature = "cli")]
pub(crate) use self::watch::Watched;
use super::time::{Moment, Span};

/// How many facts of each kind are kept of one origin.
pub(crate) const KEPT: usize = 8;

/// How many of them after the same idle time show a timer where connections end for other reasons, too.
const SEVERAL: usize = 4;

/// What follows for connections to the origin.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Findings {
    /// The server's timeout seems not to be longer.
    pub(crate) bound: Option<Span>,
    /// The server keeps idle connections for so long, as two closes show that agree and are known well enough.
    pub(crate) kept: Option<Span>,
    /// How many requests the server takes on a connection.
    pub(crate) requests: Option<u32>,
}

/// How what is known of a server's timeout changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// It seems not to be longer than this.
    Learned(Span),
    /// It seemed not to be longer than this; that was contradicted, or is too old.
    Forgotten(Span),
}

impl Findings {
    /// How they differ from those before.
    pub(crate) fn change(&self, before: &Self) -> Option<Change> {
        match (before.bound, self.bound) {
            (before, Some(now)) if before != Some(now) => Some(Change::Learned(now)),
            (Some(before), None) => Some(Change::Forgotten(before)),
            _ => None,
        }
    }
}

/// What was observed of one origin: a bounded number of facts.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    /// The longest idle times after which a request was answered.
    answers: [Option<Evidence>; KEPT],
    /// The latest.
    closes: [Option<Close>; KEPT],
    /// The latest.
    failures: [Option<Failure>; KEPT],
    /// The shortest idle time after which a caller gave a request up, if none was answered after a longer.
    given_up: Option<Evidence>,
    /// When an answer refuted a close last: the server ends connections for other reasons, too.
    refuted_at: Option<Moment>,
    limit: RequestLimit,
}

impl History {
    /// Adds an observation, and removes what is older than `age`. Returns since when connections have been idle, at
    /// least, that are not to be used any more.
    pub(crate) fn on_observation(&mut self, observation: Observation, age: Span) -> Option<Moment> {
        self.forget(observation.at(), age);
        match observation {
            Observation::Answer { evidence, request } => {
                self.limit.on_served(request);
                self.on_answer(evidence, age);
                None
            }
            Observation::Open(evidence) => {
                self.refute_closes(&evidence);
                None
            }
            Observation::Close { evidence, open } => self
                .on_close(Close {
                    evidence,
                    open,
                    is_restart: false,
                    is_doubted: self.was_answered(&evidence),
                })
                .then_some(evidence.since),
            Observation::Failure(failure) => {
                self.on_failure(failure).then_some(failure.evidence.since)
            }
            Observation::GivenUp(evidence) => {
                self.on_given_up(evidence);
                None
            }
            Observation::Limit { evidence, requests } => {
                self.limit.on_end(requests, &evidence);
                None
            }
        }
    }

    fn on_answer(&mut self, answer: Evidence, age: Span) {
        if self.refute_closes(&answer) {
            self.refuted_at = Some(answer.at);
        }
        for place in &mut self.failures {
            *place = place.and_then(|failure| {
                (answer.idle < failure.evidence.idle).then_some(Failure {
                    answered: failure.answered.max(answer.idle),
                    ..failure
                })
            });
        }
        self.given_up = self
            .given_up
            .filter(|given_up| answer.idle <= given_up.idle);
        let shortest = first(&mut self.answers, |answer| answer.idle);
        if shortest.is_none_or(|known| known.idle <= answer.idle) {
            *shortest = Some(answer);
            return;
        }
        // Once the longest are forgotten, a recent one is to be known.
        let oldest = first(&mut self.answers, |answer| answer.at.monotonic);
        if oldest.is_some_and(|known| answer.at.since(&known.at) > age.part(2)) {
            *oldest = Some(answer);
        }
    }

    /// A connection was open after some idle time. Returns whether that refutes a close other than a restart.
    fn refute_closes(&mut self, open: &Evidence) -> bool {
        let is_refuted = |close: &mut Close| open.idle > close.evidence.max_timeout();
        let refuted = self
            .closes
            .iter_mut()
            .filter_map(|place| place.take_if(is_refuted));
        refuted.filter(|close| !close.is_restart).count() > 0
    }

    fn on_close(&mut self, close: Close) -> bool {
        let mut simultaneous = self
            .closes
            .iter_mut()
            .flatten()
            .filter(|other| other.evidence.is_simultaneous(&close.evidence));
        if let Some(other) = simultaneous.next() {
            // One cause, which counts once.
            other.is_restart |= !other.evidence.is_near(&close.evidence);
        } else {
            *first(&mut self.closes, |close| close.evidence.at.monotonic) = Some(close);
        }
        !close.is_doubted
            || self
                .bound()
                .is_some_and(|bound| bound <= close.evidence.idle)
    }

    fn on_failure(&mut self, failure: Failure) -> bool {
        let failure = Failure {
            is_doubted: self.was_answered(&failure.evidence),
            ..failure
        };
        let failures = self.failures.iter_mut().flatten();
        let latest = failures.max_by_key(|failure| failure.evidence.at.monotonic);
        match latest {
            // It was under way when that one was found: one cause, which counts once.
            Some(latest) if failure.sent.monotonic <= latest.evidence.at.monotonic => {
                let rank = |failure: &Failure| (failure.is_doubted, failure.evidence.idle);
                if rank(&failure) < rank(latest) {
                    latest.evidence.idle = failure.evidence.idle;
                    latest.is_doubted = failure.is_doubted;
                }
            }
            _ => {
                *first(&mut self.failures, |failure| failure.evidence.at.monotonic) = Some(failure)
            }
        }
        self.bound()
            .is_some_and(|bound| bound <= failure.evidence.idle)
    }

    /// Whether requests were answered after such an idle time.
    fn was_answered(&self, evidence: &Evidence) -> bool {
        let mut answers = self.answers.iter().flatten();
        answers.any(|answer| answer.idle.saturating_add(TICK) >= evidence.idle)
    }

    fn on_given_up(&mut self, evidence: Evidence) {
        let is_shorter = |known: Evidence| evidence.idle <= known.idle;
        if !self.was_answered(&evidence) && self.given_up.is_none_or(is_shorter) {
            self.given_up = Some(evidence);
        }
    }

    /// An answer after a longer idle time than this may change something.
    pub(crate) fn worth_more_than(&self) -> Span {
        let shortest = self
            .answers
            .iter()
            .map(|place| place.map(|answer| answer.idle))
            .min();
        let kept = shortest.flatten().unwrap_or(Span::ZERO);
        let failures = self
            .failures
            .iter()
            .flatten()
            .map(|failure| failure.answered);
        let closes = self
            .closes
            .iter()
            .flatten()
            .map(|close| close.evidence.max_timeout());
        let given_up = self.given_up.iter().map(|given_up| given_up.idle);
        failures.chain(closes).chain(given_up).fold(kept, Span::min)
    }

    /// An answer to a request with a higher number on its connection may change something.
    pub(crate) fn worth_beyond(&self) -> u32 {
        self.limit.worth_more_than()
    }

    /// Removes what is older than `age`.
    pub(crate) fn forget(&mut self, now: &Moment, age: Span) {
        let is_recent = |evidence: &Evidence| now.since(&evidence.at) < age;
        for place in self.answers.iter_mut().chain([&mut self.given_up]) {
            *place = place.filter(is_recent);
        }
        for place in &mut self.closes {
            *place = place.filter(|close| is_recent(&close.evidence));
        }
        for place in &mut self.failures {
            *place = place.filter(|failure| is_recent(&failure.evidence));
        }
        self.refuted_at = self.refuted_at.filter(|at| now.since(at) < age);
        self.limit.forget(now, age);
    }

    /// What follows from the history.
    pub(crate) fn findings(&self) -> Findings {
        Findings {
            bound: self.bound(),
            kept: self.kept(),
            requests: self.limit.known(),
        }
    }

    /// Whether the server was observed to close sooner than its hint says.
    pub(crate) fn contradicts(&self, hint: Span) -> bool {
        self.bound()
            .is_some_and(|bound| bound.saturating_add(SLOP) < hint)
    }

    /// The closes that are kept, but for restarts.
    pub(crate) fn closes(&self) -> impl Iterator<Item = &Close> + Clone {
        let closes = self.closes.iter().flatten();
        closes.filter(|close| !close.is_restart)
    }

    /// The failures that are kept, and whether each counts.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Failure, bool)> {
        let failures = self.failures.iter().flatten();
        failures.map(|failure| (failure, self.bound_by_failures(failure).is_some()))
    }

    pub(crate) fn answers(&self) -> impl Iterator<Item = &Evidence> {
        self.answers.iter().flatten()
    }

    pub(crate) fn given_up(&self) -> Option<&Evidence> {
        self.given_up.as_ref()
    }

    /// The least upper bound that counts.
    fn bound(&self) -> Option<Span> {
        let failures = self.failures.iter().flatten();
        let by_failures = failures.filter_map(|failure| self.bound_by_failures(failure));
        by_failures.chain(self.bound_by_closes()).min()
    }

    /// What the failures show that came after at least as long an idle time as this one, and since the last answer
    /// after such an idle time. One more is needed where there had been such answers before.
    fn bound_by_failures(&self, failure: &Failure) -> Option<Span> {
        let idle = failure.evidence.idle;
        let failures = self.failures.iter().flatten();
        let since = || {
            failures
                .clone()
                .filter(|other| other.evidence.idle >= idle && other.answered < idle)
        };
        let is_doubted = since().any(|failure| failure.is_doubted) || self.ends_otherwise();
        let needed = if is_doubted { 2 } else { 1 };
        let count = since().count();
        if count > needed {
            let first = since().min_by_key(|failure| failure.evidence.at.monotonic)?;
            return Some(first.answered.max(SLOP));
        }
        // A timer that ends connections so much sooner did not end this one.
        let mut closes = self.closes();
        let has_shorter = closes.any(|close| close.evidence.max_timeout() < idle);
        (count == needed && !(count == 1 && has_shorter)).then_some(idle)
    }

    /// Whether the server ends idle connections for other reasons than a timer: a close was refuted, or two that do
    /// not agree came after idle times after which requests had been answered. A timer that was changed does not
    /// scatter, and what is found late is found late.
    fn ends_otherwise(&self) -> bool {
        let mut doubted = self.closes().filter(|close| close.is_doubted);
        let first = doubted.next();
        self.refuted_at.is_some()
            || first.is_some_and(|first| {
                doubted.any(|other| other.evidence.is_far_from(&first.evidence))
            })
    }

    /// The shortest idle time that ended in a close, if another close or failure agrees with it, or two where requests
    /// had been answered after such an idle time. Evictions scatter: sooner or later one comes first. Where some closes
    /// had other reasons, too, the least idle time after which several ended.
    pub(crate) fn bound_by_closes(&self) -> Option<Span> {
        if self.ends_otherwise() {
            let idle = self.closes().map(|close| close.evidence.idle);
            let several = idle.clone().filter(|one| {
                let same = idle.clone().filter(|other| one.abs_diff(*other) <= TICK);
                same.count() >= SEVERAL
            });
            return several.min();
        }
        let shortest = self.closes().min_by_key(|close| close.evidence.idle)?;
        let closes = self.closes().map(|close| close.evidence);
        let failures = self.failures.iter().flatten();
        let agreeing = closes
            .chain(failures.map(|failure| failure.evidence))
            .filter(|other| shortest.evidence.agrees_with(other));
        let least = agreeing.clone().map(|other| other.idle).min()?;
        let needed = if shortest.is_doubted { 2 } else { 1 };
        (agreeing.count() >= needed).then(|| least.min(shortest.evidence.idle))
    }

    /// See [`Findings::kept`].
    fn kept(&self) -> Option<Span> {
        let tight = self.closes().filter(|close| close.is_tight());
        let pairs = tight.clone().flat_map(|one| {
            let others = tight
                .clone()
                .filter(|other| one.evidence.agrees_with(&other.evidence));
            others.map(|other| other.open.min(one.open))
        });
        let given_up = self.given_up.map(|given_up| given_up.idle);
        let kept = pairs.max()?;
        Some(given_up.map_or(kept, |given_up| kept.min(given_up)))
    }
}

/// A free place, or the place of the fact that comes first.
fn first<T: Copy, K: Ord>(places: &mut [Option<T>; KEPT], key: impl Fn(&T) -> K) -> &mut Option<T> {
    let key = |place: &Option<T>| place.as_ref().map(&key);
    let [first, rest @ ..] = places;
    rest.iter_mut().fold(
        first,
        |best, place| if key(place) < key(best) { place } else { best },
    )
}

#[cfg(test)]
mod tests;
