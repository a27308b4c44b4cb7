//! When a sentinel is looked at, and what it shows: a connection that is not used any more, and left open to
//! learn how long its server waits.

use std::time::Duration;

use super::learn::{Evidence, Observation};
use super::time::{Moment, Span};

/// The longest and the shortest time between two looks. In between, a sixteenth of its idle time.
const LONGEST: Span = Span::new(Duration::from_secs(1));
const SHORTEST: Span = Span::new(Duration::from_millis(20));

/// A look that comes later than this after its time does not show that the server left the connection open: the
/// machine may have been suspended, and its network with it.
const LATE: Span = Span::new(Duration::from_millis(250));

/// One sentinel: open until its server closes it, or its time is over.
#[derive(Debug)]
pub(crate) struct Schedule {
    /// When the connection became idle.
    since: Moment,
    /// How long it is left open, counted as its idle time is.
    until: Span,
    /// When it is looked at next.
    due: Moment,
    /// The idle time after which it was last seen open.
    open: Span,
}

impl Schedule {
    /// A sentinel that is idle since `since`, and is left open `until` it was idle for so long. It is looked at at
    /// once.
    pub(crate) fn new(since: Moment, until: Span, now: &Moment) -> Self {
        Self {
            since,
            until,
            due: *now,
            open: Span::ZERO,
        }
    }

    /// When it is to be looked at, whatever happens.
    pub(crate) fn due(&self) -> &Moment {
        &self.due
    }

    /// The server closed it, between the last look and now.
    pub(crate) fn on_close(&self, now: &Moment) -> Observation {
        let evidence = self.evidence(now);
        Observation::Close {
            evidence,
            // A wall clock that was set back shows less now.
            open: self.open.min(evidence.idle),
        }
    }

    /// It is still open. Returns what that shows; `None` if it is to be closed.
    pub(crate) fn on_open(&mut self, now: &Moment) -> Option<Observation> {
        let evidence = self.evidence(now);
        // Where the wall clock shows more time, the machine was suspended.
        let monotonic = now.monotonic_since(&self.since);
        let is_suspended = evidence.idle > monotonic.saturating_add(LATE);
        let is_late = now.monotonic_since(&self.due) > LATE;
        if is_late || is_suspended || evidence.idle >= self.until {
            return None;
        }
        self.open = evidence.idle;
        let interval = evidence.idle.part(16).max(SHORTEST).min(LONGEST);
        let left = self.until.saturating_sub(evidence.idle);
        self.due = now.saturating_add(left.min(interval));
        Some(Observation::Open(evidence))
    }

    fn evidence(&self, now: &Moment) -> Evidence {
        Evidence {
            since: self.since,
            at: *now,
            idle: now.since(&self.since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sentinel that is idle since zero, and was given up at 4 s.
    fn schedule(until: u64) -> Schedule {
        let until = Span::new(Duration::from_millis(until));
        Schedule::new(Moment::at(0), until, &Moment::at(4_000))
    }

    /// Milliseconds.
    fn close(schedule: &Schedule, now: &Moment) -> (u128, u128) {
        match schedule.on_close(now) {
            Observation::Close { evidence, open } => (
                open.duration().as_millis(),
                evidence.idle.duration().as_millis(),
            ),
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn it_is_looked_at_at_once_and_within_a_sixteenth_of_its_idle_time_and_a_second() {
        let mut schedule = schedule(20_000);
        for (look, next) in [
            (4_000, 4_250),
            (8_000, 8_500),
            (18_500, 19_500),
            (19_500, 20_000),
        ] {
            schedule.due = Moment::at(look);
            assert!(schedule.on_open(&Moment::at(look)).is_some());
            assert_eq!(*schedule.due(), Moment::at(next));
        }
        let over = schedule.on_open(&Moment::at(20_000));
        assert_eq!(over, None, "its time is over");
    }

    #[test]
    fn a_close_happened_since_the_last_look() {
        let mut schedule = schedule(60_000);
        assert_eq!(close(&schedule, &Moment::at(4_000)), (0, 4_000));
        schedule.on_open(&Moment::at(4_000)).unwrap();
        assert_eq!(close(&schedule, &Moment::at(4_200)), (4_000, 4_200));
        assert_eq!(close(&schedule, &Moment::at(90_000)), (4_000, 90_000));
    }

    #[test]
    fn a_look_that_comes_late_shows_nothing() {
        assert!(schedule(60_000).on_open(&Moment::at(4_250)).is_some());
        assert_eq!(schedule(60_000).on_open(&Moment::at(4_251)), None);
        let slept = Moment::at(4_000).wall_forward(Duration::from_secs(3_600));
        assert_eq!(schedule(60_000).on_open(&slept), None);
    }
}
