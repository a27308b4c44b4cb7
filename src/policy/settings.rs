//! The policy.

use std::time::Duration;

use super::{Fraction, Learn, SafetyMargin};
use crate::error::{Expected, PolicyError};

/// How long a connection may idle and still be reused.
///
/// Plain data, built from [`KeepAlivePolicy::default`] by setters that take and return it.
/// [`KeepAlive::new`](crate::KeepAlive::new) and
/// [`KeepAliveBuilder::build`](crate::KeepAliveBuilder::build) check it.
///
/// | setting | default | meaning |
/// |---|---|---|
/// | [`max_idle`](Self::max_idle) | 5 s | the idle timeout expected of a server that names none |
/// | [`safety_margin`](Self::safety_margin) | [`SafetyMargin::Default`] | how much sooner than the server the client closes |
/// | [`hints`](Self::hints) | honoured | whether `Keep-Alive: timeout=…, max=…` counts |
/// | [`hint_ceiling`](Self::hint_ceiling) | 600 s | upper bound of a hint's timeout |
/// | [`reuse`](Self::reuse) | allowed | whether connections are reused at all |
/// | [`response_window`](Self::response_window) | 8 MiB | how much of a response the network may hold |
/// | [`learn`](Self::learn) | [`Learn::Shorten`] | what is learned from how servers end connections |
/// | [`learn_ceiling`](Self::learn_ceiling) | 600 s | the longest timeout that is learned |
/// | [`evidence_age`](Self::evidence_age) | 30 min | how long observations count |
/// | [`max_lifetime`](Self::max_lifetime) | none | how long a connection is used after connecting |
/// | [`lifetime_jitter`](Self::lifetime_jitter) | 0.1 | fraction of `max_lifetime` that jitter may take |
/// | [`max_requests`](Self::max_requests) | none | how many requests a connection serves |
/// | [`idle_jitter`](Self::idle_jitter) | 0.0 | fraction of the idle time that jitter may take |
///
/// # The rule
///
/// A connection is reusable until the later of two bounds:
///
/// ```text
/// certain = sent     + expected − margin
/// likely  = finished + expected − kept − skew − delay
/// kept    = max(margin, min(1 s, expected / 4), 2 × round trip)
/// ```
///
/// * `sent` is when the transport accepted the last byte of the last request; if the response began before that, the
///   last byte before the response. `finished` is when the last byte of the response was read, and the request out.
/// * `expected` is the server's hint, up to the ceiling, or else `max_idle`; but no more than what was
///   learned of the server, see [`Learn`].
/// * `margin` is the [`SafetyMargin`].
/// * `round trip` is the least time from the first byte of a request to that of its response on this connection, and
///   at most the longer of half a second and the time that connecting took.
/// * `skew` is how long before `finished` the server may have finished writing the response, by when its bytes
///   arrived, and whether this side was waiting for them. Bytes that were waited for, and arrived more slowly than
///   10 KB/s, were written late.
/// * `delay` is the time from `sent` to the first byte of the response, less that of the quickest answer of this
///   origin within [`evidence_age`](Self::evidence_age); before the first one, less the time that connecting took.
///   As much is taken for the server's work, the rest for the network.
///
/// *Certain*: a server cannot start its idle timer before a request was sent to it. So it does not close before `sent` plus
/// its timeout, on whatever network, and however late the response is read. *Likely*: after an exchange that
/// took long, such as a database query, `certain` leaves little. Then the end of the response counts, less an
/// estimate of how long the network held it.
///
/// | timeout | margin | round trip | sent to finished | skew and delay | reusable for | bound | example |
/// |---|---|---|---|---|---|---|---|
/// | 5 s | default | 0.02 s | 0.02 s | 0 s | 4.48 s | certain | a quick exchange |
/// | 5 s | 0.1 s | 0.02 s | 0.02 s | 0 s | 4.88 s | certain | the same, with a margin of 100 ms |
/// | 5 s | default | 0.02 s | 2 s | 0 s | 4 s | likely | a query of two seconds, as all of this origin |
/// | 5 s | default | 0.02 s | 3 s | 2 s | 2 s | likely | a response that drained slowly |
/// | 5 s | default | 0.02 s | 4 s | 3.9 s | 0.5 s | certain | this side was stopped for four seconds |
/// | 60 s | 0.1 s | 0.05 s | 0.05 s | 0 s | 59.85 s | certain | behind a load balancer |
/// | 60 s | default | 0.05 s | 10 s | 0 s | 59 s | likely | a language model's answer, as all of this origin |
/// | 2 s | default | 0.6 s | 0.6 s | 0 s | 1.2 s | certain | by satellite |
///
/// Where both bounds leave nothing the connection is not reused at all: it closes when the exchange ends. Such a
/// policy is legal. If no hint could make it allow reuse, that is logged once, at `warn`, with the feature
/// `tracing`.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use http_keepalive::{KeepAlive, KeepAlivePolicy};
///
/// // Behind a load balancer that closes after 60 s, on a fast network.
/// let policy = KeepAlivePolicy::default()
///     .max_idle(Duration::from_secs(60))
///     .safety_margin(Duration::from_millis(100));
/// let keep_alive = KeepAlive::new(policy)?;
/// # let _ = keep_alive;
/// # Ok::<(), http_keepalive::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct KeepAlivePolicy {
    pub(crate) max_idle: Duration,
    pub(crate) safety_margin: SafetyMargin,
    pub(crate) hint_ceiling: Duration,
    pub(crate) hints: bool,
    pub(crate) reuse: bool,
    pub(crate) response_window: u64,
    pub(crate) learn: Learn,
    pub(crate) learn_ceiling: Duration,
    pub(crate) evidence_age: Duration,
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) max_requests: Option<u64>,
    /// `None` if the value is no fraction.
    pub(crate) lifetime_jitter: Option<Fraction>,
    /// `None` if the value is no fraction.
    pub(crate) idle_jitter: Option<Fraction>,
}

impl Default for KeepAlivePolicy {
    fn default() -> Self {
        Self {
            max_idle: Duration::from_secs(5),
            safety_margin: SafetyMargin::Default,
            hint_ceiling: Duration::from_secs(600),
            hints: true,
            reuse: true,
            response_window: 8 * 1024 * 1024,
            learn: Learn::Shorten,
            learn_ceiling: Duration::from_secs(600),
            evidence_age: Duration::from_secs(1_800),
            max_lifetime: None,
            max_requests: None,
            lifetime_jitter: Some(Fraction::one_of(10)),
            idle_jitter: Some(Fraction::NONE),
        }
    }
}

impl KeepAlivePolicy {
    /// The idle timeout expected of a server that gives no hint. The default is 5 s: that of Apache
    /// httpd, uvicorn, hypercorn and Node.js; shorter is rare (gunicorn: 2 s).
    ///
    /// Set it to the server's own timeout, not to something below it: the margin is subtracted from
    /// it. If it is too long, requests fail; if it is too short, connections are opened needlessly.
    /// [`Duration::MAX`] stands for a server that never closes.
    ///
    /// A hint is known before its response ends. So it also counts where `max_idle` alone leaves no idle
    /// time.
    ///
    /// Must be above zero. To never reuse a connection, see [`reuse`](Self::reuse).
    pub fn max_idle(mut self, max_idle: Duration) -> Self {
        self.max_idle = max_idle;
        self
    }

    /// How much sooner than the server the client closes an idle connection. A plain [`Duration`] stands
    /// for [`SafetyMargin::Fixed`]. The default is [`SafetyMargin::Default`].
    ///
    /// With a margin as long as the expected timeout, connections are not reused.
    pub fn safety_margin(mut self, margin: impl Into<SafetyMargin>) -> Self {
        self.safety_margin = margin.into();
        self
    }

    /// Upper bound of the timeout in a server's hint. The default is 600 s.
    ///
    /// Limits how long a server can make this side keep idle sockets. A hint below the ceiling wins
    /// over [`max_idle`](Self::max_idle) in both directions. Must be above zero.
    pub fn hint_ceiling(mut self, ceiling: Duration) -> Self {
        self.hint_ceiling = ceiling;
        self
    }

    /// Whether a server's hint counts. It does by default.
    ///
    /// Switched off, hints are still counted ([`Stats::hints`](crate::Stats::hints)), and the fields stay
    /// in the response. [`ConnectionHandle::hint`](crate::ConnectionHandle::hint) and
    /// [`OriginSnapshot::hint`](crate::OriginSnapshot::hint) are then `None`. A layer still
    /// inserts a [`KeepAliveHint`](crate::KeepAliveHint) into the extensions of responses that came on no
    /// connection of its own `KeepAlive`.
    pub fn hints(mut self, honoured: bool) -> Self {
        self.hints = honoured;
        self
    }

    /// Whether connections are reused at all. They are by default.
    ///
    /// Switched off, every connection closes after its first exchange, and
    /// [`KeepAliveLayer`](crate::KeepAliveLayer) adds `Connection: close` to requests.
    pub fn reuse(mut self, allowed: bool) -> Self {
        self.reuse = allowed;
        self
    }

    /// How many bytes of a response the network can hold once the server has written them: in the socket
    /// buffers of both sides, and everywhere between them. The default is 8 MiB.
    ///
    /// After a slow exchange, the server's idle timer may have started when all but that many bytes of a response
    /// had arrived. On
    /// a slow link, or with a caller that reads late, that is long before the last byte. A smaller window
    /// allows more reuse after large responses that took long; one that is too small brings the failures
    /// back. With zero, a server's timer is taken to start when its last byte has arrived.
    pub fn response_window(mut self, bytes: u64) -> Self {
        self.response_window = bytes;
        self
    }

    /// What is learned from how a server ends connections. The default is [`Learn::Shorten`].
    pub fn learn(mut self, learn: Learn) -> Self {
        self.learn = learn;
        self
    }

    /// The longest timeout that [`Learn::Full`] learns, and for how long it keeps a connection open to
    /// do so. The default is 600 s, as for hints. Must be above zero.
    ///
    /// A longer [`max_idle`](Self::max_idle) is not affected.
    pub fn learn_ceiling(mut self, ceiling: Duration) -> Self {
        self.learn_ceiling = ceiling;
        self
    }

    /// How long observations of a server's timeout count, and its quickest answer. The default is 30 min. Must be above zero.
    pub fn evidence_age(mut self, age: Duration) -> Self {
        self.evidence_age = age;
        self
    }

    /// Returns an error for a value that is out of its range.
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        if self.max_idle.is_zero() {
            return Err(PolicyError::new(Expected::MaxIdleAboveZero));
        }
        if self.hint_ceiling.is_zero() {
            return Err(PolicyError::new(Expected::HintCeilingAboveZero));
        }
        if self.learn_ceiling.is_zero() {
            return Err(PolicyError::new(Expected::LearnCeilingAboveZero));
        }
        if self.evidence_age.is_zero() {
            return Err(PolicyError::new(Expected::EvidenceAgeAboveZero));
        }
        self.check_lifetime()
    }
}
