//! The `Keep-Alive` field: parse and Display.
//!
//! 1. All fields of the name and all elements of their lists count, in any order.
//! 2. Elements are separated by commas, empty ones say nothing. A comma inside a quoted-string
//!    separates nothing, nor does a `;` anywhere.
//! 3. `timeout` and `max` are known, in any case. Every other element is skipped, whatever it
//!    holds.
//! 4. Blanks (space, tab) may stand around `,` and `=`.
//! 5. A value is digits, plain or in a quoted-string. It saturates at `u32::MAX`. Only `timeout`
//!    may carry a unit, an `s` behind the digits.
//! 6. A known parameter that does not parse (a sign, a fraction, junk, no value) counts as absent,
//!    is reported as invalid, and does not spoil the others.
//! 7. A quoted-string without its closing quote is invalid too. It ends at the next comma, so that
//!    it does not spoil what follows.
//! 8. Of several valid values of one parameter the smallest counts.
//! 9. Whether `Connection: keep-alive` stands beside the field makes no difference.
//!
//! Rule 8: a limit that is too short costs a new connection, one that is too long costs a request.
//! Rule 9 parts from RFC 2068, which has a field without the connection option ignored: a server
//! that sends its timeout means it.
//!
//! What it does not do: decide. That `timeout=0` forbids reuse, and how far a long timeout is
//! trusted, is the deadline's business.

use std::{fmt, time::Duration};

use http::{HeaderMap, HeaderName};

use super::token::{is_name, is_token_byte};

/// What a server said in its `Keep-Alive` field: how long it keeps an idle connection, and how many
/// more requests it takes on it.
///
/// The field belongs to one connection (hop-by-hop, [RFC 9110 §7.6.1]). [RFC 2068 §19.7.1.1] gives
/// its form, the expired [draft-thomson-hybi-http-timeout-01] its parameters:
///
/// ```text
/// Keep-Alive           = 1#keep-alive-info
/// keep-alive-info      = "timeout" "=" delta-seconds
///                      / "max" "=" 1*DIGIT
///                      / keep-alive-extension
/// keep-alive-extension = token [ "=" ( token / quoted-string ) ]
/// ```
///
/// Servers send more than this, so it is read with more tolerance than it is written: any case,
/// blanks around `=`, quoted numbers, `timeout=5s`. A parameter that makes no sense counts as
/// absent. Of several values of one parameter, in one field or in many, the smallest counts.
///
/// # Example values
///
/// * `timeout=5, max=100` (Apache httpd)
/// * `timeout=5` (Node.js, nginx with two values in its `keepalive_timeout`)
/// * `timeout=0`: the connection is not to be used again
/// * `max=0`: the same
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use http::{HeaderMap, HeaderValue};
/// use http_keepalive::KeepAliveHint;
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(KeepAliveHint::from_headers(&headers), None);
///
/// headers.insert("keep-alive", HeaderValue::from_static("Timeout = 5, max=many"));
/// let said = KeepAliveHint::new().with_timeout(Duration::from_secs(5));
/// assert_eq!(KeepAliveHint::from_headers(&headers), Some(said));
/// assert_eq!(said.max(), None);
///
/// assert_eq!(said.with_max(100).to_string(), "timeout=5, max=100");
/// ```
///
/// [RFC 9110 §7.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
/// [RFC 2068 §19.7.1.1]: https://www.rfc-editor.org/rfc/rfc2068#section-19.7.1.1
/// [draft-thomson-hybi-http-timeout-01]: https://datatracker.ietf.org/doc/html/draft-thomson-hybi-http-timeout-01
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct KeepAliveHint {
    /// Whole seconds, as on the wire; zero if it did not say.
    timeout: u32,
    /// Requests that may follow the response which carried the hint; zero if it did not say.
    max: u32,
    has_timeout: bool,
    has_max: bool,
}

impl KeepAliveHint {
    /// A hint that says nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            timeout: 0,
            max: 0,
            has_timeout: false,
            has_max: false,
        }
    }

    /// Says how long an idle connection is kept.
    ///
    /// The field knows whole seconds only. A fraction is cut off, because to promise too little is
    /// the safe side; less than a second becomes `timeout=0`, and more than 136 years `timeout=4294967295`.
    #[must_use]
    pub const fn with_timeout(self, timeout: Duration) -> Self {
        let seconds = timeout.as_secs();
        self.with_seconds(if seconds > u32::MAX as u64 {
            u32::MAX
        } else {
            seconds as u32
        })
    }

    const fn with_seconds(mut self, timeout: u32) -> Self {
        self.timeout = timeout;
        self.has_timeout = true;
        self
    }

    /// Says how many more requests the connection takes.
    #[must_use]
    pub const fn with_max(mut self, max: u32) -> Self {
        self.max = max;
        self.has_max = true;
        self
    }

    /// How long the server keeps the connection when it is idle, in whole seconds. `None` if it did
    /// not say.
    #[must_use]
    #[inline]
    pub const fn timeout(&self) -> Option<Duration> {
        match self.seconds() {
            Some(seconds) => Some(Duration::from_secs(seconds as u64)),
            None => None,
        }
    }

    #[inline]
    const fn seconds(&self) -> Option<u32> {
        if self.has_timeout {
            Some(self.timeout)
        } else {
            None
        }
    }

    /// How many requests the server takes on the connection after this response. `None` if it did
    /// not say.
    #[must_use]
    #[inline]
    pub const fn max(&self) -> Option<u32> {
        if self.has_max { Some(self.max) } else { None }
    }

    /// Reads all `Keep-Alive` fields of a message. `None` if none of them gives a valid parameter.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        parse(headers)?.hint
    }

    /// This hint, with what it does not mention taken from an earlier one.
    pub(crate) fn or(mut self, earlier: Self) -> Self {
        if let (false, Some(timeout)) = (self.has_timeout, earlier.seconds()) {
            self = self.with_seconds(timeout);
        }
        if let (false, Some(max)) = (self.has_max, earlier.max()) {
            self = self.with_max(max);
        }
        self
    }

    /// With one more value of a parameter: the smallest counts.
    fn tighten(self, parameter: Parameter, value: u32) -> Self {
        let least = |known: Option<u32>| known.map_or(value, |known| known.min(value));
        match parameter {
            Parameter::Max => self.with_max(least(self.max())),
            Parameter::Timeout => self.with_seconds(least(self.seconds())),
        }
    }
}

impl fmt::Debug for KeepAliveHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeepAliveHint")
            .field("timeout", &self.timeout())
            .field("max", &self.max())
            .finish()
    }
}

/// The field's value, `timeout=5, max=100`. Empty if the hint says nothing.
impl fmt::Display for KeepAliveHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.seconds(), self.max()) {
            (Some(timeout), Some(max)) => write!(f, "timeout={timeout}, max={max}"),
            (Some(timeout), None) => write!(f, "timeout={timeout}"),
            (None, Some(max)) => write!(f, "max={max}"),
            (None, None) => Ok(()),
        }
    }
}

/// What the `Keep-Alive` fields of one message came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// What they say. `None` if they give no valid parameter.
    pub(crate) hint: Option<KeepAliveHint>,
    /// Whether there was anything that did not parse. Unknown parameters do not count.
    pub(crate) invalid: bool,
}

impl Parsed {
    /// Adds the value of one field.
    pub(crate) fn add(&mut self, value: &[u8]) {
        let mut rest = value;
        let mut quotes = Quotes::default();
        loop {
            while let [b',' | b' ' | b'\t', behind @ ..] = rest {
                rest = behind;
            }
            if rest.is_empty() {
                break;
            }
            let parameter = Parameter::read(rest);
            let number = parameter.and_then(|(parameter, rest)| parameter.read_number(rest));
            rest = match (parameter, number) {
                (Some((parameter, _)), Some((number, behind))) => {
                    let hint = self.hint.unwrap_or_default();
                    self.hint = Some(hint.tighten(parameter, number));
                    behind
                }
                (parameter, _) => {
                    self.invalid |= parameter.is_some();
                    quotes.skip_element(rest)
                }
            };
        }
        self.invalid |= quotes.is_unterminated;
    }
}

/// Reads all `Keep-Alive` fields of a message, without allocating. `None` if there is none.
pub(crate) fn parse(headers: &HeaderMap) -> Option<Parsed> {
    let mut parsed: Option<Parsed> = None;
    for value in headers.get_all(&KEEP_ALIVE) {
        parsed.get_or_insert_default().add(value.as_bytes());
    }
    parsed
}

/// The parameters that mean something.
#[derive(Clone, Copy)]
enum Parameter {
    /// `max`
    Max,
    /// `timeout`
    Timeout,
}

impl Parameter {
    /// Reads a name. Returns what follows it, too; `None` if the bytes begin with another name.
    ///
    /// The name ends where the token does, not at `=`: `timeout: 5` is a timeout that does not parse, not an
    /// unknown parameter.
    #[inline]
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (parameter, rest) = match bytes {
            [b't' | b'T', ..] => (Self::Timeout, strip_name(bytes, b"timeout")?),
            [b'm' | b'M', ..] => (Self::Max, strip_name(bytes, b"max")?),
            _ => return None,
        };
        let ends = !rest.first().is_some_and(|&byte| is_token_byte(byte));
        ends.then_some((parameter, rest))
    }

    /// Reads the `=` and the number behind it. Returns what follows the element, too.
    ///
    /// All of the element has to make sense. In `timeout=5; max=3` and in `timeout=5 max=3` the value is not 5
    /// but junk: what follows may be a unit or a fraction, and then 5 is the wrong number. Counting as absent,
    /// it leaves the connection to the policy's own limit.
    #[inline]
    fn read_number(self, bytes: &[u8]) -> Option<(u32, &[u8])> {
        let mut rest = skip_blanks(skip_blanks(bytes).strip_prefix(b"=")?);
        let quoted = rest.strip_prefix(b"\"");
        rest = quoted.unwrap_or(rest);
        let is_quoted = quoted.is_some();
        let mut number: Option<u32> = None;
        while let [byte @ b'0'..=b'9', behind @ ..] = unescape(rest, is_quoted) {
            let digit = u32::from(byte & 0x0f);
            number = Some(number.unwrap_or(0).saturating_mul(10).saturating_add(digit));
            rest = behind;
        }
        if let (Self::Timeout, [b's' | b'S', behind @ ..]) = (self, unescape(rest, is_quoted)) {
            rest = behind;
        }
        if is_quoted {
            rest = rest.strip_prefix(b"\"")?;
        }
        let behind = skip_blanks(rest);
        let ends = matches!(behind, [] | [b',', ..]);
        number.filter(|_| ends).map(|number| (number, behind))
    }
}

/// What follows the name, which is in lower case, if the bytes begin with it in any case.
#[inline]
fn strip_name<'a, const N: usize>(bytes: &'a [u8], name: &[u8; N]) -> Option<&'a [u8]> {
    let (begin, rest) = bytes.split_first_chunk()?;
    is_name(begin, name).then_some(rest)
}

/// Skips the backslash of a quoted-pair, which stands for the byte behind it (RFC 9110 §5.6.4).
#[inline]
fn unescape(bytes: &[u8], is_quoted: bool) -> &[u8] {
    match bytes {
        [b'\\', behind @ ..] if is_quoted => behind,
        bytes => bytes,
    }
}

#[inline]
fn skip_blanks(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    bytes
}

/// The quoted-strings of one field's value.
#[derive(Default)]
struct Quotes {
    /// Whether a quote was met that nothing closes. Quotes behind it mean nothing: if each were
    /// tried anew, a hostile value would take quadratic time.
    is_unterminated: bool,
}

impl Quotes {
    /// Skips the element of a list (RFC 9110 §5.6.1) that the bytes begin with.
    fn skip_element<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.find_end(bytes)..).unwrap_or_default()
    }

    fn find_end(&mut self, bytes: &[u8]) -> usize {
        let mut place = Place::Plain;
        // If the quote turns out to have no end, the comma next to it was none of a quoted-string.
        let mut quoted_comma = None;
        for (at, byte) in bytes.iter().enumerate() {
            place = match (place, byte) {
                (Place::Plain, b',') => return at,
                (Place::Plain, b'"') if !self.is_unterminated => {
                    quoted_comma = None;
                    Place::Quoted
                }
                (Place::Plain, _) | (Place::Quoted, b'"') => Place::Plain,
                (Place::Quoted, b'\\') => Place::Escaped,
                (Place::Quoted | Place::Escaped, b',') => {
                    quoted_comma = quoted_comma.or(Some(at));
                    Place::Quoted
                }
                (Place::Quoted | Place::Escaped, _) => Place::Quoted,
            };
        }
        if matches!(place, Place::Plain) {
            return bytes.len();
        }
        self.is_unterminated = true;
        quoted_comma.unwrap_or(bytes.len())
    }
}

/// Where in an element a byte stands: `Plain => Quoted | Plain`, `Quoted => Escaped | Quoted |
/// Plain`, `Escaped => Quoted`.
#[derive(Clone, Copy)]
enum Place {
    /// Behind a backslash in a quoted-string.
    Escaped,
    /// Outside any quoted-string.
    Plain,
    /// In a quoted-string.
    Quoted,
}

/// The field's name. A static, so that looking it up does not parse it.
pub(crate) static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http::HeaderValue;
    use proptest::{prelude::*, sample::select};

    use super::super::framing::Tracker;
    use super::*;

    /// The fields of one message, and the timeout, max and invalid that they come to.
    type Case = (&'static [&'static [u8]], Option<u32>, Option<u32>, bool);

    /// Grouped as the rules at the top of this file.
    #[rustfmt::skip]
    const CASES: &[Case] = &[
        // As real servers send it.
        (&[b"timeout=5, max=100"], Some(5), Some(100), false),
        (&[b"timeout=5"], Some(5), None, false),
        (&[b"timeout=15,max=99"], Some(15), Some(99), false),
        (&[b"max=100, timeout=5"], Some(5), Some(100), false),
        (&[b"max=100"], None, Some(100), false),
        (&[b"timeout=600"], Some(600), None, false),
        (&[b"300"], None, None, false),
        (&[b"true"], None, None, false),
        (&[b"Closed"], None, None, false),
        // Zero is a value, not the lack of one (Apache's client, pingora); 9 is a digit (Vert.x).
        (&[b"timeout=0"], Some(0), None, false),
        (&[b"max=0"], None, Some(0), false),
        (&[b"timeout=0, max=0"], Some(0), Some(0), false),
        (&[b"timeout=000"], Some(0), None, false),
        (&[b"timeout=9"], Some(9), None, false),
        (&[b"timeout=59, max=999"], Some(59), Some(999), false),
        (&[b"timeout=90, max=190"], Some(90), Some(190), false),
        (&[b"timeout=1234567890"], Some(1_234_567_890), None, false),
        // All fields count.
        (&[b"timeout=5", b"max=100"], Some(5), Some(100), false),
        (&[b"max=100", b"timeout=5"], Some(5), Some(100), false),
        (&[b"", b"timeout=5"], Some(5), None, false),
        (&[b"foo", b"bar", b"timeout=5"], Some(5), None, false),
        (&[b"timeout=abc", b"timeout=5"], Some(5), None, true),
        (&[b"timeout=5", b"timeout=abc"], Some(5), None, true),
        (&[b"x=\"", b"timeout=5", b"\""], Some(5), None, true),
        // All elements count, empty ones say nothing.
        (&[b""], None, None, false),
        (&[b","], None, None, false),
        (&[b" , ,\t,"], None, None, false),
        (&[b"timeout=5,"], Some(5), None, false),
        (&[b"timeout=5,,, max=3,,"], Some(5), Some(3), false),
        (&[b",timeout=5"], Some(5), None, false),
        // Commas in quoted-strings do not separate.
        (&[b"x=\"a, timeout=1\", timeout=5"], Some(5), None, false),
        (&[b"x=\"a\\\", timeout=1\", timeout=5"], Some(5), None, false),
        (&[b"x=\"a\\\\\", timeout=1"], Some(1), None, false),
        (&[b"x=\",\"; y=\",\", max=3"], None, Some(3), false),
        (&[b"\"timeout=5, max=3\""], None, None, false),
        (&[b"timeout=\"5, max=3\""], None, None, true),
        (&[b"timeout=\"5,6\", max=3"], None, Some(3), true),
        // Names in any case.
        (&[b"Timeout=5, Max=3"], Some(5), Some(3), false),
        (&[b"TIMEOUT = 5"], Some(5), None, false),
        (&[b"tImEoUt=5, mAX=3"], Some(5), Some(3), false),
        // Unknown parameters.
        (&[b"foo=bar, timeout=5"], Some(5), None, false),
        (&[b"foo, timeout=5, bar"], Some(5), None, false),
        (&[b"timeout5, timeouts=5, max-age=5"], None, None, false),
        (&[b"xtimeout=5, x-max=3"], None, None, false),
        (&[b"=5, ==, timeout=5"], Some(5), None, false),
        (&[b"\"timeout\"=5"], None, None, false),
        (&[b"foo=-1, bar=1.5, baz="], None, None, false),
        (&[b"t\xc3\xaemeout=5"], None, None, false),
        (&[b"\xff\xfe, timeout=5"], Some(5), None, false),
        // Blanks.
        (&[b"  timeout=5  "], Some(5), None, false),
        (&[b"\ttimeout\t=\t5\t,\tmax\t=\t3\t"], Some(5), Some(3), false),
        (&[b"timeout  =  5 ,max= 3"], Some(5), Some(3), false),
        (&[b"timeout= \"5\" , max =\"3\""], Some(5), Some(3), false),
        (&[b"time out=5"], None, None, false),
        (&[b"timeout=5 0"], None, None, true),
        (&[b"timeout=\" 5\""], None, None, true),
        (&[b"timeout=\xa05"], None, None, true),
        // Digits, plain or quoted, saturating; `timeout` with its unit.
        (&[b"timeout=\"5\""], Some(5), None, false),
        (&[b"timeout=\"5\", max=\"100\""], Some(5), Some(100), false),
        (&[b"timeout=\"\\5\\0\", max=\"1\\0\""], Some(50), Some(10), false),
        (&[b"timeout=007, max=0010"], Some(7), Some(10), false),
        (&[b"timeout=00000000000000000000000000000000000000005"], Some(5), None, false),
        (&[b"timeout=99999999999999"], Some(u32::MAX), None, false),
        (&[b"timeout=4294967294"], Some(u32::MAX - 1), None, false),
        (&[b"timeout=4294967295"], Some(u32::MAX), None, false),
        (&[b"timeout=4294967296"], Some(u32::MAX), None, false),
        (&[b"timeout=99999999999999999999999"], Some(u32::MAX), None, false),
        (&[b"max=99999999999999999999999"], None, Some(u32::MAX), false),
        (&[b"timeout=99999999999999999999999, timeout=5"], Some(5), None, false),
        (&[b"timeout=5s"], Some(5), None, false),
        (&[b"timeout=5S, max=3"], Some(5), Some(3), false),
        (&[b"timeout=\"5s\""], Some(5), None, false),
        (&[b"timeout=\"5\\s\""], Some(5), None, false),
        (&[b"timeout=99999999999999999999999s"], Some(u32::MAX), None, false),
        (&[b"max=5s"], None, None, true),
        // What does not parse, and spoils nothing.
        (&[b"timeout"], None, None, true),
        (&[b"max, timeout=5"], Some(5), None, true),
        (&[b"timeout="], None, None, true),
        (&[b"timeout= , max=3"], None, Some(3), true),
        (&[b"timeout=\"\", max=3"], None, Some(3), true),
        (&[b"timeout=-1, max=3"], None, Some(3), true),
        (&[b"timeout=5, max=-1"], Some(5), None, true),
        (&[b"timeout=-0"], None, None, true),
        (&[b"timeout=+5"], None, None, true),
        (&[b"timeout=5.5"], None, None, true),
        (&[b"timeout=5.0"], None, None, true),
        (&[b"timeout=.5"], None, None, true),
        (&[b"timeout=1e3"], None, None, true),
        (&[b"timeout=0x5"], None, None, true),
        (&[b"timeout=1_000"], None, None, true),
        (&[b"timeout=abc"], None, None, true),
        (&[b"timeout=5abc"], None, None, true),
        (&[b"timeout=a5"], None, None, true),
        (&[b"timeout=s"], None, None, true),
        (&[b"timeout=\"s\""], None, None, true),
        (&[b"timeout=5ss"], None, None, true),
        (&[b"timeout=s5"], None, None, true),
        (&[b"timeout=5s5"], None, None, true),
        (&[b"timeout=5 s"], None, None, true),
        (&[b"timeout=5ms"], None, None, true),
        (&[b"timeout=5000ms, max=3"], None, Some(3), true),
        (&[b"timeout=5sec"], None, None, true),
        (&[b"timeout=5m"], None, None, true),
        (&[b"timeout=infinity"], None, None, true),
        (&[b"timeout==5"], None, None, true),
        (&[b"timeout=timeout=5"], None, None, true),
        (&[b"timeout:5, max=3"], None, Some(3), true),
        (&[b"timeout 5, max=3"], None, Some(3), true),
        (&[b"timeout=5 max=3"], None, None, true),
        (&[b"timeout=5; max=3"], None, None, true),
        (&[b"timeout=5;max=3, max=7"], None, Some(7), true),
        (&[b"timeout=5;"], None, None, true),
        (&[b"timeout='5'"], None, None, true),
        (&[b"timeout=\"5\"s"], None, None, true),
        (&[b"timeout=5\"\""], None, None, true),
        (&[b"timeout=\"5\"\"6\""], None, None, true),
        (&[b"timeout=\\5"], None, None, true),
        (&[b"timeout=\xff"], None, None, true),
        (&[b"timeout=5\xff, max=3"], None, Some(3), true),
        (&[b"timeout=\"\xff\", max=3"], None, Some(3), true),
        (&[b"timeout=\xd9\xa5"], None, None, true),
        (&[b"timeout=\xef\xbc\x95"], None, None, true),
        // Quotes that nothing closes.
        (&[b"\""], None, None, true),
        (&[b"timeout=\""], None, None, true),
        (&[b"timeout=\"5"], None, None, true),
        (&[b"timeout=5\""], None, None, true),
        (&[b"timeout=\"5\\"], None, None, true),
        (&[b"timeout=\"5\\\""], None, None, true),
        (&[b"timeout=\"5s\\\""], None, None, true),
        (&[b"timeout=\"5, max=3"], None, Some(3), true),
        (&[b"timeout=5, max=\"3"], Some(5), None, true),
        (&[b"timeout=5, x=\"y"], Some(5), None, true),
        (&[b"x=\"y, timeout=5"], Some(5), None, true),
        (&[b"x=\"y\\, timeout=5"], Some(5), None, true),
        (&[b"x=\",\"\", timeout=5, max=3"], Some(5), Some(3), true),
        (&[b"x=\"y, z=\\\"a, timeout=5"], Some(5), None, true),
        (&[b"x=\"y,max=0,\"z\"a, timeout=5"], Some(5), None, true),
        (&[b"x=\"y"], None, None, true),
        (&[b"x=\"y\\"], None, None, true),
        // The smallest counts.
        (&[b"timeout=5, timeout=10"], Some(5), None, false),
        (&[b"timeout=10, timeout=5"], Some(5), None, false),
        (&[b"timeout=10", b"timeout=5"], Some(5), None, false),
        (&[b"max=3, max=2, max=4"], None, Some(2), false),
        (&[b"timeout=0, timeout=60"], Some(0), None, false),
        (&[b"timeout=60, timeout=0"], Some(0), None, false),
        (&[b"timeout=10, timeout=1.5, timeout=20"], Some(10), None, true),
        (&[b"timeout=5, max=100", b"timeout=4, max=200"], Some(4), Some(100), false),
    ];

    fn headers<T: AsRef<[u8]>>(fields: &[T]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            let value = HeaderValue::from_bytes(field.as_ref()).expect("a field value");
            headers.append("keep-alive", value);
        }
        headers
    }

    fn hint(timeout: Option<u32>, max: Option<u32>) -> KeepAliveHint {
        let mut hint = KeepAliveHint::new();
        if let Some(timeout) = timeout {
            hint = hint.with_timeout(Duration::from_secs(timeout.into()));
        }
        if let Some(max) = max {
            hint = hint.with_max(max);
        }
        hint
    }

    fn parsed(timeout: Option<u32>, max: Option<u32>, invalid: bool) -> Parsed {
        let hint = hint(timeout, max);
        let hint = (hint != KeepAliveHint::new()).then_some(hint);
        Parsed { hint, invalid }
    }

    #[test]
    fn every_case_means_what_the_rules_say() {
        for (fields, timeout, max, invalid) in CASES {
            let shown: Vec<_> = fields
                .iter()
                .map(|field| field.escape_ascii().to_string())
                .collect();

            let expected = Some(parsed(*timeout, *max, *invalid));
            assert_eq!(parse(&headers(fields)), expected, "{shown:?}");
            assert_eq!(parse_on_the_wire(fields), expected, "{shown:?}");
        }
    }

    /// The fields as the connector finds them, in the head of a response.
    fn parse_on_the_wire(fields: &[&[u8]]) -> Option<Parsed> {
        let mut tracker = Tracker::new();
        tracker.on_written(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut head = b"HTTP/1.1 204 No Content\r\n".to_vec();
        for field in fields {
            head.extend([b"Keep-Alive: ", *field, b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        tracker.on_read(&head).unwrap().hint
    }

    #[test]
    fn no_case_stands_there_twice() {
        let distinct: HashSet<_> = CASES.iter().map(|(fields, ..)| fields).collect();

        assert_eq!(distinct.len(), CASES.len());
    }

    #[test]
    fn a_message_without_the_field_has_nothing_to_parse() {
        let mut headers = HeaderMap::new();
        assert_eq!(parse(&headers), None);

        headers.insert("connection", HeaderValue::from_static("keep-alive"));
        headers.insert("x-keep-alive", HeaderValue::from_static("timeout=5"));
        assert_eq!(parse(&headers), None);
        assert_eq!(KeepAliveHint::from_headers(&headers), None);
    }

    #[test]
    fn a_field_without_a_valid_parameter_is_no_hint() {
        for field in ["", "foo=bar", "timeout=abc"] {
            assert_eq!(
                KeepAliveHint::from_headers(&headers(&[field])),
                None,
                "{field}"
            );
        }
    }

    #[test]
    fn the_field_counts_whatever_the_connection_field_says() {
        for connection in ["keep-alive", "close", "upgrade"] {
            let mut headers = headers(&["timeout=5"]);
            headers.insert("connection", HeaderValue::from_static(connection));

            let hint = KeepAliveHint::from_headers(&headers).expect("a hint");

            assert_eq!(hint.timeout(), Some(Duration::from_secs(5)), "{connection}");
        }
    }

    #[test]
    fn the_value_is_written_as_apache_writes_it() {
        let hint = KeepAliveHint::new();
        assert_eq!(hint.to_string(), "");

        let hint = hint.with_max(100);
        assert_eq!(hint.to_string(), "max=100");

        let hint = hint.with_timeout(Duration::from_secs(5));
        assert_eq!(hint.to_string(), "timeout=5, max=100");

        let hint = KeepAliveHint::new().with_timeout(Duration::MAX);
        assert_eq!(hint.to_string(), "timeout=4294967295");
    }

    #[test]
    fn a_fraction_of_a_second_is_cut_off() {
        let timeout = |millis| {
            KeepAliveHint::new()
                .with_timeout(Duration::from_millis(millis))
                .timeout()
        };

        assert_eq!(timeout(5_999), Some(Duration::from_secs(5)));
        assert_eq!(timeout(999), Some(Duration::ZERO));
    }

    #[test]
    fn a_hint_can_be_a_constant() {
        const HINT: KeepAliveHint = KeepAliveHint::new()
            .with_timeout(Duration::from_secs(5))
            .with_max(3);
        const TIMEOUT: Option<Duration> = HINT.timeout();
        const MAX: Option<u32> = HINT.max();

        assert_eq!((TIMEOUT, MAX), (Some(Duration::from_secs(5)), Some(3)));
    }

    /// Each escaped quote opens a quoted-string for one who starts behind the comma before it. If
    /// each were followed to the end of the field, this would take minutes.
    #[test]
    fn an_unterminated_quote_does_not_make_the_rest_expensive() {
        let field = format!("x=\"{}, timeout=5", ",\\\"".repeat(100_000));

        assert_eq!(parse(&headers(&[field])), Some(parsed(Some(5), None, true)));
    }

    /// One element of a list, and what it adds to the whole.
    #[derive(Clone, Debug)]
    struct Element {
        text: String,
        timeout: Option<u32>,
        max: Option<u32>,
        invalid: bool,
    }

    impl Element {
        fn saying_nothing(text: String, invalid: bool) -> Self {
            Self {
                text,
                timeout: None,
                max: None,
                invalid,
            }
        }
    }

    fn any_number() -> impl Strategy<Value = u32> {
        prop_oneof![0..10_u32, any::<u32>()]
    }

    fn any_hint() -> impl Strategy<Value = KeepAliveHint> {
        (
            prop::option::of(any_number()),
            prop::option::of(any_number()),
        )
            .prop_map(|(timeout, max)| hint(timeout, max))
    }

    /// A `=`, with blanks or without.
    fn any_equals() -> impl Strategy<Value = &'static str> {
        select(vec!["=", " =", "= ", "\t=\t", "  =  "])
    }

    /// A number as a value: plain, with zeros before it, quoted, with every digit escaped.
    fn any_spelling(number: u32, unit: &'static str) -> impl Strategy<Value = String> {
        let escaped: String = number
            .to_string()
            .chars()
            .flat_map(|digit| ['\\', digit])
            .collect();
        select(vec![
            format!("{number}{unit}"),
            format!("000{number}{unit}"),
            format!("\"{number}{unit}\""),
            format!("\"{escaped}{unit}\""),
        ])
    }

    fn any_timeout() -> impl Strategy<Value = Element> {
        (any_number(), select(vec!["", "s", "S"]))
            .prop_flat_map(|(number, unit)| {
                let name = select(vec!["timeout", "Timeout", "TIMEOUT", "tImEoUt"]);
                (Just(number), name, any_equals(), any_spelling(number, unit))
            })
            .prop_map(|(number, name, equals, value)| Element {
                text: format!("{name}{equals}{value}"),
                timeout: Some(number),
                max: None,
                invalid: false,
            })
    }

    fn any_max() -> impl Strategy<Value = Element> {
        any_number()
            .prop_flat_map(|number| {
                let name = select(vec!["max", "Max", "MAX", "mAx"]);
                (Just(number), name, any_equals(), any_spelling(number, ""))
            })
            .prop_map(|(number, name, equals, value)| Element {
                text: format!("{name}{equals}{value}"),
                timeout: None,
                max: Some(number),
                invalid: false,
            })
    }

    fn any_unknown() -> impl Strategy<Value = Element> {
        let texts = vec![
            "",
            "foo",
            "foo=5",
            "max-age=5",
            "x=\"timeout=0, max=0\"",
            "y=\"\\\",max=0\"",
        ];
        select(texts).prop_map(|text| Element::saying_nothing(text.to_owned(), false))
    }

    fn any_invalid() -> impl Strategy<Value = Element> {
        let texts = vec![
            "timeout",
            "max=",
            "timeout=-1",
            "max=5s",
            "timeout=1;max=2",
            "max=\"1, 2\"",
        ];
        select(texts).prop_map(|text| Element::saying_nothing(text.to_owned(), true))
    }

    fn any_elements() -> impl Strategy<Value = Vec<Element>> {
        let element = prop_oneof![any_timeout(), any_max(), any_unknown(), any_invalid()];
        prop::collection::vec(element, 1..8)
    }

    /// The same elements in another order, and what stands behind each: a comma, or the end of the
    /// field.
    fn any_arrangement()
    -> impl Strategy<Value = (Vec<Element>, Vec<Element>, Vec<Option<&'static str>>)> {
        let separator = select(vec![Some(","), Some(", "), Some(" ,\t"), Some(",,"), None]);
        any_elements().prop_flat_map(move |elements| {
            let separators = prop::collection::vec(separator.clone(), elements.len());
            (
                Just(elements.clone()),
                Just(elements).prop_shuffle(),
                separators,
            )
        })
    }

    fn arrange(elements: &[Element], separators: &[Option<&str>]) -> Vec<String> {
        let mut fields = Vec::new();
        let mut field = String::new();
        for (element, separator) in elements.iter().zip(separators) {
            field.push_str(&element.text);
            match separator {
                Some(comma) => field.push_str(comma),
                None => fields.push(std::mem::take(&mut field)),
            }
        }
        fields.push(field);
        fields
    }

    fn join(elements: &[Element]) -> String {
        let texts: Vec<_> = elements
            .iter()
            .map(|element| element.text.as_str())
            .collect();
        texts.join(", ")
    }

    /// A byte that may stand in a field value.
    fn any_byte() -> impl Strategy<Value = u8> {
        prop_oneof![Just(b'\t'), b' '..=b'~', 0x80..=0xff_u8]
    }

    /// Bytes, and the pieces that a hint is made of.
    fn any_field() -> impl Strategy<Value = Vec<u8>> {
        let pieces: Vec<&[u8]> = vec![
            b"timeout",
            b"MAX",
            b"=",
            b"=",
            b",",
            b",",
            b"\"",
            b"\"",
            b"\\",
            b"5",
            b"0",
            b"s",
            b" ",
            b"\t",
            b";",
            b"-",
            b".",
            b"\xff",
            b"99999999999999999999",
        ];
        let soup = prop::collection::vec(select(pieces), 0..24).prop_map(|pieces| pieces.concat());
        prop_oneof![prop::collection::vec(any_byte(), 0..64), soup]
    }

    proptest! {
        // A failure is to be turned into a case of the table, not into a file beside the sources.
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn no_bytes_make_it_panic(fields in prop::collection::vec(any_field(), 0..4)) {
            let found = parse(&headers(&fields));

            prop_assert_eq!(found.is_none(), fields.is_empty());
            if let Some(hint) = found.and_then(|found| found.hint) {
                prop_assert_ne!(hint, KeepAliveHint::new(), "a hint must say something");
            }
        }

        #[test]
        fn what_is_written_is_read_back(hint in any_hint()) {
            let found = KeepAliveHint::from_headers(&headers(&[hint.to_string()]));

            prop_assert_eq!(found.unwrap_or_default(), hint);
            prop_assert_eq!(found.is_none(), hint == KeepAliveHint::new());
        }

        #[test]
        fn the_smallest_valid_value_of_each_parameter_wins(elements in any_elements()) {
            let timeout = elements.iter().filter_map(|element| element.timeout).min();
            let max = elements.iter().filter_map(|element| element.max).min();
            let invalid = elements.iter().any(|element| element.invalid);

            let found = parse(&headers(&[join(&elements)]));

            prop_assert_eq!(found, Some(parsed(timeout, max, invalid)));
        }

        #[test]
        fn neither_order_nor_splitting_matters(
            (elements, shuffled, separators) in any_arrangement(),
        ) {
            let together = parse(&headers(&[join(&elements)]));
            let apart = parse(&headers(&arrange(&shuffled, &separators)));

            prop_assert_eq!(together, apart);
        }

        #[test]
        fn another_field_never_loosens_a_limit(
            fields in prop::collection::vec(any_field(), 1..3),
            further in any_field(),
        ) {
            let before = KeepAliveHint::from_headers(&headers(&fields)).unwrap_or_default();
            let all: Vec<_> = fields.into_iter().chain([further]).collect();
            let after = KeepAliveHint::from_headers(&headers(&all)).unwrap_or_default();

            // An absent limit is none at all, so it stands above every number.
            let limits = |hint: KeepAliveHint| {
                [hint.seconds(), hint.max()].map(|limit| limit.map_or(u128::MAX, u128::from))
            };
            for (before, after) in limits(before).into_iter().zip(limits(after)) {
                prop_assert!(after <= before);
            }
        }
    }
}
