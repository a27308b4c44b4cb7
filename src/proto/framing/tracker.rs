//! Both directions of one connection.

use std::collections::VecDeque;

use super::body::Body;
use super::head::{Coding, Head, Kind, Length, Method, Start};
use crate::proto::hint::Parsed;
use crate::proto::provenance::Extent;

/// Why a connection is only forwarded: nothing is known of its requests from then on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum OpaqueReason {
    /// HTTP/2, by ALPN or by its preface.
    Http2,
    /// A message head longer than 512 KiB.
    OversizeHead,
    /// A tunnel: a 2xx response to CONNECT.
    Tunnel,
    /// Bytes that are not HTTP/1, or in a form in which parsers disagree.
    Unrecognized,
    /// Bytes from the server that answer no request, such as a 408 on an idle connection.
    Unsolicited,
    /// Another protocol, after a 101 response (WebSocket, for one).
    Upgrade,
}

/// What happened with a piece of bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Progress {
    /// The open exchange ended. This comes before the other events of the same piece.
    pub(crate) ended: bool,
    /// A request began, with its first byte.
    pub(crate) begun: bool,
    /// A response began, with the first byte of its head. Interim responses count.
    pub(crate) answered: bool,
    /// The head of a final response is complete now.
    pub(crate) head: bool,
    /// Its `Keep-Alive` fields.
    pub(crate) hint: Option<Parsed>,
}

/// One direction of the connection.
#[derive(Debug)]
enum Side {
    /// No byte of the next message has arrived.
    Waiting,
    /// A part of the head has arrived.
    Head(Box<Head>),
    Body(Body),
    /// The message is complete, and that of the other direction is not.
    Done,
}

/// The requests that are not answered.
#[derive(Debug)]
enum Requests {
    One(Side),
    /// Others were begun before the one ahead of them was answered. Not a kind of side: a side that may hold a side takes
    /// longer to drop.
    Pipelined(Box<Pipelined>),
}

/// Requests that were begun behind the one that is answered (RFC 9112 §9.3.2).
#[derive(Debug)]
struct Pipelined {
    /// The methods of those behind it, the oldest first.
    methods: VecDeque<Option<Method>>,
    /// The last of them.
    last: Side,
}

impl Side {
    fn extent(&self) -> Extent {
        match self {
            Self::Waiting => Extent::Nothing,
            Self::Head(_) | Self::Body(_) => Extent::Part,
            Self::Done => Extent::All,
        }
    }
}

/// How many requests may be sent behind the one that is answered: more than fit into what hyper reads ahead.
const MAX_PIPELINED: usize = 32 * 1024;

/// Follows both directions of one connection.
#[derive(Debug)]
pub(crate) struct Tracker {
    requests: Requests,
    /// The response to the oldest request that is not answered.
    response: Side,
    /// The method of that request, once its request line is complete.
    method: Option<Method>,
    /// The status of the last response head that was completed.
    status: u16,
    /// Whether that response says that its connection ends with it.
    is_closing: bool,
    /// Whether requests may be pipelined.
    may_pipeline: bool,
}

impl Tracker {
    pub(crate) fn new() -> Self {
        Self {
            requests: Requests::One(Side::Waiting),
            response: Side::Waiting,
            method: None,
            status: 0,
            is_closing: false,
            may_pipeline: false,
        }
    }

    /// For a server, whose clients may send requests before the ones ahead of them are answered. hyper's client
    /// does not.
    #[cfg(feature = "server")]
    pub(crate) fn pipelining() -> Self {
        Self {
            may_pipeline: true,
            ..Self::new()
        }
    }

    /// Whether no request is open. Empty lines before a request are none.
    #[cfg(feature = "server")]
    pub(crate) fn is_between_exchanges(&self) -> bool {
        match &self.requests {
            Requests::One(Side::Waiting) => true,
            Requests::One(Side::Head(head)) => !head.is_begun() && !self.is_response_begun(),
            _ => false,
        }
    }

    /// Whether the head of the only open request has not ended.
    #[cfg(feature = "server")]
    pub(crate) fn is_first_head_open(&self) -> bool {
        matches!(self.requests, Requests::One(Side::Head(_)))
    }

    /// The status of the last response whose head was completed; 0 before the first.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// Whether that response has `Connection: close`, as RFC 9112 §9.6 has it.
    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// The number of bytes on the heap.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        let kept = |side: &Side| match side {
            Side::Head(head) => head.kept(),
            Side::Waiting | Side::Body(_) | Side::Done => 0,
        };
        match &self.requests {
            Requests::One(request) => kept(request).saturating_add(kept(&self.response)),
            Requests::Pipelined(pipelined) => {
                kept(&pipelined.last).saturating_add(kept(&self.response))
            }
        }
    }

    /// Whether the response in flight lasts until EOF.
    pub(crate) fn is_until_eof(&self) -> bool {
        matches!(self.response, Side::Body(Body::UntilEof))
    }

    /// How much of the request in flight was written.
    pub(crate) fn written(&self) -> Extent {
        match &self.requests {
            Requests::One(request) => request.extent(),
            Requests::Pipelined(_) => Extent::All,
        }
    }

    /// How much of the response in flight was read, other than interim ones that are complete.
    pub(crate) fn answered(&self) -> Extent {
        self.response.extent()
    }

    /// The server has closed its side: a response that lasts until EOF is complete.
    pub(crate) fn on_eof(&mut self) {
        if self.is_until_eof() {
            self.response = Side::Done;
        }
    }

    /// Whether a response was begun, other than interim ones that are complete.
    pub(crate) fn is_response_begun(&self) -> bool {
        !matches!(self.response, Side::Waiting)
    }

    /// The transport accepted these bytes.
    #[inline]
    pub(crate) fn on_written(&mut self, mut bytes: &[u8]) -> Result<Progress, OpaqueReason> {
        let mut progress = Progress::default();
        while !bytes.is_empty() {
            let rest = match self.last_request() {
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
                        *self.last_request() = Side::Done;
                    }
                    rest
                }
                // Another request before this one was answered.
                Side::Done => {
                    self.begin_pipelined()?;
                    continue;
                }
            };
            let Some(rest) = rest else { break };
            bytes = rest;
            if matches!(self.requests, Requests::One(Side::Done)) {
                progress.ended |= self.end_exchange();
            }
        }
        Ok(progress)
    }

    /// The request that was begun last.
    #[inline]
    fn last_request(&mut self) -> &mut Side {
        match &mut self.requests {
            Requests::One(request) => request,
            Requests::Pipelined(pipelined) => &mut pipelined.last,
        }
    }

    /// These bytes were read from the transport.
    #[inline]
    pub(crate) fn on_read(&mut self, mut bytes: &[u8]) -> Result<Progress, OpaqueReason> {
        let mut progress = Progress::default();
        while !bytes.is_empty() {
            let rest = match &mut self.response {
                Side::Waiting if matches!(self.requests, Requests::One(Side::Waiting)) => {
                    return Err(OpaqueReason::Unsolicited);
                }
                Side::Waiting => {
                    progress.answered = true;
                    self.on_response_head(Head::new(Kind::Response), bytes, &mut progress)?
                }
                Side::Head(head) => {
                    let head = std::mem::replace(&mut **head, Head::new(Kind::Response));
                    self.on_response_head(head, bytes, &mut progress)?
                }
                Side::Body(body) => {
                    let rest = body.feed(bytes)?;
                    if rest.is_some() {
                        self.response = Side::Done;
                    }
                    rest
                }
                Side::Done => return Err(OpaqueReason::Unsolicited),
            };
            let Some(rest) = rest else { break };
            bytes = rest;
            if matches!(self.response, Side::Done) {
                progress.ended |= self.end_exchange();
            }
        }
        Ok(progress)
    }

    /// Continues a request head. Returns the bytes behind the head once its end is found.
    fn on_request_head<'a>(
        &mut self,
        mut head: Head,
        bytes: &'a [u8],
    ) -> Result<Option<&'a [u8]>, OpaqueReason> {
        let rest = head.feed(bytes)?;
        if let Some(Start::Request(method)) = head.start() {
            let pipelined = match &mut self.requests {
                Requests::Pipelined(pipelined) => pipelined.methods.back_mut(),
                Requests::One(_) => None,
            };
            *pipelined.unwrap_or(&mut self.method) = Some(method);
        }
        if rest.is_some() {
            *self.last_request() = body_of_request(&head)?;
        } else {
            keep(self.last_request(), head);
        }
        Ok(rest)
    }

    /// Continues a response head. Returns the bytes behind the head once its end is found.
    fn on_response_head<'a>(
        &mut self,
        mut head: Head,
        bytes: &'a [u8],
        progress: &mut Progress,
    ) -> Result<Option<&'a [u8]>, OpaqueReason> {
        let rest = head.feed(bytes)?;
        if rest.is_none() {
            keep(&mut self.response, head);
            return Ok(None);
        }
        if let Some(Start::Response { status, .. }) = head.start() {
            self.status = status;
            self.is_closing = head.is_closing();
        }
        self.response = body_of_response(&head, self.method)?;
        if !matches!(self.response, Side::Waiting) {
            progress.head = true;
            progress.hint = head.hint();
        }
        Ok(rest)
    }

    /// `(Done, Done) => (Waiting, Waiting)`, and behind an answered request that another one follows
    /// `(*, Done) => (*, Waiting)`
    fn end_exchange(&mut self) -> bool {
        let request = match &mut self.requests {
            Requests::One(request) => request,
            Requests::Pipelined(_) => return self.end_pipelined(),
        };
        let ended = matches!((&*request, &self.response), (Side::Done, Side::Done));
        if ended {
            *request = Side::Waiting;
            self.response = Side::Waiting;
            self.method = None;
        }
        ended
    }

    /// A request is begun before the last one was answered.
    #[cold]
    fn begin_pipelined(&mut self) -> Result<(), OpaqueReason> {
        if !self.may_pipeline {
            return Err(OpaqueReason::Unrecognized);
        }
        match &mut self.requests {
            Requests::Pipelined(pipelined) if pipelined.methods.len() < MAX_PIPELINED => {
                pipelined.methods.push_back(None);
                pipelined.last = Side::Waiting;
            }
            Requests::Pipelined(_) => return Err(OpaqueReason::Unrecognized),
            requests @ Requests::One(_) => {
                *requests = Requests::Pipelined(Box::new(Pipelined {
                    methods: VecDeque::from([None]),
                    last: Side::Waiting,
                }));
            }
        }
        Ok(())
    }

    /// The response may have ended that others are to follow.
    #[cold]
    fn end_pipelined(&mut self) -> bool {
        let (Requests::Pipelined(pipelined), Side::Done) = (&mut self.requests, &self.response)
        else {
            return false;
        };
        self.response = Side::Waiting;
        self.method = pipelined.methods.pop_front().flatten();
        if pipelined.methods.is_empty() {
            self.requests = Requests::One(std::mem::replace(&mut pipelined.last, Side::Waiting));
        }
        true
    }
}

/// Keeps an incomplete head. Most heads arrive whole, and are never kept.
fn keep(side: &mut Side, head: Head) {
    match side {
        Side::Head(kept) => **kept = head,
        other => *other = Side::Head(Box::new(head)),
    }
}

/// What follows a request head (RFC 9112 §6.3, rules 4 to 7).
fn body_of_request(head: &Head) -> Result<Side, OpaqueReason> {
    match (head.coding(), head.length()) {
        (Coding::Chunked, _) => Ok(Side::Body(Body::chunked())),
        (Coding::Absent, Length::Of(length)) => Ok(of_length(length)),
        (Coding::Absent, Length::Absent) => Ok(Side::Done),
        (Coding::Other, _) | (Coding::Absent, Length::Invalid) => Err(OpaqueReason::Unrecognized),
    }
}

/// What follows a response head (RFC 9112 §6.3, rules 1 to 8).
fn body_of_response(head: &Head, method: Option<Method>) -> Result<Side, OpaqueReason> {
    let Some(Start::Response { status, http_10 }) = head.start() else {
        return Err(OpaqueReason::Unrecognized);
    };
    match (status, method) {
        (101, _) => return Err(OpaqueReason::Upgrade),
        (100..=199, _) => return Ok(Side::Waiting),
        (204 | 304, _) | (_, Some(Method::Head)) => return Ok(Side::Done),
        (200..=299, Some(Method::Connect)) => return Err(OpaqueReason::Tunnel),
        // A response before the request line was written: the method is unknown.
        (_, None) => return Err(OpaqueReason::Unrecognized),
        _ => {}
    }
    match (head.coding(), head.length()) {
        // RFC 9112 §6.1: HTTP/1.0 has no transfer codings; hyper refuses them.
        (Coding::Chunked | Coding::Other, _) if http_10 => Err(OpaqueReason::Unrecognized),
        (Coding::Chunked, _) => Ok(Side::Body(Body::chunked())),
        (Coding::Other, _) | (Coding::Absent, Length::Absent) => Ok(Side::Body(Body::UntilEof)),
        (Coding::Absent, Length::Of(length)) => Ok(of_length(length)),
        (Coding::Absent, Length::Invalid) => Err(OpaqueReason::Unrecognized),
    }
}

fn of_length(length: u64) -> Side {
    match length {
        0 => Side::Done,
        left => Side::Body(Body::Length(left)),
    }
}
