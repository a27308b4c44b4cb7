//! An observer for the facade `metrics`.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Once, OnceLock, PoisonError, RwLock};

use metrics::{
    Counter, Gauge, Histogram, Label, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};

use super::Observer;
use super::event::{ConnectionEvent, EventKind};
use crate::origin::Origin;
use crate::proto::connection::CloseCause;
use crate::proto::deadline::RetireReason;

const OPEN_CONNECTIONS: &str = "http.client.open_connections";
const DURATION: &str = "http.client.connection.duration";
const IDLE_AT_REUSE: &str = "http_keepalive.idle_at_reuse";
const IDLE_AT_PEER_CLOSE: &str = "http_keepalive.idle_at_peer_close";
const STALE_FAILURES: &str = "http_keepalive.stale_failures";
const RETIRED: &str = "http_keepalive.retired";

/// How many origins have labels of their own by default.
const ORIGINS: NonZeroUsize = NonZeroUsize::new(100).unwrap();

/// What stands in place of the address and the port of all other origins.
const OTHER: &str = "other";

/// An [`Observer`] that counts connections by the facade [`metrics`].
///
/// ```
/// use http_keepalive::{KeepAlive, MetricsObserver};
///
/// // The recorder first.
/// let keep_alive = KeepAlive::builder()
///     .observer(MetricsObserver::new())
///     .build()?;
/// # let _ = keep_alive;
/// # Ok::<(), http_keepalive::PolicyError>(())
/// ```
///
/// | metric | kind, unit | labels besides `server.address` and `server.port` |
/// |---|---|---|
/// | `http.client.open_connections` | gauge | `http.connection.state`: `idle` or `active` |
/// | `http.client.connection.duration` | histogram, seconds | |
/// | `http_keepalive.idle_at_reuse` | histogram, seconds: for how long a connection had been idle that was reused | |
/// | `http_keepalive.idle_at_peer_close` | histogram, seconds: for how long a connection had been idle that the server closed | |
/// | `http_keepalive.stale_failures` | counter: as [`Stats::stale_failures`](crate::Stats::stale_failures) | |
/// | `http_keepalive.retired` | counter | `reason`: a [`RetireReason`] in snake case |
///
/// The first two are OpenTelemetry's, as its [semantic conventions] name them. Connections that are only forwarded, as
/// those of HTTP/2 are, are `active`.
///
/// Origins are told apart, at most 100 of them ([`with_origins`](Self::with_origins)); the rest are
/// `other`, as are connections without an origin.
///
/// The metrics of an origin are registered with its first event, by the recorder that there is then: install it
/// before the first connection.
///
/// [semantic conventions]: https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
pub struct MetricsObserver {
    max_origins: NonZeroUsize,
    origins: RwLock<HashMap<Origin, Arc<Place>>>,
    others: Place,
    described: Once,
}

/// The place of an origin. Its metrics are registered when it has one, without the lock: a recorder is foreign code.
type Place = OnceLock<OriginMetrics>;

impl MetricsObserver {
    /// An observer that tells 100 origins apart.
    pub fn new() -> Self {
        Self::with_origins(ORIGINS)
    }

    /// An observer that tells so many origins apart.
    pub fn with_origins(max: NonZeroUsize) -> Self {
        Self {
            max_origins: max,
            origins: RwLock::default(),
            others: Place::default(),
            described: Once::new(),
        }
    }

    /// The place of an origin that is told apart.
    fn of(&self, origin: &Origin) -> Option<Arc<Place>> {
        let origins = self.origins.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = origins.get(origin) {
            return Some(Arc::clone(known));
        }
        if origins.len() >= self.max_origins.get() {
            return None;
        }
        drop(origins);
        let mut origins = self.origins.write().unwrap_or_else(PoisonError::into_inner);
        if origins.len() >= self.max_origins.get() && !origins.contains_key(origin) {
            return None;
        }
        // A clone would keep what is known of the origin.
        let key = origin.without_history();
        Some(Arc::clone(origins.entry(key).or_default()))
    }
}

impl Default for MetricsObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for MetricsObserver {
    fn on_event(&self, event: &ConnectionEvent<'_>) {
        self.described.call_once(describe);
        let place = event
            .origin
            .and_then(|origin| Some((origin, self.of(origin)?)));
        match place {
            Some((origin, place)) => place
                .get_or_init(|| OriginMetrics::of(origin))
                .on_event(event.kind),
            None => self
                .others
                .get_or_init(|| OriginMetrics::new(OTHER.to_owned(), OTHER.to_owned()))
                .on_event(event.kind),
        }
    }
}

impl fmt::Debug for MetricsObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsObserver")
            .field("max_origins", &self.max_origins)
            .finish_non_exhaustive()
    }
}

/// The metrics of one origin.
struct OriginMetrics {
    labels: [Label; 2],
    idle: Gauge,
    active: Gauge,
    duration: Histogram,
    idle_at_reuse: Histogram,
    idle_at_peer_close: Histogram,
    stale_failures: Counter,
}

impl OriginMetrics {
    fn of(origin: &Origin) -> Self {
        let port = origin.port().map(|port| port.to_string());
        Self::new(origin.host().to_owned(), port.unwrap_or_default())
    }

    fn new(address: String, port: String) -> Self {
        let labels = [
            Label::new("server.address", address),
            Label::new("server.port", port),
        ];
        let connections = |state| {
            let [address, port] = labels.clone();
            let state = Label::new("http.connection.state", state);
            gauge!(OPEN_CONNECTIONS, vec![state, address, port])
        };
        Self {
            idle: connections("idle"),
            active: connections("active"),
            duration: histogram!(DURATION, labels.iter()),
            idle_at_reuse: histogram!(IDLE_AT_REUSE, labels.iter()),
            idle_at_peer_close: histogram!(IDLE_AT_PEER_CLOSE, labels.iter()),
            stale_failures: counter!(STALE_FAILURES, labels.iter()),
            labels,
        }
    }

    fn on_event(&self, kind: EventKind) {
        match kind {
            EventKind::Opened { .. } => self.idle.increment(1),
            EventKind::RequestBegun {
                number,
                idle_before,
            } => {
                self.on_active();
                if number > 1 {
                    self.idle_at_reuse.record(idle_before);
                }
            }
            EventKind::ResponseEnded { .. } => {
                self.active.decrement(1);
                self.idle.increment(1);
            }
            EventKind::BecameOpaque { was_idle, .. } => {
                if was_idle {
                    self.on_active();
                }
            }
            EventKind::Closed {
                cause, idle, age, ..
            } => {
                let state = if idle.is_some() {
                    &self.idle
                } else {
                    &self.active
                };
                state.decrement(1);
                self.duration.record(age);
                match (cause, idle) {
                    (CloseCause::PeerIdle, Some(idle)) => self.idle_at_peer_close.record(idle),
                    (CloseCause::Retired(reason), _) => self.on_retired(reason),
                    (CloseCause::Stale, _) => self.stale_failures.increment(1),
                    _ => {}
                }
            }
            EventKind::HintHeard { .. }
            | EventKind::TimeoutLearned { .. }
            | EventKind::TimeoutForgotten { .. } => {}
        }
    }

    fn on_active(&self) {
        self.idle.decrement(1);
        self.active.increment(1);
    }

    fn on_retired(&self, reason: RetireReason) {
        let reason = match reason {
            RetireReason::IdleDeadline => "idle_deadline",
            RetireReason::MaxLifetime => "max_lifetime",
            RetireReason::MaxRequests => "max_requests",
            RetireReason::NoIdleAllowed => "no_idle_allowed",
            RetireReason::Requested => "requested",
            RetireReason::RequestLimit => "request_limit",
            RetireReason::ReuseDisabled => "reuse_disabled",
            RetireReason::Sibling => "sibling",
        };
        let [address, port] = self.labels.clone();
        counter!(RETIRED, vec![Label::new("reason", reason), address, port]).increment(1);
    }
}

fn describe() {
    describe_gauge!(
        OPEN_CONNECTIONS,
        "Number of outbound HTTP connections that are currently active or idle on the client."
    );
    describe_histogram!(
        DURATION,
        Unit::Seconds,
        "The duration of the successfully established outbound HTTP connections."
    );
    describe_histogram!(
        IDLE_AT_REUSE,
        Unit::Seconds,
        "For how long a connection had been idle that was reused."
    );
    describe_histogram!(
        IDLE_AT_PEER_CLOSE,
        Unit::Seconds,
        "For how long a connection had been idle that the server closed."
    );
    describe_counter!(
        STALE_FAILURES,
        "Requests on a reused connection that the server closed before the first byte of the response."
    );
    describe_counter!(RETIRED, "Connections that were retired, by reason.");
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use metrics::{Key, KeyName, Metadata, Recorder, SharedString, with_local_recorder};

    use super::*;

    /// While it registers the first metric of an origin, the first event of another comes, as on another thread.
    struct Meanwhile<'a> {
        observer: &'a MetricsObserver,
        other: Mutex<Option<Origin>>,
        addresses: Mutex<Vec<String>>,
    }

    impl Meanwhile<'_> {
        fn on_register(&self, key: &Key) {
            let address = key.labels().find(|label| label.key() == "server.address");
            let address = address.map(|label| label.value().to_owned());
            self.addresses.lock().unwrap().extend(address);
            let other = self.other.lock().unwrap().take();
            if let Some(other) = other {
                open(self.observer, &other);
            }
        }
    }

    impl Recorder for Meanwhile<'_> {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            self.on_register(key);
            Counter::noop()
        }

        fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
            self.on_register(key);
            Gauge::noop()
        }

        fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
            self.on_register(key);
            Histogram::noop()
        }
    }

    fn origin(uri: &str) -> Origin {
        Origin::of(&uri.parse().unwrap()).unwrap()
    }

    fn open(observer: &MetricsObserver, origin: &Origin) {
        let connecting = Duration::ZERO;
        let opened = EventKind::Opened { connecting };
        observer.on_event(&ConnectionEvent::new(0, Some(origin), opened));
    }

    #[test]
    fn origins_that_come_at_once_are_no_more_than_are_told_apart() {
        let observer = MetricsObserver::with_origins(NonZeroUsize::MIN);
        let recorder = Meanwhile {
            observer: &observer,
            other: Mutex::new(Some(origin("http://second.test"))),
            addresses: Mutex::default(),
        };

        with_local_recorder(&recorder, || {
            open(&observer, &origin("http://first.test"));
        });

        let addresses = recorder.addresses.into_inner().unwrap();
        for (address, is_registered) in
            [("first.test", true), (OTHER, true), ("second.test", false)]
        {
            assert_eq!(
                addresses.iter().any(|known| known == address),
                is_registered,
                "{addresses:?}"
            );
        }
    }
}
