//! Why a request failed, from what both ends know.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use super::callers::Failure;
use super::connection::Deadline;
use super::server_end::Closing;
use super::{Request, State};
use crate::simulation::policy::Policy;
use crate::simulation::world::Goodbye;

/// Why a request failed.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Cause {
    /// The server's idle timer closed the connection as the request was on its way, and was honest.
    /// This is what the crate is there to prevent.
    IdleTimer,
    /// The same, but the client expects more than policy allows, as it learned.
    LearnedWrongly,
    /// The same, but the server's timeout is shorter than the client was told.
    ToldWrongly,
    /// The same, but the network took longer, there and back, than the whole margin.
    SlowNetwork,
    /// The same, but the response before lay unread, as the client was frozen.
    Unread,
    /// The same, but the client was frozen when it got the connection; or it waited, frozen.
    Frozen,
    /// The same, but the connection was opened for that very request.
    FirstUse,
    /// The server closed with a reset, which overtook a response that was not read yet.
    Overtaken,
    /// The server's idle timer ran out while the end of the response was still in its own buffer.
    CutShort,
    /// The server had served as many requests as it takes, without a word.
    Served,
    AtRandom,
    /// The server needed the place of the connection.
    Evicted,
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
        matches!(self, Self::IdleTimer | Self::LearnedWrongly)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdleTimer => "an honest idle timer",
            Self::LearnedWrongly => "an honest idle timer, and a longer one learned",
            Self::ToldWrongly => "a timeout shorter than told",
            Self::SlowNetwork => "a network slower than the margin",
            Self::Unread => "a client frozen with a response before it",
            Self::Frozen => "a client frozen meanwhile",
            Self::FirstUse => "a timeout too short for a first request",
            Self::Overtaken => "a reset that overtook the response",
            Self::CutShort => "an idle timer that cut its own response",
            Self::Served => "a limit of requests, unannounced",
            Self::AtRandom => "a server that closes at random",
            Self::Evicted => "an eviction",
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
            Failure::Body { connection, .. } | Failure::Goodbye { connection } => Some(*connection),
        };
        let number = match connection {
            Some(number) => number,
            None => self.stillborn().ok_or("no connection is named")?,
        };
        let connection = &self.connections[number];
        if request.connection.is_some_and(|written| written != number) {
            return Err("it was written on another connection".to_owned());
        }
        if connection.saw_end.is_none() && !connection.said_goodbye {
            return Err("nothing was heard of an end of the connection".to_owned());
        }
        let listens = self.is_guarded && self.world.policy.hints;
        match connection.closing {
            Some((_, Closing::Idle)) => self.why_it_was_late(request, number),
            Some((_, Closing::Served { announced: false })) => Ok(Cause::Served),
            Some((_, Closing::AtRandom)) => Ok(Cause::AtRandom),
            Some((_, Closing::Evicted)) => Ok(Cause::Evicted),
            Some((_, Closing::Restart)) => Ok(Cause::Restart),
            Some((_, Closing::Fault)) => Ok(Cause::Fault),
            // A client as it comes does not listen, nor does one that is told not to.
            Some((_, Closing::Served { announced: true })) if !listens => Ok(Cause::Served),
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
        } else if self.world.network.is_congested() {
            // It, or its response, waits behind those of all other connections.
            Ok(Cause::SlowNetwork)
        } else {
            Err("nothing explains it".to_owned())
        }
    }

    /// A connection that ended at this moment, before its first request: hyper-util then names none.
    fn stillborn(&self) -> Option<usize> {
        let now = Some(Instant::now());
        let mut connections = self.connections.iter();
        connections.rposition(|connection| {
            let said_goodbye = connection.said_goodbye && connection.client_closed == now;
            connection.begun == 0 && (connection.saw_end == now || said_goodbye)
        })
    }

    /// The server's idle timer closed the connection.
    fn why_it_was_late(&self, request: &Request, number: usize) -> Result<Cause, String> {
        let connection = &self.connections[number];
        if request.arrivals > 0 {
            let resets = self.world.server.goodbye == Goodbye::Reset;
            return match connection.response_end {
                Some(_) if resets => Ok(Cause::Overtaken),
                None if connection.handed_over => Ok(Cause::CutShort),
                _ => Err("it was served".to_owned()),
            };
        }
        let is_written = request.connection == Some(number);
        let is_first = connection.begun == u64::from(is_written);
        let sent = if is_written {
            request.written_at
        } else {
            Instant::now()
        };
        let timeout = self.world.server.idle_timeout.unwrap_or(Duration::MAX);
        let waited = sent - connection.connected;
        if is_first && self.was_frozen(connection.accepted, sent) {
            return Ok(Cause::Frozen);
        }
        if is_first && waited <= Policy::FIRST_USE {
            let told = waited.is_zero() || self.world.policy.max_idle <= timeout;
            return Ok(if told {
                Cause::FirstUse
            } else {
                Cause::ToldWrongly
            });
        }
        if !self.is_guarded {
            return Ok(Cause::IdleTimer);
        }
        let deadline = request.deadline.filter(|_| is_written);
        let deadline = deadline.ok_or("it was not written")?;
        let known = request.known.ok_or("there is no idle timer")?;
        let arrives = self.delayed(request.arrives_at.unwrap_or(sent));
        let way = arrives - sent;
        // The round trip plays no part in how long an unused connection is good for its first request.
        if is_first && deadline.way_back() + way > deadline.margin {
            return Ok(Cause::FirstUse);
        }
        if deadline.expected > timeout {
            return Ok(Cause::ToldWrongly);
        }
        if sent < deadline.at() {
            Ok(self.why_margin_failed(&deadline, sent, way, arrives))
        } else if sent < known.at() {
            // What was learned allows more than policy, and is right.
            Ok(self.why_margin_failed(&known, sent, way, arrives))
        } else {
            Ok(self.why_learned_wrongly(sent))
        }
    }

    /// When something arrives that was to arrive then.
    fn delayed(&self, due: Instant) -> Instant {
        let partitions = self.partitions.iter();
        partitions.fold(
            due,
            |due, &(start, end)| if start < due { due.max(end) } else { due },
        )
    }

    /// Why a request was too late though it was written in time.
    fn why_margin_failed(
        &self,
        deadline: &Deadline,
        sent: Instant,
        way: Duration,
        arrives: Instant,
    ) -> Cause {
        // A request that was written before this bound is in time unless its way took a margin longer than the
        // last one's, and no response is written before its request has arrived.
        let is_certain = sent < deadline.certain();
        let last_way = deadline.written.saturating_duration_since(deadline.sent);
        if is_certain && way <= deadline.margin + last_way {
            Cause::IdleTimer
        } else if is_certain {
            self.why_way_was_long(deadline, arrives)
        } else if self.lay_unread(deadline, way) {
            Cause::Unread
        } else if deadline.way_back() + way <= deadline.margin_after
            && (self.world.network.is_calm()
                || deadline.last_way_back() + way <= deadline.margin_after)
        {
            // In a network that is not calm, the last bytes of a response may be held for longer than the first.
            Cause::IdleTimer
        } else if self.world.network.is_calm() && !self.was_parted(deadline.written, arrives) {
            Cause::IdleTimer
        } else {
            self.why_way_was_long(deadline, arrives)
        }
    }

    /// Why a client expects more than the server's timeout, though policy allowed no more. What passes late, or not
    /// at all, can make an ended connection look open.
    fn why_learned_wrongly(&self, sent: Instant) -> Cause {
        let was_cut = self.connections.iter().any(|connection| connection.is_cut);
        if was_cut || self.was_parted(self.started, sent) {
            Cause::Partition
        } else if self.were_reads_stopped {
            Cause::Frozen
        } else if !self.world.network.is_calm() {
            Cause::SlowNetwork
        } else {
            Cause::LearnedWrongly
        }
    }

    /// Whether the first of a response, or the last, would have been read in time, had the client not been stopped
    /// while it lay there.
    fn lay_unread(&self, deadline: &Deadline, way: Duration) -> bool {
        let is_held = |from: Instant, to: Instant| {
            let late =
                (to.saturating_duration_since(from) + way).saturating_sub(deadline.margin_after);
            !late.is_zero() && late <= self.stopped_for(from, to)
        };
        is_held(deadline.written, deadline.read) || is_held(deadline.completed, deadline.finished)
    }

    fn why_way_was_long(&self, deadline: &Deadline, arrives: Instant) -> Cause {
        if self.was_parted(deadline.written, arrives) {
            Cause::Partition
        } else {
            Cause::SlowNetwork
        }
    }
}
