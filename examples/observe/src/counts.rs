//! What an observer can count, and what it calls what it counted.

use http_keepalive::{CloseCause, EventKind, OpaqueReason, RetireReason, Stats};

/// Counts an event as [`KeepAlive::stats`](http_keepalive::KeepAlive::stats) does. No event tells of hints that are
/// invalid or above the ceiling.
pub fn count(stats: &mut Stats, kind: EventKind) {
    match kind {
        EventKind::Opened { .. } => stats.opened += 1,
        EventKind::RequestBegun { number, .. } => {
            stats.exchanges += 1;
            stats.reused += u64::from(number > 1);
        }
        EventKind::HintHeard { .. } => stats.hints += 1,
        EventKind::BecameOpaque { reason, .. } => {
            let opaque = &mut stats.opaque;
            *match reason {
                OpaqueReason::Http2 => &mut opaque.http2,
                OpaqueReason::OversizeHead => &mut opaque.oversize_head,
                OpaqueReason::Tunnel => &mut opaque.tunnel,
                OpaqueReason::Unrecognized => &mut opaque.unrecognized,
                OpaqueReason::Unsolicited => &mut opaque.unsolicited,
                OpaqueReason::Upgrade => &mut opaque.upgrade,
                _ => return,
            } += 1;
        }
        EventKind::Closed { cause, .. } => count_close(stats, cause),
        _ => {}
    }
}

fn count_close(stats: &mut Stats, cause: CloseCause) {
    let retired = &mut stats.retired;
    *match cause {
        CloseCause::PeerIdle => &mut stats.closed_while_idle,
        CloseCause::Stale => &mut stats.stale_failures,
        CloseCause::Retired(reason) => match reason {
            RetireReason::IdleDeadline => &mut retired.idle_deadline,
            RetireReason::MaxLifetime => &mut retired.max_lifetime,
            RetireReason::MaxRequests => &mut retired.max_requests,
            RetireReason::NoIdleAllowed => &mut retired.no_idle_allowed,
            RetireReason::RequestLimit => &mut retired.request_limit,
            RetireReason::Requested => &mut retired.requested,
            RetireReason::ReuseDisabled => &mut retired.reuse_disabled,
            RetireReason::Sibling => &mut retired.siblings,
            _ => return,
        },
        _ => return,
    } += 1;
}

/// A cause in words.
pub fn name(cause: CloseCause) -> &'static str {
    match cause {
        CloseCause::Client => "by the client itself",
        CloseCause::Delimited => "with the response that lasted until then",
        CloseCause::Opaque(_) => "only forwarded",
        CloseCause::PeerBusy => "by the server, while it was busy",
        CloseCause::PeerIdle => "by the server, while it was idle",
        CloseCause::Retired(RetireReason::IdleDeadline) => "at its idle deadline",
        CloseCause::Retired(RetireReason::Sibling) => "as another to the server was found closed",
        CloseCause::Retired(_) => "retired otherwise",
        CloseCause::Stale => "by the server, as a request was on its way",
        _ => "otherwise",
    }
}
