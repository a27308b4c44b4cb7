//! Events in the log.

use tracing::field::{debug, display};
use tracing::{Level, debug, trace};

use super::event::{ConnectionEvent, EventKind};

pub(crate) const TARGET: &str = "http_keepalive";

/// Whether anybody wants events of connections.
#[inline]
pub(crate) fn is_logged() -> bool {
    tracing::enabled!(target: TARGET, Level::DEBUG)
}

/// One event, one line. What each request causes is `trace`, the rest `debug`.
pub(super) fn log(event: &ConnectionEvent<'_>) {
    let ConnectionEvent {
        connection, kind, ..
    } = *event;
    let origin = event.origin.map(display);
    match kind {
        EventKind::Opened { connecting } => {
            debug!(target: TARGET, connection, origin, ?connecting, "connection opened");
        }
        EventKind::RequestBegun {
            number,
            idle_before,
        } => trace!(target: TARGET, connection, origin, number, ?idle_before, "request begun"),
        EventKind::ResponseEnded { elapsed } => {
            trace!(target: TARGET, connection, origin, ?elapsed, "response ended");
        }
        EventKind::HintHeard { hint } => {
            trace!(target: TARGET, connection, origin, %hint, "hint heard")
        }
        EventKind::TimeoutLearned { timeout } => {
            debug!(target: TARGET, connection, origin, ?timeout, "timeout learned");
        }
        EventKind::TimeoutForgotten { timeout } => {
            debug!(target: TARGET, connection, origin, ?timeout, "timeout forgotten");
        }
        EventKind::BecameOpaque { reason, .. } => {
            debug!(target: TARGET, connection, origin, ?reason, "connection became opaque");
        }
        EventKind::Closed {
            cause,
            idle,
            age,
            requests,
        } => {
            let idle = idle.map(debug);
            debug!(
                target: TARGET, connection,
                origin,
                ?cause,
                idle,
                ?age,
                requests,
                "connection closed"
            );
        }
    }
}
