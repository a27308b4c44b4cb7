//! When a sentinel is looked at, and what it tells: a connection that is not used any more, and left
//! open to learn how long its server waits.

use std::time::Duration;

use super::learn::{Evidence, History, Kind, UpperBound};
use super::time::{Moment, Span};
use crate::policy::KeepAlivePolicy;

/// How often it is looked at, at least, so that a process that stood still does not take what it
/// finds then for news.
const INTERVAL: Span = Span::new(Duration::from_secs(1));

/// A look that comes later than this after its time tells nothing.
const LATE: Span = Span::new(Duration::from_millis(250));

/// One sentinel: open until its server closes it, or its time is over.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// The connection when it was seen open first.
    first: Evidence,
    /// How long it is left open, counted as its idle time is.
    until: Span,
    /// When it is looked at next.
    due: Moment,
    /// The idle time that was reported last.
    reported: Span,
    /// Whether the server names its timeout.
    is_hinted: bool,
}

impl Schedule {
    /// A sentinel that is open as `evidence` says, and is left open `until` it was idle for so long.
    pub(crate) fn new(evidence: Evidence, until: Span, is_hinted: bool) -> Self {
        let mut schedule = Self {
            first: Evidence {
                by_sentinel: true,
                ..evidence
            },
            until,
            due: evidence.at,
            reported: evidence.idle,
            is_hinted,
        };
        schedule.plan(&evidence.at);
        schedule
    }

    /// When it is to be looked at, whatever happens.
    pub(crate) fn due(&self) -> &Moment {
        &self.due
    }

    /// Whether there is something to learn from it.
    pub(crate) fn is_worth_it(&self, policy: &KeepAlivePolicy, history: &History) -> bool {
        history.wants_sentinel(policy, self.is_hinted)
    }

    /// The server closed it. `None` where it may have done so long before.
    pub(crate) fn on_close(&self, now: &Moment) -> Option<UpperBound> {
        let evidence = self.evidence_in_time(now)?;
        Some(UpperBound {
            evidence,
            kind: Kind::Close,
        })
    }

    /// It is still open.
    pub(crate) fn on_open(&mut self, now: &Moment) -> Look {
        let Some(evidence) = self.evidence_in_time(now) else {
            return Look::Over(None);
        };
        let idle = evidence.idle;
        if idle >= self.until {
            return Look::Over(Some(evidence));
        }
        self.plan(now);
        let is_news = idle.saturating_sub(self.reported) >= self.reported.part(8);
        if is_news {
            self.reported = idle;
        }
        Look::Open(is_news.then_some(evidence))
    }

    /// What is observed now; `None` if the look comes too late.
    fn evidence_in_time(&self, now: &Moment) -> Option<Evidence> {
        let evidence = self.first.at(now);
        // Where the wall clock shows more time, the machine was suspended.
        let monotonic = now.monotonic_since(&self.first.since);
        let is_suspended = evidence.idle > monotonic.saturating_add(LATE);
        let is_late = now.monotonic_since(&self.due) > LATE;
        (!is_late && !is_suspended).then_some(evidence)
    }

    fn plan(&mut self, now: &Moment) {
        let idle = now.since(&self.first.since);
        let left = self.until.saturating_sub(idle).min(INTERVAL);
        self.due = now.saturating_add(left);
    }
}

/// What follows from a look at a connection that is still open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    /// It stays open. With news, if there are any.
    Open(Option<Evidence>),
    /// It is to be closed.
    Over(Option<Evidence>),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sentinel that is idle since zero, and was given up at 4 s.
    fn schedule(until: u64) -> Schedule {
        let evidence = Evidence {
            since: Moment::at(0),
            at: Moment::at(4_000),
            idle: Span::new(Duration::from_secs(4)),
            slack: Span::ZERO,
            by_sentinel: false,
        };
        Schedule::new(evidence, Span::new(Duration::from_millis(until)), false)
    }

    fn idle(evidence: Option<Evidence>) -> Option<u128> {
        evidence.map(|evidence| evidence.idle.duration().as_millis())
    }

    #[test]
    fn news_is_an_idle_time_an_eighth_longer_and_the_end() {
        let mut schedule = schedule(6_200);
        let mut reported = Vec::new();
        for millis in [5_000, 5_100, 6_000, 6_200] {
            match schedule.on_open(&Moment::at(millis)) {
                Look::Open(news) => reported.push((false, idle(news))),
                Look::Over(news) => reported.push((true, idle(news))),
            }
        }
        assert_eq!(
            reported,
            [
                (false, Some(5_000)),
                (false, None),
                (false, Some(6_000)),
                (true, Some(6_200))
            ]
        );
        assert_eq!(*schedule.due(), Moment::at(6_200));
    }

    #[test]
    fn a_close_tells_the_servers_timeout() {
        let close = schedule(60_000).on_close(&Moment::at(4_800)).unwrap();
        assert_eq!(idle(Some(close.evidence)), Some(4_800));
        assert!(close.evidence.by_sentinel);
    }

    #[test]
    fn what_is_found_late_tells_nothing() {
        assert!(schedule(60_000).on_close(&Moment::at(5_250)).is_some());
        assert!(schedule(60_000).on_close(&Moment::at(5_251)).is_none());
        let late = Moment::at(3_600_000);
        assert_eq!(schedule(60_000).on_open(&late), Look::Over(None));

        let slept = Moment::at(4_500).wall_forward(Duration::from_secs(3_600));
        assert!(schedule(60_000).on_close(&slept).is_none());
        assert_eq!(schedule(60_000).on_open(&slept), Look::Over(None));
    }
}
