//! The state that the transport wrapper and the handles share.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::watch::Watch;
use crate::origin::{Learning, Origin, Place};
use crate::policy::KeepAlivePolicy;
use crate::policy::Learn;
use crate::proto::deadline::{self, Reason, Verdict};
use crate::proto::end::{Cause, End};
use crate::proto::exchange::{Exchange, Happened, Told};
use crate::proto::framing::Opaque;
use crate::proto::keep_alive::KeepAliveHint;
use crate::proto::learn::{Findings, Kind, Limit};
use crate::proto::vigil::Vigil;
use crate::proto::{Moment, Now, Span};
use crate::shared::KeepAlive;
use crate::trace;

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    id: u64,
    origin: Option<Origin>,
    keep_alive: KeepAlive,
    /// Whether the server was asked for its timeout: one of the three below.
    asked: AtomicU8,
    /// See [`is_disturbed`](Self::is_disturbed).
    disturbed: AtomicBool,
    /// Which policy it follows.
    place: Place,
    /// What was learned of the origin by then has been taken into account.
    seen: AtomicU32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    exchange: Exchange,
    /// Wakes the task that waited for something to read last.
    waker: Option<Waker>,
}

/// What the transport wrapper has to do with what it moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// Tell what is read and written.
    Busy,
    /// Ask before each read.
    Idle,
    /// Nothing any more.
    Opaque,
}

/// No answer came yet to whether the server says how long it keeps the connection.
const UNANSWERED: u8 = 0;
/// One came.
const ANSWERED: u8 = 1;
/// None will.
const GONE: u8 = 2;

/// What followed from bytes that were moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    pub(crate) standing: Standing,
    /// Until when it need not be asked whether the connection may be used, once it is idle.
    pub(crate) fresh_until: Option<Now>,
}

/// What to do with a read on an idle connection.
#[derive(Debug)]
pub(crate) enum BeforeRead {
    /// Report an error: the connection is not to be used again.
    Retire {
        reason: Reason,
        /// The place as a sentinel that it takes once it is let go of.
        watch: Option<Box<Watch>>,
    },
    /// Read, and ask again at `until`, if it is given.
    Read {
        until: Option<Instant>,
        /// Until when it need not be asked again.
        fresh_until: Option<Now>,
    },
}

impl Connection {
    /// A connection that is established now, after `connecting` for so long.
    pub(crate) fn open(
        keep_alive: &KeepAlive,
        origin: Option<Origin>,
        connecting: Duration,
        now: Moment,
    ) -> Self {
        // A closure of the user's decides, perhaps, and may panic: before anything is counted.
        let place = keep_alive.policies().place(origin.as_ref());
        keep_alive.counters().on_open();
        keep_alive.store().asked().on_open();
        let (origin, told) = origin
            .map(|origin| keep_alive.store().on_open(origin))
            .unzip();
        let policy = keep_alive.policies().at(place);
        let id = keep_alive.next_id();
        if let Some(origin) = &origin {
            origin.learning().on_rtt(Span::new(connecting));
            origin.learning().on_time(&now, policy.evidence_age);
        }
        let seen = version(origin.as_ref(), keep_alive);
        Self {
            id,
            origin,
            keep_alive: keep_alive.clone(),
            asked: AtomicU8::new(UNANSWERED),
            disturbed: AtomicBool::new(false),
            place,
            seen: AtomicU32::new(seen),
            state: Mutex::new(State {
                exchange: Exchange::new(connecting, now)
                    .with_jitter(keep_alive.jitter(id))
                    .with_told(&told.unwrap_or_default(), policy),
                waker: None,
            }),
        }
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

    /// The policy it follows.
    #[inline]
    pub(crate) fn policy(&self) -> &KeepAlivePolicy {
        self.keep_alive.policies().at(self.place)
    }

    /// Nothing is to be followed on this connection.
    pub(crate) fn on_opaque(&self, reason: Opaque) {
        self.state().exchange.on_opaque(reason);
        self.keep_alive.counters().on_opaque(reason);
        self.on_gone();
    }

    /// Asked before a read on an idle connection; `waker` is that of the task that reads.
    pub(crate) fn before_read(&self, now: &Now, waker: &Waker) -> BeforeRead {
        let clock = self.keep_alive.clock();
        let now = clock.moment(now);
        let policy = self.policy();
        let mut state = self.followed();
        self.disturbed.store(false, Ordering::Relaxed);
        let version = self.catch_up(&mut state.exchange, &now);
        self.saw(version);
        let was_retired = state.exchange.is_retired();
        let until = match state.exchange.verdict(policy, &now) {
            Some(Verdict::Retire(reason)) => {
                let refuted = || self.refuted_beyond();
                let vigil = (!was_retired).then(|| state.exchange.vigil(policy, refuted(), &now));
                let hinted = state.exchange.is_hinted(policy);
                drop(state);
                let watch = vigil
                    .flatten()
                    .and_then(|vigil| self.take_watch(vigil, hinted));
                return BeforeRead::Retire { reason, watch };
            }
            Some(Verdict::Reuse { until }) => until,
            None => None,
        };
        let fresh_until = state.exchange.fresh_until(policy);
        state.keep(waker);
        drop(state);
        BeforeRead::Read {
            until: until.and_then(|until| clock.instant(until)),
            fresh_until: fresh_until.and_then(|until| clock.at(&until)),
        }
    }

    /// Takes a place as a sentinel, if that is worth it and one is free.
    fn take_watch(&self, vigil: Vigil, hinted: bool) -> Option<Box<Watch>> {
        let policy = self.policy();
        let is_wanted = |origin: &&Origin| {
            let learning = origin.learning();
            learning.look(|known| known.wants_sentinel(policy, hinted))
        };
        let origin = self.origin.as_ref().filter(is_wanted)?;
        Watch::take(&self.keep_alive, origin, *policy, vigil, hinted).map(Box::new)
    }

    /// A task waits for something to read.
    pub(crate) fn on_waiting(&self, waker: &Waker) {
        self.state().keep(waker);
    }

    /// Wakes the task that waited for something to read last.
    pub(crate) fn wake(&self) {
        self.change(|_| (false, true));
    }

    /// Whether what an answer to [`before_read`](Self::before_read) followed from was changed since.
    #[inline]
    pub(crate) fn is_disturbed(&self) -> bool {
        self.disturbed.load(Ordering::Relaxed)
            || self.seen.load(Ordering::Relaxed) != version(self.origin.as_ref(), &self.keep_alive)
    }

    /// Takes into account what was learned since. Returns the version that this is of, for the transport:
    /// only with an answer to whether it may read on has it [`seen`](Self::saw) that.
    fn catch_up(&self, exchange: &mut Exchange, now: &Moment) -> u32 {
        let policy = self.policy();
        let version = version(self.origin.as_ref(), &self.keep_alive);
        if self.seen.load(Ordering::Relaxed) != version {
            exchange.forget_allowance();
            let by_hand = self.keep_alive.stale();
            let stale = self
                .origin
                .as_ref()
                .map_or(by_hand, |origin| origin.learning().stale().max(by_hand));
            exchange.on_stale(stale, now);
        }
        exchange.settle(policy, || self.findings());
        version
    }

    /// The transport has an answer, or is given a time until when it needs none.
    fn saw(&self, version: u32) {
        self.seen.store(version, Ordering::Relaxed);
    }

    /// The idle time that would refute what binds the origin's connections.
    fn refuted_beyond(&self) -> Option<Duration> {
        let learning = self.learning()?;
        learning.look(|known| known.bound().map(|bound| bound.refuted_beyond()))
    }

    fn findings(&self) -> Findings {
        self.learning().map(Learning::findings).unwrap_or_default()
    }

    /// What is learned of the origin, if that is wanted.
    fn learning(&self) -> Option<&Learning> {
        let is_wanted = self.policy().learn != Learn::Off;
        self.origin
            .as_ref()
            .filter(|_| is_wanted)
            .map(Origin::learning)
    }

    /// Something was to be written on an idle connection at `now`, of which nothing was accepted.
    pub(crate) fn on_sending(&self, now: &Now) {
        let epoch = self.keep_alive.clock().epoch();
        self.state().exchange.on_sending(epoch, epoch.moment(now));
    }

    /// Takes bytes that were read at `now`, on a connection that was fresh when it was looked at, if they
    /// need not be followed. Returns whether it did.
    ///
    /// It is then not known whether the connection is idle. As long as it is fresh, that is all one; if it
    /// is not any more, the read behind this one [asks](Self::before_read), and has them followed.
    pub(crate) fn defer(&self, bytes: &[u8], now: &Now) -> bool {
        let known = self.learning().map_or(Span::MAX, Learning::worth_more_than);
        let mut state = self.state();
        let exchange = &mut state.exchange;
        let defers = exchange.may_defer(bytes, self.policy(), known)
            && (exchange.has_room() || self.keep_alive.take_room());
        if defers {
            exchange.defer(bytes, *now);
        }
        defers
    }

    /// Takes bytes that were read; `now` where they are likely the first of a response.
    pub(crate) fn on_read(&self, bytes: &[u8], now: Option<Now>) -> Moved {
        let window = self.policy().response_window;
        // The time of those is needed: to have it now spares taking the lock a second time.
        let now = now.map(|now| self.keep_alive.clock().moment(&now));
        let mut state = self.state();
        if state.exchange.is_deferring() {
            self.follow(&mut state);
        }
        let mut closing = None;
        let moved = self.tell(state, now, |exchange| {
            closing = exchange.says_closed(bytes);
            exchange.on_read(bytes, window)
        });
        if let (Some(closing), Some(learning)) = (closing, self.learning()) {
            let limit = Limit {
                seen: closing.at(&self.keep_alive.clock().now()),
                kind: Kind::Close,
            };
            learning.on_limit(limit, self.policy().evidence_age);
        }
        moved
    }

    /// Takes bytes that were written; `sent` is when somebody set out to, on a connection that was idle.
    pub(crate) fn on_written(&self, bytes: &[u8], sent: Option<&Now>) -> Moved {
        let epoch = self.keep_alive.clock().epoch();
        let mut state = self.state();
        if sent.is_some_and(|now| state.exchange.on_next_request(bytes, now, epoch)) {
            drop(state);
            self.keep_alive.counters().on_exchange(true);
            return Moved {
                standing: Standing::Busy,
                fresh_until: None,
            };
        }
        self.follow_written(state, bytes, sent)
    }

    /// The same of all but the requests that are taken in few steps.
    #[inline(never)]
    fn follow_written<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
        bytes: &[u8],
        sent: Option<&Now>,
    ) -> Moved {
        let epoch = self.keep_alive.clock().epoch();
        self.tell(state, None, |exchange| {
            if let Some(now) = sent {
                exchange.on_sending(epoch, epoch.moment(now));
            }
            exchange.on_written(bytes)
        })
    }

    fn tell<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        now: Option<Moment>,
        tell: impl FnOnce(&mut Exchange) -> Happened,
    ) -> Moved {
        state.exchange.settle_time(self.keep_alive.clock().epoch());
        let happened = tell(&mut state.exchange);
        let mut fresh_until = None;
        let mut survival = None;
        if happened.needs_time() {
            let now = match now {
                Some(now) => now,
                None => {
                    // The clock may be foreign code.
                    drop(state);
                    let now = self.keep_alive.clock().now();
                    state = self.state();
                    now
                }
            };
            let policy = self.policy();
            survival = self.learning().and_then(|learning| {
                let more_than = learning.worth_more_than();
                state.exchange.survival(happened, more_than, &now)
            });
            state.exchange.at(happened, policy.response_window, now);
            let version = self.catch_up(&mut state.exchange, &now);
            if state.exchange.is_idle() {
                self.saw(version);
            }
            fresh_until = state.exchange.fresh_until(policy);
        }
        let standing = state.standing();
        let reused = state.exchange.request().number > 1;
        drop(state);
        if let (Some(survival), Some(learning)) = (survival, self.learning()) {
            learning.on_survival(survival, self.policy().evidence_age);
        }
        if happened.begun() {
            self.keep_alive.counters().on_exchange(reused);
        }
        if let Some(reason) = happened.opaque() {
            self.keep_alive.counters().on_opaque(reason);
            self.on_gone();
        }
        Moved {
            standing,
            fresh_until: fresh_until.and_then(|until| self.keep_alive.clock().at(&until)),
        }
    }

    /// The connection ended. Only the first call counts.
    pub(crate) fn on_end(&self, cause: Cause) {
        let policy = self.policy();
        // When this side lets go tells nothing.
        let now = (cause != Cause::Dropped).then(|| self.keep_alive.clock().now());
        let (end, limit, rtt, requests, waker) = {
            let mut state = self.followed();
            let exchange = &mut state.exchange;
            exchange.settle(policy, || self.findings());
            let limit = now.and_then(|now| exchange.limit(cause, &now));
            let end = exchange.on_end(cause, policy);
            let (rtt, requests) = (exchange.rtt(), exchange.request().number);
            (end, limit, rtt, requests, state.waker.take())
        };
        // A handle may outlive the task by far.
        drop(waker);
        let Some(end) = end else { return };
        if let Some(learning) = self.learning() {
            learning.on_rtt(rtt);
            if let Some(limit) = limit {
                learning.on_limit(limit, policy.evidence_age);
            }
        }
        self.on_gone();
        self.keep_alive.counters().on_end(end);
        self.log_end(end, requests);
    }

    fn log_end(&self, end: End, requests: u64) {
        trace::debug!(
            connection = ?self.id,
            origin = ?self.origin,
            requests = ?requests,
            end = ?end,
            "connection ended"
        );
    }

    /// Takes what the server said in its response to the `request`th request.
    pub(crate) fn on_hint(&self, hint: KeepAliveHint, request: u64) {
        let policy = self.policy();
        if deadline::is_clamped(policy, hint.timeout()) {
            self.keep_alive.counters().on_clamped_hint();
        }
        if !self.state().exchange.knows(hint, request, policy) {
            self.on_other_hint(hint, request);
        }
    }

    /// Takes a hint that may change something.
    #[inline(never)]
    fn on_other_hint(&self, hint: KeepAliveHint, request: u64) {
        let policy = self.policy();
        let mut news = None;
        self.change(|exchange| {
            let before = exchange.told();
            let look = exchange.on_hint(hint, request, policy);
            news = Some(exchange.told()).filter(|told| *told != before);
            (news.is_some(), look)
        });
        if let (Some(news), Some(origin)) = (news, &self.origin) {
            self.keep_alive.store().on_told(origin, news);
        }
    }

    /// A request that asked for a hint was answered; `silent`: without one.
    pub(crate) fn on_answer(&self, silent: bool) {
        let Some(origin) = &self.origin else { return };
        let origins = self.keep_alive.store();
        let (from, to, order) = (UNANSWERED, ANSWERED, Ordering::Relaxed);
        if self.asked.compare_exchange(from, to, order, order).is_err() {
            return;
        }
        origins.asked().on_answer(origin.fingerprint());
        if silent {
            origins.on_told(origin, Told::default());
            self.change(|exchange| (exchange.on_silence(), false));
        }
    }

    /// Nobody is asked on this connection any more.
    fn on_gone(&self) {
        let asked = self.keep_alive.store().asked();
        match (self.asked.swap(GONE, Ordering::Relaxed), &self.origin) {
            (UNANSWERED, _) => asked.on_gone(None),
            (ANSWERED, Some(origin)) => asked.on_gone(Some(origin.fingerprint())),
            _ => {}
        }
    }

    /// Not to be used again.
    pub(crate) fn retire(&self) {
        self.change(|exchange| (true, exchange.retire()));
    }

    /// Changes something. The change says whether it did, and whether the connection is to be looked
    /// at for that.
    fn change(&self, change: impl FnOnce(&mut Exchange) -> (bool, bool)) {
        let waker = {
            let mut state = self.followed();
            let (changed, look) = change(&mut state.exchange);
            if changed {
                self.disturbed.store(true, Ordering::Relaxed);
            }
            if look { state.waker.clone() } else { None }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Answers a question to which it does not matter whether an exchange has ended.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&Exchange) -> R) -> R {
        look(&self.state().exchange)
    }

    /// Whether it may be used for another request; `None` while that is not the question.
    pub(crate) fn verdict(&self, now: &Moment) -> Option<Verdict> {
        let mut state = self.followed();
        self.catch_up(&mut state.exchange, now);
        state.exchange.look(self.policy(), now)
    }

    /// The state, with nothing left to follow.
    fn followed(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if state.exchange.has_room() {
            self.follow(&mut state);
        }
        state
    }

    fn follow(&self, state: &mut State) {
        let window = self.policy().response_window;
        let epoch = self.keep_alive.clock().epoch();
        let Some(happened) = state.exchange.follow_deferred(window, epoch) else {
            return;
        };
        self.keep_alive.give_room();
        if let Some(reason) = happened.opaque() {
            self.keep_alive.counters().on_opaque(reason);
            self.on_gone();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock leaves the state half changed, and a verdict on it is only ever
        // too careful: a panic elsewhere does not spread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn keep(&mut self, waker: &Waker) {
        let known = self.waker.as_ref();
        if !known.is_some_and(|known| known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    fn standing(&self) -> Standing {
        if self.exchange.opaque().is_some() {
            Standing::Opaque
        } else if self.exchange.is_idle() {
            Standing::Idle
        } else {
            Standing::Busy
        }
    }
}

/// Changes when a connection is to be looked at anew.
#[inline]
fn version(origin: Option<&Origin>, keep_alive: &KeepAlive) -> u32 {
    let of_origin = origin.map_or(0, |origin| origin.learning().version());
    of_origin.wrapping_add(keep_alive.version())
}
