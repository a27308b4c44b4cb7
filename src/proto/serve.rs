//! One connection's life, seen by its server: the client's tracker with the roles swapped.

use std::fmt;

use super::connection::Mode;
use super::framing::{OpaqueReason, Progress, Tracker};
use super::jitter::Jitter;
use super::learn::SLOP;
use super::time::{Moment, Span};
use crate::policy::ServerPolicy;

/// How long a new connection is kept for its first request though another one needs its place.
const SETTLING: Span = Span::from_nanoseconds(1_000_000_000);

/// The longest timeout in a handler's own `Keep-Alive` field that the server keeps, if its own is not longer.
const LONGEST: Span = Span::from_nanoseconds(3_600 * 1_000_000_000);

/// Why a connection to a server ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ServerCloseCause {
    /// It was idle for as long as its client was told, and the [grace](crate::ServerPolicy::grace).
    IdleTimeout,
    /// It sent nothing ([`first_head`](crate::ServerPolicy::first_head)).
    FirstHead,
    /// The head of a request took too long ([`slow_head`](crate::ServerPolicy::slow_head)).
    SlowHead,
    /// It was the one that had been idle for longest when another one was to be accepted
    /// ([`max_connections`](crate::ServerPolicy::max_connections)).
    Cap,
    /// A request or response was under way for longer than the age allows
    /// ([`age_grace`](crate::ServerPolicy::age_grace)).
    Age,
    /// The hard end of a drain ([`Drain::cut`](crate::Drain::cut)).
    Cut,
    /// The last response said `Connection: close`.
    Said,
    /// The client closed it.
    Client,
    /// The server under this crate closed it when it was idle, though the client was told that it stays open: by a
    /// timer of its own, or because it shuts down.
    Server,
    /// Reading or writing failed.
    Error,
    /// It ended in the midst of an exchange, or it was upgraded, or HTTP/2, and ended.
    Other,
}

impl fmt::Display for ServerCloseCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdleTimeout => "idle timeout",
            Self::FirstHead => "no request",
            Self::SlowHead => "slow head",
            Self::Cap => "cap on connections",
            Self::Age => "age",
            Self::Cut => "end of the drain",
            Self::Said => "said `Connection: close`",
            Self::Client => "closed by the client",
            Self::Server => "closed by the server while idle",
            Self::Error => "error",
            Self::Other => "other",
        })
    }
}

/// Why a response says `Connection: close`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum LastResponse {
    /// The server drains.
    Drain,
    /// As many requests were served as the policy allows.
    Requests,
    /// The connection is as old as the policy allows.
    Age,
}

/// What a response says of its connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Advice {
    /// `Connection: close`.
    Close(LastResponse),
    /// `Keep-Alive: timeout=…`, and how many requests may follow, if there is a limit.
    Stay { max: Option<u32> },
}

/// What is known when a response is about to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) is_draining: bool,
    /// `None` if the connection is unknown.
    pub(crate) on: Option<On>,
}

/// The connection that a response is written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct On {
    /// Which of its requests is answered, counted from 1.
    pub(crate) number: u32,
    pub(crate) accepted: Moment,
    pub(crate) jitter: Jitter,
}

/// What a response says of its connection. The time need not be known where the policy limits no age.
pub(crate) fn advise(policy: &ServerPolicy, answer: &Answer, now: Option<&Moment>) -> Advice {
    if answer.is_draining {
        return Advice::Close(LastResponse::Drain);
    }
    let Some(on) = answer.on else {
        return Advice::Stay { max: None };
    };
    let max = policy.max_requests.map(|max| max.saturating_sub(on.number));
    if max == Some(0) {
        return Advice::Close(LastResponse::Requests);
    }
    match longest_age(policy, on.jitter).zip(now) {
        Some((age, now)) if now.monotonic_since(&on.accepted) >= age => {
            Advice::Close(LastResponse::Age)
        }
        _ => Advice::Stay { max },
    }
}

/// Until when a connection stays open if nothing happens on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Limit {
    since: Moment,
    time: Span,
    cause: ServerCloseCause,
}

impl Limit {
    /// What the transport wrapper has to do at a read that found nothing.
    ///
    /// The monotonic clock alone counts. Where the wall clock is set, or the machine sleeps, a client may have counted
    /// less than the wall clock shows, and to close late harms nobody.
    pub(crate) fn verdict(&self, now: &Moment) -> Verdict {
        if now.monotonic_since(&self.since) >= self.time {
            return Verdict::Close(self.cause);
        }
        Verdict::Stay {
            until: self.since.saturating_add(self.time).monotonic,
        }
    }
}

/// What the transport wrapper has to do at a read that found nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Ask again when the monotonic clock shows this.
    Stay {
        until: i64,
    },
    Close(ServerCloseCause),
}

/// What a connection is doing.
///
/// ```text
///          a byte is read         the head ends         request and response ended
///   New ───────────────────▶ Head ─────────────▶ Busy ─────────────────────────────▶ Idle
///                             ▲                                                       │
///                             └───────────────────────────────────────────────────────┘
///
///   any ──▶ Preface ──▶ Opaque: HTTP/2, or not HTTP/1 any more
///   any ──▶ NotUnderstood
/// ```
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Nothing was read.
    New,
    /// The head of a request is being read, and no other request is open.
    Head {
        since: Moment,
    },
    Busy {
        /// Since when the head of the request is being read, if it is: its response has begun before its end.
        head: Option<Moment>,
    },
    Idle {
        since: Moment,
    },
    /// The preface of HTTP/2 has begun. The server answers to its end.
    Preface {
        since: Moment,
    },
    /// What was read or written, the last time at `since`, is not understood.
    NotUnderstood {
        since: Moment,
    },
    Opaque,
}

/// One connection, from being accepted to its end.
#[derive(Debug)]
pub(crate) struct Served {
    tracker: Tracker,
    accepted: Moment,
    jitter: Jitter,
    /// The timeout in the last response; `None` if it named none.
    said: Option<Span>,
    phase: Phase,
    /// Whether written bytes have not left the transport's own buffer.
    is_flushing: bool,
}

impl Served {
    pub(crate) fn new(accepted: Moment, jitter: Jitter) -> Self {
        Self {
            tracker: Tracker::pipelining(),
            accepted,
            jitter,
            said: None,
            phase: Phase::New,
            is_flushing: false,
        }
    }

    /// Bytes were read from the transport.
    ///
    /// `New | Idle => Head | Busy`, `Head => Busy`
    pub(crate) fn on_read(&mut self, bytes: &[u8], now: Moment) -> Option<OpaqueReason> {
        match &mut self.phase {
            _ if bytes.is_empty() => None,
            Phase::Opaque | Phase::Preface { .. } => None,
            Phase::NotUnderstood { since } => {
                *since = now;
                None
            }
            _ => {
                let progress = self.tracker.on_written(bytes);
                self.on_progress(progress, now)
            }
        }
    }

    /// The transport accepted bytes.
    ///
    /// `Busy => Head | Idle`
    pub(crate) fn on_written<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        now: Moment,
    ) -> Option<OpaqueReason> {
        for bytes in pieces.into_iter().filter(|bytes| !bytes.is_empty()) {
            match &mut self.phase {
                Phase::Opaque => {}
                Phase::Preface { .. } => self.phase = Phase::Opaque,
                Phase::NotUnderstood { since } => *since = now,
                _ => {
                    let progress = self.tracker.on_read(bytes);
                    let reason = self.on_progress(progress, now);
                    if reason.is_some() {
                        return reason;
                    }
                }
            }
        }
        None
    }

    fn on_progress(
        &mut self,
        progress: Result<Progress, OpaqueReason>,
        now: Moment,
    ) -> Option<OpaqueReason> {
        let progress = match progress {
            Ok(progress) => progress,
            Err(reason) => {
                self.phase = match (reason, self.phase) {
                    (OpaqueReason::Upgrade | OpaqueReason::Tunnel, _) => Phase::Opaque,
                    (OpaqueReason::Http2, Phase::Head { since }) => Phase::Preface { since },
                    (OpaqueReason::Http2, _) => Phase::Preface { since: now },
                    _ => Phase::NotUnderstood { since: now },
                };
                self.tracker = Tracker::new();
                self.said = None;
                return Some(reason);
            }
        };
        if progress.head {
            let said = progress.hint.and_then(|parsed| parsed.hint?.timeout());
            self.said = said.map(Span::new);
        }
        self.phase = if self.tracker.is_between_exchanges() {
            match self.phase {
                unchanged @ (Phase::New | Phase::Idle { .. }) => unchanged,
                _ => Phase::Idle { since: now },
            }
        } else {
            let head = self
                .tracker
                .is_first_head_open()
                .then_some(match self.phase {
                    Phase::Head { since } | Phase::Busy { head: Some(since) }
                        if !progress.begun =>
                    {
                        since
                    }
                    _ => now,
                });
            match head {
                Some(since) if !self.tracker.is_response_begun() => Phase::Head { since },
                head => Phase::Busy { head },
            }
        };
        None
    }

    /// The transport was flushed after it could not be, or could not be.
    ///
    /// What waits in the transport's own buffer is not written yet, and would be lost with the connection.
    pub(crate) fn on_flush(&mut self, is_flushed: bool, now: Moment) {
        self.is_flushing = !is_flushed;
        if let (true, Phase::Idle { since }) = (is_flushed, &mut self.phase) {
            *since = now;
        }
    }

    /// Whether a flush has not ended.
    pub(crate) fn is_flushing(&self) -> bool {
        self.is_flushing
    }

    /// Until when the connection stays open if nothing happens on it; `None` is without end. `is_surplus` is whether
    /// it is to make room for another one, if it is idle.
    pub(crate) fn limit(&self, policy: &ServerPolicy, is_surplus: bool) -> Option<Limit> {
        let (since, time, cause) = match self.phase {
            Phase::Opaque => return None,
            // Forwarded, but not if others need its place.
            Phase::NotUnderstood { since } if is_surplus => {
                (since, self.longest_idle(policy), ServerCloseCause::Cap)
            }
            Phase::NotUnderstood { .. } => return None,
            _ if self.is_flushing => return self.limit_of_busy(policy),
            Phase::Busy { .. } => return self.limit_of_busy(policy),
            Phase::New if is_surplus => (self.accepted, SETTLING, ServerCloseCause::Cap),
            Phase::Idle { since } if is_surplus => (since, Span::ZERO, ServerCloseCause::Cap),
            Phase::New => {
                let time = policy.first_head.map(Span::new);
                let time = time.unwrap_or_else(|| self.longest_idle(policy));
                (self.accepted, time, ServerCloseCause::FirstHead)
            }
            Phase::Idle { since } => {
                let time = self.longest_idle(policy);
                (since, time, ServerCloseCause::IdleTimeout)
            }
            Phase::Head { since } | Phase::Preface { since } => match policy.slow_head {
                Some(time) => (since, Span::new(time), ServerCloseCause::SlowHead),
                None => return self.limit_of_busy(policy),
            },
        };
        Some(Limit { since, time, cause })
    }

    /// Of a connection on which a request or response is under way.
    fn limit_of_busy(&self, policy: &ServerPolicy) -> Option<Limit> {
        let age = longest_age(policy, self.jitter)?;
        Some(Limit {
            since: self.accepted,
            time: age.saturating_add(Span::new(policy.age_grace?)),
            cause: ServerCloseCause::Age,
        })
    }

    /// How long the connection may be idle: as long as its client was told, and the grace.
    fn longest_idle(&self, policy: &ServerPolicy) -> Span {
        let timeout = Span::new(policy.timeout);
        let said = self.said.map(|said| said.min(LONGEST.max(timeout)));
        said.unwrap_or(timeout)
            .saturating_add(Span::new(policy.grace))
    }

    /// Since when the connection is idle, or new; `None` if it is neither.
    pub(crate) fn idle_since(&self) -> Option<Moment> {
        match self.phase {
            _ if self.is_flushing => None,
            Phase::New => Some(self.accepted),
            Phase::Idle { since } => Some(since),
            _ => None,
        }
    }

    /// From when on the connection may make room for another one; `None` if it may not.
    pub(crate) fn spare_since(&self, policy: &ServerPolicy) -> Option<Moment> {
        match self.phase {
            Phase::NotUnderstood { since } => Some(since.saturating_add(self.longest_idle(policy))),
            _ => self.idle_since(),
        }
    }

    /// What the transport wrapper has to do.
    pub(crate) fn mode(&self) -> Mode {
        match self.phase {
            Phase::New | Phase::Idle { .. } => Mode::Idle,
            Phase::Head { .. }
            | Phase::Busy { .. }
            | Phase::Preface { .. }
            | Phase::NotUnderstood { .. } => Mode::Busy,
            Phase::Opaque => Mode::Opaque,
        }
    }

    /// Why the connection ended, if neither the transport nor a verdict ended it.
    pub(crate) fn dropped(&self, now: &Moment) -> ServerCloseCause {
        match self.phase {
            Phase::Idle { .. } if self.tracker.is_closing() => ServerCloseCause::Said,
            // A server closes in the instant of its response after HTTP/1.0, and where it could not read a body.
            Phase::Idle { since } if now.monotonic_since(&since) > SLOP => ServerCloseCause::Server,
            Phase::New if now.monotonic_since(&self.accepted) > SLOP => ServerCloseCause::Server,
            _ => ServerCloseCause::Other,
        }
    }
}

/// After how long a connection is to end, if ever.
fn longest_age(policy: &ServerPolicy, jitter: Jitter) -> Option<Span> {
    let age = Span::new(policy.max_connection_age?);
    let by = policy.age_jitter;
    Some(by.map_or(age, |by| jitter.shorten(age, by)))
}

#[cfg(test)]
mod tests;
