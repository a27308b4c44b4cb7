//! What a sentinel does: a connection that is not used any more, and is left open to learn.

use std::time::Duration;

use super::learn::{Evidence, Kind, Limit};
use super::{Moment, Reading};

/// How often it is looked at, at least: a process that stood still in between must not take what it
/// finds then for what just happened.
const LOOK: Duration = Duration::from_secs(1);

/// A look that is later than that tells nothing.
const LATE: Duration = Duration::from_millis(250);

/// A connection that is left open until its server closes it, or its time is over.
#[derive(Debug)]
pub(crate) struct Vigil {
    /// What is known of it: open, at least until it was seen last.
    seen: Evidence,
    /// How long it is left open, counted as its idle time is.
    until: Duration,
    /// When it is looked at next.
    due: Reading,
    /// What was told of it last.
    told: Duration,
}

impl Vigil {
    pub(crate) fn new(seen: Evidence, until: Duration) -> Self {
        let mut vigil = Self {
            seen: Evidence {
                watched: true,
                ..seen
            },
            until,
            due: seen.at.monotonic,
            told: seen.idle.duration(),
        };
        vigil.plan(&seen.at);
        vigil
    }

    /// When it is to be looked at, whatever comes.
    pub(crate) fn due(&self) -> Reading {
        self.due
    }

    /// The server closed it. `None` where it may have done so long before.
    pub(crate) fn on_close(&self, now: &Moment) -> Option<Limit> {
        let seen = self.on_time(now)?;
        Some(Limit {
            seen,
            kind: Kind::Close,
        })
    }

    /// It is still open.
    pub(crate) fn on_open(&mut self, now: &Moment) -> Look {
        let Some(seen) = self.on_time(now) else {
            return Look::Over(None);
        };
        let idle = seen.idle.duration();
        if idle >= self.until {
            return Look::Over(Some(seen));
        }
        self.plan(now);
        let is_news = idle.saturating_sub(self.told) >= self.told / 8;
        if is_news {
            self.told = idle;
        }
        Look::On(is_news.then_some(seen))
    }

    /// What is seen now, unless that comes too late.
    fn on_time(&self, now: &Moment) -> Option<Evidence> {
        let seen = self.seen.at(now);
        let last = self.due.checked_add(LATE)?;
        // Where the wall clock tells of more, the machine was suspended.
        let idle = seen.idle.duration();
        let by_one_clock = now.monotonic.since(self.seen.since.monotonic);
        let is_suspended = idle > Duration::from_nanos(by_one_clock).saturating_add(LATE);
        (now.monotonic <= last && !is_suspended).then_some(seen)
    }

    fn plan(&mut self, now: &Moment) {
        let idle = now.since(&self.seen.since);
        let left = self.until.saturating_sub(idle).min(LOOK);
        self.due = now.monotonic.checked_add(left).unwrap_or(now.monotonic);
    }
}

/// What comes of a look at a connection that is still open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    /// It goes on. With news, or none that matter.
    On(Option<Evidence>),
    /// It is to be closed.
    Over(Option<Evidence>),
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;

    /// Idle since zero, given up at 4 s.
    fn vigil(until: u64) -> Vigil {
        let seen = Evidence {
            since: Moment::at(0),
            at: Moment::at(4_000),
            idle: Span::new(Duration::from_secs(4)),
            slack: Span::ZERO,
            watched: false,
        };
        Vigil::new(seen, Duration::from_millis(until))
    }

    fn idle(seen: Option<Evidence>) -> Option<u128> {
        seen.map(|seen| seen.idle.duration().as_millis())
    }

    #[test]
    fn it_is_told_of_each_time_it_has_grown_by_an_eighth_and_at_its_end() {
        let mut vigil = vigil(6_200);
        let mut told = Vec::new();
        for millis in [5_000, 5_100, 6_000, 6_200] {
            match vigil.on_open(&Moment::at(millis)) {
                Look::On(news) => told.push((false, idle(news))),
                Look::Over(news) => told.push((true, idle(news))),
            }
        }
        assert_eq!(
            told,
            [
                (false, Some(5_000)),
                (false, None),
                (false, Some(6_000)),
                (true, Some(6_200))
            ]
        );
        assert_eq!(vigil.due(), Moment::at(6_200).monotonic);
    }

    #[test]
    fn a_close_tells_the_servers_timeout() {
        let close = vigil(60_000).on_close(&Moment::at(4_800)).unwrap();
        assert_eq!(idle(Some(close.seen)), Some(4_800));
        assert!(close.seen.watched);
    }

    #[test]
    fn what_is_found_late_tells_nothing() {
        assert!(vigil(60_000).on_close(&Moment::at(5_250)).is_some());
        assert!(vigil(60_000).on_close(&Moment::at(5_251)).is_none());
        let late = Moment::at(3_600_000);
        assert_eq!(vigil(60_000).on_open(&late), Look::Over(None));

        let slept = Moment::at(4_500).wall_forward(Duration::from_secs(3_600));
        assert!(vigil(60_000).on_close(&slept).is_none());
        assert_eq!(vigil(60_000).on_open(&slept), Look::Over(None));
    }
}
