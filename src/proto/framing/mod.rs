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
//! of bodies. Time: a step for every eight bytes of a head, one a byte in chunk heads and trailers, one
//! subtraction a piece of body.
//!
//! [`MAX_LINE`]: head::MAX_LINE

mod body;
mod head;
mod lines;
mod plain;
#[cfg(test)]
mod tests;

use self::body::Body;
use self::head::{Coding, Head, Kind, Length, Method, Start};
pub(crate) use self::plain::PlainRequest;

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
    /// Of which a part has come.
    Head(Box<Head>),
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

    /// Whether a request is out to which an answer ends by its own fields alone, and of that answer
    /// nothing has come. With that answer and another [`PlainRequest`] it is as it was.
    #[inline]
    pub(crate) fn awaits_response(&self) -> bool {
        matches!((&self.request, &self.response), (Side::Done, Side::Waiting))
            && self.method == Some(Method::Other)
    }

    /// The response that was awaited has come, and ended.
    #[inline]
    pub(crate) fn on_response_ended(&mut self) {
        self.request = Side::Waiting;
        self.method = None;
    }

    /// Takes bytes that the transport has accepted.
    pub(crate) fn on_written(&mut self, mut bytes: &[u8]) -> Result<Progress, Opaque> {
        let mut progress = Progress::default();
        while !bytes.is_empty() {
            let rest = match &mut self.request {
                Side::Waiting => {
                    progress.begun = true;
                    self.on_request_head(Head::new(Kind::Request), bytes)?
                }
                Side::Head(head) => {
                    let head = std::mem::replace(&mut **head, Head::new(Kind::Request));
                    self.on_request_head(head, bytes)?
                }
                Side::Body(body) => {
                    let rest = body.feed(bytes)?;
                    if rest.is_some() {
                        self.request = Side::Done;
                    }
                    rest
                }
                // A second request before the first was answered: hyper does not pipeline.
                Side::Done => return Err(Opaque::Unrecognized),
            };
            let Some(rest) = rest else { break };
            bytes = rest;
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
            let rest = match &mut self.response {
                Side::Waiting if matches!(self.request, Side::Waiting) => {
                    return Err(Opaque::Unsolicited);
                }
                Side::Waiting => {
                    progress.answered = true;
                    self.on_response_head(Head::new(Kind::Response), bytes)?
                }
                Side::Head(head) => {
                    let head = std::mem::replace(&mut **head, Head::new(Kind::Response));
                    self.on_response_head(head, bytes)?
                }
                Side::Body(body) => {
                    let rest = body.feed(bytes)?;
                    if rest.is_some() {
                        self.response = Side::Done;
                    }
                    rest
                }
                Side::Done => return Err(Opaque::Unsolicited),
            };
            let Some(rest) = rest else { break };
            bytes = rest;
            if matches!(self.response, Side::Done) {
                progress.ended |= self.end_exchange();
            }
        }
        Ok(progress)
    }

    /// Walks on in a request head. Returns what lies behind it once its end is found.
    fn on_request_head<'a>(
        &mut self,
        mut head: Head,
        bytes: &'a [u8],
    ) -> Result<Option<&'a [u8]>, Opaque> {
        let rest = head.feed(bytes)?;
        if let (None, Some(Start::Request(method))) = (self.method, head.start()) {
            self.method = Some(method);
        }
        if rest.is_some() {
            self.request = body_of_request(&head)?;
        } else {
            keep(&mut self.request, head);
        }
        Ok(rest)
    }

    /// Walks on in a response head. Returns what lies behind it once its end is found.
    fn on_response_head<'a>(
        &mut self,
        mut head: Head,
        bytes: &'a [u8],
    ) -> Result<Option<&'a [u8]>, Opaque> {
        let rest = head.feed(bytes)?;
        if rest.is_none() {
            keep(&mut self.response, head);
            return Ok(None);
        }
        if let Some(Start::Response { status, .. }) = head.start() {
            self.status = status;
        }
        self.response = body_of_response(&head, self.method)?;
        Ok(rest)
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

/// Keeps a head of which a part has come; most come whole, and are never kept.
fn keep(side: &mut Side, head: Head) {
    match side {
        Side::Head(kept) => **kept = head,
        other => *other = Side::Head(Box::new(head)),
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
