//! A policy for each origin, and what a single request may ask for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::client::{Guarded, builder, exchange, get, guarded, post};
use crate::support::link::Link;
use crate::support::server::{LinkConnector, Server};
use http::header::CONNECTION;
use http_keepalive::{KeepAlive, KeepAliveBuilder, KeepAlivePolicy, Origin, OriginMatcher};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

/// What the defaults give a silent server is 4 s; this gives 45 s.
fn patient() -> KeepAlivePolicy {
    KeepAlivePolicy::default()
        .max_idle(60 * SECOND)
        .safety_margin(15 * SECOND)
}

fn client(keep_alive: &KeepAlive, server: &Server) -> Guarded<LinkConnector> {
    guarded(keep_alive, server.connector(Link::new()))
}

/// Whether a connection to each of these is still used after it has been idle for so long.
async fn is_reused(keep_alive: &KeepAlive, uri: &str, idle: Duration) -> bool {
    let server = Server::builder().build();
    let client = client(keep_alive, &server);
    exchange(&client, post(uri, "first")).await.unwrap();
    sleep(idle).await;
    exchange(&client, post(uri, "second")).await.unwrap();
    server.connections() == 1
}

#[tokio::test(start_paused = true)]
async fn each_connection_follows_the_policy_of_its_origin() {
    let uri = "https://uri.test:8443".parse::<http::Uri>().unwrap();
    let keep_alive = builder()
        .policy_for("http://exact.test:8080", patient())
        .policy_for(uri.clone(), patient())
        .policy_for("host.test", patient())
        .policy_for("*.below.test", patient())
        .policy_for(
            OriginMatcher::matching(|origin| origin.port() == Some(81)),
            patient(),
        )
        .build()
        .unwrap();

    for (uri, is_patient) in [
        ("http://exact.test:8080/path", true),
        ("http://exact.test/path", false),
        ("http://HOST.test/", true),
        ("http://host.test:99/", true),
        ("http://a.host.test/", false),
        ("http://a.b.below.test/", true),
        ("http://below.test/", false),
        ("http://other.test:81/", true),
        ("http://other.test:82/", false),
    ] {
        let of_origin = Origin::of(&uri.parse().unwrap()).unwrap();
        let expected = if is_patient {
            patient()
        } else {
            *keep_alive.policy()
        };
        assert_eq!(*keep_alive.policy_of(&of_origin), expected, "{uri}");
        let reused = is_reused(&keep_alive, uri, 30 * SECOND).await;
        assert_eq!(reused, is_patient, "{uri}");
        assert!(!is_reused(&keep_alive, uri, 50 * SECOND).await, "{uri}");
    }
    let of_uri = Origin::of(&uri).unwrap();
    assert_eq!(*keep_alive.policy_of(&of_uri), patient());
}

#[tokio::test(start_paused = true)]
async fn the_first_policy_that_matches_wins_and_holds_as_a_whole() {
    let never = KeepAlivePolicy::default().reuse(false);
    for (first, second, expected) in [(patient(), never, true), (never, patient(), false)] {
        let keep_alive = builder()
            .policy_for("api.example.test", first)
            .policy_for("*.example.test", second)
            // Given last, and still the one of all others only.
            .policy(KeepAlivePolicy::default().max_idle(SECOND))
            .build()
            .unwrap();

        let uri = "http://api.example.test/";
        assert_eq!(is_reused(&keep_alive, uri, 30 * SECOND).await, expected);
        let uri = "http://other.example.test/";
        assert_eq!(is_reused(&keep_alive, uri, 30 * SECOND).await, !expected);
    }
}

#[tokio::test(start_paused = true)]
async fn hints_of_one_origin_may_count_for_nothing() {
    let keep_alive = builder()
        .policy_for("liar.test", KeepAlivePolicy::default().hints(false))
        .build()
        .unwrap();

    for (uri, reused) in [("http://liar.test/", false), ("http://honest.test/", true)] {
        let server = Server::builder().hint("timeout=60").build();
        let client = client(&keep_alive, &server);
        exchange(&client, get(uri)).await.unwrap();
        sleep(30 * SECOND).await;
        exchange(&client, get(uri)).await.unwrap();
        assert_eq!(server.connections() == 1, reused, "{uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_layer_asks_only_origins_without_reuse_to_close() {
    let asked = |keep_alive: KeepAlive, uri: &'static str| async move {
        let server = Server::builder().build();
        let client = client(&keep_alive, &server);
        exchange(&client, get(uri)).await.unwrap();
        server.requests()[0].headers[CONNECTION].clone()
    };
    let never = KeepAlivePolicy::default().reuse(false);
    let build = |builder: KeepAliveBuilder| builder.build().unwrap();

    let one_not = || build(builder().policy_for("one.test", never));
    assert_eq!(asked(one_not(), "http://one.test/").await, "close");
    assert_eq!(asked(one_not(), "http://other.test/").await, "keep-alive");
    let only_one = || build(builder().policy_for("one.test", patient()).policy(never));
    assert_eq!(asked(only_one(), "http://one.test/").await, "keep-alive");
    assert_eq!(asked(only_one(), "http://other.test/").await, "close");
}

#[tokio::test(start_paused = true)]
async fn a_policy_is_looked_up_once_a_connection() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let matcher = OriginMatcher::matching(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        true
    });
    let keep_alive = builder().policy_for(matcher, patient()).build().unwrap();
    let server = Server::builder().build();
    let client = client(&keep_alive, &server);

    for _ in 0..10 {
        exchange(&client, get("http://server.test/")).await.unwrap();
    }

    assert_eq!(server.connections(), 1);
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

#[test]
fn a_policy_that_makes_no_sense_is_refused_and_says_for_which_origin() {
    let wrong_policy = KeepAlivePolicy::default().max_idle(Duration::ZERO);
    let refused = |builder: KeepAliveBuilder| builder.build().unwrap_err().to_string();

    let text = refused(builder().policy_for("*.example.com", wrong_policy));
    assert!(text.contains("`*.example.com`"), "{text}");
    assert!(text.contains("`max_idle` is zero, expected"), "{text}");

    let text = refused(builder().policy_for("example.com/path", KeepAlivePolicy::default()));
    assert!(text.contains("`example.com/path`"), "{text}");
    assert!(text.contains("expected an origin"), "{text}");

    let text = refused(builder().policy(wrong_policy));
    assert!(text.starts_with("`max_idle`"), "{text}");
}

/// What is counted for a connection is counted after its policy is known: a connection that is not opened
/// counts for none.
#[tokio::test(start_paused = true)]
async fn a_policy_closure_that_panics_does_not_have_its_server_asked_for_ever() {
    let server = Server::builder().build();
    let panics = OriginMatcher::matching(|origin| {
        assert_ne!(origin.host(), "panics.test");
        false
    });
    let keep_alive = builder().policy_for(panics, patient()).build().unwrap();
    let client = client(&keep_alive, &server);
    let connecting = {
        let client = client.clone();
        tokio::spawn(async move { exchange(&client, get("http://panics.test/")).await.is_ok() })
    };
    assert!(!connecting.await.is_ok_and(|is_ok| is_ok));

    for _ in 0..3 {
        exchange(&client, get("http://server.test/")).await.unwrap();
    }

    let asked: Vec<_> = server
        .requests()
        .iter()
        .map(|request| request.headers.contains_key(CONNECTION))
        .collect();
    assert_eq!(asked, [true, false, false]);
    assert_eq!(keep_alive.stats().opened, 1);
}
