//! What the connector and the layer share.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use crate::clock::Clock;
use crate::executor::TaskExecutor;
use crate::observe::{ConnectionEvent, EventKind, SharedObserver};
use crate::origin::{CAPACITY, Origin, OriginSnapshot, Origins, Policies};
use crate::policy::KeepAlivePolicy;
use crate::proto::deadline;
use crate::proto::jitter::Jitter;
use crate::proto::time::Moment;
use crate::stats::{Counters, Stats};
use crate::trace;

/// How many sentinels there may be by default.
const MAX_SENTINELS: usize = 64;

/// What the connector and the layer share: the policy, the clock, what is known of origins, and the
/// numbers.
///
/// Built once, and cloned into every part; clones share everything. The parts are made by
/// [`connector`](Self::connector), [`connector_layer`](Self::connector_layer) and
/// [`layer`](Self::layer).
///
/// ```
/// use http_keepalive::{KeepAlive, KeepAlivePolicy};
/// use hyper_util::client::legacy::connect::HttpConnector;
///
/// let keep_alive = KeepAlive::new(KeepAlivePolicy::default())?;
/// let connector = keep_alive.connector(HttpConnector::new());
/// let layer = keep_alive.layer();
/// # let _ = (connector, layer);
///
/// assert_eq!(keep_alive.stats().opened, 0);
/// # Ok::<(), http_keepalive::PolicyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeepAlive {
    shared: Arc<Shared>,
}

/// On cache lines of its own: each request clones the `Arc`, and what every connection reads must not share
/// a line with the count of clones.
#[derive(Debug)]
#[repr(align(128))]
struct Shared {
    /// Seed for per-connection jitter.
    seed: u64,
    policies: Policies,
    clock: Clock,
    origins: Origins,
    counters: Counters,
    next_id: AtomicU64,
    /// Changes when connections to all origins have to be decided on anew.
    version: AtomicU32,
    /// Connections that were idle at this reading of the monotonic clock are not to be used again.
    retire_before: AtomicI64,
    observer: SharedObserver,
    executor: TaskExecutor,
    max_sentinels: usize,
    /// Sentinels that are open.
    sentinels: AtomicUsize,
}

/// A weak reference to a [`KeepAlive`].
#[derive(Debug)]
pub(crate) struct WeakKeepAlive {
    shared: Weak<Shared>,
    clock: Clock,
}

impl WeakKeepAlive {
    pub(crate) fn upgrade(&self) -> Option<KeepAlive> {
        self.shared.upgrade().map(|shared| KeepAlive { shared })
    }

    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// What a [`KeepAlive`] is built from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) policies: Policies,
    pub(crate) clock: Clock,
    /// How many origins are kept.
    pub(crate) origins: NonZeroUsize,
    pub(crate) max_sentinels: usize,
    pub(crate) executor: TaskExecutor,
    pub(crate) observer: SharedObserver,
    pub(crate) remembered: Vec<OriginSnapshot>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policies: Policies::default(),
            clock: Clock::default(),
            origins: CAPACITY,
            max_sentinels: MAX_SENTINELS,
            executor: TaskExecutor::default(),
            observer: SharedObserver::default(),
            remembered: Vec::new(),
        }
    }
}

impl KeepAlive {
    /// What happened so far, in numbers.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// The policy of all connections but those to origins that have one of their own.
    pub fn policy(&self) -> &KeepAlivePolicy {
        self.shared.policies.default_policy()
    }

    /// The policy of connections to this origin: the first that matches, or [`policy`](Self::policy).
    pub fn policy_of(&self, origin: &Origin) -> &KeepAlivePolicy {
        self.shared.policies.of(Some(origin))
    }

    /// What is known of each origin's idle timeout, most recently used first.
    pub fn origins(&self) -> Vec<OriginSnapshot> {
        let (now, taken) = (self.clock().now(), self.clock().system_time());
        let origins = self.store().all().into_iter();
        let snapshot = |(origin, advertised): (Origin, _)| {
            let policy = self.policies().of(Some(&origin));
            OriginSnapshot::new(&origin, &advertised, policy, &now, taken)
        };
        origins.map(snapshot).collect()
    }

    /// Retires the connections to an origin that are idle now, whatever their deadline: after a deploy, or
    /// where a name leads elsewhere.
    ///
    /// Each closes when it is needed next, or at its deadline. A connection that was just opened for a
    /// request serves that request. Requests and responses under way, and HTTP/2, are not affected. If
    /// more origins are in use than are [kept](crate::KeepAliveBuilder::origin_capacity), or some of the same origin's
    /// connections go through an HTTP forward proxy and others do not, the connections to all origins may be retired;
    /// if they go through a proxy, those to all origins behind it are.
    pub fn retire_idle(&self, origin: &Origin) {
        self.retire_idle_since(origin, &self.clock().now());
    }

    /// Retires the connections to all origins that are idle now, as [`retire_idle`](Self::retire_idle) does
    /// for one: after a change of networks.
    pub fn retire_all(&self) {
        self.retire_all_since(&self.clock().now());
    }

    /// Retires the connections to an origin that have been idle since `moment`.
    pub(crate) fn retire_idle_since(&self, origin: &Origin, moment: &Moment) {
        // Some of its connections may have another history than the origin in the store.
        if self.store().has_lost() {
            self.retire_all_since(moment);
        } else if let Some(origin) = self.store().kept(origin) {
            origin.history().retire_before_moment(moment);
        }
    }

    fn retire_all_since(&self, moment: &Moment) {
        self.shared
            .retire_before
            .fetch_max(moment.monotonic, Ordering::Relaxed);
        self.shared.version.fetch_add(1, Ordering::Release);
    }

    /// Changes when connections to all origins have to be decided on anew.
    #[inline]
    pub(crate) fn version(&self) -> u32 {
        self.shared.version.load(Ordering::Acquire)
    }

    /// Connections that were idle at this reading of the monotonic clock are not to be used again.
    pub(crate) fn retire_before(&self) -> i64 {
        self.shared.retire_before.load(Ordering::Relaxed)
    }

    pub(crate) fn executor(&self) -> &TaskExecutor {
        &self.shared.executor
    }

    /// Acquires a permit for a sentinel, if there are fewer than there may be.
    pub(crate) fn try_acquire_sentinel(&self) -> bool {
        let max = self.shared.max_sentinels;
        let next = |sentinels: usize| (sentinels < max).then(|| sentinels.saturating_add(1));
        let order = Ordering::Relaxed;
        let acquired = self.shared.sentinels.fetch_update(order, order, next);
        acquired.is_ok()
    }

    /// Releases the permit for a sentinel.
    pub(crate) fn release_sentinel(&self) {
        self.shared.sentinels.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn downgrade(&self) -> WeakKeepAlive {
        WeakKeepAlive {
            shared: Arc::downgrade(&self.shared),
            clock: self.clock().clone(),
        }
    }

    /// Whether one is a clone of the other.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    #[inline]
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    #[inline]
    pub(crate) fn policies(&self) -> &Policies {
        &self.shared.policies
    }

    pub(crate) fn store(&self) -> &Origins {
        &self.shared.origins
    }

    #[inline]
    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// Tells what happened on a connection, if somebody is told. To be called without a lock.
    #[inline]
    pub(crate) fn tell(
        &self,
        connection: u64,
        origin: Option<&Origin>,
        kind: impl FnOnce() -> EventKind,
    ) {
        if self.is_told() {
            let event = ConnectionEvent::new(connection, origin, kind());
            self.shared.observer.tell(&event);
        }
    }

    /// Whether somebody is told what happens on connections.
    #[inline]
    pub(crate) fn is_told(&self) -> bool {
        self.shared.observer.is_told()
    }

    /// The jitter of the connection with this id.
    pub(crate) fn jitter(&self, id: u64) -> Jitter {
        Jitter::of(id, self.shared.seed)
    }

    /// An id for a connection.
    pub(crate) fn next_id(&self) -> u64 {
        self.shared.next_id.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn with_settings(settings: Settings) -> Self {
        for policy in settings.policies.all() {
            if deadline::never_allows_reuse(policy) {
                trace::warn!(
                    target: "http_keepalive",
                    policy = ?policy,
                    "the safety margin leaves no time in which a connection could be reused"
                );
            }
        }
        let keep_alive = Self {
            shared: Arc::new(Shared {
                seed: seed(),
                policies: settings.policies,
                clock: settings.clock,
                origins: Origins::new(settings.origins),
                counters: Counters::default(),
                next_id: AtomicU64::new(0),
                version: AtomicU32::new(0),
                retire_before: AtomicI64::new(i64::MIN),
                observer: settings.observer,
                executor: settings.executor,
                max_sentinels: settings.max_sentinels,
                sentinels: AtomicUsize::new(0),
            }),
        };
        keep_alive.restore(&settings.remembered);
        keep_alive
    }

    fn restore(&self, snapshots: &[OriginSnapshot]) {
        let (now, wall) = (self.clock().now(), self.clock().system_time());
        // The store drops what was added first.
        for snapshot in snapshots.iter().take(self.store().capacity()).rev() {
            let age = self.policy_of(&snapshot.origin).evidence_age;
            // The wall clock may have been set back since.
            let since = wall.duration_since(snapshot.taken).unwrap_or_default();
            let origin = snapshot.origin.without_history();
            snapshot.restore(origin.history(), &now, since, age);
            self.store()
                .remember(origin, snapshot.advertised(since, age));
        }
    }
}

/// Differs between processes, and between handles. The standard library's maps need such a seed too, and get
/// it from the system.
fn seed() -> u64 {
    RandomState::new().hash_one(())
}

/// The default policy, with tokio's clock and timer.
impl Default for KeepAlive {
    fn default() -> Self {
        Self::with_settings(Settings::default())
    }
}
