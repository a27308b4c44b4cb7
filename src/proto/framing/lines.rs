//! Skips the lines of a head that do not matter.

/// How many bytes are looked at in one step.
const WORD: usize = 8;

const LINE_FEEDS: u64 = u64::from_le_bytes([b'\n'; WORD]);
const ONES: u64 = u64::from_le_bytes([1; WORD]);
const HIGH: u64 = u64::from_le_bytes([0x80; WORD]);

/// Skips lines, from the line that begins at `start`, until `matters` returns true for the bytes from the
/// beginning of a line on. Returns where that line begins, or else where the last line begins, which has not
/// ended.
///
/// Lines of a head are short: one search for each line feed takes several times as long as this walk, which
/// looks at eight bytes in a step.
#[inline]
pub(super) fn skip(bytes: &[u8], start: usize, matters: impl Fn(&[u8]) -> bool) -> usize {
    let matters = |line: usize| bytes.get(line..).is_some_and(&matters);
    if matters(start) {
        return start;
    }
    let mut line = start;
    let mut at = start;
    let mut pairs = bytes
        .get(start..)
        .unwrap_or_default()
        .chunks_exact(2 * WORD);
    for pair in pairs.by_ref() {
        let (first, second) = pair.split_at(WORD);
        let (first, second) = (line_feeds(first), line_feeds(second));
        if first | second != 0 {
            for (mut found, from) in [(first, at), (second, at.wrapping_add(WORD))] {
                while found != 0 {
                    let feed = from.wrapping_add((found.trailing_zeros() / 8) as usize);
                    found &= found.wrapping_sub(1);
                    if bytes.get(feed) == Some(&b'\n') {
                        line = feed.wrapping_add(1);
                        if matters(line) {
                            return line;
                        }
                    }
                }
            }
        }
        at = at.wrapping_add(2 * WORD);
    }
    for &byte in pairs.remainder() {
        at = at.wrapping_add(1);
        if byte == b'\n' {
            line = at;
            if matters(line) {
                return line;
            }
        }
    }
    line
}

/// The high bit of each byte that is a line feed, and perhaps of some behind the first that is: the
/// subtraction borrows.
#[inline]
fn line_feeds(word: &[u8]) -> u64 {
    let zeros = word.try_into().map_or(0, u64::from_le_bytes) ^ LINE_FEEDS;
    zeros.wrapping_sub(ONES) & !zeros & HIGH
}

#[cfg(test)]
mod tests {
    #![expect(clippy::arithmetic_side_effects, reason = "offsets into test data")]

    use proptest::prelude::*;

    use super::*;

    fn is_marked(line: &[u8]) -> bool {
        line.first() == Some(&b'!')
    }

    /// What `skip` returns, found a byte at a time.
    fn slowly(bytes: &[u8], start: usize) -> usize {
        let feeds = (start..bytes.len()).filter(|&at| bytes[at] == b'\n');
        let mut lines = std::iter::once(start).chain(feeds.map(|feed| feed + 1));
        let last = lines.clone().last().unwrap();
        lines
            .find(|&line| is_marked(&bytes[line..]))
            .unwrap_or(last)
    }

    proptest! {
        #[test]
        fn lines_are_skipped_up_to_the_first_that_matters(
            // A line feed, what differs from it in one bit or borrows, the mark, and anything.
            bytes in prop::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\x0b'), Just(b'\x8a'), Just(b'!'), any::<u8>()],
                0..100,
            ),
            start in any::<prop::sample::Index>(),
        ) {
            let start = start.index(bytes.len() + 1);
            prop_assert_eq!(skip(&bytes, start, is_marked), slowly(&bytes, start));
        }
    }
}
