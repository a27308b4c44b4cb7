//! The end of a message body (RFC 9112 §6.3, §7.1).

use super::OpaqueReason;

/// Finds the end of a body, fed in any number of pieces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Body {
    /// The number of bytes still to come, at least one.
    Length(u64),
    Chunked(Chunked),
    /// Until the peer closes.
    UntilEof,
}

impl Body {
    pub(super) fn chunked() -> Self {
        Self::Chunked(Chunked {
            state: State::SizeStart,
            left: 0,
        })
    }

    /// Takes the next piece. Returns the bytes behind the body once its end is found, `None` before that.
    pub(super) fn feed<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, OpaqueReason> {
        match self {
            Self::Length(left) => Ok(skip(left, bytes)),
            Self::Chunked(chunked) => chunked.feed(bytes),
            Self::UntilEof => Ok(None),
        }
    }
}

/// Skips `left` bytes. Returns the bytes behind them once all were skipped.
fn skip<'a>(left: &mut u64, bytes: &'a [u8]) -> Option<&'a [u8]> {
    let here = bytes.len() as u64;
    if here < *left {
        *left = left.saturating_sub(here);
        return None;
    }
    // `left` is at most the length of a slice here, so the cast does not truncate it.
    let behind = bytes.get(*left as usize..).unwrap_or_default();
    *left = 0;
    Some(behind)
}

/// The chunked transfer coding: chunk heads and trailers byte by byte, chunk data skipped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Chunked {
    state: State,
    /// In `Size` the size read so far; in `Data` the bytes of the chunk still to come; zero when the
    /// next size begins.
    left: u64,
}

/// ```text
/// SizeStart ─▶ Size ─▶ [SizeBlank] ─▶ [Extension] ─▶ SizeLf ─▶ Data ─▶ DataCr ─▶ DataLf ─▶ SizeStart
///                                                      └─ 0 ─▶ LineStart ─▶ EndLf ─▶ (end)
///                                                                │   ▲
///                                                        Trailer ┘─▶ TrailerLf
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    SizeStart,
    Size,
    SizeBlank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the beginning of a line of the trailer section, which may be the empty one that ends it.
    LineStart,
    Trailer,
    TrailerLf,
    EndLf,
}

impl Chunked {
    fn feed<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, OpaqueReason> {
        // A copy stays in registers from byte to byte.
        let mut chunked = *self;
        let rest = chunked.advance(bytes);
        *self = chunked;
        rest
    }

    #[inline]
    fn advance<'a>(&mut self, mut bytes: &'a [u8]) -> Result<Option<&'a [u8]>, OpaqueReason> {
        while let Some((&byte, rest)) = bytes.split_first() {
            (self.state, bytes) = match self.state {
                State::Data => match skip(&mut self.left, bytes) {
                    Some(behind) => (State::DataCr, behind),
                    None => return Ok(None),
                },
                State::EndLf if byte == b'\n' => return Ok(Some(rest)),
                _ => (self.step(byte)?, rest),
            };
        }
        Ok(None)
    }

    /// The state after a byte that is not chunk data. As strict as hyper, which closes the connection on
    /// bytes that it refuses. Where parsers disagree, the connection is opaque.
    #[inline]
    fn step(&mut self, byte: u8) -> Result<State, OpaqueReason> {
        use State as S;
        Ok(match self.state {
            S::SizeStart => self.on_size_digit(byte)?,
            S::Size | S::SizeBlank => match byte {
                b' ' | b'\t' => S::SizeBlank,
                b';' => S::Extension,
                b'\r' => S::SizeLf,
                _ if self.state == S::Size => self.on_size_digit(byte)?,
                _ => return Err(OpaqueReason::Unrecognized),
            },
            S::Extension => match byte {
                b'\r' => S::SizeLf,
                b'\n' => return Err(OpaqueReason::Unrecognized),
                _ => S::Extension,
            },
            S::SizeLf if byte == b'\n' && self.left == 0 => S::LineStart,
            S::SizeLf if byte == b'\n' => S::Data,
            S::DataCr if byte == b'\r' => S::DataLf,
            S::DataLf if byte == b'\n' => S::SizeStart,
            S::LineStart if byte == b'\r' => S::EndLf,
            S::Trailer if byte == b'\r' => S::TrailerLf,
            S::LineStart | S::Trailer => S::Trailer,
            S::TrailerLf if byte == b'\n' => S::LineStart,
            _ => return Err(OpaqueReason::Unrecognized),
        })
    }

    #[inline]
    fn on_size_digit(&mut self, byte: u8) -> Result<State, OpaqueReason> {
        let digit = (byte as char)
            .to_digit(16)
            .ok_or(OpaqueReason::Unrecognized)?;
        self.left = self
            .left
            .checked_mul(16)
            .map(|size| size | u64::from(digit))
            .ok_or(OpaqueReason::Unrecognized)?;
        Ok(State::Size)
    }
}
