//! What an observer is told, and that it can do no harm.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use http::Response;
use http_body_util::BodyExt;
use http_keepalive::{
    CloseCause, ConnectionEvent, ConnectionHandle, EventKind, KeepAlive, KeepAlivePolicy,
    OpaqueReason, RetireReason, Stats,
};
use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tower::ServiceExt;

use crate::support::client::{Guarded, builder, exchange, get, guarded};
use crate::support::link::Link;
use crate::support::server::{LinkConnector, Server};
use crate::support::wire::{FarEnds, Peer, WireConnector, wires};

const URI: &str = "http://server.test/";

/// From one end to the other.
const ONE_WAY: Duration = Duration::from_millis(10);
const RTT: Duration = Duration::from_millis(20);

const SECOND: Duration = Duration::from_secs(1);

/// What an observer was told: connections, and what happened on them.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<(u64, EventKind)>>>);

impl Told {
    fn keep_alive(&self, policy: KeepAlivePolicy) -> KeepAlive {
        let told = self.clone();
        let observer = move |event: &ConnectionEvent<'_>| {
            assert_eq!(
                event.origin.map(ToString::to_string).as_deref(),
                Some("http://server.test")
            );
            told.0.lock().unwrap().push((event.connection, event.kind));
        };
        builder().policy(policy).observer(observer).build().unwrap()
    }

    fn all(&self) -> Vec<(u64, EventKind)> {
        self.0.lock().unwrap().clone()
    }

    fn kinds(&self) -> Vec<EventKind> {
        self.all().into_iter().map(|(_, kind)| kind).collect()
    }

    /// How the only connection ended, after how long an idle time.
    #[track_caller]
    fn close(&self) -> (CloseCause, Option<Duration>) {
        let closes: Vec<_> = self
            .kinds()
            .into_iter()
            .filter_map(|kind| match kind {
                EventKind::Closed { cause, idle, .. } => Some((cause, idle)),
                _ => None,
            })
            .collect();
        let [close] = closes[..] else {
            panic!("expected one close: {:?}", self.all());
        };
        close
    }
}

/// As a debug text, for the variants cannot be made here.
fn texts(kinds: &[EventKind]) -> Vec<String> {
    kinds.iter().map(|kind| format!("{kind:?}")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_life_of_a_connection_is_told_from_its_opening_to_its_end() {
    let told = Told::default();
    let keep_alive = told.keep_alive(KeepAlivePolicy::default());
    let server = Server::builder().hint("timeout=7, max=100").build();
    let client = guarded(&keep_alive, server.connector(Link::new().latency(ONE_WAY)));

    exchange(&client, get(URI)).await.unwrap();
    sleep(2 * SECOND).await;
    exchange(&client, get(URI)).await.unwrap();
    server.closed(1).await;

    assert_eq!(
        texts(&told.kinds()),
        [
            "Opened { connecting: 20ms }",
            "RequestBegun { number: 1, idle_before: 0ns }",
            "HintHeard { hint: KeepAliveHint { timeout: Some(7s), max: Some(100) } }",
            "ResponseEnded { elapsed: 20ms }",
            "RequestBegun { number: 2, idle_before: 2s }",
            "HintHeard { hint: KeepAliveHint { timeout: Some(7s), max: Some(100) } }",
            "ResponseEnded { elapsed: 20ms }",
            // A margin of 0.7 s before 7 s since the request was sent.
            "Closed { cause: Retired(IdleDeadline), idle: Some(6.28s), age: 8.32s, requests: 2 }",
        ]
    );
    assert!(told.all().iter().all(|(connection, _)| *connection == 0));
}

/// One connection, whose server the test is.
struct Rig {
    told: Told,
    client: Guarded<WireConnector>,
    ends: FarEnds,
}

impl Rig {
    fn new() -> Self {
        let told = Told::default();
        let (connector, ends) = wires(Link::new().latency(ONE_WAY), Connected::new);
        let client = guarded(&told.keep_alive(KeepAlivePolicy::default()), connector);
        Self { told, client, ends }
    }

    /// The far end of a connection that served one request, and was idle since.
    async fn used(&mut self) -> Peer {
        let (answer, peer) = tokio::join!(exchange(&self.client, get(URI)), async {
            let mut peer = self.ends.peer().await;
            peer.serve("").await;
            peer
        });
        answer.unwrap();
        sleep(SECOND).await;
        peer
    }
}

mod a_close_is_told_with_its_cause {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn by_the_server_while_idle() {
        let mut rig = Rig::new();

        drop(rig.used().await);
        sleep(SECOND).await;

        let idle = Some(SECOND + ONE_WAY);
        assert_eq!(rig.told.close(), (CloseCause::PeerIdle, idle));
    }

    #[tokio::test(start_paused = true)]
    async fn by_the_server_as_the_next_request_is_on_its_way() {
        let mut rig = Rig::new();
        let peer = rig.used().await;

        let (answer, ()) = tokio::join!(exchange(&rig.client, get(URI)), async { drop(peer) });

        answer.unwrap_err();
        assert_eq!(rig.told.close(), (CloseCause::Stale, None));
    }

    #[tokio::test(start_paused = true)]
    async fn by_the_server_in_place_of_its_first_response() {
        let mut rig = Rig::new();

        let (answer, ()) = tokio::join!(exchange(&rig.client, get(URI)), async {
            let mut peer = rig.ends.peer().await;
            peer.request().await.unwrap();
        });

        answer.unwrap_err();
        assert_eq!(rig.told.close(), (CloseCause::PeerBusy, None));
    }

    #[tokio::test(start_paused = true)]
    async fn by_a_response_that_lasts_until_then() {
        let mut rig = Rig::new();

        let (answer, ()) = tokio::join!(exchange(&rig.client, get(URI)), async {
            let mut peer = rig.ends.peer().await;
            peer.request().await.unwrap();
            peer.send("HTTP/1.1 200 OK\r\n\r\nto the end").await;
        });

        assert_eq!(answer.unwrap().body(), "to the end");
        assert_eq!(rig.told.close(), (CloseCause::Delimited, None));
    }

    #[tokio::test(start_paused = true)]
    async fn by_this_side() {
        let mut rig = Rig::new();
        let _peer = rig.used().await;

        drop(rig.client);
        sleep(SECOND).await;

        assert_eq!(rig.told.close(), (CloseCause::Client, Some(SECOND)));
    }

    #[tokio::test(start_paused = true)]
    async fn by_this_side_in_the_middle_of_a_response() {
        let mut rig = Rig::new();
        let client = rig.client.clone();
        let asked = tokio::spawn(async move {
            let response: Response<_> = client.oneshot(get(URI)).await.unwrap();
            response.into_body().collect().await
        });
        let mut peer = rig.ends.peer().await;
        peer.request().await.unwrap();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
            .await;
        sleep(SECOND).await;

        asked.abort();
        sleep(SECOND).await;

        assert_eq!(rig.told.close(), (CloseCause::Client, None));
    }

    #[tokio::test(start_paused = true)]
    async fn after_bytes_that_answer_no_request() {
        let mut rig = Rig::new();
        let mut peer = rig.used().await;

        peer.send("HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n")
            .await;
        drop(peer);
        sleep(SECOND).await;

        let opaque = "BecameOpaque { reason: Unsolicited, was_idle: true }";
        assert!(texts(&rig.told.kinds()).contains(&opaque.to_owned()));
        let cause = CloseCause::Opaque(OpaqueReason::Unsolicited);
        assert_eq!(rig.told.close(), (cause, None));
    }

    #[tokio::test(start_paused = true)]
    async fn as_it_was_asked_for() {
        let mut rig = Rig::new();
        let (answer, _peer) = tokio::join!(exchange(&rig.client, get(URI)), async {
            let mut peer = rig.ends.peer().await;
            peer.serve("").await;
            peer
        });
        let handle: ConnectionHandle = answer.unwrap().extensions_mut().remove().unwrap();
        sleep(SECOND).await;

        handle.retire();
        sleep(SECOND).await;

        let cause = CloseCause::Retired(RetireReason::Requested);
        assert_eq!(rig.told.close(), (cause, Some(SECOND)));
    }
}

/// As a client does whose request has a body that takes longer than the response: it writes on.
#[tokio::test(start_paused = true)]
async fn nothing_is_told_of_a_connection_after_its_end() {
    let told = Told::default();
    let keep_alive = told.keep_alive(KeepAlivePolicy::default());
    let (connector, mut ends) = wires(Link::new().latency(ONE_WAY), Connected::new);
    let connection = keep_alive
        .connector(connector)
        .oneshot(URI.parse().unwrap());
    let mut connection = TokioIo::new(connection.await.unwrap());
    let mut end = ends.accept().await.unwrap();

    let begun = b"POST / HTTP/1.1\r\ncontent-length: 8\r\n\r\nhalf";
    connection.write_all(begun).await.unwrap();
    end.write_all(b"HTTP/1.1 200 OK\r\n\r\nto the end")
        .await
        .unwrap();
    end.shutdown().await.unwrap();
    connection.read_to_end(&mut Vec::new()).await.unwrap();
    connection.write_all(b"half").await.unwrap();
    connection.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    drop(connection);

    assert_eq!(
        texts(&told.kinds()),
        [
            "Opened { connecting: 0ns }",
            "RequestBegun { number: 1, idle_before: 0ns }",
            "Closed { cause: Delimited, idle: None, age: 10ms, requests: 1 }",
        ]
    );
}

/// It calls back all there is: none of this crate's locks is held.
#[tokio::test(start_paused = true)]
async fn an_observer_may_call_back() {
    let keep_alive: Arc<OnceLock<KeepAlive>> = Arc::default();
    let handle: Arc<OnceLock<ConnectionHandle>> = Arc::default();
    let calls = Arc::new(AtomicUsize::new(0));
    let observer = {
        let (keep_alive, handle, calls) = (keep_alive.clone(), handle.clone(), calls.clone());
        move |event: &ConnectionEvent<'_>| {
            let (Some(keep_alive), Some(handle)) = (keep_alive.get(), handle.get()) else {
                return;
            };
            calls.fetch_add(1, Ordering::Relaxed);
            let _ = (
                keep_alive.stats(),
                keep_alive.origins(),
                format!("{handle:?} {event:?}"),
            );
            if matches!(event.kind, EventKind::ResponseEnded { .. }) {
                keep_alive.retire_all();
                handle.retire();
            }
        }
    };
    let built = keep_alive.get_or_init(|| builder().observer(observer).build().unwrap());
    let server = Server::builder().hint("timeout=5").build();
    let client: Guarded<LinkConnector> =
        guarded(built, server.connector(Link::new().latency(ONE_WAY)));

    let mut response = exchange(&client, get(URI)).await.unwrap();
    handle
        .set(response.extensions_mut().remove().unwrap())
        .unwrap();
    exchange(&client, get(URI)).await.unwrap();

    server.closed(1).await;
    assert!(calls.load(Ordering::Relaxed) >= 4);
    assert_eq!(built.stats().retired.requested, 1);
}

/// What thirty users cost who are gone, and come back, with such an observer.
async fn stats_with(observer: impl Fn(&ConnectionEvent<'_>) + Send + Sync + 'static) -> Stats {
    let keep_alive = builder().observer(observer).build().unwrap();
    let server = Server::builder()
        .hint("timeout=5")
        .idle_timeout(5 * SECOND)
        .build();
    let client = guarded(&keep_alive, server.connector(Link::new().latency(ONE_WAY)));
    for round in 0..10 {
        let users = (0..30).map(|_| exchange(&client, get(URI)));
        for answer in futures_util::future::join_all(users).await {
            answer.unwrap();
        }
        sleep(SECOND * round).await;
    }
    server.closed(server.connections()).await;
    sleep(RTT).await;
    keep_alive.stats()
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_observer_harms_no_connection() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    // Its panics are no news.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() != Some(&"of an observer") {
            hook(info);
        }
    }));

    let with_panics = stats_with(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::panic::panic_any("of an observer");
    })
    .await;

    assert!(calls.load(Ordering::Relaxed) > 600);
    assert_eq!(with_panics, stats_with(|_| ()).await);
}

#[tokio::test(start_paused = true)]
async fn the_numbers_are_those_of_the_events() {
    let count = Arc::new(Mutex::new(Stats::default()));
    let counted = Arc::clone(&count);

    let stats = stats_with(move |event| {
        let mut count = counted.lock().unwrap();
        match event.kind {
            EventKind::Opened { .. } => count.opened += 1,
            EventKind::RequestBegun { number, .. } => {
                count.exchanges += 1;
                count.reused += u64::from(number > 1);
            }
            EventKind::HintHeard { .. } => count.hints += 1,
            EventKind::Closed { cause, .. } => match cause {
                CloseCause::Retired(RetireReason::IdleDeadline) => count.retired.idle_deadline += 1,
                CloseCause::PeerIdle => count.closed_while_idle += 1,
                other => panic!("{other:?}"),
            },
            _ => {}
        }
    })
    .await;

    assert_eq!(stats, *count.lock().unwrap());
    assert_eq!(stats.exchanges, 300);
    let table = stats.to_string();
    for (name, number) in [
        ("connections opened", stats.opened),
        ("    at the idle deadline", stats.retired.idle_deadline),
        ("requests", 300),
        ("  on a reused connection", stats.reused),
        ("  failed stale", 0),
        ("hints", 300),
    ] {
        let row = format!("{name:<36}{number:>12}");
        assert!(table.lines().any(|line| line == row), "{row:?} in\n{table}");
    }
    assert!(
        !table.contains("HTTP/2"),
        "what never happened is left out:\n{table}"
    );
}

/// The log of errors of a connection that broke is the caller's.
#[tokio::test(start_paused = true)]
async fn an_observer_does_not_change_errors() {
    let mut rig = Rig::new();
    let peer = rig.used().await;

    let (answer, ()) = tokio::join!(exchange(&rig.client, get(URI)), async { peer.reset() });

    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&*answer.unwrap_err());
    let mut kinds = Vec::new();
    while let Some(error) = source {
        kinds.extend(error.downcast_ref().map(io::Error::kind));
        source = error.source();
    }
    assert_eq!(kinds, [io::ErrorKind::ConnectionReset]);
}
