//! What is known of one connection, from both its ends.

use std::time::Duration;

use tokio::time::Instant;

use super::server_end::Closing;
use crate::simulation::policy::Policy;
use crate::support::link::Line;

/// One connection.
pub(super) struct Connection {
    line: Line,
    /// When the server accepted it.
    pub(super) accepted: Instant,

    // What the client's end saw.
    pub(super) connected: Instant,
    /// The shortest time in which a round trip was seen to be made.
    pub(super) round_trip: Duration,
    /// The longest that it was idle for between two requests.
    pub(super) longest_idle: Duration,
    /// How many requests were begun.
    pub(super) begun: u64,
    /// The request that was begun last.
    pub(super) request: Option<u64>,
    pub(super) sent: Instant,
    /// When the last of it was written before its response began.
    pub(super) sent_last: Instant,
    /// When a byte was written or read last.
    pub(super) finished: Instant,
    /// When the first byte came that answers the last request, and of its final response.
    pub(super) answered: Option<Instant>,
    pub(super) final_read: Option<Instant>,
    pub(super) read: u64,
    /// How many bytes of the empty line were read that ends the head of the final response.
    pub(super) head_end: usize,
    /// What this crate said itself of when it will not use the connection any more.
    pub(super) promised: Option<std::time::Instant>,
    /// The timeout that the server named on this connection, or before that on another.
    pub(super) hint: Option<Duration>,
    /// How many requests the server announced to take, on this connection, or before that on another.
    pub(super) allowed: Option<u64>,
    /// When EOF or an error came.
    pub(super) saw_end: Option<Instant>,
    /// When the client shut it down, or let go of it.
    pub(super) client_closed: Option<Instant>,

    // What the server's end did.
    pub(super) written: u64,
    pub(super) last_written: Instant,
    /// Where, in all that was written, the last final response begins and ends; and when the
    /// first of it was written, and the last, be it only into the server's own memory.
    pub(super) response_start: Option<u64>,
    pub(super) response_end: Option<u64>,
    pub(super) final_written: Option<Instant>,
    pub(super) completed: Option<Instant>,
    /// The request that arrived last, and since when the server has answered all that did. A connection that
    /// was never used has no such time: two that nobody has used yet would take each other's place for ever.
    pub(super) at_server: Option<u64>,
    pub(super) idle_at_server: Option<Instant>,
    /// The whole response was given to hyper's server.
    pub(super) handed_over: bool,
    pub(super) closing: Option<(Instant, Closing)>,
    /// A goodbye was written, which answers nothing.
    pub(super) said_goodbye: bool,
    pub(super) server_ended: bool,

    pub(super) is_cut: bool,
}

impl Connection {
    pub(super) fn new(
        line: Line,
        connecting: Instant,
        (hint, allowed): (Option<Duration>, Option<u64>),
    ) -> Self {
        let now = Instant::now();
        Self {
            line,
            accepted: now,
            connected: now,
            round_trip: now - connecting,
            longest_idle: Duration::ZERO,
            begun: 0,
            request: None,
            sent: now,
            sent_last: now,
            finished: now,
            answered: None,
            final_read: None,
            read: 0,
            head_end: 0,
            promised: None,
            hint,
            allowed,
            saw_end: None,
            client_closed: None,
            written: 0,
            last_written: now,
            response_start: None,
            response_end: None,
            final_written: None,
            completed: None,
            at_server: None,
            idle_at_server: None,
            handed_over: false,
            closing: None,
            said_goodbye: false,
            server_ended: false,
            is_cut: false,
        }
    }

    pub(super) fn hold_until(&self, until: Instant) {
        self.line.hold_until(until);
    }

    pub(super) fn cut(&mut self) {
        if self.client_closed.is_none() && !self.server_ended {
            self.line.cut();
            self.is_cut = true;
        }
    }

    /// A request is written, the first byte of it now.
    pub(super) fn begin(&mut self, id: u64) {
        self.longest_idle = self.longest_idle.max(self.idle(Instant::now()));
        self.begun += 1;
        self.request = Some(id);
        self.sent = Instant::now();
        self.sent_last = self.sent;
        self.promised = None;
        self.answered = None;
        self.final_read = None;
        self.head_end = 0;
        self.response_start = None;
        self.response_end = None;
        self.final_written = None;
        self.completed = None;
        self.handed_over = false;
    }

    /// Whether the head of the final response ends in these bytes, before which so many were read.
    pub(super) fn ends_head(&mut self, before: u64, bytes: &[u8]) -> bool {
        const END: &[u8] = b"\r\n\r\n";
        let Some(start) = self.response_start else {
            return false;
        };
        for (_, byte) in (before..).zip(bytes).filter(|(at, _)| *at >= start) {
            match END.get(self.head_end) {
                None => return false,
                Some(next) if next == byte => self.head_end += 1,
                Some(_) => self.head_end = usize::from(*byte == b'\r'),
            }
            if self.head_end == END.len() {
                return true;
            }
        }
        false
    }

    /// The response is written to its end.
    pub(super) fn complete(&mut self) {
        self.response_end = Some(self.written);
        self.completed.get_or_insert(self.last_written);
        self.idle_at_server = Some(self.last_written);
    }

    /// Whether all of the response was read.
    pub(super) fn is_response_read(&self) -> bool {
        self.response_end.is_some_and(|end| end <= self.read)
    }

    pub(super) fn is_longer_than(&self, window: u64) -> bool {
        match (self.response_start, self.response_end) {
            (Some(start), Some(end)) => end - start > window,
            _ => false,
        }
    }

    /// Until when another request may be written; `None` while an exchange is open.
    pub(super) fn deadline(&self, policy: &Policy) -> Option<Deadline> {
        self.deadline_of(policy, policy.expected(self.hint))
    }

    /// The same, for a client that expects this timeout.
    pub(super) fn deadline_of(&self, policy: &Policy, expected: Duration) -> Option<Deadline> {
        let (written, read) = if self.begun == 0 {
            (self.accepted, self.connected)
        } else if self.is_longer_than(policy.window) {
            // Its first byte says nothing any more, and the server's word is better than a guess.
            (self.completed?, self.completed?)
        } else {
            (self.final_written?, self.final_read?)
        };
        let (sent, finished) = if self.begun == 0 {
            (self.accepted, self.accepted)
        } else {
            (self.sent_last, self.finished)
        };
        Some(Deadline {
            sent,
            written,
            read,
            completed: self.completed.unwrap_or(written),
            finished,
            expected,
            margin: policy.margin(expected),
            margin_after: policy.margin_after(expected, self.round_trip()),
        })
    }

    /// For how long it has been idle, or was when it ended; zero in an exchange.
    pub(super) fn idle(&self, now: Instant) -> Duration {
        if self.begun > 0 && !self.is_response_read() {
            return Duration::ZERO;
        }
        let end = self.saw_end.or(self.client_closed).unwrap_or(now);
        end.saturating_duration_since(self.finished)
    }

    /// The shortest time in which a round trip was seen to be made, the last exchange included.
    fn round_trip(&self) -> Duration {
        match self.answered {
            Some(answered) if self.begun > 0 => self.round_trip.min(answered - self.sent),
            _ => self.round_trip,
        }
    }

    pub(super) fn close_round_trip(&mut self) {
        self.round_trip = self.round_trip();
    }
}

/// Until when a request may be written, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    /// When the last request was sent.
    pub(super) sent: Instant,
    /// The server's timer started no sooner than it wrote this, ...
    pub(super) written: Instant,
    /// ... which was read then: the first byte of a response, as a rule.
    pub(super) read: Instant,
    /// When the last byte of the response was written, ...
    pub(super) completed: Instant,
    /// ... which was read then.
    pub(super) finished: Instant,
    pub(super) expected: Duration,
    pub(super) margin: Duration,
    pub(super) margin_after: Duration,
}

impl Deadline {
    /// Until then in any case: no server starts its timer before it is asked.
    pub(super) fn certain(&self) -> Instant {
        self.sent + self.expected.saturating_sub(self.margin)
    }

    /// From then on not any more, whatever skew and delay are.
    pub(super) fn at(&self) -> Instant {
        let likely = self.finished + self.expected.saturating_sub(self.margin_after);
        self.certain().max(likely)
    }

    /// Why it is where it is.
    pub(super) fn reason(&self) -> String {
        let Self {
            expected,
            margin,
            margin_after,
            ..
        } = self;
        format!("{expected:?} were expected, less {margin:?}, or {margin_after:?} and the skew")
    }

    /// How long what was written took to be read.
    pub(super) fn way_back(&self) -> Duration {
        self.read.saturating_duration_since(self.written)
    }

    /// How long the last of it took to be read.
    pub(super) fn last_way_back(&self) -> Duration {
        self.finished.saturating_duration_since(self.completed)
    }
}
