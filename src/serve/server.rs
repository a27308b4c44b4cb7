//! What all connections to one server share.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;

use super::advertise::AdvertiseLayer;
use super::connection::ServedConnection;
use super::drain::{Drain, Stage};
use super::event::{ServerEventKind, ServerObserver, SharedServerObserver};
use super::listener::IdleListener;
use super::make_service::AdvertiseMakeService;
use super::stats::{LastResponses, ServerClosed, ServerStats};
use super::stream::IdleStream;
use crate::clock::Clock;
use crate::error::PolicyError;
use crate::policy::ServerPolicy;
use crate::proto::hint::KeepAliveHint;
use crate::proto::jitter::Jitter;
use crate::proto::serve::{LastResponse, ServerCloseCause};
use crate::proto::time::Moment;
use crate::trace;

/// HTTP/1.1 keep-alive for a server: tells clients how long it keeps idle connections, and keeps them that long. Cheap to
/// clone; all clones share policy, connections and numbers.
///
/// With axum:
///
/// ```no_run
/// use axum::Router;
/// use http_keepalive::{ServerKeepAlive, ServerPolicy};
/// use tokio::net::TcpListener;
///
/// # async fn serve(app: Router) -> Result<(), Box<dyn std::error::Error>> {
/// let keep_alive = ServerKeepAlive::new(ServerPolicy::default())?;
/// let listener = keep_alive.listener(TcpListener::bind("0.0.0.0:3000").await?);
/// axum::serve(listener, keep_alive.make_service(app)).await?;
/// # Ok(())
/// # }
/// ```
///
/// With hyper-util's server, or hyper's own:
///
/// ```no_run
/// use http_keepalive::{ServerKeepAlive, ServerPolicy};
/// use hyper_util::rt::{TokioExecutor, TokioIo};
/// use hyper_util::server::conn::auto::Builder;
/// use hyper_util::service::TowerToHyperService;
/// use tokio::net::TcpListener;
/// use tower_layer::Layer;
///
/// # async fn serve(app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
/// let keep_alive = ServerKeepAlive::new(ServerPolicy::default())?;
/// let listener = TcpListener::bind("0.0.0.0:3000").await?;
/// loop {
///     let (stream, _) = listener.accept().await?;
///     let stream = keep_alive.admit(stream).await;
///     let service = keep_alive.layer().on(stream.connection()).layer(app.clone());
///     tokio::spawn(async move {
///         let service = TowerToHyperService::new(service);
///         let server = Builder::new(TokioExecutor::new());
///         let _ = server.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
///     });
/// }
/// # }
/// ```
///
/// See [`guide::server`](crate::guide::server) for how to choose the numbers of both ends.
#[derive(Clone)]
pub struct ServerKeepAlive {
    shared: Arc<Shared>,
}

struct Shared {
    policy: ServerPolicy,
    clock: Clock,
    observer: SharedServerObserver,
    /// The field that names the timeout alone.
    hint: HeaderValue,
    /// For the jitter of connections.
    seed: u64,
    registry: Mutex<Registry>,
    /// How many are to be admitted, and wait for room.
    waiting: AtomicUsize,
    /// A connection ended or became idle when somebody waited for that, or the drain went on.
    changed: Notify,
    stage: AtomicU8,
    is_warned: AtomicBool,
}

#[derive(Default)]
struct Registry {
    open: HashMap<u64, ServedConnection>,
    accepted: u64,
    /// Open connections that are HTTP/1.
    http1: usize,
    /// Listeners that have not been closed.
    listeners: usize,
    /// Connections that were asked to make room, and are open.
    surplus: usize,
    /// Those that are to be asked next: the last first. Since when they were idle then, and their numbers.
    spare: Vec<(i64, u64)>,
    /// Requests on connections that ended.
    requests: u64,
    last_responses: LastResponses,
    closed: ServerClosed,
}

impl ServerKeepAlive {
    /// For a server with this policy, on tokio's clock.
    ///
    /// # Errors
    ///
    /// If a setting of the policy is out of its range.
    pub fn new(policy: ServerPolicy) -> Result<Self, PolicyError> {
        Self::build(policy, SharedServerObserver::default())
    }

    /// The same, with somebody who is told what happens.
    ///
    /// # Errors
    ///
    /// If a setting of the policy is out of its range.
    pub fn with_observer(
        policy: ServerPolicy,
        observer: impl ServerObserver + 'static,
    ) -> Result<Self, PolicyError> {
        Self::build(policy, SharedServerObserver::new(observer))
    }

    fn build(policy: ServerPolicy, observer: SharedServerObserver) -> Result<Self, PolicyError> {
        policy.check()?;
        Ok(Self {
            shared: Arc::new(Shared {
                policy,
                clock: Clock::default(),
                observer,
                hint: hint(policy.timeout, None),
                seed: RandomState::new().hash_one(()),
                registry: Mutex::default(),
                waiting: AtomicUsize::new(0),
                changed: Notify::new(),
                stage: AtomicU8::new(Stage::Serving as u8),
                is_warned: AtomicBool::new(false),
            }),
        })
    }

    /// The policy.
    pub fn policy(&self) -> &ServerPolicy {
        &self.shared.policy
    }

    /// Wraps a listener of axum's. Goes outside of TLS.
    pub fn listener<L>(&self, listener: L) -> IdleListener<L> {
        IdleListener::new(listener, self.clone())
    }

    /// Wraps the service that is given to `axum::serve`: a `Router`, a handler, or what `into_make_service` or
    /// `into_make_service_with_connect_info` returned. Each connection's service is one with an [`AdvertiseLayer`] that knows
    /// the connection.
    pub fn make_service<M>(&self, make_service: M) -> AdvertiseMakeService<M> {
        AdvertiseMakeService::new(make_service, self.clone())
    }

    /// The layer that says how long connections are kept, for a service outside of axum.
    pub fn layer(&self) -> AdvertiseLayer {
        AdvertiseLayer::new(self.clone())
    }

    /// Wraps an accepted transport once there is room for it. Goes outside of TLS.
    ///
    /// Returns at once if the policy has no [cap](ServerPolicy::max_connections). Dropping the future closes the transport.
    pub async fn admit<T>(&self, transport: T) -> IdleStream<T>
    where
        T: AsyncRead + AsyncWrite,
    {
        let connection = self.join().await;
        IdleStream::new(transport, connection)
    }

    /// The handle that ends the server without a lost request.
    pub fn drain(&self) -> Drain {
        Drain::new(self.clone())
    }

    /// What happened so far.
    pub fn stats(&self) -> ServerStats {
        let registry = self.registry();
        let mut stats = ServerStats {
            accepted: registry.accepted,
            requests: registry.requests,
            last_responses: registry.last_responses,
            closed: registry.closed,
            ..ServerStats::default()
        };
        for connection in registry.open.values() {
            let count = |number: &mut u64, by: bool| *number = number.saturating_add(by.into());
            count(&mut stats.open, true);
            let is_opaque = connection.is_opaque();
            let is_idle = connection.spare_since().is_some() && !is_opaque;
            count(&mut stats.idle, is_idle);
            count(&mut stats.opaque, is_opaque);
            stats.requests = stats.requests.saturating_add(connection.requests().into());
        }
        stats
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// A moment on the monotonic clock. The wall clock does not count here.
    #[inline]
    pub(super) fn now(&self) -> Moment {
        self.shared.clock.monotonic_now()
    }

    /// Returns at once if there is no timer.
    pub(super) async fn sleep(&self, time: Duration) {
        let clock = self.clock();
        let until = clock.monotonic().checked_add(time);
        match until.map(|until| clock.sleep_until(until)) {
            Some(Some(sleep)) => sleep.await,
            Some(None) => {}
            None => std::future::pending().await,
        }
    }

    /// The field that tells the timeout, and how many requests may follow.
    pub(super) fn hint(&self, max: Option<u32>) -> HeaderValue {
        match max {
            None => self.shared.hint.clone(),
            max => hint(self.shared.policy.timeout, max),
        }
    }

    pub(super) fn tell(&self, connection: u64, kind: impl FnOnce() -> ServerEventKind) {
        self.shared.observer.tell(connection, kind);
    }

    /// Takes a place for a new connection, once there is one.
    pub(super) async fn join(&self) -> ServedConnection {
        if let Some(connection) = self.try_join() {
            return connection;
        }
        let _waiting = Waiting::new(self);
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if let Some(connection) = self.try_join() {
                return connection;
            }
            self.make_room();
            changed.await;
        }
    }

    fn try_join(&self) -> Option<ServedConnection> {
        let accepted = self.now();
        let mut registry = self.registry();
        if let Some(cap) = self.shared.policy.cap() {
            if registry.open.len() >= cap.get() {
                return None;
            }
        }
        registry.accepted = registry.accepted.saturating_add(1);
        registry.http1 = registry.http1.saturating_add(1);
        let id = registry.accepted;
        let jitter = Jitter::of(id, self.shared.seed);
        let connection = ServedConnection::new(self.clone(), id, accepted, jitter);
        registry.open.insert(id, connection.clone());
        drop(registry);
        self.tell(id, || ServerEventKind::Accepted);
        Some(connection)
    }

    /// Asks the connection that has been idle for longest to make room, unless as many were asked as wait.
    fn make_room(&self) {
        let mut registry = self.registry();
        if registry.surplus >= self.shared.waiting.load(Ordering::SeqCst) {
            return;
        }
        let Some(connection) = registry.next_spare() else {
            return;
        };
        registry.surplus = registry.surplus.saturating_add(1);
        drop(registry);
        connection.wake();
    }

    /// A connection that was to make room got a request instead.
    pub(super) fn on_not_surplus(&self) {
        let mut registry = self.registry();
        registry.surplus = registry.surplus.saturating_sub(1);
        drop(registry);
        self.shared.changed.notify_waiters();
    }

    /// A connection became idle.
    pub(super) fn on_idle(&self) {
        if self.shared.waiting.load(Ordering::SeqCst) > 0 {
            self.shared.changed.notify_waiters();
        }
    }

    /// A connection is not HTTP/1 any more: a drain need not wait for it.
    pub(super) fn on_opaque(&self) {
        let mut registry = self.registry();
        registry.http1 = registry.http1.saturating_sub(1);
        drop(registry);
        self.shared.changed.notify_waiters();
    }

    /// A listener accepts connections.
    pub(super) fn on_listener(&self) {
        let mut registry = self.registry();
        registry.listeners = registry.listeners.saturating_add(1);
    }

    /// A listener accepts no more.
    pub(super) fn on_listener_closed(&self) {
        let mut registry = self.registry();
        registry.listeners = registry.listeners.saturating_sub(1);
        drop(registry);
        self.shared.changed.notify_waiters();
    }

    pub(super) fn on_closed(
        &self,
        connection: &ServedConnection,
        cause: ServerCloseCause,
        idle: Option<Duration>,
        age: Duration,
    ) {
        let requests = connection.requests();
        let mut registry = self.registry();
        let entry = registry.open.remove(&connection.id());
        if !connection.is_opaque() {
            registry.http1 = registry.http1.saturating_sub(1);
        }
        if connection.set_surplus(false) {
            registry.surplus = registry.surplus.saturating_sub(1);
        }
        registry.requests = registry.requests.saturating_add(requests.into());
        increment(registry.closed.of(cause));
        drop(registry);
        drop(entry);
        self.shared.changed.notify_waiters();
        if cause == ServerCloseCause::Server {
            self.warn(idle.unwrap_or(age));
        }
        self.tell(connection.id(), || ServerEventKind::Closed {
            cause,
            idle,
            age,
            requests,
        });
    }

    /// Says once that the server under this crate does not keep its word.
    fn warn(&self, idle: Duration) {
        if self.stage() == Stage::Serving && !self.shared.is_warned.swap(true, Ordering::Relaxed) {
            let told = self.shared.policy.timeout;
            trace::warn!(
                target: "http_keepalive",
                idle = ?idle,
                told = ?told,
                "the server closed an idle connection sooner than its client was told. Set hyper's \
                 `header_read_timeout` to `None`, or tell a timeout below it; to shut down, use `Drain` first"
            );
        }
    }

    pub(super) fn on_last_response(
        &self,
        connection: Option<&ServedConnection>,
        reason: LastResponse,
    ) {
        increment(self.registry().last_responses.of(reason));
        if let Some(connection) = connection {
            self.tell(connection.id(), || ServerEventKind::SaidClose { reason });
        }
    }

    pub(super) fn stage(&self) -> Stage {
        Stage::of(self.shared.stage.load(Ordering::SeqCst))
    }

    /// Goes on to a stage, if it was not reached.
    pub(super) fn set_stage(&self, stage: Stage) {
        self.shared.stage.fetch_max(stage as u8, Ordering::SeqCst);
        self.shared.changed.notify_waiters();
        if stage == Stage::Cut {
            let open: Vec<_> = self.registry().open.values().cloned().collect();
            for connection in open {
                connection.wake();
            }
        }
    }

    /// Waits until this is so. What it depends on must notify of its changes.
    pub(super) async fn wait_until(&self, is_so: impl Fn(&Self) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            if is_so(self) {
                return;
            }
            changed.await;
        }
    }

    /// Whether no connection comes any more, and none is open that is HTTP/1.
    pub(super) fn is_drained(&self) -> bool {
        let registry = self.registry();
        let is_waiting = self.shared.waiting.load(Ordering::SeqCst) > 0;
        registry.listeners == 0 && registry.http1 == 0 && !is_waiting
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        let registry = self.shared.registry.lock();
        registry.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServerKeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerKeepAlive")
            .field("policy", &self.shared.policy)
            .field("observer", &self.shared.observer)
            .field("stage", &self.stage())
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// Marks the connection that has been idle for longest, new ones last, to make room.
    fn next_spare(&mut self) -> Option<ServedConnection> {
        if let Some(connection) = self.pop_spare() {
            return Some(connection);
        }
        // All connections are looked at once for many of them, not for each.
        let open = self.open.values().filter(|open| !open.is_surplus());
        let spare = open.filter_map(|open| Some((open.is_new(), open.spare_since()?, open.id())));
        let mut spare: Vec<_> = spare.collect();
        spare.sort_unstable_by(|one, other| other.cmp(one));
        self.spare = spare
            .into_iter()
            .map(|(_, since, id)| (since, id))
            .collect();
        self.pop_spare()
    }

    fn pop_spare(&mut self) -> Option<ServedConnection> {
        while let Some((since, id)) = self.spare.pop() {
            let Some(connection) = self.open.get(&id) else {
                continue;
            };
            if connection.spare_since() != Some(since) {
                continue;
            }
            connection.set_surplus(true);
            // It may have got a request meanwhile, and not seen that it was to make room.
            if connection.spare_since().is_some() || !connection.set_surplus(false) {
                return Some(connection.clone());
            }
        }
        None
    }
}

/// Counts one who waits for room.
struct Waiting<'a>(&'a ServerKeepAlive);

impl<'a> Waiting<'a> {
    fn new(server: &'a ServerKeepAlive) -> Self {
        server.shared.waiting.fetch_add(1, Ordering::SeqCst);
        Self(server)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.shared.waiting.fetch_sub(1, Ordering::SeqCst);
        self.0.shared.changed.notify_waiters();
    }
}

fn hint(timeout: Duration, max: Option<u32>) -> HeaderValue {
    let hint = KeepAliveHint::new().with_timeout(timeout);
    let hint = max.map_or(hint, |max| hint.with_max(max));
    HeaderValue::try_from(hint.to_string()).unwrap_or(HeaderValue::from_static("timeout=1"))
}

fn increment(number: &mut u64) {
    *number = number.saturating_add(1);
}
