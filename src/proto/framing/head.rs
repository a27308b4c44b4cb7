//! One message head: the start line, the fields that frame the body, and `Keep-Alive`.
//!
//! The head is walked once, line by line. The first byte of a line shows whether the line can matter. Only
//! the first [`MAX_LINE`] bytes of a line are examined, in place if the line arrives whole. If it arrives in
//! pieces, up to that many bytes are kept until its end; nothing else of the head is kept.

use super::OpaqueReason;
use crate::proto::hint::Parsed;
use crate::proto::token::{is_name, is_token_byte};

/// The longest head that is followed, in bytes.
///
/// More than hyper accepts by default (about 408 KiB), so that the bound only matters if hyper is configured
/// to accept longer heads.
pub(crate) const MAX_HEAD: usize = 512 * 1024;

/// How many bytes of a line are examined, and kept if the line arrives in pieces.
///
/// A field that matters is far shorter; of any other line the beginning is enough.
pub(crate) const MAX_LINE: usize = 1024;

const CONNECTION: &[u8; 10] = b"connection";
const CONTENT_LENGTH: &[u8; 14] = b"content-length";
const KEEP_ALIVE: &[u8; 10] = b"keep-alive";
const TRANSFER_ENCODING: &[u8; 17] = b"transfer-encoding";

/// The two kinds of head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Request,
    Response,
}

/// What the start line said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Start {
    Request(Method),
    Response { status: u16, http_10: bool },
}

/// The request methods that change where a response ends (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Method {
    Connect,
    Head,
    Other,
}

/// All `Content-Length` values of a head taken together (RFC 9110 §8.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Length {
    Absent,
    Of(u64),
    /// Not a number, or two that differ.
    Invalid,
}

/// What the last `Transfer-Encoding` line of a head ends in (RFC 9112 §6.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Coding {
    Absent,
    Chunked,
    Other,
}

/// Walks one head, fed in any number of pieces.
#[derive(Debug)]
pub(super) struct Head {
    kind: Kind,
    start: Option<Start>,
    length: Length,
    coding: Coding,
    /// The `Keep-Alive` fields of a response; `None` if it has none.
    hint: Option<Parsed>,
    /// Whether `Connection` has the option `close` (RFC 9112 §9.6).
    is_closing: bool,
    /// Bytes walked so far, never above `MAX_HEAD`.
    walked: usize,
    /// The beginning of a line that has not ended yet, never longer than `MAX_LINE`.
    partial: Vec<u8>,
    /// Whether the line in `partial` is longer than `MAX_LINE`.
    is_truncated: bool,
}

impl Head {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            start: None,
            length: Length::Absent,
            coding: Coding::Absent,
            hint: None,
            is_closing: false,
            walked: 0,
            partial: Vec::new(),
            is_truncated: false,
        }
    }

    /// Whether more was fed than the empty lines that may stand before a start line (RFC 9112 §2.2).
    #[cfg(feature = "server")]
    pub(super) fn is_begun(&self) -> bool {
        self.start.is_some() || !matches!(&self.partial[..], b"" | b"\r")
    }

    pub(super) fn start(&self) -> Option<Start> {
        self.start
    }

    pub(super) fn length(&self) -> Length {
        self.length
    }

    pub(super) fn coding(&self) -> Coding {
        self.coding
    }

    pub(super) fn hint(&self) -> Option<Parsed> {
        self.hint
    }

    pub(super) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// The number of bytes on the heap.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.partial.capacity()
    }

    /// Takes the next piece. Returns the bytes behind the head once its end is found, `None` before that.
    pub(super) fn feed<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, OpaqueReason> {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, feed) = rest.split_at(end);
            rest = feed.get(1..).unwrap_or_default();
            let kept;
            let (line, is_truncated) = if self.partial.is_empty() {
                // As many bytes as `keep` keeps, so that the result does not depend on how the line was split.
                match line.get(..MAX_LINE) {
                    None => (line, false),
                    Some(begin) => (begin, line.len() > MAX_LINE),
                }
            } else {
                self.keep(line);
                kept = std::mem::take(&mut self.partial);
                (&kept[..], std::mem::take(&mut self.is_truncated))
            };
            if self.on_line(line, is_truncated)? {
                self.count(bytes.len().saturating_sub(rest.len()))?;
                return Ok(Some(rest));
            }
        }
        self.count(bytes.len())?;
        self.keep(rest);
        self.recognize()?;
        Ok(None)
    }

    #[inline]
    fn count(&mut self, bytes: usize) -> Result<(), OpaqueReason> {
        self.walked = self.walked.saturating_add(bytes);
        if self.walked > MAX_HEAD {
            return Err(OpaqueReason::OversizeHead);
        }
        Ok(())
    }

    /// Keeps the beginning of a line that has not ended.
    fn keep(&mut self, bytes: &[u8]) {
        let capacity = MAX_LINE.saturating_sub(self.partial.len());
        let kept = bytes.get(..capacity).unwrap_or(bytes);
        self.is_truncated |= kept.len() < bytes.len();
        self.partial.extend_from_slice(kept);
    }

    /// Rejects a partial start line that cannot become one: its end may never arrive.
    fn recognize(&self) -> Result<(), OpaqueReason> {
        if self.start.is_some() || self.partial.is_empty() {
            return Ok(());
        }
        // A leading carriage return may belong to an empty line before the start line.
        let line = self.partial.strip_prefix(b"\r").unwrap_or(&self.partial);
        let begins = match self.kind {
            Kind::Request => line.first().is_none_or(|&b| is_token_byte(b)),
            Kind::Response => {
                const VERSION: &[u8] = b"HTTP/1.";
                let common = line.len().min(VERSION.len());
                line.get(..common) == VERSION.get(..common)
            }
        };
        if begins {
            Ok(())
        } else {
            Err(OpaqueReason::Unrecognized)
        }
    }

    /// Takes a line, without its line feed. Returns whether it ends the head.
    ///
    /// Most lines do not matter, which their first byte shows.
    #[inline]
    fn on_line(&mut self, line: &[u8], is_truncated: bool) -> Result<bool, OpaqueReason> {
        match (line, self.start) {
            // Empty lines before a start line are skipped (RFC 9112 §2.2). A bare line feed ends a line too, as
            // in hyper's parser.
            ([] | [b'\r'], start) => return Ok(start.is_some()),
            (_, None) => self.on_start_line(line, is_truncated)?,
            ([b'c' | b'C', ..], _) => {
                self.on_content_length(line, is_truncated)?;
                if self.kind == Kind::Response {
                    self.on_connection(line, is_truncated);
                }
            }
            ([b't' | b'T', ..], _) => self.on_transfer_encoding(line, is_truncated)?,
            ([b'k' | b'K', ..], _) if self.kind == Kind::Response => {
                self.on_keep_alive(line, is_truncated);
            }
            // A folded line (RFC 9112 §5.2) may continue a field that matters.
            ([b' ' | b'\t', ..], _) => return Err(OpaqueReason::Unrecognized),
            _ => {}
        }
        Ok(false)
    }

    fn on_start_line(&mut self, line: &[u8], is_truncated: bool) -> Result<(), OpaqueReason> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.start = Some(match self.kind {
            Kind::Request => Start::Request(request_line(line, is_truncated)?),
            Kind::Response => status_line(line)?,
        });
        Ok(())
    }

    fn on_content_length(&mut self, line: &[u8], is_truncated: bool) -> Result<(), OpaqueReason> {
        let Some(value) = value_of(line, CONTENT_LENGTH, is_truncated)? else {
            return Ok(());
        };
        for element in value.split(|&b| b == b',') {
            self.length = match (digits(trim(element)), self.length) {
                (Some(length), Length::Absent) => Length::Of(length),
                (Some(length), Length::Of(known)) if length == known => Length::Of(known),
                (None, _) if has_control(value) => return Err(OpaqueReason::Unrecognized),
                _ => Length::Invalid,
            };
        }
        Ok(())
    }

    fn on_transfer_encoding(
        &mut self,
        line: &[u8],
        is_truncated: bool,
    ) -> Result<(), OpaqueReason> {
        let Some(value) = value_of(line, TRANSFER_ENCODING, is_truncated)? else {
            return Ok(());
        };
        if has_control(value) {
            return Err(OpaqueReason::Unrecognized);
        }
        let last = value.rsplit(|&b| b == b',').next().unwrap_or_default();
        self.coding = if trim(last).eq_ignore_ascii_case(b"chunked") && value.is_ascii() {
            Coding::Chunked
        } else {
            Coding::Other
        };
        Ok(())
    }

    fn on_connection(&mut self, line: &[u8], is_truncated: bool) {
        if let Ok(Some(value)) = value_of(line, CONNECTION, is_truncated) {
            let mut options = value.split(|&b| b == b',');
            self.is_closing |= options.any(|option| trim(option).eq_ignore_ascii_case(b"close"));
        }
    }

    /// A malformed field does not make the connection opaque: if hyper refuses it, hyper closes the connection.
    fn on_keep_alive(&mut self, line: &[u8], is_truncated: bool) {
        match value_of(line, KEEP_ALIVE, is_truncated) {
            Ok(None) => {}
            Ok(Some(value)) => self.hint.get_or_insert_default().add(value),
            Err(_) => self.hint.get_or_insert_default().invalid = true,
        }
    }
}

/// The value of a field line; `None` if the line is not of the named field.
///
/// Fails if the line is of that field, but has a form in which parsers disagree: blanks before the
/// colon (RFC 9112 §5.1), no colon, or more than [`MAX_LINE`] bytes.
#[inline]
fn value_of<'a, const N: usize>(
    line: &'a [u8],
    name: &[u8; N],
    is_truncated: bool,
) -> Result<Option<&'a [u8]>, OpaqueReason> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let Some((field, [next, value @ ..])) = line.split_first_chunk() else {
        return Ok(None);
    };
    if !is_name(field, name) {
        return Ok(None);
    }
    match *next {
        b':' if !is_truncated => Ok(Some(value)),
        next if is_token_byte(next) => Ok(None),
        _ => Err(OpaqueReason::Unrecognized),
    }
}

/// Whether a field's value has control characters (RFC 9110 §5.5). hyper refuses them; with
/// `ignore_invalid_headers_in_responses` it ignores the field.
fn has_control(value: &[u8]) -> bool {
    value.iter().any(|&b| b.is_ascii_control() && b != b'\t')
}

/// Without the blanks on both sides (RFC 9110 §5.6.3).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `method SP request-target SP HTTP-version` (RFC 9112 §3).
fn request_line(line: &[u8], is_truncated: bool) -> Result<Method, OpaqueReason> {
    let Some(space) = line.iter().position(|&b| b == b' ') else {
        return Err(OpaqueReason::Unrecognized);
    };
    let (method, target) = line.split_at(space);
    let is_http_1 = target.ends_with(b" HTTP/1.1") || target.ends_with(b" HTTP/1.0");
    if method == b"PRI" && target == b" * HTTP/2.0" {
        return Err(OpaqueReason::Http2);
    }
    if method.is_empty()
        || !method.iter().all(|&b| is_token_byte(b))
        || !(is_truncated || is_http_1)
    {
        return Err(OpaqueReason::Unrecognized);
    }
    // Methods are case-sensitive (RFC 9110 §9.1).
    Ok(match method {
        b"CONNECT" => Method::Connect,
        b"HEAD" => Method::Head,
        _ => Method::Other,
    })
}

/// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 §4).
fn status_line(line: &[u8]) -> Result<Start, OpaqueReason> {
    let [
        b'H',
        b'T',
        b'T',
        b'P',
        b'/',
        b'1',
        b'.',
        minor @ (b'0' | b'1'),
        b' ',
        a @ b'1'..=b'9',
        b @ b'0'..=b'9',
        c @ b'0'..=b'9',
        rest @ ..,
    ] = line
    else {
        return Err(OpaqueReason::Unrecognized);
    };
    if !matches!(rest.first(), None | Some(b' ')) {
        return Err(OpaqueReason::Unrecognized);
    }
    let status = [a, b, c].into_iter().fold(0_u16, |status, digit| {
        status
            .wrapping_mul(10)
            .wrapping_add(u16::from(digit & 0x0f))
    });
    Ok(Start::Response {
        status,
        http_10: *minor == b'0',
    })
}

/// A number of digits only: no sign, no blank, no overflow.
fn digits(bytes: &[u8]) -> Option<u64> {
    if bytes.is_empty() {
        return None;
    }
    bytes.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte & 0x0f))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
