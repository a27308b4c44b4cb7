//! One connection's life: what was written and read on it, and when; idle or not.

use std::time::Duration;

use super::Moment;
use super::anchor::Anchor;
use super::deadline::{self, Allowance, Facts, Reason, Verdict};
use super::end::{Cause, End};
use super::framing::{Opaque, Progress, Tracker};
use super::keep_alive::KeepAliveHint;
use crate::policy::KeepAlivePolicy;

/// A request that the server timed out waiting for; sent on its own account, so it says nothing
/// about the network (RFC 9110 §15.5.9).
const REQUEST_TIMEOUT: u16 = 408;

/// What a connection is doing.
///
/// ```text
///           somebody writes         a byte is accepted
///   Unused ─────────────────▶ Sending ────────────────▶ Busy
///                                ▲                        │
///                                └───────── Idle ◀────────┘
///               somebody writes           request and response ended
///
///   any ──▶ Opaque: not HTTP/1 (any more), or not understood
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    Unused,
    /// A request is to be written, of which nothing was accepted. Whoever writes it has taken it off
    /// its queue: were the connection closed now, it would be lost.
    Sending,
    Busy,
    Idle,
    Opaque(Opaque),
}

/// One request on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// Counted from one; zero is none.
    pub(crate) number: u64,
    idle_since: Moment,
    /// When its first byte was written, or was to be.
    sent: Moment,
}

impl Request {
    /// How long the connection had been idle before it.
    pub(crate) fn idle_before(&self) -> Duration {
        self.sent.since(&self.idle_since)
    }
}

/// What followed from bytes that were written or read.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "what happened is to be given its time by `Exchange::at`"]
pub(crate) struct Happened {
    progress: Progress,
    /// A request began.
    begun: bool,
    /// A byte of the response whose time is worth keeping.
    mark: bool,
    opaque: Option<Opaque>,
}

impl Happened {
    /// Whether the time of this matters, so that [`Exchange::at`] is to be called.
    pub(crate) fn needs_time(&self) -> bool {
        self.progress != Progress::default() || self.mark
    }

    /// Whether a request began.
    pub(crate) fn begun(&self) -> bool {
        self.begun
    }

    /// Why nothing is known of the connection from here on, if so.
    pub(crate) fn opaque(&self) -> Option<Opaque> {
        self.opaque
    }
}

/// One connection, from connecting to its end.
#[derive(Debug)]
pub(crate) struct Exchange {
    tracker: Tracker,
    phase: Phase,
    connected: Moment,
    /// When the last exchange ended; before the first, when connected.
    finished: Moment,
    /// By how much the server's timer may have started before `finished`.
    skew: Duration,
    anchor: Anchor,
    /// The least upper bound of a round trip that was seen.
    rtt: Duration,
    /// Requests begun.
    requests: u64,
    /// When it was first asked whether it may be used, while it was unused.
    first_asked: Option<Moment>,
    /// Since when the connection had been idle when the last request began.
    idle_since: Moment,
    /// When the first byte of the last request was written, or was to be.
    sent: Moment,
    /// When the first byte of its response was read, interim responses included.
    answered: Option<Moment>,
    /// What the server said last.
    hint: KeepAliveHint,
    /// The last request whose response said something.
    hinted: u64,
    /// How many requests the server takes on this connection, all in all.
    requests_allowed: Option<u64>,
    /// For how long it may idle, unless what that follows from has changed since it was asked.
    allowance: Option<Allowance>,
    /// Before this, the answer is that it may be reused, unless what that follows from has changed.
    fresh_until: Option<Moment>,
    /// Set once it is not to be used again.
    retired: Option<Reason>,
    ended: bool,
}

impl Exchange {
    /// A connection that is established at `connected`, after `connecting` for so long.
    pub(crate) fn new(connecting: Duration, connected: Moment) -> Self {
        Self {
            tracker: Tracker::new(),
            phase: Phase::Unused,
            connected,
            finished: connected,
            skew: Duration::ZERO,
            anchor: Anchor::default(),
            rtt: connecting,
            requests: 0,
            first_asked: None,
            idle_since: connected,
            sent: connected,
            answered: None,
            hint: KeepAliveHint::new(),
            hinted: 0,
            requests_allowed: None,
            allowance: None,
            fresh_until: None,
            retired: None,
            ended: false,
        }
    }

    /// `* => Opaque`, for a reason that the bytes do not show.
    pub(crate) fn on_opaque(&mut self, reason: Opaque) {
        if self.phase == Phase::Sending {
            // What was to be written turned out to be no request.
            self.requests = self.requests.saturating_sub(1);
        }
        self.phase = Phase::Opaque(reason);
        self.tracker = Tracker::new();
    }

    /// Somebody is about to write.
    ///
    /// `Unused | Idle => Sending`
    pub(crate) fn on_sending(&mut self, now: Moment) {
        if self.is_idle() {
            self.begin(now);
            self.phase = Phase::Sending;
        }
    }

    /// Takes bytes that the transport has accepted.
    ///
    /// `Sending => Busy`, and with the end of a request that was already answered `Busy => Idle`
    pub(crate) fn on_written(&mut self, bytes: &[u8]) -> Happened {
        if matches!(self.phase, Phase::Opaque(_)) {
            return Happened::default();
        }
        let progress = self.tracker.on_written(bytes);
        let mut happened = self.on_progress(progress);
        if happened.begun && self.phase == Phase::Sending {
            // It has its time already.
            self.phase = Phase::Busy;
            happened.progress.begun = false;
        }
        happened
    }

    /// Takes bytes that were read from the transport.
    ///
    /// `Busy => Idle` with the end of a response whose request is out.
    pub(crate) fn on_read(&mut self, bytes: &[u8], window: u64) -> Happened {
        if matches!(self.phase, Phase::Opaque(_)) {
            return Happened::default();
        }
        let progress = self.tracker.on_read(bytes);
        let mut happened = self.on_progress(progress);
        if happened.progress.answered {
            self.anchor.begin();
        }
        happened.mark = self.anchor.on_read(bytes.len(), window);
        happened
    }

    fn on_progress(&mut self, progress: Result<Progress, Opaque>) -> Happened {
        match progress {
            Ok(progress) => Happened {
                progress,
                begun: progress.begun,
                ..Happened::default()
            },
            Err(reason) => {
                self.on_opaque(reason);
                Happened {
                    opaque: Some(reason),
                    ..Happened::default()
                }
            }
        }
    }

    /// When that happened which was told last.
    pub(crate) fn at(&mut self, happened: Happened, window: u64, now: Moment) {
        let Progress {
            ended,
            begun,
            answered,
        } = happened.progress;
        if happened.mark {
            self.anchor.at(now);
        }
        if answered {
            self.answered.get_or_insert(now);
        }
        if ended {
            self.finish(window, now);
        }
        if begun {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Moment) {
        self.phase = Phase::Busy;
        self.requests = self.requests.saturating_add(1);
        self.idle_since = self.finished;
        self.sent = now;
        self.answered = None;
    }

    fn finish(&mut self, window: u64, now: Moment) {
        let before = (self.skew, self.rtt);
        self.phase = Phase::Idle;
        self.finished = now;
        self.skew = self.anchor.skew(window, &now);
        // From the first byte of the request, not from its last: a server that answers early, or
        // with an interim response, answers something that was written before the last.
        if let (Some(answered), true) = (self.answered, self.tracker.status() != REQUEST_TIMEOUT) {
            self.rtt = self.rtt.min(answered.since(&self.sent));
        }
        if before != (self.skew, self.rtt) || self.requests == 1 || self.requests_allowed.is_some()
        {
            self.allowance = None;
        }
        self.fresh_until = match (self.allowance, self.retired) {
            (Some(Allowance::Idle(idle)), None) => now.checked_add(idle),
            _ => None,
        };
    }

    /// Takes what the server said in its response to the `request`th request. What a later hint does
    /// not mention stands. Later is that in the response to a later request, whichever is told first.
    ///
    /// Returns whether an idle connection has to be looked at sooner than was said before.
    pub(crate) fn on_hint(
        &mut self,
        hint: KeepAliveHint,
        request: u64,
        policy: &KeepAlivePolicy,
    ) -> bool {
        if !policy.hints {
            return false;
        }
        let before = self.allowance(policy);
        let known = (self.hint, self.requests_allowed);
        let allowed = hint.max().map(|max| request.saturating_add(max));
        if request < self.hinted {
            self.hint = self.hint.or(hint);
            self.requests_allowed = self.requests_allowed.or(allowed);
        } else {
            self.hinted = request;
            self.hint = hint.or(self.hint);
            self.requests_allowed = allowed.or(self.requests_allowed);
        }
        if known == (self.hint, self.requests_allowed) {
            return false;
        }
        self.allowance = None;
        self.fresh_until = None;
        if !self.is_idle() {
            return false;
        }
        match (before, self.allowance(policy)) {
            (Allowance::Idle(before), Allowance::Idle(after)) => after < before,
            (Allowance::Idle(_), Allowance::Never(_)) => true,
            (Allowance::Never(_), _) => false,
        }
    }

    /// Not to be used again. Returns whether an idle connection has to be looked at for this.
    pub(crate) fn retire(&mut self) -> bool {
        self.retired.get_or_insert(Reason::ByHand);
        self.fresh_until = None;
        self.is_idle()
    }

    /// Whether the connection may be used for another request; `None` while that is not the
    /// question, since an exchange is open or nothing is known.
    pub(crate) fn look(&self, policy: &KeepAlivePolicy, now: &Moment) -> Option<Verdict> {
        if !self.is_idle() {
            return None;
        }
        if let Some(reason) = self.retired {
            return Some(Verdict::Retire(reason));
        }
        let verdict = deadline::verdict(self.allowance(policy), &self.finished, now);
        Some(match (self.phase, verdict) {
            (Phase::Unused, Verdict::Retire(_)) => {
                // Whoever opened it may have come to it late.
                let first_asked = self.first_asked.as_ref().unwrap_or(now);
                deadline::verdict(deadline::first_use(policy), first_asked, now)
            }
            _ => verdict,
        })
    }

    /// The same, to be acted on: what is retired stays so, whatever comes later.
    pub(crate) fn verdict(&mut self, policy: &KeepAlivePolicy, now: &Moment) -> Option<Verdict> {
        // Asked several times an exchange, nearly always with this answer.
        if let (true, Some(until)) = (self.is_idle(), &self.fresh_until) {
            if now.is_before(until) {
                return Some(Verdict::Reuse {
                    until: Some(until.monotonic),
                });
            }
        }
        let allowance = self.allowance(policy);
        self.allowance = Some(allowance);
        if self.phase == Phase::Unused {
            self.first_asked.get_or_insert(*now);
        }
        let verdict = self.look(policy, now)?;
        match (verdict, allowance) {
            (Verdict::Retire(reason), _) => {
                self.retired = Some(reason);
                self.fresh_until = None;
            }
            (Verdict::Reuse { .. }, Allowance::Idle(idle)) => {
                let until = self.finished.checked_add(idle);
                self.fresh_until = until.filter(|until| now.is_before(until));
            }
            (Verdict::Reuse { .. }, Allowance::Never(_)) => {}
        }
        Some(verdict)
    }

    /// The connection ended. Returns how, the first time.
    pub(crate) fn on_end(&mut self, cause: Cause, policy: &KeepAlivePolicy) -> Option<End> {
        if std::mem::replace(&mut self.ended, true) {
            return None;
        }
        Some(match (self.phase, cause) {
            (Phase::Opaque(reason), _) => End::Opaque(reason),
            (Phase::Busy | Phase::Sending, Cause::Dropped) => End::Client,
            (Phase::Busy, Cause::Eof) if self.tracker.is_until_eof() => End::Delimited,
            (Phase::Busy | Phase::Sending, _) if self.is_unanswered_again() => End::Stale,
            (Phase::Busy | Phase::Sending, _) => End::PeerBusy,
            (Phase::Unused | Phase::Idle, cause) => self.idle_end(cause, policy),
        })
    }

    fn idle_end(&self, cause: Cause, policy: &KeepAlivePolicy) -> End {
        match (self.retired, self.allowance(policy), cause) {
            (Some(reason), _, _) => End::Retired(reason),
            // Closed by whoever drives the connection, and it would have been by this crate.
            (None, Allowance::Never(reason), Cause::Dropped) => End::Retired(reason),
            (None, _, Cause::Dropped) => End::Client,
            (None, _, Cause::Eof | Cause::Error) => End::PeerIdle,
        }
    }

    /// Whether a request on a connection that had served others has no byte of its response.
    fn is_unanswered_again(&self) -> bool {
        self.requests > 1 && self.answered.is_none()
    }

    fn allowance(&self, policy: &KeepAlivePolicy) -> Allowance {
        if let Some(allowance) = self.allowance {
            return allowance;
        }
        deadline::allowance(
            policy,
            &Facts {
                used: self.requests > 0,
                requests_left: self
                    .requests_allowed
                    .map(|allowed| allowed.saturating_sub(self.requests)),
                hint: self.hint.timeout(),
                skew: self.skew,
                rtt: self.rtt,
            },
        )
    }

    /// Whether no exchange is open, so that closing would lose nothing.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Unused | Phase::Idle)
    }

    /// Why nothing is known of the connection, if so.
    pub(crate) fn opaque(&self) -> Option<Opaque> {
        match self.phase {
            Phase::Opaque(reason) => Some(reason),
            _ => None,
        }
    }

    /// The request that was begun last.
    pub(crate) fn request(&self) -> Request {
        Request {
            number: self.requests,
            idle_since: self.idle_since,
            sent: self.sent,
        }
    }

    /// The time since connecting.
    pub(crate) fn age(&self, now: &Moment) -> Duration {
        now.since(&self.connected)
    }

    /// What the server said last, as far as it was asked to count.
    pub(crate) fn hint(&self) -> KeepAliveHint {
        self.hint
    }
}

#[cfg(test)]
mod tests;
