//! What happened so far, in numbers.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::proto::connection::CloseCause;
use crate::proto::deadline::RetireReason;
use crate::proto::framing::OpaqueReason;
use crate::proto::hint::Parsed;

/// What happened so far on all connections of a [`KeepAlive`](crate::KeepAlive), in numbers.
///
/// A snapshot. Each number only grows. They are read one after the other, so an event in the meantime
/// may count in one and not yet in another.
///
/// [`Display`](fmt::Display) writes a small table, a number to a line, without the details that never happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections opened.
    pub opened: u64,
    /// Requests of which at least a byte was written, on HTTP/1 connections.
    pub exchanges: u64,
    /// Exchanges on a connection that had served a request before.
    pub reused: u64,
    /// Connections that this crate retired, by reason.
    pub retired: Retired,
    /// Connections that the server closed, or that broke, while they were idle.
    pub closed_while_idle: u64,
    /// Requests on a reused connection that the server closed, or that broke, before the first byte
    /// of the response: the failure that this crate prevents. It remains where servers restart, crash, or
    /// close for a reason of their own, or sooner than was known.
    pub stale_failures: u64,
    /// Responses with a `Keep-Alive` field that has at least one valid parameter. A response counts once:
    /// in the connector if its connection is of the same `KeepAlive`, else in the layer.
    pub hints: u64,
    /// Responses with a `Keep-Alive` field whose `timeout` or `max` is no number.
    pub invalid_hints: u64,
    /// Hints that named a longer timeout than
    /// [`hint_ceiling`](crate::KeepAlivePolicy::hint_ceiling).
    pub clamped_hints: u64,
    /// Connections that are only forwarded, by reason.
    pub opaque: OpaqueConnections,
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            opened,
            exchanges,
            reused,
            retired,
            closed_while_idle,
            stale_failures,
            hints,
            invalid_hints,
            clamped_hints,
            opaque,
        } = *self;
        // Whether it tells something by being zero, its name, and the number.
        let rows = [
            (true, "connections opened", opened),
            (false, "  retired", retired.total()),
            (false, "    at the idle deadline", retired.idle_deadline),
            (false, "    no idle time allowed", retired.no_idle_allowed),
            (
                false,
                "    limit of requests of the server",
                retired.request_limit,
            ),
            (
                false,
                "    limit of requests of the policy",
                retired.max_requests,
            ),
            (false, "    lifetime", retired.max_lifetime),
            (false, "    as asked", retired.requested),
            (false, "    with another connection", retired.siblings),
            (false, "    reuse is off", retired.reuse_disabled),
            (
                false,
                "  closed by the server while idle",
                closed_while_idle,
            ),
            (false, "  only forwarded", opaque.total()),
            (false, "    HTTP/2", opaque.http2),
            (false, "    upgraded", opaque.upgrade),
            (false, "    tunnels", opaque.tunnel),
            (false, "    unsolicited bytes", opaque.unsolicited),
            (false, "    not understood", opaque.unrecognized),
            (false, "    head too long", opaque.oversize_head),
            (true, "requests", exchanges),
            (false, "  on a reused connection", reused),
            (true, "  failed stale", stale_failures),
            (true, "hints", hints),
            (false, "  above the ceiling", clamped_hints),
            (false, "  invalid", invalid_hints),
        ];
        let mut shown = rows
            .into_iter()
            .filter(|&(is_always_there, _, number)| is_always_there || number > 0);
        if let Some((_, name, number)) = shown.next() {
            write!(f, "{name:<36}{number:>12}")?;
        }
        for (_, name, number) in shown {
            write!(f, "\n{name:<36}{number:>12}")?;
        }
        Ok(())
    }
}

/// Connections that this crate retired, by reason: a part of [`Stats`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Retired {
    /// [`ConnectionHandle::retire`](crate::ConnectionHandle::retire), or
    /// [`CloseAfterResponse`](crate::CloseAfterResponse).
    pub requested: u64,
    /// Idle for as long as policy, hint and observations allow.
    pub idle_deadline: u64,
    /// The margin, and what the last exchange took, left nothing of the expected timeout.
    pub no_idle_allowed: u64,
    /// As many requests were made as the server takes (`max=`).
    pub request_limit: u64,
    /// The policy switches reuse off.
    pub reuse_disabled: u64,
    /// As old as the policy allows ([`max_lifetime`](crate::KeepAlivePolicy::max_lifetime)).
    pub max_lifetime: u64,
    /// As many requests were made as the policy allows
    /// ([`max_requests`](crate::KeepAlivePolicy::max_requests)).
    pub max_requests: u64,
    /// Another connection to the same origin, idle for no longer, turned out to be closed; or
    /// [`KeepAlive::retire_idle`](crate::KeepAlive::retire_idle),
    /// [`KeepAlive::retire_all`](crate::KeepAlive::retire_all).
    pub siblings: u64,
}

impl Retired {
    /// The sum over all reasons.
    pub fn total(&self) -> u64 {
        let Self {
            requested,
            idle_deadline,
            no_idle_allowed,
            request_limit,
            reuse_disabled,
            max_lifetime,
            max_requests,
            siblings,
        } = *self;
        [
            requested,
            idle_deadline,
            no_idle_allowed,
            request_limit,
            reuse_disabled,
            max_lifetime,
            max_requests,
            siblings,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

/// Connections that are only forwarded, by reason: a part of [`Stats`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct OpaqueConnections {
    /// HTTP/2, by ALPN or by its preface.
    pub http2: u64,
    /// A message head longer than 512 KiB.
    pub oversize_head: u64,
    /// A tunnel, opened by CONNECT.
    pub tunnel: u64,
    /// Bytes that are not HTTP/1, or in a form in which parsers disagree.
    pub unrecognized: u64,
    /// Bytes from the server that answer no request, such as a 408 on an idle connection.
    pub unsolicited: u64,
    /// Another protocol, after a 101 response (WebSocket, for one).
    pub upgrade: u64,
}

impl OpaqueConnections {
    /// The sum over all reasons.
    pub fn total(&self) -> u64 {
        let Self {
            http2,
            oversize_head,
            tunnel,
            unrecognized,
            unsolicited,
            upgrade,
        } = *self;
        [
            http2,
            oversize_head,
            tunnel,
            unrecognized,
            unsolicited,
            upgrade,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many sets of counters there are.
const SHARDS: usize = 16;

/// The counters behind [`Stats`].
///
/// Every exchange counts. Threads that add to one cache line wait for each other, so there are several sets
/// of counters, and a snapshot adds them up.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    shards: [Shard; SHARDS],
}

/// One set of counters, on cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    opened: Counter,
    exchanges: Counter,
    reused: Counter,
    requested: Counter,
    idle_deadline: Counter,
    no_idle_allowed: Counter,
    request_limit: Counter,
    reuse_disabled: Counter,
    max_lifetime: Counter,
    max_requests: Counter,
    siblings: Counter,
    closed_while_idle: Counter,
    stale_failures: Counter,
    hints: Counter,
    invalid_hints: Counter,
    clamped_hints: Counter,
    http2: Counter,
    oversize_head: Counter,
    tunnel: Counter,
    unrecognized: Counter,
    unsolicited: Counter,
    upgrade: Counter,
}

thread_local! {
    /// The index of the set that the thread adds to.
    static SHARD: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS
    };
}

impl Counters {
    fn shard(&self) -> &Shard {
        let [first, ..] = &self.shards;
        let own = SHARD.with(|&own| own);
        self.shards.get(own).unwrap_or(first)
    }

    pub(crate) fn on_open(&self) {
        self.shard().opened.add();
    }

    pub(crate) fn on_exchange(&self, reused: bool) {
        let shard = self.shard();
        shard.exchanges.add();
        if reused {
            shard.reused.add();
        }
    }

    pub(crate) fn on_hint(&self, parsed: &Parsed) {
        if parsed.hint.is_some() {
            self.shard().hints.add();
        }
        if parsed.invalid {
            self.shard().invalid_hints.add();
        }
    }

    pub(crate) fn on_clamped_hint(&self) {
        self.shard().clamped_hints.add();
    }

    pub(crate) fn on_opaque(&self, reason: OpaqueReason) {
        let shard = self.shard();
        match reason {
            OpaqueReason::Http2 => &shard.http2,
            OpaqueReason::OversizeHead => &shard.oversize_head,
            OpaqueReason::Tunnel => &shard.tunnel,
            OpaqueReason::Unrecognized => &shard.unrecognized,
            OpaqueReason::Unsolicited => &shard.unsolicited,
            OpaqueReason::Upgrade => &shard.upgrade,
        }
        .add();
    }

    pub(crate) fn on_end(&self, end: CloseCause) {
        let shard = self.shard();
        match end {
            CloseCause::Client
            | CloseCause::Delimited
            | CloseCause::Opaque(_)
            | CloseCause::PeerBusy => return,
            CloseCause::PeerIdle => &shard.closed_while_idle,
            CloseCause::Stale => &shard.stale_failures,
            CloseCause::Retired(RetireReason::Requested) => &shard.requested,
            CloseCause::Retired(RetireReason::IdleDeadline) => &shard.idle_deadline,
            CloseCause::Retired(RetireReason::MaxLifetime) => &shard.max_lifetime,
            CloseCause::Retired(RetireReason::MaxRequests) => &shard.max_requests,
            CloseCause::Retired(RetireReason::NoIdleAllowed) => &shard.no_idle_allowed,
            CloseCause::Retired(RetireReason::RequestLimit) => &shard.request_limit,
            CloseCause::Retired(RetireReason::ReuseDisabled) => &shard.reuse_disabled,
            CloseCause::Retired(RetireReason::Sibling) => &shard.siblings,
        }
        .add();
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let sum = |counter: fn(&Shard) -> &Counter| {
            let counts = self.shards.iter().map(|shard| counter(shard).read());
            counts.fold(0, u64::wrapping_add)
        };
        Stats {
            opened: sum(|shard| &shard.opened),
            exchanges: sum(|shard| &shard.exchanges),
            reused: sum(|shard| &shard.reused),
            retired: Retired {
                requested: sum(|shard| &shard.requested),
                idle_deadline: sum(|shard| &shard.idle_deadline),
                no_idle_allowed: sum(|shard| &shard.no_idle_allowed),
                request_limit: sum(|shard| &shard.request_limit),
                reuse_disabled: sum(|shard| &shard.reuse_disabled),
                max_lifetime: sum(|shard| &shard.max_lifetime),
                max_requests: sum(|shard| &shard.max_requests),
                siblings: sum(|shard| &shard.siblings),
            },
            closed_while_idle: sum(|shard| &shard.closed_while_idle),
            stale_failures: sum(|shard| &shard.stale_failures),
            hints: sum(|shard| &shard.hints),
            invalid_hints: sum(|shard| &shard.invalid_hints),
            clamped_hints: sum(|shard| &shard.clamped_hints),
            opaque: OpaqueConnections {
                http2: sum(|shard| &shard.http2),
                oversize_head: sum(|shard| &shard.oversize_head),
                tunnel: sum(|shard| &shard.tunnel),
                unrecognized: sum(|shard| &shard.unrecognized),
                unsolicited: sum(|shard| &shard.unsolicited),
                upgrade: sum(|shard| &shard.upgrade),
            },
        }
    }
}
