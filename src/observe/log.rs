//! Events in the log.

use tracing::field::{debug, display};
use tracing::{Level, debug, trace};

use super::event::{ConnectionEvent, EventKind};

/// Whether anybody wants events of connections.
#[inline]
pub(super) fn is_logged() -> bool {
    tracing::enabled!(Level::DEBUG)
}

/// One event, one line. What each request causes is `trace`, the rest `debug`.
pub(super) fn log(event: &ConnectionEvent<'_>) {
    let ConnectionEvent {
        connection, kind, ..
    } = *event;
    let origin = event.origin.map(display);
    match kind {
        EventKind::Opened { connecting } => {
            debug!(connection, origin, ?connecting, "connection opened");
        }
        EventKind::RequestBegun {
            number,
            idle_before,
        } => trace!(connection, origin, number, ?idle_before, "request begun"),
        EventKind::ResponseEnded { elapsed } => {
            trace!(connection, origin, ?elapsed, "response ended");
        }
        EventKind::HintHeard { hint } => trace!(connection, origin, %hint, "hint heard"),
        EventKind::TimeoutLearned { timeout } => {
            debug!(connection, origin, ?timeout, "timeout learned");
        }
        EventKind::TimeoutContradicted { timeout } => {
            debug!(connection, origin, ?timeout, "timeout contradicted");
        }
        EventKind::BecameOpaque { reason, .. } => {
            debug!(connection, origin, ?reason, "connection became opaque");
        }
        EventKind::Closed {
            cause,
            idle,
            age,
            requests,
        } => {
            let idle = idle.map(debug);
            debug!(
                connection,
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
