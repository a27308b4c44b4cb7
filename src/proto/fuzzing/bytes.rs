//! Makes numbers and durations of any bytes.

use std::time::Duration;

/// Durations at the edges of what there is.
const EXTREMES: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::new(0, 999_999_999),
    Duration::from_secs(u32::MAX as u64),
    Duration::from_secs(i64::MAX as u64),
    Duration::from_secs(u64::MAX),
    Duration::new(u64::MAX, 999_999_998),
    Duration::MAX,
];

/// Takes what is asked for off the front; zeros where there is no more.
pub(super) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte().is_some_and(|byte| byte & 1 == 1)
    }

    /// Small, large and extreme ones alike.
    pub(super) fn number(&mut self) -> u64 {
        let width = self.byte().unwrap_or_default() % 9;
        (0..width).fold(0, |number, _| {
            number << 8 | u64::from(self.byte().unwrap_or_default())
        })
    }

    pub(super) fn duration(&mut self) -> Duration {
        let first = self.0.first().copied().unwrap_or_default();
        let extreme = usize::from(first.wrapping_sub(0xf8));
        if let Some(extreme) = EXTREMES.get(extreme) {
            self.byte();
            return *extreme;
        }
        let seconds = self.number();
        let nanoseconds = self.number() % 1_000_000_000;
        Duration::new(seconds, nanoseconds as u32)
    }

    /// So many of the next bytes as the first of them says.
    pub(super) fn piece(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or_default()).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }
}
