//! What the connector and the layer share.

use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use hyper::rt::{Executor, Timer};

use crate::clock::Clock;
use crate::error::PolicyError;
use crate::origin::{CAPACITY, Origin, OriginMatcher, OriginSnapshot, Origins, Policies};
use crate::policy::KeepAlivePolicy;
use crate::proto::jitter::Jitter;
use crate::proto::{Reading, deadline};
use crate::spawn::{Sentinel, Spawner};
use crate::stats::{Counters, Stats};
use crate::trace;

/// How many sentinels there may be, unless it is said.
const SENTINELS: usize = 64;

/// What the connector and the layer share: the policy, the clock, what is known of origins, and the
/// numbers.
///
/// Built once, and cloned into every part; clones share everything. The parts come from
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

#[derive(Debug)]
struct Shared {
    /// For the lots of connections.
    seed: u64,
    policies: Policies,
    clock: Clock,
    origins: Origins,
    counters: Counters,
    next_id: AtomicU64,
    /// For how many more connections there is room.
    rooms: AtomicUsize,
    /// Changes when connections to all origins are to be looked at anew.
    version: AtomicU32,
    /// Connections that are idle since then, or for longer, are not to be used again.
    stale: AtomicI64,
    spawner: Spawner,
    /// How many sentinels there may be, and are.
    most_sentinels: usize,
    sentinels: AtomicUsize,
}

/// A [`KeepAlive`], as long as anybody else has it.
#[derive(Debug)]
pub(crate) struct WeakKeepAlive {
    shared: Weak<Shared>,
    clock: Clock,
}

impl WeakKeepAlive {
    pub(crate) fn upgrade(&self) -> Option<KeepAlive> {
        self.shared.upgrade().map(|shared| KeepAlive { shared })
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// How many connections may have room for bytes that are not followed yet, [`ROOM`] each, and what is kept
/// beside them. All others follow them at once, which costs more.
///
/// [`ROOM`]: crate::proto::deferred::ROOM
const ROOMS: usize = 64;

impl KeepAlive {
    /// Shares a policy, with tokio's clock and timer. The runtime should have its time driver
    /// (`enable_time`), so that connections close at their deadline, and not when they are needed next.
    ///
    /// # Errors
    ///
    /// Where the policy holds a value that makes no sense.
    pub fn new(policy: KeepAlivePolicy) -> Result<Self, PolicyError> {
        Self::builder().policy(policy).build()
    }

    /// For what [`new`](Self::new) leaves at its default.
    pub fn builder() -> KeepAliveBuilder {
        KeepAliveBuilder::default()
    }

    /// What happened so far, in numbers.
    pub fn stats(&self) -> Stats {
        self.shared.counters.snapshot()
    }

    /// The policy of all connections but those to origins that have one of their own.
    pub fn policy(&self) -> &KeepAlivePolicy {
        self.shared.policies.of_others()
    }

    /// The policy of connections to this origin: the first that matches, or that of all others.
    pub fn policy_of(&self, origin: &Origin) -> &KeepAlivePolicy {
        self.shared.policies.of(Some(origin))
    }

    /// What is known of each origin's idle timeout, most recently used first.
    pub fn origins(&self) -> Vec<OriginSnapshot> {
        let now = self.clock().read();
        let (moment, taken) = (self.clock().moment(&now), now.wall);
        let origins = self.store().all().into_iter();
        let snapshot = |(origin, told): (Origin, _)| {
            let policy = self.policies().of(Some(&origin));
            OriginSnapshot::of(&origin, &told, policy, &moment, taken)
        };
        origins.map(snapshot).collect()
    }

    /// No connection to the origin that is idle now is used for another request, whatever its
    /// deadline: after a deploy, or where a name leads elsewhere.
    ///
    /// None is looked for: each closes when it is needed next, or at its deadline. One that was just
    /// opened for a request serves that. Does nothing to requests and responses under way, nor to
    /// HTTP/2. Where more origins are in use than are [kept](KeepAliveBuilder::origin_capacity), it does
    /// the same to all of them if need be.
    pub fn retire_idle(&self, origin: &Origin) {
        let now = self.clock().now();
        match self.store().kept(origin) {
            Some(origin) => origin.learning().retire(now.monotonic),
            // It is in use, perhaps, and nobody knows where.
            None if self.store().has_lost() => self.retire_all(),
            None => {}
        }
    }

    /// The same for all origins: after a change of networks.
    pub fn retire_all(&self) {
        let now = self.clock().now().monotonic.nanoseconds();
        self.shared.stale.fetch_max(now, Ordering::Relaxed);
        self.shared.version.fetch_add(1, Ordering::Release);
    }

    /// Changes when connections to all origins are to be looked at anew.
    #[inline]
    pub(crate) fn version(&self) -> u32 {
        self.shared.version.load(Ordering::Acquire)
    }

    /// Connections that are idle since then, or for longer, are not to be used again.
    pub(crate) fn stale(&self) -> Reading {
        Reading::from_nanoseconds(self.shared.stale.load(Ordering::Relaxed))
    }

    pub(crate) fn spawner(&self) -> &Spawner {
        &self.shared.spawner
    }

    /// Takes one of the places for sentinels, if one is free.
    pub(crate) fn take_watch(&self) -> bool {
        let most = self.shared.most_sentinels;
        let next = |sentinels: usize| (sentinels < most).then(|| sentinels.saturating_add(1));
        let order = Ordering::Relaxed;
        let taken = self.shared.sentinels.fetch_update(order, order, next);
        taken.is_ok()
    }

    /// Gives it back.
    pub(crate) fn end_watch(&self) {
        self.shared.sentinels.fetch_sub(1, Ordering::Relaxed);
    }

    /// The same, without keeping it.
    pub(crate) fn downgrade(&self) -> WeakKeepAlive {
        WeakKeepAlive {
            shared: Arc::downgrade(&self.shared),
            clock: self.clock().clone(),
        }
    }

    /// Whether both share everything.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

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

    pub(crate) fn counters(&self) -> &Counters {
        &self.shared.counters
    }

    /// That of the connection of this number, which differs from one handle and process to the next.
    pub(crate) fn jitter(&self, connection: u64) -> Jitter {
        Jitter::of(connection, self.shared.seed)
    }

    /// A number that no other connection of this handle has.
    pub(crate) fn next_id(&self) -> u64 {
        self.shared.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Room on one connection for bytes that are not followed yet, if there is some left.
    pub(crate) fn take_room(&self) -> bool {
        let less = |rooms: usize| rooms.checked_sub(1);
        let order = Ordering::Relaxed;
        self.shared.rooms.fetch_update(order, order, less).is_ok()
    }

    /// Gives it back.
    pub(crate) fn give_room(&self) {
        self.shared.rooms.fetch_add(1, Ordering::Relaxed);
    }

    fn share(builder: KeepAliveBuilder) -> Self {
        let KeepAliveBuilder {
            policies,
            clock,
            capacity,
            sentinels,
            spawner,
            remembered,
        } = builder;
        for policy in policies.all() {
            if deadline::never_allows_reuse(policy) {
                trace::warn!(
                    policy = ?policy,
                    "the safety margin leaves no time in which a connection could be reused"
                );
            }
        }
        let keep_alive = Self {
            shared: Arc::new(Shared {
                seed: seed(),
                policies,
                clock,
                origins: Origins::new(capacity),
                counters: Counters::default(),
                next_id: AtomicU64::new(0),
                rooms: AtomicUsize::new(ROOMS),
                version: AtomicU32::new(0),
                stale: AtomicI64::new(i64::MIN),
                spawner,
                most_sentinels: sentinels,
                sentinels: AtomicUsize::new(0),
            }),
        };
        keep_alive.remember(&remembered);
        keep_alive
    }

    fn remember(&self, origins: &[OriginSnapshot]) {
        let now = self.clock().read();
        let moment = self.clock().moment(&now);
        // What is to be forgotten first comes last.
        for known in origins.iter().take(self.store().capacity()).rev() {
            let policy = self.policies().of(Some(&known.origin));
            // The clock may have been set back since.
            let since = now.wall.duration_since(known.taken).unwrap_or_default();
            let (age, origin) = (policy.evidence_age, known.origin.anew());
            known.teach(origin.learning(), &moment, since, age);
            self.store().remember(origin, known.told(since, age));
        }
    }
}

/// What another handle, and another process, has differently: the standard library's maps need the
/// like, and have it from the system.
fn seed() -> u64 {
    RandomState::new().hash_one(())
}

/// The default policy, with tokio's clock and timer.
impl Default for KeepAlive {
    fn default() -> Self {
        Self::share(KeepAliveBuilder::default())
    }
}

/// Builds a [`KeepAlive`]; made by [`KeepAlive::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct KeepAliveBuilder {
    policies: Policies,
    clock: Clock,
    capacity: NonZeroUsize,
    sentinels: usize,
    spawner: Spawner,
    remembered: Vec<OriginSnapshot>,
}

impl Default for KeepAliveBuilder {
    fn default() -> Self {
        Self {
            policies: Policies::default(),
            clock: Clock::default(),
            capacity: CAPACITY,
            sentinels: SENTINELS,
            spawner: Spawner::default(),
            remembered: Vec::new(),
        }
    }
}

impl KeepAliveBuilder {
    /// The policy. The default is [`KeepAlivePolicy::default`].
    pub fn policy(mut self, policy: KeepAlivePolicy) -> Self {
        self.policies.set_default(policy);
        self
    }

    /// A policy for some origins. Where several match an origin, the first that was given is its
    /// policy, as a whole: nothing is taken from the others, nor from [`policy`](Self::policy).
    ///
    /// ```
    /// use std::time::Duration;
    /// use http_keepalive::{KeepAlive, KeepAlivePolicy};
    ///
    /// let inside = KeepAlivePolicy::default().max_idle(Duration::from_secs(60));
    /// let keep_alive = KeepAlive::builder()
    ///     .policy_for("legacy.internal", inside.hints(false))
    ///     .policy_for("*.internal", inside)
    ///     .build()?;
    /// # let _ = keep_alive;
    /// # Ok::<(), http_keepalive::PolicyError>(())
    /// ```
    ///
    /// A connection follows the policy of the origin that its connector was asked for, from its
    /// opening to its end.
    pub fn policy_for(
        mut self,
        origins: impl Into<OriginMatcher>,
        policy: KeepAlivePolicy,
    ) -> Self {
        self.policies.add(origins.into(), policy);
        self
    }

    /// The monotonic clock, and the timer that closes connections at their deadline. The default is
    /// [`TokioTimer`](hyper_util::rt::TokioTimer), which follows tokio's paused time.
    ///
    /// Deadlines hold without a timer that works: it only closes connections that nobody looks at. So
    /// where the runtime turns out to have no time driver (`enable_time`), tokio's timer is not used from
    /// then on; tokio says so once, as the message of a panic that is caught. A timer whose sleeps wake their task before their time may leave such a connection open.
    pub fn timer(mut self, timer: impl Timer + Send + Sync + 'static) -> Self {
        self.clock = self.clock.with_timer(Arc::new(timer));
        self
    }

    /// The wall clock, asked besides the monotonic one so that the time a machine was suspended
    /// counts as idle. The default is the system's, [`SystemTime::now`].
    ///
    /// For tests in virtual time, and for platforms that know better. One that never moves leaves
    /// the monotonic clock alone to decide.
    pub fn wall_clock(
        mut self,
        wall_clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        self.clock = self.clock.with_wall_clock(Arc::new(wall_clock));
        self
    }

    /// How many origins something is remembered of. The default is 1024; those without open
    /// connections are forgotten first, and of these the ones least recently connected to.
    pub fn origin_capacity(mut self, origins: NonZeroUsize) -> Self {
        self.capacity = origins;
        self
    }

    /// What another handle, or another process, [knew](KeepAlive::origins) of origins: this one begins
    /// with that. What is older than [`evidence_age`](KeepAlivePolicy::evidence_age) does not count,
    /// nor do those beyond [`origin_capacity`](Self::origin_capacity): the first are kept.
    ///
    /// Nothing in it can do more than a server can: at worst connections are opened needlessly, or, as
    /// with a server that changed meanwhile, a first request fails.
    ///
    /// ```
    /// use http_keepalive::KeepAlive;
    ///
    /// let keep_alive = KeepAlive::default();
    /// // With feature `serde`, this can be saved.
    /// let known = keep_alive.origins();
    /// let another = KeepAlive::builder().remember(known).build()?;
    /// # let _ = another;
    /// # Ok::<(), http_keepalive::PolicyError>(())
    /// ```
    pub fn remember(mut self, known: impl IntoIterator<Item = OriginSnapshot>) -> Self {
        self.remembered.extend(known);
        self
    }

    /// How many connections may be left open at once, all origins together, to learn how long servers
    /// wait: see [`Learn`](crate::Learn). The default is 64; for one origin there is never more than
    /// one. With zero, connections tell only what they meet with while they are used.
    pub fn sentinels(mut self, most: usize) -> Self {
        self.sentinels = most;
        self
    }

    /// What runs those connections. The default is the tokio runtime that each ran on before; outside
    /// of one, none is left open.
    pub fn executor(mut self, executor: impl Executor<Sentinel> + Send + Sync + 'static) -> Self {
        self.spawner = Spawner::new(executor);
        self
    }

    /// Builds the handle.
    ///
    /// # Errors
    ///
    /// Where a policy holds a value that makes no sense, or is meant for what names no origin.
    pub fn build(self) -> Result<KeepAlive, PolicyError> {
        self.policies.check()?;
        Ok(KeepAlive::share(self))
    }
}
