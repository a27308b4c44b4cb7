//! What is logged, with the feature `tracing`.
//!
//! A process of its own: a place that logs is off for good if a thread without a subscriber comes there first,
//! as other tests' threads do.

#![cfg(feature = "tracing")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    unnameable_types,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[path = "support/mod.rs"]
mod support;

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_keepalive::{KeepAlive, KeepAlivePolicy};
use support::client::{exchange, get, guarded, keep_alive};
use support::link::Link;
use support::server::Server;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber};

/// Keeps this crate's events as text, on this thread, for as long as the guard lives.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let guard = tracing::subscriber::set_default(log.clone());
        (log, guard)
    }

    fn events(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "http_keepalive"
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn what_happens_on_a_connection_is_logged_from_its_opening_to_its_end() {
    let (log, _guard) = Log::start();
    let server = Server::builder().build();
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let client = guarded(&keep_alive, server.connector(Link::new()));

    exchange(&client, get("http://server.test/")).await.unwrap();
    exchange(&client, get("http://server.test/")).await.unwrap();
    server.closed(1).await;

    const CONNECTION: &str = "connection=0 origin=http://server.test";
    assert_eq!(
        log.events(),
        [
            format!("DEBUG message=connection opened {CONNECTION} connecting=0ns"),
            format!("TRACE message=request begun {CONNECTION} number=1 idle_before=0ns"),
            format!("TRACE message=response ended {CONNECTION} elapsed=0ns"),
            format!("TRACE message=request begun {CONNECTION} number=2 idle_before=0ns"),
            format!("TRACE message=response ended {CONNECTION} elapsed=0ns"),
            format!(
                "DEBUG message=connection closed {CONNECTION} cause=Retired(IdleDeadline) idle=4.5s \
                 age=4.5s requests=2"
            ),
        ]
    );
}

#[test]
fn a_policy_that_can_never_allow_reuse_is_logged_once() {
    let (log, _guard) = Log::start();
    let margin = Duration::from_secs(1_000);

    let keep_alive = KeepAlive::new(KeepAlivePolicy::default().safety_margin(margin)).unwrap();
    for _ in 0..3 {
        let _ = (keep_alive.layer(), keep_alive.connector(()));
    }

    assert_eq!(log.events().len(), 1, "{:?}", log.events());
    assert!(log.events()[0].starts_with("WARN"));
}

#[test]
fn a_policy_that_can_allow_reuse_is_not_logged() {
    let (log, _guard) = Log::start();

    for policy in [
        KeepAlivePolicy::default(),
        KeepAlivePolicy::default().reuse(false),
        // Reuse is for servers that give a hint.
        KeepAlivePolicy::default().safety_margin(Duration::from_secs(10)),
    ] {
        KeepAlive::new(policy).unwrap();
    }

    assert_eq!(log.events(), [""; 0]);
}
