//! What is logged of a server that does not keep its word.
//!
//! A process of its own: a place that logs is off for good if a thread without a subscriber comes there first, as other
//! tests' threads do.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    dead_code,
    reason = "a test fails by panicking, and needs a part of what others share"
)]

#[path = "server/support.rs"]
mod support;

use std::fmt;
use std::sync::{Arc, Mutex};

use http_keepalive::ServerKeepAlive;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use support::{app, five_seconds, network, seconds, settle};

/// Keeps warnings as text.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "http_keepalive" && *metadata.level() == Level::WARN
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_closes_idle_connections_is_logged_once_with_what_to_do() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let keep_alive = ServerKeepAlive::new(five_seconds()).unwrap();
    let (network, pipes) = network();
    let listener = keep_alive.listener(pipes);
    let app = keep_alive.make_service(app());
    let (shutdown, asked) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        axum::serve(listener, app)
            .with_graceful_shutdown(async move { asked.await.unwrap() })
            .await
    });
    let (mut one, mut other) = (network.connect(), network.connect());
    one.get("/").await;
    other.get("/").await;
    tokio::time::sleep(seconds(2)).await;
    assert_eq!(warnings.0.lock().unwrap()[..], [""; 0]);
    shutdown.send(()).unwrap();
    settle().await;

    assert_eq!(keep_alive.stats().closed.server, 2);
    let warnings = warnings.0.lock().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in ["idle=2s", "told=5s", "header_read_timeout", "Drain"] {
        assert!(warnings[0].contains(part), "{warnings:?}");
    }
}
