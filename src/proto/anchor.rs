//! When the server may have finished writing a response.

use std::time::Duration;

use super::Moment;

/// How many marks are kept behind the first byte. With one every half window, the oldest of three is
/// at least a window before what has come so far.
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
#[derive(Debug)]
pub(crate) struct Anchor {
    /// Bytes of the response so far.
    received: u64,
    /// When its first byte came.
    first: Moment,
    /// Later marks, oldest first, the empty ones last. Only a response longer than half a window has
    /// any, and few are.
    later: Option<Box<[Option<Mark>; MARKS]>>,
}

/// Nothing has come.
impl Default for Anchor {
    fn default() -> Self {
        Self {
            received: 0,
            first: Moment::LEAST,
            later: None,
        }
    }
}

impl Anchor {
    /// A response head begins with the bytes that are told next.
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }

    /// Bytes of the response came. Returns the offset of the first of them if that is a mark, whose
    /// time is then to be given by [`at`](Self::at).
    #[inline]
    pub(crate) fn on_read(&mut self, bytes: usize, window: u64) -> Option<u64> {
        let offset = self.received;
        self.received = offset.saturating_add(bytes as u64);
        if window == 0 || offset > 0 && offset < self.due(window) {
            return None;
        }
        Some(offset)
    }

    /// From which offset on the next mark is due.
    fn due(&self, window: u64) -> u64 {
        let last = self.later().last().map_or(0, |mark| mark.offset);
        last.saturating_add(window / 2)
    }

    /// When the mark came that was due.
    #[inline]
    pub(crate) fn at(&mut self, offset: u64, now: Moment) {
        if offset == 0 {
            self.first = now;
        } else {
            self.mark(Mark { offset, at: now });
        }
    }

    fn mark(&mut self, mark: Mark) {
        let later = self.later.get_or_insert_default();
        match later.iter_mut().find(|mark| mark.is_none()) {
            Some(free) => *free = Some(mark),
            None => {
                // The oldest makes room.
                later.rotate_left(1);
                if let Some(last) = later.last_mut() {
                    *last = Some(mark);
                }
            }
        }
    }

    fn later(&self) -> impl Iterator<Item = &Mark> {
        self.later.iter().flat_map(|marks| marks.iter()).flatten()
    }

    /// How long before `finished`, when the last byte came, the writer may have been done.
    #[inline]
    pub(crate) fn skew(&self, window: u64, finished: &Moment) -> Duration {
        if window == 0 || self.received == 0 {
            return Duration::ZERO;
        }
        let anchor = self
            .later()
            .take_while(|mark| self.received.saturating_sub(mark.offset) >= window)
            .last()
            .map_or(&self.first, |mark| &mark.at);
        finished.since(anchor)
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
            if let Some(offset) = anchor.on_read(piece, window) {
                anchor.at(offset, now);
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
    fn a_mark_whose_time_was_never_given_counts_as_long_ago() {
        let mut anchor = Anchor::default();
        assert_eq!(anchor.on_read(10, 4), Some(0));

        let skew = anchor.skew(4, &Moment::at(9));
        assert!(skew > Duration::from_secs(1_000_000_000), "{skew:?}");
    }

    #[test]
    fn only_a_response_longer_than_half_a_window_keeps_more_than_one_mark() {
        let mut anchor = Anchor::default();
        for _ in 0..50 {
            if let Some(offset) = anchor.on_read(10, 1_000) {
                anchor.at(offset, Moment::at(1));
            }
        }
        assert!(anchor.later.is_none());
        assert_eq!(anchor.on_read(10, 1_000), Some(500));
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
        assert_eq!(anchor.on_read(100, 0), None);
        assert_eq!(skew(&[10; 100], 0), 0);
    }

    #[test]
    fn marks_are_asked_for_twice_a_window_at_most() {
        let mut anchor = Anchor::default();
        let marks = (0..1_000).filter(|_| {
            let mark = anchor.on_read(10, 1_000);
            mark.inspect(|&offset| anchor.at(offset, Moment::epoch()))
                .is_some()
        });
        assert_eq!(marks.count(), 20);
    }
}
