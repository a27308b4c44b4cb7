//! One connection's life: what was written and read on it, and when; idle or not.

use std::time::Duration;

use super::anchor::Anchor;
use super::deadline::{self, Allowance, Facts, Reason, Verdict};
use super::deferred::Deferred;
use super::end::{Cause, End};
use super::framing::{Opaque, Progress, Tracker};
use super::jitter::Jitter;
use super::keep_alive::KeepAliveHint;
use super::learn::{Evidence, Findings, Kind, Limit, SLOP};
use super::vigil::Vigil;
use super::{Epoch, Moment, Now, Reading, Span};
use crate::policy::{KeepAlivePolicy, Learn};

/// A request that the server timed out waiting for; sent on its own account, so it says nothing
/// about the network (RFC 9110 §15.5.9).
const REQUEST_TIMEOUT: u16 = 408;

/// How much longer than needed a sentinel is left open to refute a bound.
const SURPLUS: Duration = Duration::from_millis(1);

/// How long it takes, besides a round trip, until a request on a connection that was closed has failed.
const SOON: Duration = Duration::from_secs(1);

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
    idle_before: Span,
}

impl Request {
    /// How long the connection had been idle before it.
    pub(crate) fn idle_before(&self) -> Duration {
        self.idle_before.duration()
    }
}

/// What a server said on one connection that may hold for others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Told {
    pub(crate) timeout: Option<Duration>,
    /// How many requests it takes on a connection, all in all.
    pub(crate) requests: Option<u64>,
}

/// What followed from bytes that were written or read.
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "what happened is to be given its time by `Exchange::at`"]
pub(crate) struct Happened {
    progress: Progress,
    /// A request began.
    begun: bool,
    /// The offset of a byte of the response whose time is worth keeping.
    mark: Option<u64>,
    opaque: Option<Opaque>,
}

impl Happened {
    /// Whether the time of this matters, so that [`Exchange::at`] is to be called.
    pub(crate) fn needs_time(&self) -> bool {
        self.progress != Progress::default() || self.mark.is_some()
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
    anchor: Anchor,
    connected: Moment,
    /// What comes last of these: when the first byte of a request was written, or was to be; when an
    /// exchange ended; when it was first asked whether the connection may be used, before it was.
    ///
    /// Of a request that followed upon a response put aside, see [`settle_time`](Self::settle_time).
    since: Moment,
    /// By how much the server's timer may have started before the last exchange ended.
    skew: Span,
    /// The least upper bound of a round trip that was seen.
    rtt: Span,
    /// How long it had been idle when the last request began.
    idle_before: Span,
    /// From the first byte of the request to that of the response, interim responses included.
    answered: Option<Span>,
    /// Requests begun.
    requests: u32,
    /// The last request whose response said something.
    hinted: u32,
    /// What the server said last.
    hint: KeepAliveHint,
    /// How many requests the server takes on this connection, all in all; `NO_LIMIT` if it did not
    /// say, or more than are ever made.
    requests_allowed: u32,
    /// Its lot where deadlines are to be spread.
    jitter: Jitter,
    /// For how long it may idle, zero if not at all, unless what that follows from has changed since it
    /// was asked.
    allowance: Option<Span>,
    phase: Phase,
    /// Room for a piece that is not followed yet.
    deferred: Option<Box<Deferred>>,
    /// Whether it was asked whether the connection may be used, before it was.
    asked: bool,
    /// Set once it is not to be used again.
    retired: Option<Reason>,
    ended: bool,
}

/// More requests than are ever made on a connection: a thousand a second, for seven weeks.
const NO_LIMIT: u32 = u32::MAX;

impl Exchange {
    /// A connection that is established at `connected`, after `connecting` for so long.
    pub(crate) fn new(connecting: Duration, connected: Moment) -> Self {
        Self {
            tracker: Tracker::new(),
            anchor: Anchor::default(),
            connected,
            since: connected,
            skew: Span::ZERO,
            rtt: Span::new(connecting),
            idle_before: Span::ZERO,
            answered: None,
            requests: 0,
            hinted: 0,
            hint: KeepAliveHint::new(),
            requests_allowed: NO_LIMIT,
            jitter: Jitter::LATEST,
            allowance: None,
            phase: Phase::Unused,
            deferred: None,
            asked: false,
            retired: None,
            ended: false,
        }
    }

    /// The same to a server that said something on another connection. Until it does so on this one,
    /// that counts, but for a timeout that is longer than what policy expects of one that says nothing.
    /// Zero, which forbids to use the other one again, says nothing of this one.
    pub(crate) fn with_told(mut self, told: &Told, policy: &KeepAlivePolicy) -> Self {
        if !policy.hints {
            return self;
        }
        let shorter = Duration::from_nanos(1)..policy.max_idle;
        if let Some(timeout) = told.timeout.filter(|timeout| shorter.contains(timeout)) {
            self.hint = self.hint.with_timeout(timeout);
        }
        self.requests_allowed = limit(told.requests.unwrap_or(u64::MAX));
        self
    }

    /// The same with a lot of its own, where deadlines are to be spread.
    pub(crate) fn with_jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// What was said on this connection, for others.
    pub(crate) fn told(&self) -> Told {
        Told {
            timeout: self.hint.timeout(),
            requests: self.requests_allowed(),
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
    pub(crate) fn on_sending(&mut self, epoch: &Epoch, now: Moment) {
        self.settle_time(epoch);
        if let Some(at) = self
            .deferred
            .as_mut()
            .and_then(|deferred| deferred.forget())
        {
            // Nobody writes a request before the response to the last one has ended.
            self.on_response_ended(epoch.moment(&at));
        }
        if self.is_idle() {
            self.begin(now);
            self.phase = Phase::Sending;
        }
    }

    /// Takes the bytes of a request that somebody set out to write at `now`, if it is all there and
    /// follows upon a response that was put aside. Returns whether it did.
    ///
    /// What [`on_sending`](Self::on_sending) and [`on_written`](Self::on_written) do, in few steps:
    /// nearly all requests are such ones. Readings of the clocks stay what they are.
    ///
    /// `Busy => Idle => Busy`
    pub(crate) fn on_next_request(&mut self, bytes: &[u8], now: &Now, epoch: &Epoch) -> bool {
        let Some(deferred) = &mut self.deferred else {
            return false;
        };
        if deferred.is_empty() || !deferred.plain.is(bytes) {
            return false;
        }
        let Some(ended) = deferred.forget() else {
            return false;
        };
        let begun = deferred.begun.replace(*now);
        let less = match (self.answered.take(), begun) {
            (Some(answered), _) => {
                // By an interim response, which was followed.
                self.anchor.begin();
                Some(answered).filter(|answered| *answered < self.rtt)
            }
            (None, Some(begun)) => ended.since_if_less(&begun, self.rtt),
            (None, None) => {
                let answered = epoch.moment(&ended).since(&self.since);
                Some(Span::new(answered)).filter(|answered| *answered < self.rtt)
            }
        };
        self.on_no_skew(less.unwrap_or(self.rtt));
        self.requests = self.requests.saturating_add(1);
        self.idle_before = Span::new(now.since(&ended));
        true
    }

    /// `since` is to be looked at.
    pub(crate) fn settle_time(&mut self, epoch: &Epoch) {
        let begun = self.deferred.as_mut().and_then(|room| room.begun.take());
        if let Some(begun) = begun {
            self.since = epoch.moment(&begun);
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

    /// Whether bytes that were read need not be followed, as long as the connection is fresh: then it
    /// is used or read from alike, idle or not.
    ///
    /// Not where a request may be the last, nor where the connection was idle for longer than
    /// `known`, from which something is learned.
    #[inline]
    pub(crate) fn may_defer(&self, bytes: &[u8], policy: &KeepAlivePolicy, known: Span) -> bool {
        self.phase == Phase::Busy
            && self.tracker.awaits_response()
            && !self.is_deferring()
            && self.requests_allowed == NO_LIMIT
            && self.retired.is_none()
            && (self.requests == 1 || self.idle_before <= known)
            && deadline::takes_more(policy, self.requests.into())
            && Deferred::takes(bytes)
    }

    /// Whether there is room for bytes that are not followed yet.
    pub(crate) fn has_room(&self) -> bool {
        self.deferred.is_some()
    }

    /// Puts bytes aside that were read `at` that time, and that it [may](Self::may_defer).
    ///
    /// Until it is [followed](Self::follow_deferred), or the next request, it is not known whether the
    /// connection is idle, and it counts as busy.
    pub(crate) fn defer(&mut self, bytes: &[u8], at: Now) {
        self.deferred
            .get_or_insert_with(|| Box::new(Deferred::new()))
            .put(bytes, at);
    }

    /// Whether there is something to [follow](Self::follow_deferred).
    pub(crate) fn is_deferring(&self) -> bool {
        self.deferred
            .as_ref()
            .is_some_and(|deferred| !deferred.is_empty())
    }

    /// Follows what was put aside, and gives up the room for it; `None` where there was none.
    pub(crate) fn follow_deferred(&mut self, window: u64, epoch: &Epoch) -> Option<Happened> {
        self.settle_time(epoch);
        let deferred = self.deferred.take()?;
        let Some((bytes, at)) = deferred.look() else {
            return Some(Happened::default());
        };
        let happened = self.on_read(bytes, window);
        self.at(happened, window, epoch.moment(&at));
        Some(happened)
    }

    /// A response has ended that came in one piece, so that there is no skew: what is left of `finish`.
    #[inline]
    fn on_response_ended(&mut self, at: Moment) {
        self.tracker.on_response_ended();
        self.anchor.begin();
        let answered = self
            .answered
            .unwrap_or_else(|| Span::new(at.since(&self.since)));
        self.phase = Phase::Idle;
        self.since = at;
        // What is put aside is no 408.
        self.on_no_skew(self.rtt.min(answered));
    }

    /// A response came in one piece, after which so much is known of a round trip.
    #[inline]
    fn on_no_skew(&mut self, rtt: Span) {
        if (Span::ZERO, rtt) != (self.skew, self.rtt) || self.requests == 1 {
            self.skew = Span::ZERO;
            self.rtt = rtt;
            self.allowance = None;
        }
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
        if let Some(offset) = happened.mark {
            self.anchor.at(offset, now);
        }
        if answered && self.answered.is_none() {
            self.answered = Some(Span::new(now.since(&self.since)));
        }
        if ended {
            self.finish(window, now);
        }
        if begun {
            self.begin(now);
        }
    }

    fn begin(&mut self, now: Moment) {
        self.idle_before = Span::new(now.since(self.idle_since()));
        self.phase = Phase::Busy;
        self.requests = self.requests.saturating_add(1);
        self.since = now;
        self.answered = None;
    }

    fn finish(&mut self, window: u64, now: Moment) {
        let before = (self.skew, self.rtt);
        self.phase = Phase::Idle;
        self.since = now;
        self.skew = Span::new(std::mem::take(&mut self.anchor).skew(window, &now));
        // From the first byte of the request, not from its last: a server that answers early, or
        // with an interim response, answers something that was written before the last.
        if let (Some(answered), true) = (self.answered, self.tracker.status() != REQUEST_TIMEOUT) {
            self.rtt = self.rtt.min(answered);
        }
        let counted = self.requests_allowed != NO_LIMIT;
        if before != (self.skew, self.rtt) || self.requests == 1 || counted {
            self.allowance = None;
        }
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
        if self.knows(hint, request, policy) {
            return false;
        }
        let hinted = u64::from(self.hinted);
        self.on_hinted(request);
        let before = self.allowance(policy);
        let known = (self.hint, self.requests_allowed);
        let allowed = hint.max().map(|max| limit(request.saturating_add(max)));
        let later = request >= hinted;
        self.hint = if later {
            hint.or(self.hint)
        } else {
            self.hint.or(hint)
        };
        if let (Some(allowed), true) = (allowed, later || self.requests_allowed == NO_LIMIT) {
            self.requests_allowed = allowed;
        }
        if known == (self.hint, self.requests_allowed) {
            return false;
        }
        self.allowance = None;
        if !self.is_idle() {
            return false;
        }
        match (before, self.allowance(policy)) {
            (Allowance::Idle(before), Allowance::Idle(after)) => after < before,
            (Allowance::Idle(_), Allowance::Never(_)) => true,
            (Allowance::Never(_), _) => false,
        }
    }

    /// The server was asked for its timeout, and did not name one: what it said on another connection
    /// counts no more. Returns whether something changed.
    pub(crate) fn on_silence(&mut self) -> bool {
        if self.hinted > 0 || self.told() == Told::default() {
            return false;
        }
        self.hint = KeepAliveHint::new();
        self.requests_allowed = NO_LIMIT;
        self.allowance = None;
        true
    }

    /// Whether a hint changes nothing, since it is that of a later response and says what was known
    /// already: nearly every one does.
    pub(crate) fn knows(
        &mut self,
        hint: KeepAliveHint,
        request: u64,
        policy: &KeepAlivePolicy,
    ) -> bool {
        if !policy.hints {
            return true;
        }
        let hinted = u64::from(self.hinted);
        let is_later = 0 < hinted && hinted < request;
        if is_later && hint.max().is_none() && hint.timeout() == self.hint.timeout() {
            self.on_hinted(request);
            return true;
        }
        false
    }

    fn on_hinted(&mut self, request: u64) {
        self.hinted = self
            .hinted
            .max(u32::try_from(request).unwrap_or(u32::MAX))
            .max(1);
    }

    /// Not to be used again. Returns whether an idle connection has to be looked at for this.
    pub(crate) fn retire(&mut self) -> bool {
        self.retired.get_or_insert(Reason::ByHand);
        self.is_idle()
    }

    /// What that follows from has changed for how long it may idle: it is to be asked anew.
    pub(crate) fn forget_allowance(&mut self) {
        self.allowance = None;
    }

    /// Takes into account what the server was seen to do, where for how long the connection may idle
    /// has to be decided anew.
    #[inline]
    pub(crate) fn settle(&mut self, policy: &KeepAlivePolicy, findings: impl FnOnce() -> Findings) {
        if self.allowance.is_none() {
            let findings = findings();
            let allowance = deadline::learned_allowance(policy, &self.facts(), &findings);
            self.remember(allowance);
        }
    }

    /// Connections that are idle since then, or for longer, are not to be used again.
    pub(crate) fn on_stale(&mut self, since: Reading, now: &Moment) {
        if !self.is_idle() || self.idle_since().monotonic > since {
            return;
        }
        if self.phase == Phase::Unused {
            // It was opened for a request, which may just be on its way.
            if let Verdict::Reuse { .. } = self.first_use(now) {
                return;
            }
        }
        self.retired.get_or_insert(Reason::Sibling);
    }

    /// What it tells of the server's idle timeout that the connection ends now for that cause, if it
    /// has not ended before. Not what has another explanation.
    pub(crate) fn limit(&self, cause: Cause, now: &Moment) -> Option<Limit> {
        let is_last = self
            .requests_allowed()
            .is_some_and(|allowed| u64::from(self.requests) >= allowed);
        if self.ended || self.retired.is_some() || is_last || cause == Cause::Dropped {
            return None;
        }
        match self.phase {
            Phase::Idle => self.closed(now).map(|seen| Limit {
                seen,
                kind: Kind::Close,
            }),
            Phase::Busy | Phase::Sending if self.is_unanswered_again() && self.is_stale(now) => {
                Some(Limit {
                    seen: Evidence {
                        since: self.since.saturating_sub(self.idle_before.duration()),
                        at: *now,
                        idle: self.idle_before,
                        slack: self.rtt,
                        watched: false,
                    },
                    kind: Kind::Failure,
                })
            }
            _ => None,
        }
    }

    /// The server closes the idle connection. `None` where that is no idle timer's doing: no server is so
    /// quick that let the connection serve several requests. It takes so many, perhaps.
    fn closed(&self, now: &Moment) -> Option<Evidence> {
        let seen = self.open(now);
        let is_at_once = seen.idle.duration() <= SLOP;
        (self.requests == 1 || !is_at_once).then_some(seen)
    }

    /// Whether a request that fails now without an answer fails as one does on a connection that was
    /// closed: soon, and not between requests in quick succession.
    fn is_stale(&self, now: &Moment) -> bool {
        let soon = self.rtt.duration().saturating_add(SOON);
        let is_at_once = self.idle_before.duration() <= SLOP;
        now.since(&self.since) <= soon && (self.requests == 2 || !is_at_once)
    }

    /// The idle connection is still open.
    pub(crate) fn open(&self, now: &Moment) -> Evidence {
        Evidence {
            since: self.since,
            at: *now,
            idle: Span::new(now.since(&self.since)),
            slack: self.skew,
            watched: false,
        }
    }

    /// What these bytes tell of the server's idle timeout, where it says with them that it closes an
    /// idle connection. When that is has to be added.
    #[inline]
    pub(crate) fn says_closed(&self, bytes: &[u8]) -> Option<Evidence> {
        let is_timeout = || bytes.starts_with(b"HTTP/1.") && bytes.get(9..12) == Some(b"408");
        (self.phase == Phase::Idle && is_timeout()).then(|| self.open(&self.since))
    }

    /// The server begins to answer, after the connection had been idle for longer than `more_than`.
    #[inline]
    pub(crate) fn survival(
        &self,
        happened: Happened,
        more_than: Span,
        now: &Moment,
    ) -> Option<Evidence> {
        let is_new = self.requests > 1 && happened.progress.answered;
        (is_new && self.idle_before > more_than).then(|| Evidence {
            since: self.since.saturating_sub(self.idle_before.duration()),
            at: *now,
            idle: self.idle_before,
            slack: Span::ZERO,
            watched: false,
        })
    }

    /// Whether the server named a timeout that counts.
    pub(crate) fn is_hinted(&self, policy: &KeepAlivePolicy) -> bool {
        policy.hints && self.hint.timeout().is_some()
    }

    /// Left open beyond its deadline, to learn how long the server waits; `None` where there is nothing
    /// to learn, or the connection is closed for another reason. `refuted`: the idle time that would
    /// refute the bound.
    pub(crate) fn vigil(
        &self,
        policy: &KeepAlivePolicy,
        refuted: Option<Duration>,
        now: &Moment,
    ) -> Option<Vigil> {
        let is_over = matches!(
            self.retired,
            Some(Reason::IdleDeadline | Reason::NoIdleAllowed)
        );
        // Of what drained slowly it is not known since when the server counts.
        if self.phase != Phase::Idle || !is_over || self.skew.duration() > SLOP {
            return None;
        }
        let mut until = self.unlearned(policy);
        if policy.learn == Learn::Full && !self.is_hinted(policy) {
            until = until.max(policy.learn_ceiling);
        }
        let seen = self.open(now);
        if seen.idle.duration() >= until {
            return None;
        }
        // A bound that is not much shorter than what policy allows is no less to be refuted.
        let until = refuted.map_or(until, |refuted| until.max(refuted.saturating_add(SURPLUS)));
        Some(Vigil::new(seen, until))
    }

    /// Whether it is not to be used again.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.is_some()
    }

    /// How long it would be left idle if nothing had been learned.
    fn unlearned(&self, policy: &KeepAlivePolicy) -> Duration {
        match deadline::allowance(policy, &self.facts()) {
            Allowance::Idle(idle) => idle,
            Allowance::Never(_) => Duration::ZERO,
        }
    }

    /// What is known about a round trip.
    pub(crate) fn rtt(&self) -> Span {
        self.rtt
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
        let verdict = deadline::verdict(self.allowance(policy), self.idle_since(), now)
            .and(self.wear(policy, now));
        Some(if self.phase == Phase::Unused {
            verdict.or(self.first_use(now))
        } else {
            verdict
        })
    }

    /// Whether the connection may be used for the request that it was opened for.
    fn first_use(&self, now: &Moment) -> Verdict {
        // Whoever opened it may come to it late.
        let first_read = if self.asked { &self.since } else { now };
        deadline::first_use(first_read, now)
    }

    /// The same, to be acted on: what is retired stays so, whatever comes later.
    pub(crate) fn verdict(&mut self, policy: &KeepAlivePolicy, now: &Moment) -> Option<Verdict> {
        self.remember(self.allowance(policy));
        let verdict = self.look(policy, now)?;
        if self.phase == Phase::Unused && !self.asked {
            self.asked = true;
            self.since = *now;
        }
        if let Verdict::Retire(reason) = verdict {
            self.retired = Some(reason);
        }
        Some(verdict)
    }

    /// Until then, on either clock, the verdict is that it may be reused, unless what that follows
    /// from is changed before. `None` if it has to be asked for.
    pub(crate) fn fresh_until(&mut self, policy: &KeepAlivePolicy) -> Option<Moment> {
        if self.phase != Phase::Idle || self.retired.is_some() {
            return None;
        }
        if !deadline::takes_more(policy, self.requests.into()) {
            return None;
        }
        let allowance = self.allowance(policy);
        self.remember(allowance);
        match allowance {
            Allowance::Idle(idle) => {
                let fresh_until = self.since.checked_add(idle)?;
                match deadline::lifetime(policy, self.jitter) {
                    None => Some(fresh_until),
                    Some(lifetime) => {
                        Some(fresh_until.earlier(&self.connected.checked_add(lifetime)?))
                    }
                }
            }
            Allowance::Never(_) => None,
        }
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
        if cause != Cause::Dropped {
            // What is retired ends so if it could not be closed yet: what was written is not flushed.
            return End::PeerIdle;
        }
        match (self.retired, self.allowance(policy)) {
            (Some(reason), _) => End::Retired(reason),
            // Closed by whoever drives the connection, and it would have been by this crate.
            (None, Allowance::Never(reason)) => End::Retired(reason),
            (None, _) if !deadline::takes_more(policy, self.requests.into()) => {
                End::Retired(Reason::MaxRequests)
            }
            (None, _) => End::Client,
        }
    }

    /// Whether a request on a connection that had served others has no byte of its response.
    fn is_unanswered_again(&self) -> bool {
        self.requests > 1 && self.answered.is_none()
    }

    fn allowance(&self, policy: &KeepAlivePolicy) -> Allowance {
        match self.allowance {
            Some(idle) if idle > Span::ZERO => Allowance::Idle(idle.duration()),
            known => match (deadline::allowance(policy, &self.facts()), known) {
                // Because of what was learned.
                (Allowance::Idle(idle), Some(_)) if !idle.is_zero() => {
                    Allowance::Never(Reason::NoIdleAllowed)
                }
                (allowance, _) => allowance,
            },
        }
    }

    fn remember(&mut self, allowance: Allowance) {
        self.allowance = Some(match allowance {
            Allowance::Idle(idle) => Span::new(idle),
            Allowance::Never(_) => Span::ZERO,
        });
    }

    fn facts(&self) -> Facts {
        Facts {
            used: self.requests > 0,
            requests_left: self
                .requests_allowed()
                .map(|allowed| allowed.saturating_sub(self.requests.into())),
            hint: self.hint.timeout(),
            skew: self.skew.duration(),
            rtt: self.rtt.duration(),
            jitter: self.jitter,
        }
    }

    /// How many requests the server takes, all in all, if it said.
    fn requests_allowed(&self) -> Option<u64> {
        (self.requests_allowed != NO_LIMIT).then(|| u64::from(self.requests_allowed))
    }

    /// Whether it may be used at `now`, whatever its idle time.
    fn wear(&self, policy: &KeepAlivePolicy, now: &Moment) -> Verdict {
        deadline::wear(
            policy,
            self.jitter,
            self.requests.into(),
            &self.connected,
            now,
        )
    }

    /// Since when it is idle, if it is.
    fn idle_since(&self) -> &Moment {
        if self.phase == Phase::Unused {
            &self.connected
        } else {
            &self.since
        }
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
            number: self.requests.into(),
            idle_before: self.idle_before,
        }
    }

    /// The time since connecting.
    pub(crate) fn age(&self, now: &Moment) -> Duration {
        now.since(&self.connected)
    }

    /// What the server said last on this connection, as far as it was asked to count.
    pub(crate) fn hint(&self) -> KeepAliveHint {
        if self.hinted == 0 {
            return KeepAliveHint::new();
        }
        self.hint
    }
}

/// A number of requests, as it is kept.
fn limit(requests: u64) -> u32 {
    u32::try_from(requests).unwrap_or(NO_LIMIT)
}

#[cfg(test)]
mod tests;
