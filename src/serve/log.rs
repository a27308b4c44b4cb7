//! Events of a server's connections in the log, under the target of the client's.

use tracing::field::debug;
use tracing::{debug, trace};

use super::event::{ServerEvent, ServerEventKind};
use crate::observe::TARGET;

/// One event, one line. What each request causes is `trace`, the rest `debug`.
pub(super) fn log(event: &ServerEvent) {
    let ServerEvent { connection, kind } = *event;
    match kind {
        ServerEventKind::Accepted => debug!(target: TARGET, connection, "connection accepted"),
        ServerEventKind::RequestBegun { idle_before } => {
            trace!(target: TARGET, connection, ?idle_before, "request begun");
        }
        ServerEventKind::ResponseEnded => {
            trace!(target: TARGET, connection, "response ended");
        }
        ServerEventKind::SaidClose { reason } => {
            debug!(target: TARGET, connection, ?reason, "said close");
        }
        ServerEventKind::BecameOpaque { reason } => {
            debug!(target: TARGET, connection, ?reason, "connection became opaque");
        }
        ServerEventKind::Closed {
            cause,
            idle,
            age,
            requests,
        } => {
            let idle = idle.map(debug);
            debug!(
                target: TARGET, connection, ?cause, idle, ?age, requests, "connection closed"
            );
        }
    }
}
