//! Why a request failed, from what both ends know.

use std::fmt;

use tokio::time::Instant;

use super::callers::Failure;
use super::server_end::Closing;
use super::{Request, State};

/// Why a request failed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// The server's idle timer closed the connection as the request was on its way, and was honest.
    /// This is what the crate is there to prevent.
    IdleTimer,
    /// The same, but the server's timeout is shorter than the client was told.
    ToldWrongly,
    /// The same, but the network took longer, there and back, than the whole margin.
    SlowNetwork,
    /// The same, but the client was frozen while the response lay before it, or the connection.
    Frozen,
    /// The same, but the connection was opened for that very request.
    FirstUse,
    /// The server had served as many requests as it takes, without a word.
    Served,
    AtRandom,
    Restart,
    /// The server accepted no connection.
    Refused,
    /// The server broke off, or closed in place of an answer.
    Fault,
    /// The server stopped answering.
    Ignored,
    Partition,
    /// The caller's own body broke off.
    OwnBody,
}

impl Cause {
    /// Whether this crate is there to prevent it.
    pub fn is_preventable(self) -> bool {
        self == Self::IdleTimer
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdleTimer => "an honest idle timer",
            Self::ToldWrongly => "a timeout shorter than told",
            Self::SlowNetwork => "a network slower than the margin",
            Self::Frozen => "a client frozen meanwhile",
            Self::FirstUse => "a timeout too short for a first request",
            Self::Served => "a limit of requests, unannounced",
            Self::AtRandom => "a server that closes at random",
            Self::Restart => "a restart",
            Self::Refused => "a refused connection",
            Self::Fault => "a server that breaks off",
            Self::Ignored => "a server that stops answering",
            Self::Partition => "a partition",
            Self::OwnBody => "the caller's own body",
        })
    }
}

impl State {
    /// Why a request failed; an error if nothing explains it.
    pub(super) fn cause(&self, id: u64, failure: &Failure) -> Result<Cause, String> {
        let request = &self.requests[id as usize];
        if request.broke {
            return Ok(Cause::OwnBody);
        }
        let connection = match failure {
            Failure::Connect if self.refused_at == Some(Instant::now()) => {
                return Ok(Cause::Refused);
            }
            Failure::Connect => return Err("nobody refused".to_owned()),
            Failure::TimedOut => return self.why_it_hung(request),
            Failure::Client { connection, .. } => *connection,
            Failure::Body { connection, .. } | Failure::Said408 { connection } => Some(*connection),
        };
        let number = connection.ok_or("no connection is named")?;
        let connection = &self.connections[number];
        if request.connection.is_some_and(|written| written != number) {
            return Err("it was written on another connection".to_owned());
        }
        if !connection.saw_end && !connection.said_408 {
            return Err("nothing was heard of an end of the connection".to_owned());
        }
        match connection.closing {
            Some((_, Closing::Idle)) => Ok(self.why_it_was_late(request, number)),
            Some((_, Closing::Served { announced: false })) => Ok(Cause::Served),
            Some((_, Closing::AtRandom)) => Ok(Cause::AtRandom),
            Some((_, Closing::Restart)) => Ok(Cause::Restart),
            Some((_, Closing::Fault)) => Ok(Cause::Fault),
            // A client as it comes does not listen.
            Some((_, Closing::Served { announced: true })) if !self.is_guarded => Ok(Cause::Served),
            other => Err(format!("the server's end says {other:?}")),
        }
    }

    fn why_it_hung(&self, request: &Request) -> Result<Cause, String> {
        let now = Instant::now();
        let connection = request.connection.map(|number| &self.connections[number]);
        if request.is_ignored {
            Ok(Cause::Ignored)
        } else if connection.is_some_and(|connection| connection.is_cut)
            || self.was_parted(request.opened_at, now)
        {
            Ok(Cause::Partition)
        } else if self.was_frozen(request.opened_at, now) {
            Ok(Cause::Frozen)
        } else {
            Err("nothing explains it".to_owned())
        }
    }

    /// The server's idle timer closed the connection.
    fn why_it_was_late(&self, request: &Request, number: usize) -> Cause {
        let connection = &self.connections[number];
        let is_written = request.connection == Some(number);
        let is_first = connection.begun == u64::from(is_written);
        if !self.is_guarded {
            return if is_first {
                Cause::FirstUse
            } else {
                Cause::IdleTimer
            };
        }
        let policy = &self.world.policy;
        let sent = if is_written {
            request.written_at
        } else {
            Instant::now()
        };
        if is_first && sent - connection.connected <= policy.grace() {
            let frozen = self.was_frozen(connection.accepted, sent);
            return if frozen {
                Cause::Frozen
            } else {
                Cause::FirstUse
            };
        }
        let deadline = match request.deadline {
            Some(deadline) if is_written => deadline,
            _ => return Cause::IdleTimer,
        };
        if self
            .world
            .server
            .idle_timeout
            .is_some_and(|timeout| deadline.expected > timeout)
        {
            return Cause::ToldWrongly;
        }
        let arrives = request.arrives_at.unwrap_or(sent);
        let way_there = arrives.saturating_duration_since(sent);
        if deadline.way_back() + way_there <= deadline.margin {
            Cause::IdleTimer
        } else if self.was_parted(deadline.written, arrives) {
            Cause::Partition
        } else if self.was_frozen(deadline.written, deadline.read) {
            Cause::Frozen
        } else {
            Cause::SlowNetwork
        }
    }
}
