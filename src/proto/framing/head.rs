//! One message head: the start line and the fields that say how long the body is.
//!
//! The head is walked line by line, most of them at a glance, and of each line at most the first
//! [`MAX_LINE`] bytes are looked at: where they lie, if the line arrives whole. Of a line that arrives
//! in pieces that much is kept, and of the head nothing else.

use super::Opaque;
use super::lines;
use crate::proto::token::is_token_byte;

/// The longest head that is followed, in bytes.
///
/// More than hyper accepts by default (about 408 KiB), so that the bound only cuts off what hyper
/// was configured to accept beyond that.
pub(crate) const MAX_HEAD: usize = 512 * 1024;

/// How many bytes of a line are looked at, and kept if it arrives in pieces.
///
/// A field that matters is far shorter; of any other line only the beginning is looked at.
pub(crate) const MAX_LINE: usize = 1024;

/// What ends a request line as nearly all are.
const PLAIN_VERSION: &[u8] = b" HTTP/1.1\r\n";

const CONTENT_LENGTH: &str = "content-length";
const TRANSFER_ENCODING: &str = "transfer-encoding";

/// Which of the two kinds of head is walked.
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
    /// Bytes walked so far, never above `MAX_HEAD`.
    walked: usize,
    /// The beginning of a line that has not ended yet, never longer than `MAX_LINE`.
    partial: Vec<u8>,
    /// Whether the line in `partial` went on beyond what was kept.
    cut: bool,
}

impl Head {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            start: None,
            length: Length::Absent,
            coding: Coding::Absent,
            walked: 0,
            partial: Vec::new(),
            cut: false,
        }
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

    /// How many bytes are held on the heap.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.partial.capacity()
    }

    /// Walks on. Returns what lies behind the head once its end is found, `None` before that.
    pub(super) fn feed<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<&'a [u8]>, Opaque> {
        let mut at = 0;
        if self.walked == 0 {
            // Nearly always the first line shows at once what it is, and is passed over.
            match self.kind {
                Kind::Response => self.start = plain_status_line(bytes),
                Kind::Request => {
                    if let Some((method, behind)) = plain_request_line(bytes) {
                        self.start = Some(Start::Request(method));
                        at = bytes.len().saturating_sub(behind.len());
                    }
                }
            }
        }
        loop {
            let is_behind_start = self.start.is_some() && self.partial.is_empty();
            if is_behind_start {
                at = lines::walk(bytes, at, may_matter);
            }
            let rest = bytes.get(at..).unwrap_or_default();
            if is_behind_start {
                // The two lines that matter and are in nearly every head.
                if let Some(behind) = rest.strip_prefix(b"\r\n") {
                    self.walk(bytes.len().saturating_sub(behind.len()))?;
                    return Ok(Some(behind));
                }
                if let (Some((length, behind)), Length::Absent) = (plain_length(rest), self.length)
                {
                    self.length = Length::Of(length);
                    at = bytes.len().saturating_sub(behind.len());
                    continue;
                }
            }
            let Some(end) = memchr::memchr(b'\n', rest) else {
                self.walk(bytes.len())?;
                self.keep(rest);
                self.recognize()?;
                return Ok(None);
            };
            let (line, behind) = rest.split_at(end);
            let behind = behind.get(1..).unwrap_or_default();
            at = bytes.len().saturating_sub(behind.len());
            if self.on_line_end(line)? {
                self.walk(at)?;
                return Ok(Some(behind));
            }
        }
    }

    fn walk(&mut self, bytes: usize) -> Result<(), Opaque> {
        self.walked = self.walked.saturating_add(bytes);
        if self.walked > MAX_HEAD {
            return Err(Opaque::OversizeHead);
        }
        Ok(())
    }

    /// Keeps the beginning of a line that has not ended.
    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE.saturating_sub(self.partial.len());
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.cut |= kept.len() < bytes.len();
        self.partial.extend_from_slice(kept);
    }

    /// Gives up early on what cannot become a head, before a line end that may never come.
    fn recognize(&self) -> Result<(), Opaque> {
        if self.start.is_some() || self.partial.is_empty() {
            return Ok(());
        }
        // What may be an empty line is not over yet.
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
            Err(Opaque::Unrecognized)
        }
    }

    /// Takes a line without its line feed; says whether it was the one that ends the head.
    fn on_line_end(&mut self, end: &[u8]) -> Result<bool, Opaque> {
        if self.partial.is_empty() {
            // No more than would have been kept, so that it does not matter how the line came.
            let line = end.get(..MAX_LINE).unwrap_or(end);
            return self.on_line(line, line.len() < end.len());
        }
        self.keep(end);
        let line = std::mem::take(&mut self.partial);
        let cut = std::mem::take(&mut self.cut);
        self.on_line(&line, cut)
    }

    fn on_line(&mut self, line: &[u8], cut: bool) -> Result<bool, Opaque> {
        // A bare line feed ends a line too, as hyper's parser has it (RFC 9112 §2.2).
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(&first) = line.first() else {
            // Empty lines before a start line are skipped (RFC 9112 §2.2).
            return Ok(self.start.is_some());
        };
        if self.start.is_none() {
            self.start = Some(match self.kind {
                Kind::Request => Start::Request(request_line(line, cut)?),
                Kind::Response => status_line(line)?,
            });
            return Ok(false);
        }
        match first {
            b'c' | b'C' => self.on_content_length(line, cut)?,
            b't' | b'T' => self.on_transfer_encoding(line, cut)?,
            // A folded line (RFC 9112 §5.2) may continue a field that matters.
            b' ' | b'\t' => return Err(Opaque::Unrecognized),
            _ => {}
        }
        Ok(false)
    }

    fn on_content_length(&mut self, line: &[u8], cut: bool) -> Result<(), Opaque> {
        let Some(value) = value_of(line, CONTENT_LENGTH, cut)? else {
            return Ok(());
        };
        for element in value.split(|&b| b == b',') {
            self.length = match (digits(element.trim_ascii()), self.length) {
                (Some(length), Length::Absent) => Length::Of(length),
                (Some(length), Length::Of(known)) if length == known => Length::Of(known),
                _ => Length::Invalid,
            };
        }
        Ok(())
    }

    fn on_transfer_encoding(&mut self, line: &[u8], cut: bool) -> Result<(), Opaque> {
        let Some(value) = value_of(line, TRANSFER_ENCODING, cut)? else {
            return Ok(());
        };
        let last = value.rsplit(|&b| b == b',').next().unwrap_or_default();
        self.coding = if last.trim_ascii().eq_ignore_ascii_case(b"chunked") && value.is_ascii() {
            Coding::Chunked
        } else {
            Coding::Other
        };
        Ok(())
    }
}

/// Whether a line, given with what lies behind it, is at first glance one of those that matter: few
/// are.
#[inline]
fn may_matter(line: &[u8]) -> bool {
    let name = match line.first() {
        Some(b'C' | b'c') => CONTENT_LENGTH,
        Some(b'T' | b't') => TRANSFER_ENCODING,
        // The empty line, a folded one.
        Some(b'\r' | b'\n' | b' ' | b'\t') => return true,
        _ => return false,
    };
    let Some(&[last, behind]) = line.get(name.len().saturating_sub(1)..=name.len()) else {
        return true;
    };
    // A longer name goes on behind the end of this one, a shorter one has ended before.
    name.ends_with(last.to_ascii_lowercase() as char) && !is_token_byte(behind)
}

/// The value of a field line, if the line is the named field's.
///
/// Fails where the line is that field's but in a form in which parsers disagree: blanks before the
/// colon (RFC 9112 §5.1), no colon, control characters in the value (RFC 9110 §5.5), a value longer
/// than what is looked at.
fn value_of<'a>(line: &'a [u8], name: &str, cut: bool) -> Result<Option<&'a [u8]>, Opaque> {
    let Some((field, rest)) = line.split_at_checked(name.len()) else {
        return Ok(None);
    };
    let Some((&next, value)) = rest.split_first() else {
        return Ok(None);
    };
    if is_token_byte(next) || !field.eq_ignore_ascii_case(name.as_bytes()) {
        return Ok(None);
    }
    // With `ignore_invalid_headers_in_responses` hyper takes a field with such a byte for absent.
    let control = value.iter().any(|&b| b.is_ascii_control() && b != b'\t');
    if next != b':' || cut || control {
        return Err(Opaque::Unrecognized);
    }
    Ok(Some(value))
}

/// The length in a line that is written as nearly all are, and what lies behind the line. Others may
/// be as good.
fn plain_length(bytes: &[u8]) -> Option<(u64, &[u8])> {
    // So many digits do not overflow.
    const DIGITS: usize = 18;
    let value = bytes
        .strip_prefix(b"content-length: ")
        .or_else(|| bytes.strip_prefix(b"Content-Length: "))?;
    let end = value
        .iter()
        .take(DIGITS)
        .position(|byte| !byte.is_ascii_digit())?;
    let (number, behind) = value.split_at_checked(end)?;
    Some((digits(number)?, behind.strip_prefix(b"\r\n")?))
}

/// The status line that the bytes begin with, if they show at once that it is one. Others may be.
fn plain_status_line(bytes: &[u8]) -> Option<Start> {
    // As long as with a status, and the blank behind it.
    let line = bytes.get(..13)?;
    if line.last() != Some(&b' ') {
        return None;
    }
    status_line(line).ok()
}

/// The request line that the bytes begin with, if it is one as nearly all are, and what lies behind it.
/// Others may be as good.
fn plain_request_line(bytes: &[u8]) -> Option<(Method, &[u8])> {
    let ([b'G', b'E', b'T', b' ', target @ ..] | [b'P', b'O', b'S', b'T', b' ', target @ ..]) =
        bytes
    else {
        return None;
    };
    let feed = memchr::memchr(b'\n', target)?;
    let (line, behind) = target.split_at_checked(feed.checked_add(1)?)?;
    line.ends_with(PLAIN_VERSION)
        .then_some((Method::Other, behind))
}

/// If the bytes show at once that they are a request, and all of it, without a body, whose answer ends by
/// its own fields: what lies behind the target. Others may be as good.
pub(super) fn behind_plain_target(bytes: &[u8]) -> Option<&[u8]> {
    let (_, fields) = plain_request_line(bytes)?;
    let end = lines::walk(fields, 0, may_matter);
    let is_all = bytes.len() <= MAX_HEAD && fields.get(end..) == Some(b"\r\n");
    let behind_line = bytes.len().checked_sub(fields.len())?;
    let behind_target = behind_line.checked_sub(PLAIN_VERSION.len())?;
    bytes.get(behind_target..).filter(|_| is_all)
}

/// `method SP request-target SP HTTP-version` (RFC 9112 §3).
fn request_line(line: &[u8], cut: bool) -> Result<Method, Opaque> {
    let Some(space) = line.iter().position(|&b| b == b' ') else {
        return Err(Opaque::Unrecognized);
    };
    let (method, target) = line.split_at(space);
    let is_http_1 = target.ends_with(b" HTTP/1.1") || target.ends_with(b" HTTP/1.0");
    if is_http_1 && matches!(method, b"GET" | b"POST") {
        // By far the most.
        return Ok(Method::Other);
    }
    if method == b"PRI" && target == b" * HTTP/2.0" {
        return Err(Opaque::Http2);
    }
    if method.is_empty() || !method.iter().all(|&b| is_token_byte(b)) || !(cut || is_http_1) {
        return Err(Opaque::Unrecognized);
    }
    // Methods are case-sensitive (RFC 9110 §9.1).
    Ok(match method {
        b"CONNECT" => Method::Connect,
        b"HEAD" => Method::Head,
        _ => Method::Other,
    })
}

/// `HTTP-version SP status-code SP [ reason-phrase ]` (RFC 9112 §4).
fn status_line(line: &[u8]) -> Result<Start, Opaque> {
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
        return Err(Opaque::Unrecognized);
    };
    if !matches!(rest.first(), None | Some(b' ')) {
        return Err(Opaque::Unrecognized);
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
