//! Where HTTP/1 messages end, found by looking on in both directions.
//!
//! The rules are those of RFC 9112 §6.3 and §7.1 in the form in which hyper's client applies them:
//!
//! 1. Responses to HEAD, and 204 and 304, have no body, whatever their fields say.
//! 2. 1xx other than 101 are interim: another response follows.
//! 3. 101, and a 2xx to CONNECT, end HTTP on the connection: [`Opaque`].
//! 4. `Transfer-Encoding` ending in `chunked` beats `Content-Length`; another last coding means
//!    until EOF in a response.
//! 5. Several `Content-Length` values must be equal.
//! 6. A response without either lasts until EOF, a request has no body.
//!
//! An exchange has ended when its request was completely written *and* its final response
//! completely read, in either order. What is not understood, or understood differently by different
//! parsers, makes the tracker [`Opaque`] for good: it then knows nothing and says so.
//!
//! Memory: two heads, of which at most [`MAX_LINE`] bytes of an unfinished line are kept, and nothing
//! of bodies. Time: a search for line feeds in heads, a step a byte in chunk heads and trailers, one
//! subtraction a piece of body.
//!
//! [`MAX_LINE`]: head::MAX_LINE

mod body;
mod head;
#[cfg(test)]
mod tests;

use self::body::Body;
use self::head::{Coding, Head, Kind, Length, Method, Start};

/// Why nothing is known of a connection any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opaque {
    /// HTTP/2, by ALPN or by its preface.
    Http2,
    /// A head longer than the bound.
    OversizeHead,
    /// A 2xx to CONNECT.
    Tunnel,
    /// Bytes that are not HTTP/1, or in a form in which parsers disagree.
    Unrecognized,
    /// Bytes from the server that answer no request.
    Unsolicited,
    /// A 101 response.
    Upgrade,
}

/// What a piece of bytes brought about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Progress {
    /// The exchange before ended. In one piece, this comes before everything else.
    pub(crate) ended: bool,
    /// The first byte of a request.
    pub(crate) begun: bool,
    /// The first byte of a response head, interim ones included.
    pub(crate) answered: bool,
}

/// One direction of the connection.
#[derive(Debug)]
enum Side {
    /// Nothing of the next message has come.
    Waiting,
    Head(Head),
    Body(Body),
    /// Complete, while the other direction is not.
    Done,
}

/// Follows both directions of one connection.
#[derive(Debug)]
pub(crate) struct Tracker {
    request: Side,
    response: Side,
    /// The method of the request in flight, once its request line is complete.
    method: Option<Method>,
    /// The status of the last response head that was completed.
    status: u16,
}

impl Tracker {
    pub(crate) fn new() -> Self {
        Self {
            request: Side::Waiting,
            response: Side::Waiting,
            method: None,
            status: 0,
        }
    }

    /// The status of the last response whose head was completed; 0 before the first.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether the response in flight lasts until EOF.
    pub(crate) fn is_until_eof(&self) -> bool {
        matches!(self.response, Side::Body(Body::UntilEof))
    }

    /// Takes bytes that the transport has accepted.
    pub(crate) fn on_written(&mut self, mut bytes: &[u8]) -> Result<Progress, Opaque> {
        let mut progress = Progress::default();
        while !bytes.is_empty() {
            match &mut self.request {
                Side::Waiting => {
                    self.request = Side::Head(Head::new(Kind::Request));
                    progress.begun = true;
                }
                Side::Head(head) => {
                    let rest = head.feed(bytes)?;
                    if let (None, Some(Start::Request(method))) = (self.method, head.start()) {
                        self.method = Some(method);
                    }
                    let Some(rest) = rest else { break };
                    bytes = rest;
                    self.request = body_of_request(head)?;
                }
                Side::Body(body) => {
                    let Some(rest) = body.feed(bytes)? else { break };
                    bytes = rest;
                    self.request = Side::Done;
                }
                // A second request before the first was answered: hyper does not pipeline.
                Side::Done => return Err(Opaque::Unrecognized),
            }
            if matches!(self.request, Side::Done) {
                progress.ended |= self.end_exchange();
            }
        }
        Ok(progress)
    }

    /// Takes bytes that were read from the transport.
    pub(crate) fn on_read(&mut self, mut bytes: &[u8]) -> Result<Progress, Opaque> {
        let mut progress = Progress::default();
        while !bytes.is_empty() {
            match &mut self.response {
                Side::Waiting if matches!(self.request, Side::Waiting) => {
                    return Err(Opaque::Unsolicited);
                }
                Side::Waiting => {
                    self.response = Side::Head(Head::new(Kind::Response));
                    progress.answered = true;
                }
                Side::Head(head) => {
                    let Some(rest) = head.feed(bytes)? else { break };
                    bytes = rest;
                    if let Some(Start::Response { status, .. }) = head.start() {
                        self.status = status;
                    }
                    self.response = body_of_response(head, self.method)?;
                }
                Side::Body(body) => {
                    let Some(rest) = body.feed(bytes)? else { break };
                    bytes = rest;
                    self.response = Side::Done;
                }
                Side::Done => return Err(Opaque::Unsolicited),
            }
            if matches!(self.response, Side::Done) {
                progress.ended |= self.end_exchange();
            }
        }
        Ok(progress)
    }

    /// `(Done, Done) => (Waiting, Waiting)`
    fn end_exchange(&mut self) -> bool {
        let ended = matches!((&self.request, &self.response), (Side::Done, Side::Done));
        if ended {
            self.request = Side::Waiting;
            self.response = Side::Waiting;
            self.method = None;
        }
        ended
    }
}

/// What follows a request head (RFC 9112 §6.3, rules 4 to 7).
fn body_of_request(head: &Head) -> Result<Side, Opaque> {
    match (head.coding(), head.length()) {
        (Coding::Chunked, _) => Ok(Side::Body(Body::chunked())),
        (Coding::Absent, Length::Of(length)) => Ok(of_length(length)),
        (Coding::Absent, Length::Absent) => Ok(Side::Done),
        (Coding::Other, _) | (Coding::Absent, Length::Invalid) => Err(Opaque::Unrecognized),
    }
}

/// What follows a response head (RFC 9112 §6.3, rules 1 to 8).
fn body_of_response(head: &Head, method: Option<Method>) -> Result<Side, Opaque> {
    let Some(Start::Response { status, http_10 }) = head.start() else {
        return Err(Opaque::Unrecognized);
    };
    match (status, method) {
        (101, _) => return Err(Opaque::Upgrade),
        (100..=199, _) => return Ok(Side::Waiting),
        (204 | 304, _) | (_, Some(Method::Head)) => return Ok(Side::Done),
        (200..=299, Some(Method::Connect)) => return Err(Opaque::Tunnel),
        // An answer before the request line was out: to what, is not known.
        (_, None) => return Err(Opaque::Unrecognized),
        _ => {}
    }
    match (head.coding(), head.length()) {
        // RFC 9112 §6.1: HTTP/1.0 has no transfer codings; hyper refuses them.
        (Coding::Chunked | Coding::Other, _) if http_10 => Err(Opaque::Unrecognized),
        (Coding::Chunked, _) => Ok(Side::Body(Body::chunked())),
        (Coding::Other, _) | (Coding::Absent, Length::Absent) => Ok(Side::Body(Body::UntilEof)),
        (Coding::Absent, Length::Of(length)) => Ok(of_length(length)),
        (Coding::Absent, Length::Invalid) => Err(Opaque::Unrecognized),
    }
}

fn of_length(length: u64) -> Side {
    match length {
        0 => Side::Done,
        left => Side::Body(Body::Length(left)),
    }
}
