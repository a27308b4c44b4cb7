//! The state that the transport wrapper and the handles share.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use super::sentinel::SentinelPermit;
use crate::keep_alive::KeepAlive;
use crate::observe::EventKind;
use crate::origin::{Origin, PolicyIndex, SharedHistory};
use crate::policy::{KeepAlivePolicy, Learn};
use crate::proto::connection::{
    Advertised, Cause, Ended, Known, Lifecycle, Mode, Outcome, Request,
};
use crate::proto::deadline::{self, DeadlineBound, RetireReason, Verdict};
use crate::proto::framing::OpaqueReason;
use crate::proto::hint::{KeepAliveHint, Parsed};
use crate::proto::learn::{Change, Findings, Observation};
use crate::proto::time::{Moment, Span};

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    origin: Option<Origin>,
    keep_alive: KeepAlive,
    policy: PolicyIndex,
    /// Whether a request that asked for a hint was answered: one of the three constants below.
    probe: AtomicU8,
    /// Changes when an earlier decision on the connection no longer holds.
    version: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lifecycle: Lifecycle,
    /// The version of the origin's history, and of the `KeepAlive`, that the lifecycle knows.
    seen_version: u32,
    /// Wakes the task that waited for something to read last.
    waker: Option<Waker>,
}

/// No request that asked was answered yet.
const UNANSWERED: u8 = 0;
/// One was answered.
const ANSWERED: u8 = 1;
/// None will be: the connection ended, or is not HTTP/1.
const GONE: u8 = 2;

/// What to do with a read on an idle connection.
#[derive(Debug)]
pub(crate) enum ReadDecision {
    /// Report an error: the connection is not to be used again.
    Retire {
        reason: RetireReason,
        /// The connection is to be left open as a sentinel once it is dropped.
        sentinel: Option<Box<SentinelPermit>>,
    },
    Read(Reusable),
}

/// An idle connection may be used until then, as long as its version is this one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reusable {
    pub(crate) until: Moment,
    pub(crate) version: u32,
}

impl Connection {
    /// A connection that was established at `now`, after `connecting` for so long, through `proxy` if that is an
    /// HTTP forward proxy.
    pub(crate) fn open(
        keep_alive: &KeepAlive,
        origin: Option<Origin>,
        proxy: Option<Origin>,
        connecting: Span,
        now: Moment,
    ) -> Self {
        // A closure of the user's may decide on the policy, and may panic: before anything is counted.
        let policy_index = keep_alive.policies().index(origin.as_ref());
        let policy = keep_alive.policies().at(policy_index);
        keep_alive.counters().on_open();
        keep_alive.store().probe().on_open();
        let (origin, advertised) = origin
            .map(|origin| keep_alive.store().on_open(origin, proxy))
            .unzip();
        let id = keep_alive.next_id();
        let forgotten = origin.as_ref().and_then(|origin| {
            let age = Span::new(policy.evidence_age);
            origin.history().forget(&now, age)
        });
        let seen_version = version(origin.as_ref(), keep_alive);
        let history = history(origin.as_ref(), policy);
        let lifecycle = Lifecycle::new(connecting, now)
            .with_jitter(keep_alive.jitter(id))
            .with_advertised(&advertised.unwrap_or_default(), policy)
            .with_findings(findings(history));
        let opened = Self {
            id,
            origin,
            keep_alive: keep_alive.clone(),
            policy: policy_index,
            probe: AtomicU8::new(UNANSWERED),
            version: AtomicU32::new(0),
            state: Mutex::new(State {
                lifecycle,
                seen_version,
                waker: None,
            }),
        };
        opened.tell(|| EventKind::Opened {
            connecting: connecting.duration(),
        });
        if let Some(forgotten) = forgotten {
            opened.tell(|| forgotten.into());
        }
        opened
    }

    /// Tells what happened, if somebody is told. To be called without a lock.
    #[inline]
    fn tell(&self, kind: impl FnOnce() -> EventKind) {
        self.keep_alive.tell(self.id, self.origin.as_ref(), kind);
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    pub(crate) fn keep_alive(&self) -> &KeepAlive {
        &self.keep_alive
    }

    /// Whether the connection is open, and is HTTP/1.
    pub(crate) fn is_followed(&self) -> bool {
        self.probe.load(Ordering::Relaxed) != GONE
    }

    /// The policy that the connection follows.
    #[inline]
    fn policy(&self) -> &KeepAlivePolicy {
        self.keep_alive.policies().at(self.policy)
    }

    /// How long observations count.
    #[inline]
    fn evidence_age(&self) -> Span {
        Span::new(self.policy().evidence_age)
    }

    /// What was observed of the origin, if policy wants to learn.
    fn history(&self) -> Option<&SharedHistory> {
        history(self.origin.as_ref(), self.policy())
    }

    /// The connection is not HTTP/1, for a reason that its bytes do not show.
    pub(crate) fn on_opaque(&self, reason: OpaqueReason) {
        let became = self.state().lifecycle.on_opaque(reason);
        self.apply_opaque(became.reason);
        self.tell(|| became.into());
    }

    /// The idle transport is about to be read from, by the task of `waker`.
    pub(crate) fn on_idle_read(&self, now: Moment, waker: &Waker) -> ReadDecision {
        let policy = self.policy();
        let mut state = self.state();
        self.update(&mut state, &now);
        let was_retired = state.lifecycle.is_retired();
        match state.lifecycle.on_idle_read(policy, now) {
            Some(Verdict::Retire(reason)) => {
                let origin = self.origin.as_ref().filter(|_| !was_retired);
                let schedule = origin.and_then(|origin| {
                    let last = origin.history().answered_last();
                    let is_held_beside = last.is_some_and(|last| last != self.id);
                    state.lifecycle.sentinel(policy, is_held_beside, &now)
                });
                drop(state);
                let sentinel = origin.zip(schedule).and_then(|(origin, schedule)| {
                    SentinelPermit::acquire(
                        self.id,
                        &self.keep_alive,
                        origin,
                        self.evidence_age(),
                        schedule,
                    )
                });
                ReadDecision::Retire {
                    reason,
                    sentinel: sentinel.map(Box::new),
                }
            }
            verdict => {
                let before = state.keep(waker);
                let until = match verdict {
                    Some(Verdict::Reuse { until }) => until,
                    _ => Moment::LATEST,
                };
                let reusable = self.reusable(&state, until);
                drop(state);
                // What it drops may come back here, and need the lock.
                drop(before);
                ReadDecision::Read(reusable)
            }
        }
    }

    /// The task of `waker` waits for something to read.
    pub(crate) fn on_waiting(&self, waker: &Waker) {
        let before = self.state().keep(waker);
        // What it drops may come back here, and need the lock.
        drop(before);
    }

    /// Wakes the task that waited for something to read last.
    pub(crate) fn wake(&self) {
        let waker = self.state().waker.clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A write was attempted at `now`, and nothing was accepted.
    pub(crate) fn on_sending(&self, now: Moment) {
        self.state().lifecycle.on_sending(now);
    }

    /// A write failed at `now`.
    pub(crate) fn on_write_failed(&self, now: Moment) {
        self.state().lifecycle.on_write_failed(now);
        self.on_end(Cause::Error);
    }

    /// The transport accepted bytes that were written at `now`.
    pub(crate) fn on_written<'a>(
        &self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
        now: Moment,
    ) -> (Mode, Option<Reusable>) {
        self.on_bytes(now, |lifecycle, known| {
            lifecycle.on_written(pieces, known, now)
        })
    }

    /// Bytes were read from the transport, which had nothing to read at the last look if `was_awaited`.
    pub(crate) fn on_read(
        &self,
        bytes: &[u8],
        was_awaited: bool,
        now: Moment,
    ) -> (Mode, Option<Reusable>) {
        self.on_bytes(now, |lifecycle, known| {
            lifecycle.on_read(bytes, was_awaited, known, now)
        })
    }

    #[inline]
    fn on_bytes(
        &self,
        now: Moment,
        event: impl FnOnce(&mut Lifecycle, &Known<'_>) -> Outcome,
    ) -> (Mode, Option<Reusable>) {
        let origin = self.origin.as_ref();
        let known = Known {
            policy: self.policy(),
            quickest: origin.and_then(|origin| origin.history().quickest()),
        };
        let mut state = self.state();
        let outcome = event(&mut state.lifecycle, &known);
        let mode = state.lifecycle.mode();
        let verdict = (mode == Mode::Idle).then(|| state.lifecycle.verdict(known.policy, &now));
        let reusable = match verdict.flatten() {
            Some(Verdict::Reuse { until }) => Some(self.reusable(&state, until)),
            _ => None,
        };
        let request = state.lifecycle.request();
        let is_ended = state.lifecycle.is_ended();
        drop(state);
        let change = self.apply(&outcome, known.policy, request, &now);
        // A request may be written on when its response has ended with the connection.
        if self.keep_alive.is_told() && !is_ended {
            self.tell_outcome(&outcome, change, request);
        }
        (mode, reusable)
    }

    /// Counts what followed from bytes, and passes on what concerns other connections. Returns what was learned of
    /// the timeout.
    #[inline]
    fn apply(
        &self,
        outcome: &Outcome,
        policy: &KeepAlivePolicy,
        request: Request,
        now: &Moment,
    ) -> Option<Change> {
        if outcome.begun {
            self.keep_alive.counters().on_exchange(request.number() > 1);
        }
        if let Some(parsed) = &outcome.hint {
            self.count_hint(parsed, policy);
        }
        if let (Some(advertised), Some(origin)) = (outcome.advertised, &self.origin) {
            self.keep_alive.store().on_advertised(origin, advertised);
        }
        let change = self.observe(outcome.observed, policy);
        if let (Some(answer), Some(origin)) = (outcome.answer, &self.origin) {
            let history = origin.history();
            history.on_answer(answer, now, Span::new(policy.evidence_age));
            if policy.learn == Learn::Full {
                history.on_answered_by(self.id);
            }
        }
        if let Some(became) = outcome.opaque {
            self.apply_opaque(became.reason);
        }
        change
    }

    /// Tells what followed from bytes, in the order in which it did.
    #[cold]
    fn tell_outcome(&self, outcome: &Outcome, change: Option<Change>, request: Request) {
        let tell = |kind: Option<EventKind>| {
            if let Some(kind) = kind {
                self.tell(|| kind);
            }
        };
        let hint = outcome.hint.and_then(|parsed| parsed.hint);
        tell(hint.map(|hint| EventKind::HintHeard { hint }));
        tell(change.map(EventKind::from));
        tell(outcome.ended.map(|elapsed| EventKind::ResponseEnded {
            elapsed: elapsed.duration(),
        }));
        tell(outcome.begun.then(|| EventKind::RequestBegun {
            number: request.number(),
            idle_before: request.idle_before(),
        }));
        tell(outcome.opaque.map(EventKind::from));
    }

    /// Adds what was seen to the origin's history, if policy wants to learn. Returns what was learned of the timeout.
    #[inline]
    fn observe(
        &self,
        observation: Option<Observation>,
        policy: &KeepAlivePolicy,
    ) -> Option<Change> {
        let observation = observation?;
        let history = history(self.origin.as_ref(), policy)?;
        history.on_observation(observation, Span::new(policy.evidence_age))
    }

    fn count_hint(&self, parsed: &Parsed, policy: &KeepAlivePolicy) {
        let counters = self.keep_alive.counters();
        counters.on_hint(parsed);
        let timeout = parsed.hint.and_then(|hint| hint.timeout());
        if deadline::is_clamped(policy, timeout) {
            counters.on_clamped_hint();
        }
    }

    fn apply_opaque(&self, reason: OpaqueReason) {
        self.keep_alive.counters().on_opaque(reason);
        self.end_probe();
    }

    /// The transport found the connection closed or broken. Only the first end counts.
    pub(crate) fn on_end(&self, cause: Cause) {
        let now = self.keep_alive.clock().now();
        let ended = {
            let mut state = self.state();
            self.update(&mut state, &now);
            state.lifecycle.on_end(cause, now)
        };
        self.apply_end(ended);
    }

    /// This side dropped the connection. Only the first end counts.
    pub(crate) fn on_drop(&self) {
        let now = self.keep_alive.clock().now();
        let (ended, waker) = {
            let mut state = self.state();
            (state.lifecycle.on_drop(now), state.waker.take())
        };
        // A handle may outlive the task by far. What the waker drops may come back here, and need the lock.
        drop(waker);
        self.apply_end(ended);
    }

    fn apply_end(&self, ended: Option<Ended>) {
        let Some(ended) = ended else {
            return;
        };
        let change = self.observe(ended.observed, self.policy());
        self.end_probe();
        self.keep_alive.counters().on_end(ended.cause);
        if let Some(change) = change {
            self.tell(|| change.into());
        }
        self.tell(|| EventKind::Closed {
            cause: ended.cause,
            idle: ended.idle.map(Span::duration),
            age: ended.age.duration(),
            requests: ended.requests,
        });
    }

    /// A request that asked for a hint was answered.
    pub(crate) fn on_probe_answered(&self, request: u64) {
        let Some(origin) = &self.origin else { return };
        let (from, to, order) = (UNANSWERED, ANSWERED, Ordering::Relaxed);
        if self.probe.compare_exchange(from, to, order, order).is_err() {
            return;
        }
        let origins = self.keep_alive.store();
        origins.probe().on_answer(origin.fingerprint());
        let is_silent = {
            let mut state = self.state();
            self.on_change();
            state.lifecycle.on_probe_answered(request, self.policy())
        };
        if is_silent {
            origins.on_advertised(origin, Advertised::default());
        }
    }

    /// No request asks for a hint on this connection any more.
    fn end_probe(&self) {
        let probe = self.keep_alive.store().probe();
        match (self.probe.swap(GONE, Ordering::Relaxed), &self.origin) {
            (UNANSWERED, _) => probe.on_gone(None),
            (ANSWERED, Some(origin)) => probe.on_gone(Some(origin.fingerprint())),
            _ => {}
        }
    }

    /// The connection is not to be used again.
    pub(crate) fn retire(&self) {
        let waker = {
            let mut state = self.state();
            self.on_change();
            if state.lifecycle.retire() {
                state.waker.clone()
            } else {
                None
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Changes when a decision on the connection may no longer hold.
    #[inline]
    pub(crate) fn version(&self) -> u32 {
        let of_connection = self.version.load(Ordering::Acquire);
        version(self.origin.as_ref(), &self.keep_alive).wrapping_add(of_connection)
    }

    /// A decision that follows from this state.
    #[inline]
    fn reusable(&self, state: &State, until: Moment) -> Reusable {
        let of_connection = self.version.load(Ordering::Acquire);
        Reusable {
            until,
            version: state.seen_version.wrapping_add(of_connection),
        }
    }

    /// Invalidates earlier decisions on the connection. To be called with the state locked.
    fn on_change(&self) {
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Answers a question.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Lifecycle) -> R) -> R {
        look(&self.state().lifecycle)
    }

    /// The last hint that was received on the connection, if hints count.
    pub(crate) fn hint(&self) -> Option<KeepAliveHint> {
        self.look(Lifecycle::hint)
    }

    /// Which bound the deadline of the idle connection follows from.
    pub(crate) fn deadline_bound(&self) -> Option<DeadlineBound> {
        let now = self.keep_alive.clock().now();
        let mut state = self.state();
        self.update(&mut state, &now);
        state.lifecycle.deadline_bound(self.policy())
    }

    /// Whether it may be used for another request; `None` while an exchange is open or nothing is known.
    pub(crate) fn verdict(&self, now: &Moment) -> Option<Verdict> {
        let mut state = self.state();
        self.update(&mut state, now);
        state.lifecycle.verdict(self.policy(), now)
    }

    /// Applies findings newer than `seen_version`.
    #[inline]
    fn update(&self, state: &mut State, now: &Moment) {
        let version = version(self.origin.as_ref(), &self.keep_alive);
        if state.seen_version == version {
            return;
        }
        state.seen_version = version;
        let of_all = self.keep_alive.retire_before();
        let retire_before = self.origin.as_ref().map_or(of_all, |origin| {
            origin.history().retire_before().max(of_all)
        });
        let findings = findings(self.history());
        state
            .lifecycle
            .on_news(findings, retire_before, self.policy(), now);
    }

    #[inline]
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock leaves the state half changed, so a panic does not spread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns the waker before, to be dropped without the lock.
    #[must_use]
    #[inline]
    fn keep(&mut self, waker: &Waker) -> Option<Waker> {
        let known = self.waker.as_ref();
        if known.is_some_and(|known| known.will_wake(waker)) {
            return None;
        }
        self.waker.replace(waker.clone())
    }
}

/// Changes when a connection has to be decided on anew.
#[inline]
fn version(origin: Option<&Origin>, keep_alive: &KeepAlive) -> u32 {
    let of_origin = origin.map_or(0, |origin| origin.history().version());
    of_origin.wrapping_add(keep_alive.version())
}

#[inline]
fn history<'a>(origin: Option<&'a Origin>, policy: &KeepAlivePolicy) -> Option<&'a SharedHistory> {
    origin
        .filter(|_| policy.learn != Learn::Off)
        .map(Origin::history)
}

fn findings(history: Option<&SharedHistory>) -> Findings {
    history.map(SharedHistory::findings).unwrap_or_default()
}
