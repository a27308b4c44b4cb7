//! When the server may have finished writing a response.

use std::time::Duration;

use super::Moment;

/// How many marks are kept. With one every half window, the oldest of three is either the first byte
/// of the response or at least a window before what has come so far.
const MARKS: usize = 3;

/// A byte of a response, and when it came.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// How many bytes of the response lie before it.
    offset: u64,
    at: Moment,
}

/// Remembers when which part of a response came, so that once it is complete, it can be told how
/// long ago its writer may have been done.
///
/// The writer was not done before the first byte came. Nor, as the network holds no more than a
/// *window* of bytes, before all but the last window had come. The latest byte known to lie at least
/// a window before the end is the *anchor*, the time from it to the end the *skew*.
#[derive(Debug, Default)]
pub(crate) struct Anchor {
    /// Bytes of the response so far.
    received: u64,
    /// At which offset the next mark is due.
    due: u64,
    /// The offset of a mark that waits for its time.
    unstamped: Option<u64>,
    /// Oldest first, the empty ones last.
    marks: [Option<Mark>; MARKS],
}

impl Anchor {
    /// A response head begins with the bytes that are told next.
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }

    /// Bytes of the response came. Returns whether the first of them is a mark, whose time is then
    /// to be given by [`at`](Self::at).
    pub(crate) fn on_read(&mut self, bytes: usize, window: u64) -> bool {
        let offset = self.received;
        self.received = offset.saturating_add(bytes as u64);
        if offset < self.due || window == 0 {
            return false;
        }
        self.due = offset.saturating_add(window / 2);
        self.unstamped = Some(offset);
        true
    }

    /// When the mark came that was due.
    pub(crate) fn at(&mut self, now: Moment) {
        let Some(offset) = self.unstamped.take() else {
            return;
        };
        if self.marks.iter().all(Option::is_some) {
            self.marks.rotate_left(1);
            self.marks[MARKS - 1] = None;
        }
        if let Some(free) = self.marks.iter_mut().find(|mark| mark.is_none()) {
            *free = Some(Mark { offset, at: now });
        }
    }

    /// How long before `finished`, when the last byte came, the writer may have been done.
    pub(crate) fn skew(&self, window: u64, finished: &Moment) -> Duration {
        let mut marks = self.marks.iter().flatten();
        let Some(first) = marks.next() else {
            return Duration::ZERO;
        };
        let anchor = marks
            .take_while(|mark| self.received.saturating_sub(mark.offset) >= window)
            .last()
            .unwrap_or(first);
        finished.since(&anchor.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds one piece a millisecond; returns the skew in milliseconds.
    fn skew(pieces: &[usize], window: u64) -> u128 {
        let mut anchor = Anchor::default();
        anchor.begin();
        let mut now = Moment::epoch();
        for (millis, &piece) in pieces.iter().enumerate() {
            now = Moment::at(millis as u64);
            if anchor.on_read(piece, window) {
                anchor.at(now);
            }
        }
        anchor.skew(window, &now).as_millis()
    }

    #[test]
    fn a_response_in_one_piece_has_no_skew() {
        assert_eq!(skew(&[100], 1_000), 0);
    }

    #[test]
    fn a_response_within_the_window_is_anchored_at_its_first_byte() {
        assert_eq!(skew(&[10; 100], 1_000), 99);
        assert_eq!(skew(&[10; 100], 10_000), 99);
    }

    #[test]
    fn the_anchor_lies_at_least_a_window_before_the_end_and_not_much_more() {
        for pieces in 1..2_000_usize {
            for window in [1, 7, 100, 1_000_u64] {
                let skew = skew(&vec![10; pieces], window);
                let least = u128::from(window.div_ceil(10)).min(pieces as u128) - 1;
                // Half a window between marks, and a piece of rounding at either end.
                let most = u128::from(window + window / 2).div_ceil(10) + 2;

                assert!(
                    skew >= least,
                    "{pieces} pieces, window {window}: {skew} < {least}"
                );
                assert!(
                    skew <= most,
                    "{pieces} pieces, window {window}: {skew} > {most}"
                );
            }
        }
    }

    #[test]
    fn the_anchor_is_the_latest_mark_that_lies_a_window_before_the_end() {
        let rows: &[(&[usize], u64, u128)] = &[
            (&[100, 100], 1, 0),
            (&[100, 100], 60, 0),
            (&[100, 100], 100, 0),
            (&[100, 100], 101, 1),
            (&[100, 99], 100, 1),
            (&[100, 100, 100], 100, 0),
            (&[100, 100, 100], 150, 1),
            (&[100, 100, 100], 200, 1),
            (&[100, 100, 100], 201, 2),
            // The third piece came too soon after the second to be a mark.
            (&[100, 1, 100], 100, 1),
            (&[100, 1, 100], 101, 1),
            (&[100, 1, 100], 102, 2),
            (&[100, 100, 100, 100, 100], 100, 0),
            (&[100, 100, 100, 100, 100], 200, 1),
            (&[40, 60, 100], 100, 0),
            (&[40, 60, 100], 101, 2),
        ];
        for &(pieces, window, expected) in rows {
            assert_eq!(skew(pieces, window), expected, "{pieces:?}, {window}");
        }
    }

    #[test]
    fn a_time_that_was_not_asked_for_is_no_mark() {
        let mut anchor = Anchor::default();
        anchor.at(Moment::at(1));
        assert!(anchor.on_read(10, 4));
        anchor.at(Moment::at(2));
        anchor.at(Moment::at(5));

        assert_eq!(
            anchor.skew(4, &Moment::at(9)),
            Duration::from_millis(7),
            "the first mark is the one asked for"
        );
    }

    #[test]
    fn bytes_without_end_overflow_nothing() {
        for window in [1, 1_000, u64::MAX] {
            assert_eq!(skew(&[usize::MAX; 2], window), 1, "window {window}");
        }
    }

    #[test]
    fn a_window_of_zero_asks_for_no_time_and_gives_no_skew() {
        let mut anchor = Anchor::default();
        assert!(!anchor.on_read(100, 0));
        assert_eq!(skew(&[10; 100], 0), 0);
    }

    #[test]
    fn marks_are_asked_for_twice_a_window_at_most() {
        let mut anchor = Anchor::default();
        let marks = (0..1_000).filter(|_| anchor.on_read(10, 1_000)).count();
        assert_eq!(marks, 20);
    }
}
