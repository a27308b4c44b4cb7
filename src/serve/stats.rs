//! What happened so far at a server, in numbers.

use std::fmt;

use crate::proto::serve::{LastResponse, ServerCloseCause};

/// What happened so far on all connections of a [`ServerKeepAlive`](crate::ServerKeepAlive), in numbers.
///
/// [`Display`](fmt::Display) writes a small table, a number to a line, without what never happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerStats {
    /// Connections accepted so far.
    pub accepted: u64,
    /// Connections that are open now.
    pub open: u64,
    /// Open connections that are idle now.
    pub idle: u64,
    /// Open connections that are not HTTP/1 now: HTTP/2, upgraded, tunnels, or not understood.
    pub opaque: u64,
    /// HTTP/1 requests so far, on connections that their service knows.
    pub requests: u64,
    /// Responses so far that said `Connection: close`, by reason.
    pub last_responses: LastResponses,
    /// Connections that ended so far, by cause.
    pub closed: ServerClosed,
}

/// Responses that said `Connection: close`, by reason: a part of [`ServerStats`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct LastResponses {
    /// The server drains.
    pub drain: u64,
    /// As many requests were served as the policy allows.
    pub requests: u64,
    /// The connection was as old as the policy allows.
    pub age: u64,
}

impl LastResponses {
    pub(super) fn of(&mut self, reason: LastResponse) -> &mut u64 {
        match reason {
            LastResponse::Drain => &mut self.drain,
            LastResponse::Requests => &mut self.requests,
            LastResponse::Age => &mut self.age,
        }
    }
}

/// Connections that ended, by cause: a part of [`ServerStats`]. [`ServerCloseCause`] documents the causes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is documented with its cause")]
pub struct ServerClosed {
    pub idle_timeout: u64,
    pub first_head: u64,
    pub slow_head: u64,
    pub cap: u64,
    pub age: u64,
    pub cut: u64,
    pub said: u64,
    pub client: u64,
    pub server: u64,
    pub error: u64,
    pub other: u64,
}

impl ServerClosed {
    pub(super) fn of(&mut self, cause: ServerCloseCause) -> &mut u64 {
        match cause {
            ServerCloseCause::IdleTimeout => &mut self.idle_timeout,
            ServerCloseCause::FirstHead => &mut self.first_head,
            ServerCloseCause::SlowHead => &mut self.slow_head,
            ServerCloseCause::Cap => &mut self.cap,
            ServerCloseCause::Age => &mut self.age,
            ServerCloseCause::Cut => &mut self.cut,
            ServerCloseCause::Said => &mut self.said,
            ServerCloseCause::Client => &mut self.client,
            ServerCloseCause::Server => &mut self.server,
            ServerCloseCause::Error => &mut self.error,
            ServerCloseCause::Other => &mut self.other,
        }
    }

    /// The sum over all causes.
    pub fn total(&self) -> u64 {
        let causes = self.causes().into_iter();
        causes.fold(0, |sum, (_, number)| sum.saturating_add(number))
    }

    fn causes(&self) -> [(ServerCloseCause, u64); 11] {
        [
            (ServerCloseCause::IdleTimeout, self.idle_timeout),
            (ServerCloseCause::FirstHead, self.first_head),
            (ServerCloseCause::SlowHead, self.slow_head),
            (ServerCloseCause::Cap, self.cap),
            (ServerCloseCause::Age, self.age),
            (ServerCloseCause::Cut, self.cut),
            (ServerCloseCause::Said, self.said),
            (ServerCloseCause::Client, self.client),
            (ServerCloseCause::Server, self.server),
            (ServerCloseCause::Error, self.error),
            (ServerCloseCause::Other, self.other),
        ]
    }
}

impl fmt::Display for ServerStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<36}{:>12}", "connections accepted", self.accepted)?;
        let now = [
            ("  open", self.open),
            ("    idle", self.idle),
            ("    not HTTP/1", self.opaque),
            ("  ended", self.closed.total()),
        ];
        for (name, number) in now.into_iter().filter(|&(_, number)| number > 0) {
            write!(f, "\n{name:<36}{number:>12}")?;
        }
        for (cause, number) in self.closed.causes() {
            if number > 0 {
                write!(f, "\n{:<36}{number:>12}", format!("    {cause}"))?;
            }
        }
        write!(f, "\n{:<36}{:>12}", "requests", self.requests)?;
        let said = [
            (
                "  the last, since the server drains",
                self.last_responses.drain,
            ),
            (
                "  the last of as many as are allowed",
                self.last_responses.requests,
            ),
            ("  the last, for age", self.last_responses.age),
        ];
        for (name, number) in said.into_iter().filter(|&(_, number)| number > 0) {
            write!(f, "\n{name:<36}{number:>12}")?;
        }
        Ok(())
    }
}
