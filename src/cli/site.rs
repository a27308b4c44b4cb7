//! One address: what its connections share.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, watch};

use super::dial::Dial;
use super::progress::Bar;
use super::report::{self, Seconds};
use super::time::Time;
use crate::origin::SharedHistory;
use crate::policy::{KeepAlivePolicy, Learn};
use crate::proto::connection::Known;
use crate::proto::learn::{Observation, Watched};
use crate::proto::time::{Moment, Span};

/// Ready when the probe is interrupted.
pub(super) async fn is_interrupted(mut interrupted: watch::Receiver<bool>) {
    let result = interrupted.wait_for(|is_interrupted| *is_interrupted).await;
    if result.is_err() {
        // Nobody can interrupt it any more.
        std::future::pending().await
    }
}

/// One address.
pub(super) struct Site<'a> {
    pub(super) dial: &'a dyn Dial,
    pub(super) time: &'a Time,
    pub(super) bar: Bar,
    /// One for each connection to the host that may be open.
    permits: &'a Semaphore,
    interrupted: watch::Receiver<bool>,
    started: Moment,
    /// The least timeout that the server has to have.
    at_least: Option<Duration>,
    policy: KeepAlivePolicy,
    history: SharedHistory,
    facts: Mutex<Facts>,
}

/// What was found on the way.
#[derive(Debug, Default)]
struct Facts {
    connections: Vec<report::Connection>,
    connecting: Option<Duration>,
    open: Option<Duration>,
    close_notify: Option<bool>,
    watched: Watched,
    /// The slowest answer, from when its request was sent to its first byte.
    slowest: Duration,
}

impl<'a> Site<'a> {
    pub(super) fn new(
        dial: &'a dyn Dial,
        time: &'a Time,
        permits: &'a Semaphore,
        interrupted: watch::Receiver<bool>,
        bar: Bar,
        at_least: Option<Duration>,
    ) -> Self {
        Self {
            dial,
            time,
            bar,
            permits,
            interrupted,
            started: time.now(),
            at_least,
            policy: KeepAlivePolicy::default()
                .learn(Learn::Full)
                // Nothing is forgotten on the way.
                .evidence_age(Duration::MAX),
            history: SharedHistory::default(),
            facts: Mutex::default(),
        }
    }

    /// Waits until there may be another connection; `None` if the probe is interrupted.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'a>> {
        tokio::select! {
            biased;
            () = self.interrupted() => None,
            permit = self.permits.acquire() => permit.ok(),
        }
    }

    pub(super) async fn interrupted(&self) {
        is_interrupted(self.interrupted.clone()).await;
    }

    pub(super) fn is_interrupted(&self) -> bool {
        *self.interrupted.borrow()
    }

    pub(super) fn known(&self) -> Known<'_> {
        Known {
            policy: &self.policy,
            quickest: self.history.quickest(),
        }
    }

    pub(super) fn observe(&self, observation: Observation) {
        let age = Span::new(self.policy.evidence_age);
        self.facts().watched.on_observation(&observation);
        let _ = self.history.on_observation(observation, age);
    }

    pub(super) fn on_answer(&self, answer: Span, now: &Moment) {
        let age = Span::new(self.policy.evidence_age);
        self.history.on_answer(answer, now, age);
        let mut facts = self.facts();
        facts.slowest = facts.slowest.max(answer.duration());
    }

    pub(super) fn on_connected(&self, connecting: Duration) {
        let mut facts = self.facts();
        facts.connecting = Some(
            facts
                .connecting
                .map_or(connecting, |known| known.min(connecting)),
        );
    }

    /// A connection was open after this idle time.
    pub(super) fn on_open(&self, idle: Duration) {
        self.bar.idle(idle);
        let mut facts = self.facts();
        facts.open = facts.open.max(Some(idle));
    }

    /// An idle connection over TLS ended.
    pub(super) fn on_tls_end(&self, read: &io::Result<usize>) {
        let close_notify = match read {
            Ok(0) => Some(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Some(false),
            _ => None,
        };
        let mut facts = self.facts();
        facts.close_notify = close_notify.or(facts.close_notify);
    }

    /// The slowest answer so far.
    pub(super) fn slowest(&self) -> Duration {
        self.facts().slowest
    }

    /// The time since the first connection was begun.
    pub(super) fn at(&self, now: &Moment) -> Seconds {
        Seconds(now.since(&self.started).duration())
    }

    /// Adds a connection. Returns its number, counted from 1.
    pub(super) fn add(&self, connection: report::Connection) -> u32 {
        let mut facts = self.facts();
        facts.connections.push(connection);
        u32::try_from(facts.connections.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn set(&self, number: u32, connection: report::Connection) {
        let place = (number as usize).saturating_sub(1);
        if let Some(known) = self.facts().connections.get_mut(place) {
            *known = connection;
        }
    }

    /// Writes down what was found of the address as a whole.
    pub(super) fn report(&self, address: &mut report::Address) {
        let facts = self.facts();
        address.connections.clone_from(&facts.connections);
        address.connecting = facts.connecting.map(Seconds);
        address.open_after = facts.open.map(Seconds);
        if let Some(tls) = &mut address.tls {
            tls.close_notify = facts.close_notify;
        }
        let quickest = self.history.quickest();
        address.round_trip = quickest.map(|quickest| Seconds(quickest.answer.duration()));
        let watched = &facts.watched;
        address.timeout = watched.timer().map(|timer| report::Timeout {
            seconds: Seconds(timer.first.duration()),
            last: Seconds(timer.last.duration()),
            open: Seconds(timer.open.duration()),
        });
        let is_sooner_than = |Seconds(time)| watched.is_sooner_than(Span::new(time));
        for hint in [&mut address.hint, &mut address.hint_if_asked]
            .into_iter()
            .flatten()
        {
            hint.contradicted = hint.timeout.is_some_and(is_sooner_than);
            address.hint_contradicted |= hint.contradicted;
        }
        address.sooner_than_required = self.at_least.map(Seconds).is_some_and(is_sooner_than);
    }

    /// Whether it is known when the server closes idle connections, or how many requests it takes.
    pub(super) fn is_known(&self) -> bool {
        self.facts().watched.timer().is_some() || self.request_limit().is_some()
    }

    /// How many requests the server takes on a connection.
    pub(super) fn request_limit(&self) -> Option<u32> {
        self.history.findings().requests
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
