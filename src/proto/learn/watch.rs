//! What is seen of a server whose connections are only watched.
//!
//! No request depends on it, so it may say more than a client should rely on; and all closes count, also those that
//! were sooner than others.
//!
//! 1. Two closes that hardly differ show an idle timer, unless a connection was seen open for much longer.
//! 2. So do three that differ by up to a second: some servers look at their idle connections once a second.
//! 3. Closes in one instant have one cause; after different idle times, that is a restart.

use std::time::Duration;

use super::facts::SLOP;
use super::{Close, Observation, Span};

/// By how much the closes of a server differ that looks at its idle connections once a second.
const COARSE: Span = Span::new(Duration::from_secs(1));

/// How many closes show a timer that is no better than that.
const SEVERAL: usize = 3;

/// How many closes are kept.
const MAX: usize = 64;

/// What was seen of connections that were watched.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    closes: Vec<Close>,
    /// The longest idle time after which a connection was open.
    open: Option<Span>,
}

/// The idle timer of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Timer {
    /// After which idle time the first connection was closed.
    pub(crate) first: Span,
    /// After which idle time the last one was closed.
    pub(crate) last: Span,
    /// The first was seen open after this idle time.
    pub(crate) open: Span,
}

impl Watched {
    pub(crate) fn on_observation(&mut self, observation: &Observation) {
        match *observation {
            Observation::Open(evidence) => self.on_open(evidence.idle),
            Observation::Close { evidence, open } => {
                self.on_open(open);
                let mut simultaneous = self.closes.iter_mut();
                if let Some(other) =
                    simultaneous.find(|other| other.evidence.is_simultaneous(&evidence))
                {
                    other.is_restart |= !is_fine(other.evidence.idle, evidence.idle);
                } else if self.closes.len() < MAX {
                    self.closes.push(Close {
                        evidence,
                        open,
                        is_restart: false,
                        is_doubted: false,
                    });
                }
            }
            Observation::Answer { evidence, .. } => self.on_open(evidence.idle),
            Observation::Failure(_) | Observation::GivenUp(_) | Observation::Limit { .. } => {}
        }
    }

    fn on_open(&mut self, idle: Span) {
        self.open = self.open.max(Some(idle));
    }

    fn closes(&self) -> impl Iterator<Item = &Close> + Clone {
        self.closes.iter().filter(|close| !close.is_restart)
    }

    /// The soonest closes that show an idle timer.
    pub(crate) fn timer(&self) -> Option<Timer> {
        let timers = self.closes().filter_map(|first| self.timer_from(first));
        timers.min_by_key(|timer| timer.first)
    }

    /// The timer that ended a connection first here, if one did.
    fn timer_from(&self, first: &Close) -> Option<Timer> {
        let from = first.evidence.idle;
        let until = from.saturating_add(COARSE.saturating_add(SLOP).min(from.part(2)));
        let later = self.closes().map(|close| close.evidence.idle).max();
        if self.open.max(later)? > until {
            return None;
        }
        let idle = self.closes().map(|close| close.evidence.idle);
        let idle = idle.filter(|idle| (from..=until).contains(idle));
        let do_two_agree = idle.clone().enumerate().any(|(n, one)| {
            idle.clone()
                .skip(n.saturating_add(1))
                .any(|other| is_fine(one, other))
        });
        (do_two_agree || idle.clone().count() >= SEVERAL).then(|| Timer {
            first: from,
            last: idle.max().unwrap_or(from),
            open: first.open,
        })
    }

    /// Whether the server closes sooner than it should: one close is an accident.
    pub(crate) fn is_sooner_than(&self, timeout: Span) -> bool {
        let is_sooner = |close: &&Close| close.evidence.idle.saturating_add(SLOP) < timeout;
        self.closes().filter(is_sooner).count() > 1
    }
}

/// Whether two idle times hardly differ.
fn is_fine(one: Span, other: Span) -> bool {
    one.abs_diff(other) <= SLOP
}

#[cfg(test)]
mod tests {
    use super::super::Evidence;
    use super::*;
    use crate::proto::time::Moment;

    fn span(milliseconds: i64) -> Span {
        Span::new(Duration::from_millis(milliseconds.unsigned_abs()))
    }

    fn evidence(at: Moment, idle: i64) -> Evidence {
        Evidence {
            since: at.saturating_sub(span(idle)),
            at,
            idle: span(idle),
        }
    }

    fn close(at: Moment, idle: i64) -> Observation {
        Observation::Close {
            evidence: evidence(at, idle),
            open: span(idle.saturating_sub(90)),
        }
    }

    /// After closes of connections that had been idle for so many milliseconds, one after the other.
    fn after(closes: &[i64]) -> Watched {
        let mut watched = Watched::default();
        for (at, &idle) in (100_000..).step_by(100_000).zip(closes) {
            watched.on_observation(&close(Moment::at(at), idle));
        }
        watched
    }

    /// First and last close, and when the first was seen open.
    fn timer(watched: &Watched) -> Option<[u128; 3]> {
        let Timer { first, last, open } = watched.timer()?;
        Some([first, last, open].map(|span| span.duration().as_millis()))
    }

    #[test]
    fn two_closes_that_hardly_differ_are_a_timer() {
        assert_eq!(timer(&after(&[5_006, 5_007])), Some([5_006, 5_007, 4_916]));
        assert_eq!(timer(&after(&[5_100, 5_000])), Some([5_000, 5_100, 4_910]));
        assert_eq!(
            timer(&after(&[5_101, 5_000])),
            None,
            "they may be accidents"
        );
        assert_eq!(timer(&after(&[5_006])), None);
        assert_eq!(timer(&after(&[])), None);
    }

    #[test]
    fn three_that_differ_by_a_second_are_one_too() {
        for closes in [
            &[4_718, 4_215, 5_000][..],
            &[4_511, 4_215, 4_997, 5_003],
            &[4_215, 4_688, 5_003],
            &[4_215, 5_310, 5_311],
        ] {
            assert_eq!(
                after(closes).timer().unwrap().first,
                span(4_215),
                "{closes:?}"
            );
        }
        assert_eq!(timer(&after(&[4_215, 4_718])), None);
    }

    #[test]
    fn accidents_are_no_timer() {
        for closes in [
            &[399, 600, 800][..],
            &[3_805, 4_505, 5_006],
            &[2_000, 40_000, 9_000, 21_000],
        ] {
            assert_eq!(timer(&after(closes)), None, "{closes:?}");
        }
        let mut watched = after(&[2_000, 8_000, 8_001]);
        assert_eq!(timer(&watched), Some([8_000, 8_001, 7_910]));
        watched.on_observation(&Observation::Open(evidence(Moment::at(0), 9_102)));
        assert_eq!(timer(&watched), None, "a connection is open for longer");
    }

    #[test]
    fn a_restart_is_no_timer() {
        let mut watched = Watched::default();
        for idle in [5_000, 3_500] {
            watched.on_observation(&close(Moment::at(100_000), idle));
        }
        watched.on_observation(&close(Moment::at(200_000), 5_000));
        assert_eq!(timer(&watched), None);
        assert!(!watched.is_sooner_than(span(60_000)));
    }

    #[test]
    fn two_closes_before_a_time_are_sooner() {
        assert!(after(&[1_000, 30_000]).is_sooner_than(span(60_000)));
        assert!(
            !after(&[4_750, 5_000, 5_000]).is_sooner_than(span(5_000)),
            "one is an accident"
        );
        assert!(!after(&[4_900, 4_900]).is_sooner_than(span(5_000)));
        assert!(after(&[4_899, 4_899]).is_sooner_than(span(5_000)));
    }

    #[test]
    fn it_is_bounded() {
        let watched = after(&vec![5_000; 1_000]);
        assert_eq!(watched.closes.len(), MAX);
    }
}
