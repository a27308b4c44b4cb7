//! What closes show of a server whose connections are only watched: no request depends on it, so that more may be said
//! than a client should rely on.

use std::time::Duration;

use super::facts::{Close, SLOP};
use super::{History, Span};

/// By how much the closes of a server scatter that looks at its idle connections once a second.
const COARSE: Span = Span::new(Duration::from_secs(1));

/// How many closes show that they scatter by no more, where no two of them agree.
const SCATTERED: usize = 3;

/// The timeout of a server whose connections were only watched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Watched {
    /// Idle connections are closed after this time, or up to [`COARSE`] later.
    pub(crate) timeout: Span,
    /// A connection was seen open after this time; `None` if it is not known well enough.
    pub(crate) open: Option<Span>,
}

impl Watched {
    /// Whether that is sooner than the server says.
    pub(crate) fn contradicts(&self, hint: Span) -> bool {
        self.timeout.saturating_add(SLOP) < hint
    }
}

impl History {
    /// The timeout: what two closes agree on, or three or more show that scatter by up to [`COARSE`]. Then it is the
    /// time after which the first of them came: a client that waits for longer meets such a close. What ended far sooner
    /// was not ended by an idle timer.
    pub(crate) fn watched(&self) -> Option<Watched> {
        let agreed = self.bound_by_closes();
        let latest = agreed.or_else(|| self.latest_of_scattered())?;
        let near = self
            .closes()
            .filter(|close| close.evidence.idle >= soonest(latest));
        let first = near.min_by_key(|close| close.evidence.idle);
        let sooner = first.filter(|first| agreed.is_none_or(|agreed| first.evidence.idle < agreed));
        Some(match sooner {
            Some(Close { evidence, open, .. }) => Watched {
                timeout: evidence.idle,
                open: Some(*open),
            },
            None => Watched {
                timeout: latest,
                open: self.kept(),
            },
        })
    }

    /// The latest of several closes, all of which one timer may have caused.
    fn latest_of_scattered(&self) -> Option<Span> {
        let idle = self.closes().map(|close| close.evidence.idle);
        let latest = idle.clone().max()?;
        let are_near = idle.clone().all(|idle| idle >= soonest(latest));
        (are_near && idle.count() >= SCATTERED).then_some(latest)
    }
}

/// The soonest close that one timer may have caused with one after that time.
fn soonest(latest: Span) -> Span {
    let scatter = COARSE.saturating_add(SLOP).min(latest.part(2));
    latest.saturating_sub(scatter)
}

#[cfg(test)]
mod tests {
    use super::super::{Evidence, Observation};
    use super::*;
    use crate::proto::time::Moment;

    /// After closes of connections that had been idle for so many milliseconds, one after the other.
    fn after(closes: &[i64]) -> Option<(u128, Option<u128>)> {
        let mut history = History::default();
        let span = |time: i64| Span::new(Duration::from_millis(time.unsigned_abs()));
        for (at, &idle) in (100_000..).step_by(100_000).zip(closes) {
            let at = Moment::at(at);
            history.on_observation(
                Observation::Close {
                    evidence: Evidence {
                        since: at.saturating_sub(span(idle)),
                        at,
                        idle: span(idle),
                    },
                    open: span(idle.saturating_sub(100)),
                },
                Span::new(Duration::from_secs(86_400)),
            );
        }
        let Watched { timeout, open } = history.watched()?;
        let milliseconds = |span: Span| span.duration().as_millis();
        Some((milliseconds(timeout), open.map(milliseconds)))
    }

    #[test]
    fn what_two_closes_agree_on_is_the_timeout() {
        assert_eq!(after(&[5_006, 5_007]), Some((5_006, Some(4_906))));
        assert_eq!(after(&[5_006]), None);
        assert_eq!(after(&[]), None);
    }

    #[test]
    fn of_a_server_that_looks_once_a_second_the_soonest_close_is_the_timeout() {
        assert_eq!(after(&[4_505, 5_006, 5_506]), Some((4_505, Some(4_405))));
        assert_eq!(
            after(&[5_506, 6_006, 6_007, 6_008]),
            Some((5_506, Some(5_406)))
        );
        assert_eq!(after(&[4_505, 5_006]), None, "two may be accidents");
    }

    #[test]
    fn accidents_are_no_timer() {
        for closes in [
            &[399, 600, 800][..],
            &[3_905, 4_505, 5_006],
            &[2_000, 40_000, 9_000, 21_000],
        ] {
            assert_eq!(after(closes), None, "{closes:?}");
        }
    }

    #[test]
    fn a_hint_is_contradicted_by_what_is_sooner() {
        let span = |time| Span::new(Duration::from_millis(time));
        let watched = Watched {
            timeout: span(4_850),
            open: None,
        };
        assert!(!watched.contradicts(span(4_000)));
        assert!(!watched.contradicts(span(4_950)));
        assert!(watched.contradicts(span(5_000)));
    }
}
