//! After how many requests a server ends its connections without saying so.

use super::Evidence;
use crate::proto::time::{Moment, Span};

/// The number of the request that a connection ended behind, and when that was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Ended {
    requests: u32,
    at: Moment,
}

/// A limit of requests: where connections end right behind the answer to the same request twice in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RequestLimit {
    last: Option<Ended>,
    known: Option<Ended>,
}

impl RequestLimit {
    /// How many requests the server takes on a connection, if that is known.
    pub(super) fn known(&self) -> Option<u32> {
        self.known.map(|known| known.requests)
    }

    /// A connection ended right behind the answer to this request.
    pub(super) fn on_end(&mut self, requests: u32, evidence: &Evidence) {
        let at = evidence.at;
        let ended = Ended { requests, at };
        match self.last {
            Some(last) if last.requests == requests => {
                // Its request had been answered before that end was found: one cause, which counts once. An idle
                // timer may have run out while this side was stopped, and the answers lay unread.
                if evidence.since.monotonic < last.at.monotonic {
                    return;
                }
                self.known = Some(ended);
            }
            _ => {}
        }
        self.last = Some(ended);
    }

    /// A connection served this request.
    pub(super) fn on_served(&mut self, request: u32) {
        self.keep(|ended| request <= ended.requests);
    }

    /// The request whose answer shows something, if a connection serves one beyond it.
    pub(super) fn worth_more_than(&self) -> u32 {
        let counts = [self.last, self.known].into_iter().flatten();
        counts.map(|ended| ended.requests).min().unwrap_or(u32::MAX)
    }

    /// Removes what is older than `age`.
    pub(super) fn forget(&mut self, now: &Moment, age: Span) {
        self.keep(|ended| now.since(&ended.at) < age);
    }

    fn keep(&mut self, is_kept: impl Fn(&Ended) -> bool) {
        self.last = self.last.filter(&is_kept);
        self.known = self.known.filter(&is_kept);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// It was answered, and its connection found ended, at so many milliseconds.
    fn behind(answered: u64, ended: u64) -> Evidence {
        let (since, at) = (Moment::at(answered), Moment::at(ended));
        Evidence {
            since,
            at,
            idle: at.since(&since),
        }
    }

    fn ended(numbers: &[u32]) -> RequestLimit {
        let mut limit = RequestLimit::default();
        for (at, &requests) in (1..).zip(numbers) {
            limit.on_end(requests, &behind(at, at));
        }
        limit
    }

    #[test]
    fn a_limit_is_the_same_number_twice_in_a_row() {
        for (numbers, known) in [
            (&[][..], None),
            (&[3], None),
            (&[3, 3], Some(3)),
            (&[3, 4, 3], None),
            (&[3, 3, 7], Some(3)),
            (&[3, 3, 2, 2], Some(2)),
        ] {
            assert_eq!(ended(numbers).known(), known, "{numbers:?}");
        }
    }

    #[test]
    fn ends_that_were_under_way_together_count_once() {
        let mut limit = RequestLimit::default();
        for (answered, ended, known) in [
            (1_000, 1_010, None),
            (1_000, 1_080, None),
            (1_009, 1_090, None),
            (1_010, 1_095, Some(3)),
        ] {
            limit.on_end(3, &behind(answered, ended));
            assert_eq!(limit.known(), known, "answered at {answered} ms");
        }
    }

    #[test]
    fn an_end_behind_another_request_breaks_the_row_whenever_that_was_answered() {
        let mut limit = RequestLimit::default();
        limit.on_end(3, &behind(1_000, 1_000));
        limit.on_end(7, &behind(990, 1_010));
        limit.on_end(3, &behind(2_000, 2_000));
        assert_eq!(limit.known(), None);
    }

    #[test]
    fn it_is_none_once_a_connection_serves_more() {
        let mut limit = ended(&[3, 3]);
        assert_eq!(limit.worth_more_than(), 3);
        limit.on_served(3);
        assert_eq!(limit.known(), Some(3));
        limit.on_served(4);
        assert_eq!(limit.known(), None);
        assert_eq!(limit.worth_more_than(), u32::MAX);
        limit.on_end(3, &behind(9, 9));
        assert_eq!(limit.known(), None, "once again is not twice in a row");
    }

    #[test]
    fn it_is_forgotten() {
        let mut limit = ended(&[3, 3]);
        let age = Span::new(Duration::from_secs(1));
        limit.forget(&Moment::at(1_001), age);
        assert_eq!(limit.known(), Some(3));
        limit.forget(&Moment::at(1_002), age);
        assert_eq!(limit.known(), None);
    }
}
