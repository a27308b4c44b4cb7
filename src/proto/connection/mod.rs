//! One connection's life: what was written and read on it, and when; idle or not.

mod end;
mod evidence;
mod hints;
#[cfg(feature = "cli")]
mod watch;

use std::time::Duration;

pub use self::end::CloseCause;
pub(crate) use self::end::{Cause, Ended};
pub(crate) use self::hints::Advertised;
use self::hints::Hints;
#[cfg(feature = "cli")]
pub(crate) use self::watch::is_kept;
use super::deadline::{
    self, Deadline, DeadlineBound, Facts, LEAST_BOUND_BY_CONNECTING, RetireReason, Service, Verdict,
};
use super::framing::{OpaqueReason, Progress, Tracker};
use super::hint::{KeepAliveHint, Parsed};
use super::jitter::Jitter;
use super::learn::{Findings, Observation, SLOP};
use super::provenance::Extent;
use super::skew::{Arrivals, Quickest};
use super::time::{Moment, Span};
use crate::policy::KeepAlivePolicy;

/// What is known from elsewhere when bytes are written or read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) policy: &'a KeepAlivePolicy,
    /// The quickest answer of the origin so far, however old; `None` if there is none.
    pub(crate) quickest: Option<Quickest>,
}

/// What a connection is doing.
///
/// ```text
///           a write begins          a byte is accepted
///   Unused ─────────────────▶ Sending ────────────────▶ Busy
///                                ▲                        │
///                                └───────── Idle ◀────────┘
///               a write begins            request and response ended
///
///   any ──▶ Opaque: not HTTP/1 (any more), or not understood
/// ```
#[derive(Debug)]
enum Phase {
    Unused {
        /// How long after connecting the transport was read from first.
        first_read: Option<Span>,
    },
    /// A request is to be written, of which nothing was accepted. Its writer has taken it off
    /// its queue: were the connection closed now, the request would be lost.
    Sending {
        /// When the last exchange ended; before the first, when the connection was established.
        idle_since: Moment,
        /// Whether a write failed. It may have passed on a part: TLS splits what it is given.
        has_failed: bool,
    },
    Busy {
        idle_since: Moment,
        /// When the last byte of the request was accepted. If the response began before that: when the last byte
        /// before the response was, since a server may start its timer before it has read the rest.
        sent: Moment,
        /// When the bytes of the response arrived.
        arrivals: Arrivals,
        /// Whether this side may have held the exchange up: it did not have to wait for a piece of the response,
        /// which may have arrived earlier, or it wrote on when the response had begun.
        is_held_here: bool,
    },
    Idle {
        since: Moment,
        /// From when the request was sent until `since`.
        elapsed: Span,
        /// How long before `since` the server may have finished writing the response.
        skew: Span,
        /// How much longer its answer took than the quickest.
        delay: Span,
        deadline: Deadline,
    },
    Opaque {
        reason: OpaqueReason,
        /// How much of the last request was written and answered then.
        last: Option<(Extent, Extent)>,
    },
}

/// What the transport wrapper has to do for a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Report what is read and written.
    Busy,
    /// Ask before each read, too.
    Idle,
    /// Forward only.
    Opaque,
}

/// One request on a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    number: u32,
    idle_before: Span,
}

impl Request {
    /// Counted from one; zero is none.
    pub(crate) fn number(&self) -> u64 {
        self.number.into()
    }

    /// How long the connection had been idle before it.
    pub(crate) fn idle_before(&self) -> Duration {
        self.idle_before.duration()
    }
}

/// What followed from bytes that were written or read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    /// A request began.
    pub(crate) begun: bool,
    /// The `Keep-Alive` fields of a final response.
    pub(crate) hint: Option<Parsed>,
    /// What the server advertises, where that has changed.
    pub(crate) advertised: Option<Advertised>,
    /// Something to learn from.
    pub(crate) observed: Option<Observation>,
    /// The time from when the request was sent to the first byte of its response, with the end of the exchange.
    pub(crate) answer: Option<Span>,
    /// An exchange ended: the time since its request was sent.
    pub(crate) ended: Option<Span>,
    /// Nothing is known of the connection from here on.
    pub(crate) opaque: Option<BecameOpaque>,
}

/// Nothing is known of a connection any more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct BecameOpaque {
    pub(crate) reason: OpaqueReason,
    /// Whether no exchange was open.
    pub(crate) was_idle: bool,
}

/// One connection, from connecting to its end.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    tracker: Tracker,
    connected: Moment,
    /// The least upper bound of a round trip: until it is measured, how long connecting took; after that, connecting
    /// counts for [`LEAST_BOUND_BY_CONNECTING`] at least.
    rtt: Span,
    is_rtt_measured: bool,
    /// How long it had been idle when the last request was begun.
    idle_before: Span,
    /// Requests begun.
    requests: u32,
    hints: Hints,
    /// What was learned of the server, if anything was.
    findings: Option<Box<Findings>>,
    /// Position within the jitter range.
    jitter: Jitter,
    phase: Phase,
    /// Why it is not to be used again.
    retired: Option<RetireReason>,
    is_ended: bool,
}

impl Lifecycle {
    /// A connection that was established at `connected`, after `connecting` for so long.
    pub(crate) fn new(connecting: Span, connected: Moment) -> Self {
        Self {
            tracker: Tracker::new(),
            connected,
            rtt: connecting,
            is_rtt_measured: false,
            idle_before: Span::ZERO,
            requests: 0,
            hints: Hints::none(),
            findings: None,
            jitter: Jitter::LATEST,
            phase: Phase::Unused { first_read: None },
            retired: None,
            is_ended: false,
        }
    }

    /// Sets what the server said on another connection.
    pub(crate) fn with_advertised(self, advertised: &Advertised, policy: &KeepAlivePolicy) -> Self {
        Self {
            hints: Hints::of_origin(advertised, policy),
            ..self
        }
    }

    /// Sets what was learned of the server.
    pub(crate) fn with_findings(self, findings: Findings) -> Self {
        Self {
            findings: keep(findings),
            ..self
        }
    }

    /// Sets the position within the jitter range.
    pub(crate) fn with_jitter(self, jitter: Jitter) -> Self {
        Self { jitter, ..self }
    }

    /// `* => Opaque`, for a reason that the bytes do not show.
    pub(crate) fn on_opaque(&mut self, reason: OpaqueReason) -> BecameOpaque {
        let last = self.progress_of_last();
        let was_idle = !matches!(self.phase, Phase::Busy { .. });
        if let Phase::Sending { .. } = self.phase {
            // The bytes to be written turned out to be no request.
            self.requests = self.requests.saturating_sub(1);
        }
        self.phase = Phase::Opaque { reason, last };
        self.tracker = Tracker::new();
        BecameOpaque { reason, was_idle }
    }

    /// A write failed.
    ///
    /// `Unused | Idle => Sending`
    pub(crate) fn on_write_failed(&mut self, now: Moment) {
        self.on_sending(now);
        if let Phase::Sending { has_failed, .. } = &mut self.phase {
            *has_failed = true;
        }
    }

    /// A write was attempted, and nothing was accepted.
    ///
    /// `Unused | Idle => Sending`
    pub(crate) fn on_sending(&mut self, now: Moment) {
        if self.is_idle() {
            let idle_since = self.begin(&now);
            self.phase = Phase::Sending {
                idle_since,
                has_failed: false,
            };
        }
    }

    /// The transport has accepted bytes.
    ///
    /// `Unused | Idle | Sending => Busy`, and with the end of a request that was already answered
    /// `Busy => Idle`
    pub(crate) fn on_written<'a>(
        &mut self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        known: &Known<'_>,
        now: Moment,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        if let Phase::Busy {
            sent, is_held_here, ..
        } = &mut self.phase
        {
            if self.tracker.is_response_begun() {
                *is_held_here = true;
            } else {
                *sent = now;
            }
        }
        for bytes in pieces {
            if self.opaque().is_some() {
                break;
            }
            let progress = self.tracker.on_written(bytes);
            self.on_progress(progress, known, now, &mut outcome);
        }
        outcome
    }

    /// Bytes were read from the transport. `was_awaited` is whether there was nothing to read at the last look.
    ///
    /// `Busy => Idle` with the end of a response whose request is out.
    #[inline]
    pub(crate) fn on_read(
        &mut self,
        bytes: &[u8],
        was_awaited: bool,
        known: &Known<'_>,
        now: Moment,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        if self.opaque().is_some() {
            return outcome;
        }
        let progress = self.tracker.on_read(bytes);
        match (&self.phase, &progress) {
            // Nobody asked for these bytes: the server says goodbye.
            (Phase::Idle { since, .. }, _) if now.since(since) > SLOP => {
                outcome.observed = self.close(&now);
            }
            // They answer no request either.
            (Phase::Busy { .. }, Err(OpaqueReason::Unrecognized)) => {
                outcome.observed = self.failure(&now);
            }
            // Nothing of the request was accepted, so they are a goodbye. The request is lost with the connection, or
            // taken for answered by it. A write that failed has ended the connection already.
            (
                Phase::Sending {
                    has_failed: false, ..
                },
                _,
            ) if self.idle_before > SLOP => {
                outcome.observed = self.observed_end(&now);
            }
            _ => {}
        }
        // What is not understood may be a response, too.
        let is_answer = progress.as_ref().map_or(true, |progress| progress.answered);
        if let Phase::Busy {
            arrivals,
            is_held_here,
            ..
        } = &mut self.phase
        {
            if is_answer {
                arrivals.begin();
                *is_held_here = false;
            } else {
                *is_held_here |= !was_awaited;
            }
            arrivals.on_read(bytes.len(), known.policy.response_window, now);
        }
        if matches!(&progress, Ok(progress) if progress.head) {
            outcome.observed = self.answer(&now);
        }
        self.on_progress(progress, known, now, &mut outcome);
        outcome
    }

    #[inline]
    fn on_progress(
        &mut self,
        progress: Result<Progress, OpaqueReason>,
        known: &Known<'_>,
        now: Moment,
        outcome: &mut Outcome,
    ) {
        let Progress {
            ended, begun, hint, ..
        } = match progress {
            Ok(progress) => progress,
            Err(reason) => {
                outcome.opaque = Some(self.on_opaque(reason));
                return;
            }
        };
        if let Some(parsed) = hint {
            outcome.hint = hint;
            outcome.advertised = parsed
                .hint
                .and_then(|hint| self.on_hint(hint, known.policy));
        }
        if ended {
            let (elapsed, answer) = self.finish(known, now);
            (outcome.ended, outcome.answer) = (Some(elapsed), answer);
        }
        if begun {
            outcome.begun = true;
            let idle_since = match self.phase {
                Phase::Sending { idle_since, .. } => idle_since,
                _ => self.begin(&now),
            };
            self.phase = Phase::Busy {
                idle_since,
                sent: now,
                arrivals: Arrivals::default(),
                is_held_here: false,
            };
        }
    }

    /// A request begins. Returns since when the connection was idle.
    #[inline]
    fn begin(&mut self, now: &Moment) -> Moment {
        let idle_since = self.idle_since();
        self.idle_before = now.since(&idle_since);
        self.requests = self.requests.saturating_add(1);
        idle_since
    }

    /// The exchange ends. Returns how long it took, and how long its answer did, if that tells something of the
    /// server.
    #[inline]
    fn finish(&mut self, known: &Known<'_>, now: Moment) -> (Span, Option<Span>) {
        let Known { policy, quickest } = *known;
        let mut answer = None;
        let (mut elapsed, mut skew, mut delay) = (Span::ZERO, Span::ZERO, Span::ZERO);
        if let Phase::Busy {
            sent,
            arrivals,
            is_held_here,
            ..
        } = &self.phase
        {
            elapsed = now.since(sent);
            skew = arrivals.skew(policy.response_window, *is_held_here, &now);
            if let (Some(first), false) = (arrivals.first(), self.is_goodbye()) {
                let time = first.since(sent);
                let age = Span::new(policy.evidence_age);
                let quickest = quickest.and_then(|quickest| quickest.valid_answer(&now, age));
                delay = time.saturating_sub(quickest.unwrap_or(self.rtt));
                answer = Some(time);
                // From the first byte of the request: what answers early answers what was written before the last.
                let rtt = first.since(&self.begun());
                if !std::mem::replace(&mut self.is_rtt_measured, true) {
                    self.rtt = self.rtt.max(LEAST_BOUND_BY_CONNECTING);
                }
                self.rtt = self.rtt.min(rtt);
            }
        }
        let facts = self.facts(elapsed, skew.saturating_add(delay));
        self.phase = Phase::Idle {
            since: now,
            elapsed,
            skew,
            delay,
            deadline: self.deadline(policy, &facts, &now),
        };
        (elapsed, answer)
    }

    /// The deadline of the idle connection follows from something that has changed.
    fn on_change(&mut self, policy: &KeepAlivePolicy) {
        let changed = self.deadline(policy, &self.idle_facts(), &self.idle_since());
        if let Phase::Idle { deadline, .. } = &mut self.phase {
            *deadline = changed;
        }
    }

    /// When the last exchange ended; before the first, when the connection was established.
    #[inline]
    fn idle_since(&self) -> Moment {
        match self.phase {
            Phase::Sending { idle_since, .. } | Phase::Busy { idle_since, .. } => idle_since,
            Phase::Idle { since, .. } => since,
            Phase::Unused { .. } | Phase::Opaque { .. } => self.connected,
        }
    }

    /// How long before `idle_since` the server may have started its idle timer.
    fn held(&self) -> Span {
        match self.phase {
            Phase::Idle { skew, delay, .. } => skew.saturating_add(delay),
            _ => Span::ZERO,
        }
    }

    /// When the open request was begun.
    fn begun(&self) -> Moment {
        self.idle_since().saturating_add(self.idle_before)
    }

    /// Takes the hint in the response to the last request. Returns what the server advertises, if that has
    /// changed.
    fn on_hint(&mut self, hint: KeepAliveHint, policy: &KeepAlivePolicy) -> Option<Advertised> {
        if !policy.hints || !self.hints.on_hint(hint, self.requests) {
            return None;
        }
        Some(self.hints.advertised())
    }

    /// A request that asked for a hint was answered. Returns whether the server gave none.
    pub(crate) fn on_probe_answered(&mut self, request: u64, policy: &KeepAlivePolicy) -> bool {
        let request = u32::try_from(request).unwrap_or(u32::MAX);
        if self.hints.is_hinted(request) {
            return false;
        }
        self.hints.on_silence();
        self.on_change(policy);
        true
    }

    /// Something new is known of the server, or connections that were idle at `retire_before` are not to be
    /// used again.
    pub(crate) fn on_news(
        &mut self,
        findings: Findings,
        retire_before: i64,
        policy: &KeepAlivePolicy,
        now: &Moment,
    ) {
        self.findings = keep(findings);
        self.on_change(policy);
        if !self.is_idle() || self.idle_since().monotonic > retire_before {
            return;
        }
        // An unused connection was opened for a request, which may be on its way.
        let awaits_first_request = match self.phase {
            Phase::Unused { first_read } => {
                let verdict = self.first_use_verdict(first_read, now);
                matches!(verdict, Verdict::Reuse { .. })
            }
            _ => false,
        };
        if !awaits_first_request {
            self.retired.get_or_insert(RetireReason::Sibling);
        }
    }

    /// The connection is not to be used again. Returns whether it is idle, and so to be closed now.
    pub(crate) fn retire(&mut self) -> bool {
        self.retired.get_or_insert(RetireReason::Requested);
        self.is_idle()
    }

    /// The transport is about to be read from. Returns whether the connection may be used for another
    /// request; `None` while an exchange is open or nothing is known of it.
    ///
    /// A connection that is retired stays so, whatever happens later.
    #[inline]
    pub(crate) fn on_idle_read(
        &mut self,
        policy: &KeepAlivePolicy,
        now: Moment,
    ) -> Option<Verdict> {
        if let Phase::Unused { first_read } = &mut self.phase {
            first_read.get_or_insert(now.since(&self.connected));
        }
        let verdict = self.verdict(policy, &now)?;
        if let Verdict::Retire(reason) = verdict {
            self.retired = Some(reason);
        }
        Some(verdict)
    }

    /// Whether the connection may be used for another request at `now`; `None` while an exchange is
    /// open or nothing is known of it.
    #[inline]
    pub(crate) fn verdict(&self, policy: &KeepAlivePolicy, now: &Moment) -> Option<Verdict> {
        let verdict = match self.phase {
            Phase::Unused { first_read } => {
                let allowance = deadline::allowance(policy, &self.idle_facts(), &self.findings());
                Deadline::At(self.connected.saturating_add(allowance))
                    .verdict(now)
                    .and(self.lifetime_verdict(policy, now))
                    .or(self.first_use_verdict(first_read, now))
            }
            Phase::Idle { deadline, .. } => deadline
                .verdict(now)
                .and(self.lifetime_verdict(policy, now)),
            Phase::Sending { .. } | Phase::Busy { .. } | Phase::Opaque { .. } => return None,
        };
        Some(self.retired.map_or(verdict, Verdict::Retire))
    }

    #[inline]
    fn lifetime_verdict(&self, policy: &KeepAlivePolicy, now: &Moment) -> Verdict {
        deadline::lifetime_verdict(policy, &self.connected, self.jitter, now)
    }

    fn deadline(&self, policy: &KeepAlivePolicy, facts: &Facts, since: &Moment) -> Deadline {
        deadline::deadline(policy, facts, &self.findings(), &self.service(), since)
    }

    #[inline]
    fn findings(&self) -> Findings {
        self.findings.as_deref().copied().unwrap_or_default()
    }

    /// Whether an unused connection may be used for its first request, whatever policy leaves.
    fn first_use_verdict(&self, first_read: Option<Span>, now: &Moment) -> Verdict {
        deadline::first_use_verdict(&self.connected, first_read, now)
    }

    #[inline]
    fn facts(&self, elapsed: Span, held: Span) -> Facts {
        Facts {
            used: self.requests > 0,
            hint: self.hints.advertised().timeout,
            elapsed,
            held,
            rtt: self.rtt,
            jitter: self.jitter,
        }
    }

    #[inline]
    fn service(&self) -> Service {
        let advertised = self.hints.advertised().requests;
        let learned = self.findings().requests.map(u64::from);
        Service {
            requests: self.requests.into(),
            requests_allowed: advertised.into_iter().chain(learned).min(),
        }
    }

    /// Whether a byte of the response to the open request was read.
    fn is_answered(&self) -> bool {
        matches!(&self.phase, Phase::Busy { arrivals, .. } if arrivals.has_begun())
    }

    /// Whether no exchange is open, so that closing loses nothing.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Unused { .. } | Phase::Idle { .. })
    }

    /// Whether it was found closed, or was dropped.
    #[inline]
    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// What the transport wrapper has to do.
    #[inline]
    pub(crate) fn mode(&self) -> Mode {
        match self.phase {
            Phase::Unused { .. } | Phase::Idle { .. } => Mode::Idle,
            Phase::Sending { .. } | Phase::Busy { .. } => Mode::Busy,
            Phase::Opaque { .. } => Mode::Opaque,
        }
    }

    /// Why nothing is known of the connection, if so.
    #[inline]
    pub(crate) fn opaque(&self) -> Option<OpaqueReason> {
        match self.phase {
            Phase::Opaque { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Whether it is not to be used again.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.is_some()
    }

    /// The request that was begun last.
    #[inline]
    pub(crate) fn request(&self) -> Request {
        Request {
            number: self.requests,
            idle_before: self.idle_before,
        }
    }

    /// Since when connections are idle that met the server's close, too, if this one met it with `request`: those
    /// that are idle at `now` for as long as this one was. The server had closed within the round trip after this one's
    /// idle time, so it may have closed a connection that has been idle for a round trip less.
    pub(crate) fn as_idle_since(&self, request: Request, now: &Moment) -> Moment {
        let idle = request.idle_before.saturating_sub(self.rtt);
        // A suspended machine's idle time is longer than its monotonic clock shows.
        now.saturating_sub(idle).max(self.idle_since())
    }

    /// How much of a request was written and answered; `None` if nothing is known of it.
    pub(crate) fn progress(&self, request: Request) -> Option<(Extent, Extent)> {
        match request.number {
            0 => None,
            // One request follows the other.
            number if number < self.requests => Some((Extent::All, Extent::All)),
            _ => self.progress_of_last(),
        }
    }

    fn progress_of_last(&self) -> Option<(Extent, Extent)> {
        match self.phase {
            Phase::Unused { .. } => None,
            Phase::Sending { has_failed, .. } if has_failed => {
                Some((Extent::Part, Extent::Nothing))
            }
            Phase::Sending { .. } => Some((Extent::Nothing, Extent::Nothing)),
            Phase::Busy { .. } => Some((self.tracker.written(), self.answered())),
            Phase::Idle { .. } => Some((Extent::All, Extent::All)),
            Phase::Opaque { last, .. } => last,
        }
    }

    /// How much of the response to the open request was read.
    fn answered(&self) -> Extent {
        match self.tracker.answered() {
            // An interim one.
            Extent::Nothing if self.is_answered() => Extent::Part,
            answered => answered,
        }
    }

    /// The time since connecting.
    pub(crate) fn age(&self, now: &Moment) -> Duration {
        now.since(&self.connected).duration()
    }

    /// Which bound the deadline of the idle connection follows from; `None` if it is not idle, or not used yet, or
    /// not used again.
    pub(crate) fn deadline_bound(&self, policy: &KeepAlivePolicy) -> Option<DeadlineBound> {
        match self.phase {
            Phase::Idle {
                deadline: Deadline::At(_),
                ..
            } if self.retired.is_none() => Some(deadline::bound(
                policy,
                &self.idle_facts(),
                &self.findings(),
            )),
            _ => None,
        }
    }

    /// The facts that the deadline of an idle connection follows from.
    fn idle_facts(&self) -> Facts {
        let elapsed = match self.phase {
            Phase::Idle { elapsed, .. } => elapsed,
            _ => Span::ZERO,
        };
        self.facts(elapsed, self.held())
    }

    /// The least upper bound of a round trip.
    #[cfg(any(fuzzing, test))]
    pub(crate) fn rtt(&self) -> Span {
        self.rtt
    }

    /// The last hint that was received on this connection, if hints count.
    pub(crate) fn hint(&self) -> Option<KeepAliveHint> {
        self.hints.latest()
    }
}

/// Most servers are never learned anything of, and most connections are kept for long.
fn keep(findings: Findings) -> Option<Box<Findings>> {
    (findings != Findings::default()).then(|| Box::new(findings))
}

#[cfg(test)]
mod tests;
