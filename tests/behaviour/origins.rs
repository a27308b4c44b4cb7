//! What is known of origins: shown to people, and given to another process.

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

use crate::support::client::{builder, exchange, get, guarded, post};
use crate::support::link::Link;
use crate::support::server::Server;
use http_keepalive::{EvidenceKind, KeepAlive, KeepAlivePolicy, Learn, OriginSnapshot};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);
const RTT: Duration = Duration::from_millis(80);
const URI: &str = "http://server.test/";

fn link() -> Link {
    Link::new().latency(RTT / 2)
}

/// What is known of a server after two requests, with a connection left idle after each.
async fn known_of(server: &Server, policy: KeepAlivePolicy, idle: Duration) -> OriginSnapshot {
    let keep_alive = builder().policy(policy).build().unwrap();
    let client = guarded(&keep_alive, server.connector(link()));
    for _ in 0..2 {
        exchange(&client, get(URI)).await.unwrap();
        sleep(idle).await;
    }
    let [known] = keep_alive.origins().try_into().unwrap();
    known
}

/// A server that closes after 2 s, and what a client that expects 5 s of it has seen.
async fn seen_to_close() -> (Server, OriginSnapshot) {
    let server = Server::builder().idle_timeout(2 * SECOND).build();
    let known = known_of(&server, KeepAlivePolicy::default(), 3 * SECOND).await;
    (server, known)
}

/// Whether a second request fails that reaches the server just as it closes.
async fn fails_at_the_timeout(server: &Server, keep_alive: &KeepAlive) -> bool {
    let client = guarded(keep_alive, server.connector(link()));
    exchange(&client, post(URI, "first")).await.unwrap();
    sleep(2 * SECOND - RTT / 4).await;
    exchange(&client, post(URI, "second")).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn a_server_of_which_nothing_was_learned_has_its_hint_and_its_quickest_answer() {
    let server = Server::builder().hint("timeout=60").build();

    let known = known_of(&server, KeepAlivePolicy::default(), SECOND).await;

    assert_eq!(known.origin.to_string(), "http://server.test");
    assert_eq!(known.taken, SystemTime::UNIX_EPOCH);
    assert_eq!(known.hint, Some(60 * SECOND));
    assert!(!known.is_hint_contradicted);
    assert_eq!(known.window, Some(59 * SECOND));
    assert_eq!(
        (known.bound, known.kept, known.requests),
        (None, None, None)
    );
    assert_eq!(known.quickest, Some(RTT));
    let [answered] = known.evidence[..] else {
        panic!("{known:?}");
    };
    assert_eq!(answered.kind, EvidenceKind::Answered);
    assert_eq!((answered.idle, answered.open), (SECOND, SECOND));
    assert_eq!(answered.age, SECOND);
    assert_eq!(
        known.to_string(),
        "http://server.test: reused within 59s; hint 60s; quickest answer 80ms"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_sooner_than_it_says_is_shown_to_do_so() {
    for (timeout, is_contradicted) in [(30, true), (60, false)] {
        let lying = Server::builder()
            .hint("timeout=60")
            .idle_timeout(timeout * SECOND)
            .build();
        // One that waits for the server, to see.
        let policy = KeepAlivePolicy::default().safety_margin(Duration::ZERO);

        let known = known_of(&lying, policy, 70 * SECOND).await;

        assert_eq!(known.hint, Some(60 * SECOND));
        assert_eq!(known.is_hint_contradicted, is_contradicted, "{known:?}");
        if is_contradicted {
            for (seen, age) in known.evidence.iter().zip([110 * SECOND + RTT, 40 * SECOND]) {
                assert_eq!(seen.kind, EvidenceKind::Closed);
                // The way of the response, and that of the close.
                assert_eq!((seen.idle, seen.open), (30 * SECOND, Duration::ZERO));
                assert!(seen.age.abs_diff(age) < SECOND / 2, "{seen:?}");
                assert!(seen.counts);
            }
            assert_eq!(known.evidence.len(), 2);
            assert_eq!(known.bound, Some(30 * SECOND));
            assert_eq!(known.window, Some(30 * SECOND - RTT));
            assert_eq!(
                known.to_string(),
                "http://server.test: reused within 29.92s; closes after 30s; \
                 hint 60s (contradicted); quickest answer 80ms"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_learning_nothing_is_seen() {
    let server = Server::builder().idle_timeout(2 * SECOND).build();
    let policy = KeepAlivePolicy::default().learn(Learn::Off);

    let known = known_of(&server, policy, 3 * SECOND).await;

    assert_eq!((known.bound, known.evidence), (None, Vec::new()));
    assert_eq!(known.window, Some(5 * SECOND - SECOND / 2 - RTT));
}

#[tokio::test(start_paused = true)]
async fn a_new_process_begins_with_what_the_one_before_knew() {
    let (server, known) = seen_to_close().await;
    let ignorant = builder().build().unwrap();
    let knowing = builder().remember([known]).build().unwrap();

    assert!(fails_at_the_timeout(&server, &ignorant).await);
    assert!(!fails_at_the_timeout(&server, &knowing).await);
    assert_eq!(knowing.stats().retired.idle_deadline, 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_known_gets_older_between_two_processes() {
    let (_, known) = seen_to_close().await;
    let bound = |down: Duration| {
        let mut known = known.clone();
        known.taken = SystemTime::UNIX_EPOCH - down;
        let [known] = builder()
            .remember([known])
            .build()
            .unwrap()
            .origins()
            .try_into()
            .unwrap();
        known.bound
    };
    assert_eq!(bound(Duration::ZERO), Some(2 * SECOND));
    assert_eq!(bound(29 * 60 * SECOND), Some(2 * SECOND));
    assert_eq!(bound(30 * 60 * SECOND), None);

    // A clock that was set back.
    let mut early = known.clone();
    early.taken = SystemTime::UNIX_EPOCH + 3600 * SECOND;
    let [early] = builder()
        .remember([early])
        .build()
        .unwrap()
        .origins()
        .try_into()
        .unwrap();
    assert_eq!(early, known);
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_is_too_old_counts_no_more() {
    let server = Server::builder().hint("timeout=60").build();
    let known = known_of(&server, KeepAlivePolicy::default(), SECOND).await;
    for (down, hint) in [(29, Some(60 * SECOND)), (30, None)] {
        let mut known = known.clone();
        known.taken = SystemTime::UNIX_EPOCH - down * 60 * SECOND;
        let [known] = builder()
            .remember([known])
            .build()
            .unwrap()
            .origins()
            .try_into()
            .unwrap();
        assert_eq!(known.hint, hint);
    }
}

/// More are in use than there is room for.
#[tokio::test(start_paused = true)]
async fn connections_to_origins_that_were_forgotten_are_retired_on_request() {
    let one = NonZeroUsize::new(1).unwrap();
    let keep_alive = builder().origin_capacity(one).build().unwrap();
    let server = Server::builder().build();
    let client = guarded(&keep_alive, server.connector(Link::new()));
    let uris = ["http://one.test/", "http://two.test/"];
    for uri in uris {
        exchange(&client, get(uri)).await.unwrap();
    }
    sleep(SECOND).await;

    let forgotten = http_keepalive::Origin::of(&uris[0].parse().unwrap()).unwrap();
    keep_alive.retire_idle(&forgotten);
    exchange(&client, get(uris[0])).await.unwrap();

    assert_eq!(server.connections(), 3);
}

#[tokio::test(start_paused = true)]
async fn two_handles_that_began_alike_learn_apart() {
    let (server, known) = seen_to_close().await;
    let begin = builder().remember([known]);
    let (one, other) = (begin.clone().build().unwrap(), begin.build().unwrap());
    let evidence = |of: &KeepAlive| of.origins()[0].evidence.len();
    let before = evidence(&other);

    let client = guarded(&one, server.connector(link()));
    exchange(&client, get(URI)).await.unwrap();
    sleep(SECOND).await;
    exchange(&client, get(URI)).await.unwrap();

    assert!(evidence(&one) > before);
    assert_eq!(evidence(&other), before);
}

#[tokio::test(start_paused = true)]
async fn no_more_origins_are_remembered_than_there_is_room_for() {
    let (_, known) = seen_to_close().await;
    let many = (0..5).map(|n| {
        let mut known = known.clone();
        let uri = format!("http://server{n}.test/").parse().unwrap();
        known.origin = http_keepalive::Origin::of(&uri).unwrap();
        known
    });
    let two = NonZeroUsize::new(2).unwrap();
    let keep_alive = builder()
        .origin_capacity(two)
        .remember(many)
        .build()
        .unwrap();

    let kept = keep_alive.origins().into_iter();
    let kept: Vec<_> = kept.map(|known| known.origin.host().to_owned()).collect();

    assert_eq!(kept, ["server0.test", "server1.test"]);
}

/// Written down, and read again.
#[cfg(feature = "serde")]
mod saved {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_known_can_be_saved_for_the_next_process() {
        let (server, known) = seen_to_close().await;

        let saved = serde_json::to_string(&[&known]).unwrap();
        let read: Vec<OriginSnapshot> = serde_json::from_str(&saved).unwrap();

        assert_eq!(read, [known]);
        let keep_alive = builder().remember(read).build().unwrap();
        assert!(!fails_at_the_timeout(&server, &keep_alive).await);
    }

    #[test]
    fn what_is_known_is_written_so_that_people_can_read_it() {
        let saved = r#"{"version":1,"origin":"https://server.test:8443","taken":{"secs_since_epoch":1760000000,"nanos_since_epoch":0},"hint":60.0,"quickest":0.0125,"requests":100,
            "evidence":[{"kind":"closed","idle":30.08,"open":29.5,"age":1.5},
                        {"kind":"failed","idle":29.9,"open":0.0,"age":100.0},
                        {"kind":"given_up","idle":29.9,"open":29.9,"age":100.0},
                        {"kind":"answered","idle":20.0,"open":20.0,"age":0.0}]}"#;
        let known: OriginSnapshot = serde_json::from_str(saved).unwrap();

        assert_eq!(known.origin.port(), Some(8443));
        assert_eq!(known.hint, Some(60 * SECOND));
        assert_eq!(known.quickest, Some(Duration::from_micros(12_500)));
        let kinds = known.evidence.iter().map(|evidence| evidence.kind);
        assert!(kinds.eq([
            EvidenceKind::Closed,
            EvidenceKind::Failed,
            EvidenceKind::GivenUp,
            EvidenceKind::Answered
        ]));
        let again = serde_json::to_value(&known).unwrap();
        assert_eq!(again["origin"], "https://server.test:8443");
        assert_eq!(again["evidence"][0]["idle"], 30.08);
    }

    const EPOCH: &str = r#"{"secs_since_epoch":0,"nanos_since_epoch":0}"#;

    #[test]
    fn a_value_that_makes_no_sense_is_refused_with_what_was_expected() {
        let origin = "an origin, such as \"https://example.com:8443\"";
        let seconds = "a number of seconds, zero or more";
        let many = r#"{"kind":"closed","idle":1.0,"open":0.0,"age":0.0}"#;
        let many = format!("[{}]", [many; 26].join(","));
        for (field, value, expected) in [
            ("version", "0", "expected version 1 of a snapshot"),
            ("version", "2", "expected version 1 of a snapshot"),
            ("version", "null", "u32"),
            ("version", "\"1\"", "u32"),
            ("requests", "-1", "u32"),
            ("evidence", &many, "at most 25 observations"),
            (
                "evidence",
                r#"[{"kind":"closed","idle":1.0,"open":2.0,"age":0.0}]"#,
                "an `open` no longer than `idle`",
            ),
            ("origin", "\"/path\"", origin),
            ("origin", "\"example.com\"", origin),
            ("origin", "\"https://example.com/path\"", origin),
            ("origin", "\"https://example.com?query\"", origin),
            ("origin", "\"https://exa mple.com\"", origin),
            ("origin", "\"\"", origin),
            ("origin", "7", origin),
            ("taken", "-1.0", "struct SystemTime"),
            (
                "taken",
                r#"{"secs_since_epoch":-1,"nanos_since_epoch":0}"#,
                "expected u64",
            ),
            (
                "taken",
                r#"{"secs_since_epoch":18446744073709551615,"nanos_since_epoch":1}"#,
                "overflow",
            ),
            ("taken", "null", "struct SystemTime"),
            ("hint", "-0.1", seconds),
            ("hint", "1e20", seconds),
            ("hint", "\"60s\"", "f64"),
            ("evidence", "[{}]", "missing field `kind`"),
            (
                "evidence",
                r#"[{"kind":"imagined","idle":1.0,"open":0.0,"age":0.0}]"#,
                "expected one of `answered`, `closed`, `failed`, `given_up`",
            ),
            (
                "evidence",
                r#"[{"kind":"closed","idle":-1.0,"open":0.0,"age":0.0}]"#,
                seconds,
            ),
        ] {
            let fields = [
                ("version", "1"),
                ("origin", "\"http://a\""),
                ("taken", EPOCH),
                ("hint", "null"),
            ]
            .into_iter()
            .filter(|(name, _)| *name != field)
            .chain([(field, value)])
            .map(|(name, value)| format!("\"{name}\":{value}"));
            let saved = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));

            let error = serde_json::from_str::<OriginSnapshot>(&saved).unwrap_err();

            assert!(error.to_string().contains(expected), "{saved}: {error}");
        }
    }

    #[test]
    fn a_snapshot_that_names_no_version_is_refused() {
        let saved = format!(r#"{{"origin":"http://a","taken":{EPOCH}}}"#);
        let error = serde_json::from_str::<OriginSnapshot>(&saved).unwrap_err();
        assert!(
            error.to_string().contains("missing field `version`"),
            "{error}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_snapshot_is_read_requests_are_made_and_no_more_is_kept_than_of_a_server() {
        let longest = 1.8e19;
        for idle in [0.0, 1e-9, 1.0, 1e9, longest] {
            for part in [0.0, 0.95, 1.0] {
                for age in [0.0, 60.0, longest] {
                    for kind in ["closed", "failed", "answered", "given_up"] {
                        let evidence = serde_json::json!({
                            "kind": kind, "idle": idle, "open": idle * part, "age": age,
                        });
                        let saved = serde_json::json!({
                            "version": 1, "origin": "http://server.test",
                            "taken": {"secs_since_epoch": 0, "nanos_since_epoch": 0},
                            "hint": idle, "quickest": idle * part, "requests": 0,
                            "evidence": vec![evidence; 25],
                        });
                        let known: OriginSnapshot = serde_json::from_value(saved).unwrap();
                        let keep_alive = builder()
                            .policy(KeepAlivePolicy::default().learn(Learn::Full))
                            .remember([known])
                            .build()
                            .unwrap();
                        let server = Server::builder().build();
                        let client = guarded(&keep_alive, server.connector(link()));

                        for id in ["first", "second"] {
                            exchange(&client, post(URI, id)).await.unwrap();
                        }

                        let [known] = keep_alive.origins().try_into().unwrap();
                        assert!(known.evidence.len() <= 9);
                        assert!(known.window.is_none_or(|window| window <= 600 * SECOND));
                    }
                }
            }
        }
    }
}
