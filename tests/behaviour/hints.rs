//! What a server says of how long it keeps a connection, and what follows from it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::client::{
    Guarded, HttpClient, exchange, get, keep_alive, plain, unlayered, unlayered_with,
};
use crate::support::link::Link;
use crate::support::server::{LinkConnector, SeenRequest, Server, full};
use bytes::Bytes;
use http::Response;
use http::header::CONNECTION;
use http_keepalive::{ConnectionHandle, KeepAlive, KeepAliveHint, KeepAlivePolicy, Learn};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt};

const URI: &str = "http://server.test/";

/// What a silent server gets by default.
const SILENT: Duration = Duration::from_millis(4_500);

/// Both halves, in a client whose own pool keeps connections for as long as they are open.
fn guarded(keep_alive: &KeepAlive, server: &Server) -> Guarded<LinkConnector> {
    let client = unlayered_with(
        keep_alive,
        server.connector(Link::new()),
        |legacy| {
            legacy.pool_idle_timeout(None);
        },
        |_| {},
    );
    keep_alive.layer().layer(client)
}

/// How long a connection idles after a response with this hint.
async fn idles(policy: KeepAlivePolicy, hint: &str) -> (Duration, KeepAlive) {
    let keep_alive = keep_alive(policy);
    let server = Server::builder().hint(hint).build();
    let client = guarded(&keep_alive, &server);
    let response = exchange(&client, get(URI)).await.unwrap();
    assert_eq!(response.body(), "ok");
    let finished = Instant::now();
    server.closed(1).await;
    (finished.elapsed(), keep_alive)
}

#[tokio::test(start_paused = true)]
async fn a_hint_wins_over_the_policy_in_both_directions() {
    for (hint, expected) in [
        ("timeout=1", Duration::from_millis(900)),
        ("timeout=2", Duration::from_millis(1_800)),
        ("timeout=5, max=100", Duration::from_millis(4_500)),
        ("timeout=60", Duration::from_secs(59)),
        ("max=100", SILENT),
        ("timeout=soon", SILENT),
    ] {
        let (idle, _) = idles(KeepAlivePolicy::default(), hint).await;
        assert_eq!(idle, expected, "{hint}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_of_zero_closes_right_after_the_exchange() {
    for hint in [
        "timeout=0",
        "timeout=0, max=100",
        "max=0",
        "timeout=60, max=0",
    ] {
        let (idle, keep_alive) = idles(KeepAlivePolicy::default(), hint).await;
        assert_eq!(idle, Duration::ZERO, "{hint}");
        assert_eq!(keep_alive.stats().retired.total(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_believed_up_to_the_ceiling() {
    for hint in ["timeout=601", "timeout=99999999999999999999"] {
        let (idle, keep_alive) = idles(KeepAlivePolicy::default(), hint).await;
        assert_eq!(idle, Duration::from_secs(599), "{hint}");
        assert_eq!(keep_alive.stats().clamped_hints, 1);
    }
    let (idle, keep_alive) = idles(KeepAlivePolicy::default(), "timeout=600").await;
    assert_eq!(idle, Duration::from_secs(599));
    assert_eq!(keep_alive.stats().clamped_hints, 0);
}

#[tokio::test(start_paused = true)]
async fn hints_that_are_not_honoured_change_nothing() {
    for hint in ["timeout=2", "timeout=60", "timeout=0", "max=0"] {
        let (idle, keep_alive) = idles(KeepAlivePolicy::default().hints(false), hint).await;
        assert_eq!(idle, SILENT, "{hint}");
        assert_eq!(keep_alive.stats().hints, 1, "it was seen all the same");
    }
}

#[tokio::test(start_paused = true)]
async fn the_connector_applies_a_hint_without_the_layer() {
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let server = Server::builder().hint("timeout=2").build();
    let client = unlayered(&keep_alive, server.connector(Link::new()));
    exchange(&client, get(URI)).await.unwrap();
    let finished = Instant::now();

    server.closed(1).await;

    assert_eq!(finished.elapsed(), Duration::from_millis(1_800));
    assert_eq!(keep_alive.stats().hints, 1);
}

/// The hint is known before the response ends, and so before the connection is found to have no idle time.
#[tokio::test(start_paused = true)]
async fn a_hint_is_in_time_where_policy_alone_leaves_nothing() {
    let policy = KeepAlivePolicy::default().safety_margin(Duration::from_secs(5));
    for with_layer in [false, true] {
        let keep_alive = keep_alive(policy);
        let server = Server::builder().hint("timeout=60").build();
        let bare = unlayered(&keep_alive, server.connector(Link::new()));
        for _ in 0..3 {
            if with_layer {
                let client = keep_alive.layer().layer(bare.clone());
                exchange(&client, get(URI)).await.unwrap();
            } else {
                exchange(&bare, get(URI)).await.unwrap();
            }
        }
        assert_eq!(server.connections(), 1, "with the layer: {with_layer}");
        assert_eq!(keep_alive.stats().hints, 3, "each is counted once");
    }
}

/// Apache httpd and Tomcat say nothing to those who do not ask.
#[tokio::test(start_paused = true)]
async fn the_layer_asks_servers_that_want_to_be_asked() {
    let server = Server::builder().hint("timeout=2").hint_if_asked().build();
    let response = exchange(&plain(server.connector(Link::new())), get(URI))
        .await
        .unwrap();
    assert!(
        !response.headers().contains_key("keep-alive"),
        "hyper does not ask"
    );

    let client = guarded(&keep_alive(KeepAlivePolicy::default()), &server);
    let response = exchange(&client, get(URI)).await.unwrap();

    let hint = KeepAliveHint::new().with_timeout(Duration::from_secs(2));
    let connection = response.extensions().get::<ConnectionHandle>().unwrap();
    assert_eq!(connection.hint(), Some(hint));
    assert_eq!(
        response.extensions().get::<KeepAliveHint>(),
        None,
        "the connection has it"
    );
    assert_eq!(
        response.headers()["keep-alive"],
        "timeout=2",
        "the field itself stays"
    );
}

/// A server whose responses carry these hints in turn, the last one for ever.
fn server_with_hints(hints: &'static [Option<&'static str>]) -> Server {
    let turn = AtomicUsize::new(0);
    Server::builder()
        .handler(move |_| {
            let turn = turn.fetch_add(1, Ordering::Relaxed).min(hints.len() - 1);
            let mut response = Response::new(full("ok"));
            if let Some(hint) = hints[turn] {
                let hint = hint.parse().unwrap();
                response.headers_mut().insert("keep-alive", hint);
            }
            async move { response }
        })
        .build()
}

#[tokio::test(start_paused = true)]
async fn the_last_hint_stands_until_another_replaces_it() {
    let server = server_with_hints(&[
        Some("timeout=60"),
        Some("timeout=2"),
        None,
        Some("timeout=8"),
        None,
    ]);
    let client = guarded(&keep_alive(KeepAlivePolicy::default()), &server);
    for allowed in [59_000, 1_800, 1_800, 7_200, 7_200].map(Duration::from_millis) {
        let response = exchange(&client, get(URI)).await.unwrap();
        let handle: &ConnectionHandle = response.extensions().get().unwrap();
        let deadline = Instant::from_std(handle.deadline().unwrap());
        assert_eq!(deadline - Instant::now(), allowed);
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn another_connection_begins_without_a_hint() {
    let server = server_with_hints(&[Some("timeout=2"), None]);
    let client = guarded(&keep_alive(KeepAlivePolicy::default()), &server);
    exchange(&client, get(URI)).await.unwrap();
    sleep(Duration::from_secs(2)).await;

    exchange(&client, get(URI)).await.unwrap();
    let finished = Instant::now();
    server.closed(2).await;

    assert_eq!(finished.elapsed(), SILENT);
}

mod the_requests_that_a_server_takes {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn are_counted_from_the_response_that_says_so() {
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        let server = Server::builder().hint("timeout=60, max=3").build();
        let client = guarded(&keep_alive, &server);

        // Each response says that three more may follow.
        for _ in 0..10 {
            exchange(&client, get(URI)).await.unwrap();
        }

        assert_eq!(server.connections(), 1);
        assert_eq!(keep_alive.stats().retired.request_limit, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn are_not_exceeded() {
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        let server = server_with_hints(&[
            Some("timeout=60, max=2"),
            Some("timeout=60, max=1"),
            Some("timeout=60, max=0"),
            Some("timeout=60, max=2"),
            None,
        ]);
        let client = guarded(&keep_alive, &server);

        for _ in 0..8 {
            exchange(&client, get(URI)).await.unwrap();
        }

        let per_connection: Vec<_> = (0..server.connections())
            .map(|connection| {
                let requests = server.requests();
                requests
                    .iter()
                    .filter(|seen| seen.connection == connection)
                    .count()
            })
            .collect();
        assert_eq!(per_connection, [3, 3, 2]);
        assert_eq!(keep_alive.stats().retired.request_limit, 2);
    }

    /// The control: hyper-util's client asks on, whatever the server says.
    #[tokio::test(start_paused = true)]
    async fn are_exceeded_without_this_crate() {
        let server = Server::builder().hint("timeout=60, max=0").build();
        let client = plain(server.connector(Link::new()));

        for _ in 0..8 {
            exchange(&client, get(URI)).await.unwrap();
        }

        assert_eq!(server.connections(), 1);
    }
}

/// A response may be looked at long after it came; only then does its hint reach the connection.
mod a_hint_that_is_read_late {
    use super::*;

    /// Sends a request and looks at its response only `late` after it came. Returns when, since then,
    /// the connection was closed.
    async fn idles(hint: &str, late: Duration) -> Duration {
        let server = Server::builder().hint(hint).build();
        let client = guarded(&keep_alive(KeepAlivePolicy::default()), &server);
        let mut response = Box::pin(client.clone().oneshot(get(URI)));
        // Gets the request on its way, and no more. hyper-util's client reads the response in another task, and the own
        // one not before it is polled again.
        let seen = async {
            while server.requests().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = seen => {}
            _ = &mut response => panic!("it is not looked at yet"),
        }
        sleep(Duration::from_millis(1)).await;
        let finished = Instant::now();
        sleep(late).await;
        let response = response.await.unwrap();
        drop(response);
        server.closed(1).await;
        drop(client);
        finished.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn brings_the_deadline_forward() {
        let idle = idles("timeout=2", Duration::from_secs(1)).await;
        assert!(idle <= Duration::from_millis(1_800), "{idle:?}");
        assert!(idle >= Duration::from_millis(1_790), "{idle:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn closes_a_connection_whose_deadline_it_shows_to_be_past() {
        let idle = idles("timeout=2", Duration::from_secs(3)).await;
        assert_eq!(idle, Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn puts_the_deadline_off() {
        let idle = idles("timeout=60", Duration::from_secs(1)).await;
        assert!(idle >= Duration::from_millis(58_990), "{idle:?}");
    }
}

mod a_server_that_answers_only_who_asks {
    use super::*;

    const LATENCY: Duration = Duration::from_millis(40);

    /// Closes after two seconds, and says so if asked. An answer takes a while, so that requests that
    /// are made at once are under way at once.
    fn server() -> Server {
        Server::builder()
            .idle_timeout(Duration::from_secs(2))
            .hint("timeout=2")
            .hint_if_asked()
            .handler(|_| async {
                sleep(Duration::from_millis(100)).await;
                Response::new(full("ok"))
            })
            .build()
    }

    /// What is left of two seconds, less a tenth, when the answer has come.
    const ALLOWED: Duration = Duration::from_millis(1_800 - 100);

    /// Which requests asked, in the order in which they came.
    fn asked(server: &Server) -> Vec<bool> {
        let requests = server.requests();
        let asks = |request: &SeenRequest| request.headers.contains_key(CONNECTION);
        requests.iter().map(asks).collect()
    }

    fn allowed(response: &Response<Bytes>) -> Duration {
        let handle: &ConnectionHandle = response.extensions().get().unwrap();
        Instant::from_std(handle.deadline().unwrap()) - Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn is_asked_once_a_connection() {
        let server = server();
        let client = guarded(&keep_alive(KeepAlivePolicy::default()), &server);

        for _ in 0..3 {
            let response = exchange(&client, get(URI)).await.unwrap();
            assert_eq!(allowed(&response), ALLOWED);
        }
        assert_eq!(asked(&server), [true, false, false]);

        sleep(Duration::from_secs(2)).await;
        exchange(&client, get(URI)).await.unwrap();
        assert_eq!(server.connections(), 2);
        assert!(asked(&server)[3], "no connection is open any more");
    }

    #[tokio::test(start_paused = true)]
    async fn is_asked_again_for_a_connection_that_was_opened_beside_others() {
        let server = server();
        let client = guarded(&keep_alive(KeepAlivePolicy::default()), &server);
        exchange(&client, get(URI)).await.unwrap();

        let (one, other) = tokio::join!(exchange(&client, get(URI)), exchange(&client, get(URI)));
        for response in [one.unwrap(), other.unwrap()] {
            let what = "what the server said on the first counts for the second";
            assert_eq!(allowed(&response), ALLOWED, "{what}");
        }
        assert_eq!(server.connections(), 2);
        assert_eq!(asked(&server), [true, false, false]);

        let both = tokio::join!(exchange(&client, get(URI)), exchange(&client, get(URI)));
        both.0.unwrap();
        both.1.unwrap();
        assert_eq!(
            asked(&server)[3..],
            [true, true],
            "the second was not asked yet"
        );

        exchange(&client, get(URI)).await.unwrap();
        assert!(!asked(&server)[5], "now both were");
    }

    /// Two requests at once, again and again, with pauses up to the server's timeout.
    async fn failures<S: HttpClient>(client: &S) -> usize {
        let mut failures = 0;
        exchange(client, get(URI)).await.unwrap();
        for pause in [1_950, 1_900, 1_970, 1_930, 1_980].map(Duration::from_millis) {
            let (one, other) = tokio::join!(exchange(client, get(URI)), exchange(client, get(URI)));
            failures += usize::from(one.is_err()) + usize::from(other.is_err());
            sleep(pause).await;
        }
        failures
    }

    #[tokio::test(start_paused = true)]
    async fn loses_no_request_on_a_connection_that_was_not_asked_yet() {
        let server = server();
        let connector = server.connector(Link::new().latency(LATENCY));
        let client =
            crate::support::client::guarded(&keep_alive(KeepAlivePolicy::default()), connector);

        assert_eq!(failures(&client).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn loses_requests_of_a_client_that_neither_asks_nor_learns() {
        let server = server();
        let connector = server.connector(Link::new().latency(LATENCY));
        let keep_alive = keep_alive(KeepAlivePolicy::default().learn(Learn::Off));
        let client = unlayered(&keep_alive, connector);

        assert!(failures(&client).await > 0);
    }

    #[tokio::test(start_paused = true)]
    async fn is_asked_each_time_where_the_connections_are_not_the_layers_own() {
        let server = server();
        let client = plain(server.connector(Link::new()));
        let client = keep_alive(KeepAlivePolicy::default()).layer().layer(client);
        let other = guarded(&keep_alive(KeepAlivePolicy::default()), &server);
        let other = keep_alive(KeepAlivePolicy::default())
            .layer()
            .layer(other.into_inner());

        for _ in 0..3 {
            exchange(&client, get(URI)).await.unwrap();
            exchange(&other, get(URI)).await.unwrap();
        }

        assert_eq!(asked(&server), [true; 6]);
    }
}
