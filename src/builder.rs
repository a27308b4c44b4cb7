//! What is set besides the policy.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::rt::{Executor, Timer};

use crate::error::PolicyError;
use crate::executor::{ConnectionTask, TaskExecutor};
use crate::keep_alive::{KeepAlive, Settings};
use crate::observe::{Observer, SharedObserver};
use crate::origin::{OriginMatcher, OriginSnapshot};
use crate::policy::KeepAlivePolicy;

impl KeepAlive {
    /// A `KeepAlive` with this policy, and tokio's clock and timer.
    ///
    /// The runtime should have its time driver (`enable_time`), so that connections close at their
    /// deadline, and not when they are needed next.
    ///
    /// # Errors
    ///
    /// If a setting of the policy is out of its range.
    pub fn new(policy: KeepAlivePolicy) -> Result<Self, PolicyError> {
        Self::builder().policy(policy).build()
    }

    /// A builder, for what [`new`](Self::new) leaves at its default.
    pub fn builder() -> KeepAliveBuilder {
        KeepAliveBuilder::default()
    }
}

/// Builds a [`KeepAlive`]; made by [`KeepAlive::builder`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct KeepAliveBuilder {
    settings: Settings,
}

impl KeepAliveBuilder {
    /// The policy of all origins without one of their own. The default is [`KeepAlivePolicy::default`].
    pub fn policy(mut self, policy: KeepAlivePolicy) -> Self {
        self.settings.policies.set_default(policy);
        self
    }

    /// A policy for some origins. If several match an origin, the first that was added is its policy, as a
    /// whole: nothing is taken from the others, nor from [`policy`](Self::policy).
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
    /// A connection follows the policy of the origin that its connector was called with, as long as it
    /// is open.
    pub fn policy_for(
        mut self,
        origins: impl Into<OriginMatcher>,
        policy: KeepAlivePolicy,
    ) -> Self {
        self.settings.policies.add(origins.into(), policy);
        self
    }

    /// The monotonic clock, and the timer that closes connections at their deadline. The default is
    /// [`TokioTimer`](hyper_util::rt::TokioTimer), which follows tokio's paused time.
    ///
    /// Deadlines hold without a timer that works: it only closes connections that nobody uses. If the
    /// runtime turns out to have no time driver (`enable_time`), tokio's timer is not used from then on; the
    /// panic by which tokio tells is caught, and its message is printed once. A timer whose sleeps wake
    /// their task before their time may leave such a connection open.
    ///
    /// The panic of a timer that is given here is not caught, and fails the request: also that of a `TokioTimer`
    /// on such a runtime.
    pub fn timer(mut self, timer: impl Timer + Send + Sync + 'static) -> Self {
        self.settings.clock = self.settings.clock.with_timer(Arc::new(timer));
        self
    }

    /// The wall clock, read besides the monotonic clock so that the time a machine was suspended counts as
    /// idle. The default is the system's, [`SystemTime::now`].
    ///
    /// For tests in virtual time, and for platforms with a better clock. With a wall clock that never moves,
    /// only the monotonic clock counts.
    pub fn wall_clock(
        mut self,
        wall_clock: impl Fn() -> SystemTime + Send + Sync + 'static,
    ) -> Self {
        self.settings.clock = self.settings.clock.with_wall_clock(Arc::new(wall_clock));
        self
    }

    /// How many origins are kept. The default is 1024. Origins without open connections are dropped first,
    /// and of these the ones least recently connected to.
    pub fn origin_capacity(mut self, origins: NonZeroUsize) -> Self {
        self.settings.origins = origins;
        self
    }

    /// Starts with what another `KeepAlive`, or another process, [knew](KeepAlive::origins) of origins.
    /// Evidence older than [`evidence_age`](KeepAlivePolicy::evidence_age) does not count. Of more
    /// than [`origin_capacity`](Self::origin_capacity) origins the first are kept.
    ///
    /// A wrong snapshot does no more harm than a server can: connections are opened needlessly, or, as
    /// with a server that has changed, a first request fails.
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
        self.settings.remembered.extend(known);
        self
    }

    /// How many connections may be left open as sentinels at once, all origins together: see
    /// [`Learn`](crate::Learn). The default is 64, with never more than one for an origin. With zero, only
    /// connections in use are learned from.
    pub fn sentinels(mut self, max: usize) -> Self {
        self.settings.max_sentinels = max;
        self
    }

    /// The executor that runs the tasks of connections: of a [`Client`](crate::Client)'s, and of sentinels. The default is
    /// the tokio runtime that each connection is opened or driven on. Outside of a runtime, a client's connections close at
    /// once, and none is left open as a sentinel.
    pub fn executor(
        mut self,
        executor: impl Executor<ConnectionTask> + Send + Sync + 'static,
    ) -> Self {
        self.settings.executor = TaskExecutor::new(executor);
        self
    }

    /// Is told what happens on connections. There is none by default, and a second one takes the place of the first.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.settings.observer = SharedObserver::new(observer);
        self
    }

    /// Builds the `KeepAlive`.
    ///
    /// # Errors
    ///
    /// If a setting of a policy is out of its range, or if the matcher of a policy names no origin.
    pub fn build(self) -> Result<KeepAlive, PolicyError> {
        self.settings.policies.check()?;
        Ok(KeepAlive::with_settings(self.settings))
    }
}
