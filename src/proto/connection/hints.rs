//! What the server said about one connection.

use std::time::Duration;

use crate::policy::KeepAlivePolicy;
use crate::proto::hint::KeepAliveHint;

/// More requests than are ever made on a connection: a thousand a second, for seven weeks.
const NO_LIMIT: u32 = u32::MAX;

/// What a server said on one connection that may hold for others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Advertised {
    pub(crate) timeout: Option<Duration>,
    /// How many requests the server takes on a connection in all.
    pub(crate) requests: Option<u64>,
}

/// What the server said about this connection, and what it said on others before that.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hints {
    /// The last hint, with what it does not mention taken from earlier ones.
    latest: KeepAliveHint,
    /// How many requests the server takes on this connection in all.
    requests_allowed: u32,
    /// The last request whose response carried a hint; zero is none.
    request: u32,
}

impl Hints {
    pub(super) fn none() -> Self {
        Self {
            latest: KeepAliveHint::new(),
            requests_allowed: NO_LIMIT,
            request: 0,
        }
    }

    /// What the server said on another connection counts until it says something on this one, but for a
    /// timeout longer than policy expects of a server that says nothing. A timeout of zero forbids the
    /// reuse of the other connection only.
    pub(super) fn of_origin(advertised: &Advertised, policy: &KeepAlivePolicy) -> Self {
        if !policy.hints {
            return Self::none();
        }
        let shorter = Duration::from_nanos(1)..policy.max_idle;
        let timeout = advertised
            .timeout
            .filter(|timeout| shorter.contains(timeout));
        Self {
            latest: timeout.map_or(KeepAliveHint::new(), |timeout| {
                KeepAliveHint::new().with_timeout(timeout)
            }),
            requests_allowed: limit(advertised.requests.unwrap_or(u64::MAX)),
            request: 0,
        }
    }

    /// Takes the hint in the response to a request. Returns whether that changed anything.
    pub(super) fn on_hint(&mut self, hint: KeepAliveHint, request: u32) -> bool {
        let known = (self.latest.timeout(), self.requests_allowed);
        self.request = request;
        self.latest = hint.or(self.latest);
        if let Some(max) = hint.max() {
            self.requests_allowed = request.saturating_add(max);
        }
        known != (self.latest.timeout(), self.requests_allowed)
    }

    /// Takes a response without a hint, to a request that asked for one: what the server said on other
    /// connections does not count any more.
    pub(super) fn on_silence(&mut self) {
        if self.request == 0 {
            *self = Self::none();
        }
    }

    /// What counts on this connection, and for others.
    #[inline]
    pub(super) fn advertised(&self) -> Advertised {
        Advertised {
            timeout: self.latest.timeout(),
            requests: (self.requests_allowed != NO_LIMIT).then(|| u64::from(self.requests_allowed)),
        }
    }

    /// The last hint that was received on this connection.
    #[inline]
    pub(super) fn latest(&self) -> Option<KeepAliveHint> {
        (self.request > 0).then_some(self.latest)
    }

    /// Whether the response to this request carried a hint.
    #[inline]
    pub(super) fn is_hinted(&self, request: u32) -> bool {
        self.request >= request
    }
}

/// A number of requests, as it is kept.
fn limit(requests: u64) -> u32 {
    u32::try_from(requests).unwrap_or(NO_LIMIT)
}
