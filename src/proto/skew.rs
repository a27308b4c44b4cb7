//! When the server may have finished writing a response, and how long it may have been held before that.

use super::time::{Moment, Span};

/// How many marks are kept behind the first byte. With one every half window, the oldest of three is
/// at least a window before the last byte so far.
const MARKS: usize = 3;

/// The slowest rate that is attributed to the network, in nanoseconds a byte: 10 KB/s. Bytes for which this side
/// waited, and that arrived more slowly, were not held by the network, but written late.
const SLOWEST: u64 = 100_000;

/// A byte of a response, and when it arrived.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// How many bytes of the response lie before it.
    offset: u64,
    at: Moment,
}

/// When which part of a response arrived, from which follows how long ago its writer may have been done
/// once the response is complete.
///
/// The writer was not done before the first byte arrived. Nor, as the network holds no more than a
/// *window* of bytes, before all but the last window had arrived. The latest byte known to lie at least
/// a window before the end is the *anchor*, the time from it to the end the *skew*.
#[derive(Debug)]
pub(crate) struct Arrivals {
    /// Bytes of the response so far.
    received: u64,
    /// When its first byte arrived, unless nothing was received.
    first: Moment,
    /// Later marks, oldest first, the empty ones last. Only a response longer than half a window has
    /// any, and few are.
    later: Option<Box<[Option<Mark>; MARKS]>>,
}

impl Default for Arrivals {
    fn default() -> Self {
        Self {
            received: 0,
            first: Moment {
                monotonic: 0,
                wall: 0,
            },
            later: None,
        }
    }
}

impl Arrivals {
    /// A response head begins with the bytes that are read next.
    #[inline]
    pub(crate) fn begin(&mut self) {
        *self = Self::default();
    }

    /// Whether a byte arrived.
    #[inline]
    pub(crate) fn has_begun(&self) -> bool {
        self.received > 0
    }

    /// When the first byte of the response arrived.
    #[inline]
    pub(crate) fn first(&self) -> Option<&Moment> {
        self.has_begun().then_some(&self.first)
    }

    /// So many bytes of the response arrived.
    #[inline]
    pub(crate) fn on_read(&mut self, bytes: usize, window: u64, now: Moment) {
        let offset = self.received;
        self.received = offset.saturating_add(bytes as u64);
        if offset == 0 {
            self.first = now;
        } else if window > 0 && offset >= self.next_mark(window) {
            self.mark(Mark { offset, at: now });
        }
    }

    /// The offset from which on the next mark is set.
    fn next_mark(&self, window: u64) -> u64 {
        let last = self.later().last().map_or(0, |mark| mark.offset);
        last.saturating_add(window / 2)
    }

    fn mark(&mut self, mark: Mark) {
        let later = self.later.get_or_insert_default();
        match later.iter_mut().find(|mark| mark.is_none()) {
            Some(free) => *free = Some(mark),
            None => {
                // The new mark takes the place of the oldest.
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

    /// How long before `finished`, when the last byte arrived, the writer may have been done. `is_held_here` is
    /// whether this side may have held the exchange up: then all of the time counts.
    #[inline]
    pub(crate) fn skew(&self, window: u64, is_held_here: bool, finished: &Moment) -> Span {
        if window == 0 || self.received == 0 {
            return Span::ZERO;
        }
        let anchor = self
            .later()
            .take_while(|mark| self.received.saturating_sub(mark.offset) >= window)
            .last();
        let (offset, anchor) = anchor.map_or((0, &self.first), |mark| (mark.offset, &mark.at));
        let behind = self.received.saturating_sub(offset);
        if is_held_here {
            return finished.since(anchor);
        }
        let longest = Span::from_nanoseconds(behind.saturating_mul(SLOWEST));
        let monotonic = finished.monotonic_since(anchor);
        // What the wall clock shows more, this side was suspended for.
        let suspended = finished.since(anchor).saturating_sub(monotonic);
        monotonic.min(longest).saturating_add(suspended)
    }
}

/// The quickest answer of an origin: the least time from when a request was sent to the first byte of its
/// response.
///
/// Of another answer, as much time is taken for the server's work. The rest may have been the network, or a
/// process that was stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Quickest {
    pub(crate) answer: Span,
    /// When it was received, on the monotonic clock.
    pub(crate) at: i64,
}

impl Quickest {
    /// The answer, if it still counts at `now`, where observations count for as long as `age`.
    #[inline]
    pub(crate) fn valid_answer(&self, now: &Moment, age: Span) -> Option<Span> {
        self.is_valid(now, age).then_some(self.answer)
    }

    /// Whether it still counts.
    #[inline]
    pub(crate) fn is_valid(&self, now: &Moment, age: Span) -> bool {
        let elapsed = now.monotonic.saturating_sub(self.at).max(0).unsigned_abs();
        elapsed <= age.nanoseconds()
    }

    /// Whether this answer, received at `now`, takes its place.
    #[inline]
    pub(crate) fn is_replaced_by(&self, answer: Span, now: &Moment, age: Span) -> bool {
        answer < self.answer || !self.is_valid(now, age)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds one piece a millisecond; returns the skew in milliseconds.
    #[inline]
    fn skew(pieces: &[usize], window: u64) -> u128 {
        let mut arrivals = Arrivals::default();
        let mut now = Moment::epoch();
        for (millis, &piece) in pieces.iter().enumerate() {
            now = Moment::at(millis as u64);
            arrivals.on_read(piece, window, now);
        }
        arrivals.skew(window, false, &now).duration().as_millis()
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
        for pieces in 1..1_000_usize {
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

    /// How many marks are kept behind the first byte.
    fn marks(arrivals: &Arrivals) -> usize {
        arrivals.later().count()
    }

    #[test]
    fn only_a_response_longer_than_half_a_window_keeps_more_than_one_mark() {
        let mut arrivals = Arrivals::default();
        for _ in 0..50 {
            arrivals.on_read(10, 1_000, Moment::at(1));
        }
        assert!(arrivals.later.is_none());
        arrivals.on_read(10, 1_000, Moment::at(1));
        assert_eq!(marks(&arrivals), 1);
    }

    #[test]
    fn a_response_of_any_length_keeps_a_few_marks() {
        let mut arrivals = Arrivals::default();
        for _ in 0..1_000_000 {
            arrivals.on_read(10, 1_000, Moment::at(1));
        }
        assert_eq!(marks(&arrivals), MARKS);
    }

    #[test]
    fn bytes_without_end_overflow_nothing() {
        for window in [1, 1_000, u64::MAX] {
            assert_eq!(skew(&[usize::MAX; 2], window), 1, "window {window}");
        }
    }

    #[test]
    fn a_window_of_zero_gives_no_skew() {
        assert_eq!(skew(&[10; 100], 0), 0);
    }
}
