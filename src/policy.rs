//! How long a connection may idle and still be reused.

use std::time::Duration;

use crate::error::{Expected, PolicyError};
use crate::proto::deadline;
use crate::proto::jitter::Fraction;
use crate::proto::learn::Findings;

/// How long a connection may idle and still be reused.
///
/// Plain data, built from [`KeepAlivePolicy::default`] by setters that take and return it. It is
/// checked where it is put to use, by [`KeepAlive::new`](crate::KeepAlive::new) and its siblings.
///
/// | setting | default | |
/// |---|---|---|
/// | [`max_idle`](Self::max_idle) | 5 s | the idle timeout expected of a server that names none |
/// | [`safety_margin`](Self::safety_margin) | [`SafetyMargin::Default`] | how much sooner than the server the client gives up |
/// | [`hints`](Self::hints) | honoured | whether `Keep-Alive: timeout=…, max=…` counts |
/// | [`hint_ceiling`](Self::hint_ceiling) | 600 s | the longest timeout a server is believed |
/// | [`reuse`](Self::reuse) | allowed | whether connections are reused at all |
/// | [`response_window`](Self::response_window) | 8 MiB | how much of a response the network may hold |
/// | [`learn`](Self::learn) | [`Learn::Shorten`] | what is made of connections that servers close |
/// | [`learn_ceiling`](Self::learn_ceiling) | 600 s | the longest timeout that is learned |
/// | [`evidence_age`](Self::evidence_age) | 30 min | for how long what was seen counts |
/// | [`max_lifetime`](Self::max_lifetime) | none | how long a connection is used after it was established |
/// | [`lifetime_jitter`](Self::lifetime_jitter) | 0.1 | by which part of that some are given up sooner |
/// | [`max_requests`](Self::max_requests) | none | how many requests a connection serves |
/// | [`idle_jitter`](Self::idle_jitter) | 0.0 | by which part of their idle time some are given up sooner |
///
/// # The rule
///
/// A connection is reusable while the time since it finished receiving its last response is less
/// than `expected − margin`, where
///
/// * `expected` is the server's hint, up to the ceiling, or else `max_idle`; but no more than what the
///   server was seen to keep to, see [`Learn`];
/// * `margin` is the safety margin, at least two round trips, plus the *skew*: the time by which the
///   server may have finished writing that response before this side finished reading it.
///
/// Where `expected ≤ margin` the connection is not reused at all: it closes as soon as the exchange
/// is over. Such a policy is legal; with the feature `tracing` it is logged once, at `warn`, when it
/// can never allow reuse whatever a server says.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use http_keepalive::{KeepAlive, KeepAlivePolicy, SafetyMargin};
///
/// // Behind a load balancer that closes after 60 s, on a fast network.
/// let policy = KeepAlivePolicy::default()
///     .max_idle(Duration::from_secs(60))
///     .safety_margin(SafetyMargin::adaptive());
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
    /// `None` is what was refused.
    pub(crate) lifetime_jitter: Option<Fraction>,
    /// `None` is what was refused.
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
    /// it. Too long, and requests fail; too short, and connections are opened needlessly.
    /// [`Duration::MAX`] stands for a server that never closes.
    ///
    /// Should be longer than the margin even where servers give hints: a connection whose policy
    /// leaves it no time closes with the end of the response, and the hint in that is read too late,
    /// unless its body is still on its way.
    ///
    /// Must be above zero. To never reuse a connection, see [`reuse`](Self::reuse).
    pub fn max_idle(mut self, max_idle: Duration) -> Self {
        self.max_idle = max_idle;
        self
    }

    /// How much sooner than the server the client gives a connection up. A plain [`Duration`] stands
    /// for [`SafetyMargin::Fixed`]. The default is [`SafetyMargin::Default`].
    ///
    /// A margin as long as the expected timeout leaves nothing: connections are then not reused.
    pub fn safety_margin(mut self, margin: impl Into<SafetyMargin>) -> Self {
        self.safety_margin = margin.into();
        self
    }

    /// The longest timeout a server's hint is believed. The default is 600 s.
    ///
    /// Bounds how long a server can make this side keep idle sockets. A hint below the ceiling wins
    /// over [`max_idle`](Self::max_idle) in both directions. Must be above zero.
    pub fn hint_ceiling(mut self, ceiling: Duration) -> Self {
        self.hint_ceiling = ceiling;
        self
    }

    /// Whether a server's hint counts. It does by default.
    ///
    /// Switched off, hints are still counted ([`Stats::hints`](crate::Stats::hints)), and the fields stay
    /// in the response; [`ConnectionHandle::hint`](crate::ConnectionHandle::hint) and
    /// [`OriginSnapshot::hint`](crate::OriginSnapshot::hint) are then `None`. Only a layer whose responses
    /// come on no connection of its own `KeepAlive` leaves a [`KeepAliveHint`](crate::KeepAliveHint) in
    /// their extensions.
    pub fn hints(mut self, honoured: bool) -> Self {
        self.hints = honoured;
        self
    }

    /// Whether connections are reused at all. They are by default.
    ///
    /// Switched off, requests ask the server to close (`Connection: close`, through
    /// [`KeepAliveLayer`](crate::KeepAliveLayer)), and every connection is closed after its first
    /// exchange.
    pub fn reuse(mut self, allowed: bool) -> Self {
        self.reuse = allowed;
        self
    }

    /// How many bytes of a response may be on their way while the server takes it for written: what
    /// the socket buffers of both sides and everything between them can hold. The default is 8 MiB.
    ///
    /// The server's idle timer may have started when all but that many bytes of a response had
    /// arrived, which on a slow link, or with a caller that reads late, is long before the last
    /// one. Smaller allows more reuse after large responses that took long; too small brings the
    /// failures back. Zero says that a server's timer starts when its last byte has arrived.
    pub fn response_window(mut self, bytes: u64) -> Self {
        self.response_window = bytes;
        self
    }

    /// A timeout for the pool of a client that has nothing else of this crate, such as a plain
    /// `reqwest::Client` or hyper-util's: what [the rule](Self#the-rule) leaves of `max_idle` to a
    /// server that is `round_trip` away. 4 s by default.
    ///
    /// A constant cannot follow hints, nor a network that is slower than was thought, nor the skew of
    /// a response that drained slowly; see [`guide::reqwest`](crate::guide::reqwest) for what that
    /// costs.
    ///
    /// Never zero, for which hyper-util's pool sweeps nothing: where the policy allows no reuse, it is
    /// a nanosecond. To be sure, give such a client `pool_max_idle_per_host(0)`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use http_keepalive::KeepAlivePolicy;
    ///
    /// // Behind a load balancer that closes after 60 s.
    /// let policy = KeepAlivePolicy::default().max_idle(Duration::from_secs(60));
    /// let round_trip = Duration::from_millis(100);
    /// assert_eq!(policy.pool_idle_timeout(round_trip), Duration::from_secs(59));
    /// ```
    #[must_use]
    pub fn pool_idle_timeout(&self, round_trip: Duration) -> Duration {
        deadline::window(self, None, round_trip, &Findings::default())
            .unwrap_or(Duration::from_nanos(1))
    }

    /// What is made of connections that a server closes, or keeps open. The default is
    /// [`Learn::Shorten`].
    pub fn learn(mut self, learn: Learn) -> Self {
        self.learn = learn;
        self
    }

    /// The longest timeout that [`Learn::Full`] learns, and for how long it keeps a connection open to
    /// do so. The default is 600 s, as for hints. Must be above zero.
    ///
    /// Where [`max_idle`](Self::max_idle) is longer, that stands.
    pub fn learn_ceiling(mut self, ceiling: Duration) -> Self {
        self.learn_ceiling = ceiling;
        self
    }

    /// For how long what was seen of a server's timeout counts. The default is 30 min. Must be above
    /// zero.
    pub fn evidence_age(mut self, age: Duration) -> Self {
        self.evidence_age = age;
        self
    }

    /// Refuses values that make no sense.
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

/// What is made of connections that a server closes, or keeps open.
///
/// A server that closes an idle connection has shown its timeout, more or less; a request that failed
/// on a reused one, that it is no longer. That is kept per origin, and expected of it from then on. A
/// later connection that is used, or is still open, after a longer time shows that it was an accident,
/// such as a deploy.
///
/// A single close that stands against others that were open for longer changes nothing before it is
/// seen again. A failed request always does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Learn {
    /// Nothing.
    Off,
    /// What was seen only shortens what policy and hint allow. The default.
    ///
    /// Where it does, one connection to that origin is left open when it is not used any more, until the
    /// server closes it, or until policy and hint would have closed it, or a quarter longer than what was
    /// seen, whichever of these two is later: it tells an accident from a timeout, and whether the server
    /// waits longer by now. It is given to no request.
    #[default]
    Shorten,
    /// Where a server gives no hint, what was seen also lengthens what is allowed: to the timeout that
    /// is known, or the longest time that a connection was left open for, at most
    /// [`learn_ceiling`](KeepAlivePolicy::learn_ceiling).
    ///
    /// To learn it, one connection to each such origin is left open when it is not used any more, until
    /// the server closes it or the ceiling is reached. It is given to no request. That is one idle
    /// socket per origin, and never more than
    /// [`sentinels`](crate::KeepAliveBuilder::sentinels) in all.
    Full,
}

/// How much sooner than the server the client gives an idle connection up.
///
/// Whatever is chosen, at least two round trips are kept as a margin (but see `Adaptive`), and the skew of
/// the last response is added; see [`KeepAlivePolicy`]. A round trip is bounded from above by what was
/// measured on the connection itself: the time that connecting took, and that between a request's
/// first byte and its response's.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SafetyMargin {
    /// One second, but never more than a quarter of the expected timeout.
    #[default]
    Default,
    /// As long as given, whatever the expected timeout.
    Fixed(Duration),
    /// `floor` plus two round trips: reuse for nearly as long as is safe, on fast and on slow
    /// networks. See [`SafetyMargin::adaptive`].
    ///
    /// Under [`Learn::Full`], where the server's timeout is known: `floor` plus one round trip, plus by
    /// how much the times differ at which it was seen to close.
    Adaptive {
        /// What is kept on top of the round trips, for the timers of both sides.
        floor: Duration,
    },
}

impl SafetyMargin {
    /// [`SafetyMargin::Adaptive`] with a floor of 100 ms.
    pub const fn adaptive() -> Self {
        Self::Adaptive {
            floor: Duration::from_millis(100),
        }
    }
}

impl From<Duration> for SafetyMargin {
    fn from(margin: Duration) -> Self {
        Self::Fixed(margin)
    }
}
