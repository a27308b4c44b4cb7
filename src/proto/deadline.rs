//! Until when a connection may be reused: policy and facts in, verdict out.
//!
//! ```text
//! expected = hint (at most hint_ceiling) | max_idle, and no more than what was learned
//! margin   = as set, or by default a tenth of expected, within 100 ms and 1 s, and at most a quarter of it
//!
//! certain  = sent + expected - margin
//! likely   = finished + expected - max(margin, min(1 s, expected / 4), 2 * rtt) - skew - delay
//!
//! reusable while  now < max(certain, likely)
//! ```
//!
//! *Certain*: no server starts its idle timer before it was sent a request. So it does not close before
//! `sent + timeout`, whatever the network does with its response. A request that is written a margin before that
//! arrives in time if its way takes no more than the margin longer than the last one's did.
//!
//! *Likely*: after a slow exchange, `certain` leaves little. Then the time between the end of the response and
//! its arrival is estimated, and subtracted from `finished`.

use std::fmt;
use std::time::Duration;

use super::jitter::Jitter;
use super::learn::Findings;
use super::time::{Moment, Span};
use crate::policy::{Fraction, KeepAlivePolicy, Learn, SafetyMargin};

/// The least and the greatest [`SafetyMargin::Default`], unless it is more than a quarter of the expected
/// timeout.
const LEAST_MARGIN: Span = Span::new(Duration::from_millis(100));
const GREATEST_MARGIN: Span = Span::new(Duration::from_secs(1));

/// Connecting bounds a round trip by this at least: a relay accepts a connection before it has one itself.
pub(crate) const LEAST_BOUND_BY_CONNECTING: Span = Span::new(Duration::from_millis(500));

/// How long a connection that was never used is good for its first request, whatever policy leaves,
/// counted from when it was first read from.
///
/// It was opened for a request. To refuse that request would fail it, as no client sends it again.
const FIRST_USE_WINDOW: Span = Span::new(Duration::from_secs(1));

/// Why a connection is not used for another request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RetireReason {
    /// It has been idle for as long as policy, hint and observations allow.
    IdleDeadline,
    /// It is as old as the policy allows ([`max_lifetime`](crate::KeepAlivePolicy::max_lifetime)).
    MaxLifetime,
    /// It has served as many requests as the policy allows
    /// ([`max_requests`](crate::KeepAlivePolicy::max_requests)).
    MaxRequests,
    /// The margin, and what the last exchange took, leave nothing of the expected timeout.
    NoIdleAllowed,
    /// [`ConnectionHandle::retire`](crate::ConnectionHandle::retire), or
    /// [`CloseAfterResponse`](crate::CloseAfterResponse).
    Requested,
    /// It has served as many requests as the server takes (`max=`, or learned).
    RequestLimit,
    /// The policy switches reuse off ([`reuse`](crate::KeepAlivePolicy::reuse)).
    ReuseDisabled,
    /// Another connection to the same origin, idle for no longer, turned out to be closed; or
    /// [`KeepAlive::retire_idle`](crate::KeepAlive::retire_idle),
    /// [`KeepAlive::retire_all`](crate::KeepAlive::retire_all).
    Sibling,
}

impl fmt::Display for RetireReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdleDeadline => "idle until its deadline",
            Self::MaxLifetime => "at its maximum lifetime",
            Self::MaxRequests => "it served as many requests as policy allows",
            Self::NoIdleAllowed => "margin and last exchange leave no idle time",
            Self::Requested => "as the caller asked",
            Self::RequestLimit => "it served as many requests as the server takes",
            Self::ReuseDisabled => "policy switches reuse off",
            Self::Sibling => {
                "another connection idle for no longer was closed, or all idle ones retired"
            }
        })
    }
}

/// What is known of one connection's network and server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Whether a request was ever made on it.
    pub(crate) used: bool,
    /// The timeout that the server named last.
    pub(crate) hint: Option<Duration>,
    /// From when the last request was sent to when its response was completely read.
    pub(crate) elapsed: Span,
    /// How long before its response was completely read the server may have started its idle timer: skew and
    /// delay.
    pub(crate) held: Span,
    /// Upper bound of a round trip.
    pub(crate) rtt: Span,
    /// Position within the jitter range.
    pub(crate) jitter: Jitter,
}

impl Facts {
    /// Of a connection whose last response took so long, as the quickest answer of its origin did.
    fn after(hint: Option<Duration>, answer: Span) -> Self {
        Self {
            used: true,
            hint,
            elapsed: answer,
            held: Span::ZERO,
            rtt: answer.min(LEAST_BOUND_BY_CONNECTING),
            jitter: Jitter::LATEST,
        }
    }
}

/// How many requests a connection has served, and may serve.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// Requests begun.
    pub(crate) requests: u64,
    /// How many requests the server takes in all, if it said.
    pub(crate) requests_allowed: Option<u64>,
}

impl Service {
    /// Whether the connection has served as many requests as the server takes.
    pub(crate) fn is_at_request_limit(&self) -> bool {
        self.requests_allowed
            .is_some_and(|allowed| self.requests >= allowed)
    }
}

/// Whether a connection may be used for another request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It may, until one of the clocks shows this.
    Reuse {
        until: Moment,
    },
    Retire(RetireReason),
}

impl Verdict {
    /// Both verdicts hold: the earlier end counts, and the first reason.
    #[inline]
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Reuse { until: one }, Self::Reuse { until: other }) => Self::Reuse {
                until: one.min(other),
            },
            (Self::Retire(_), _) => self,
            (Self::Reuse { .. }, Self::Retire(_)) => other,
        }
    }

    /// One of both verdicts, which count from the same moment, is enough: the later end counts.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Reuse { until: one }, Self::Reuse { until: other }) => Self::Reuse {
                until: one.max(other),
            },
            (Self::Retire(_), Self::Reuse { .. }) => other,
            (_, Self::Retire(_)) => self,
        }
    }

    /// Reuse until `end`.
    #[inline]
    fn until(end: Moment, now: &Moment, reason: RetireReason) -> Self {
        match now.until(&end) {
            Some(_) => Self::Reuse { until: end },
            None => Self::Retire(reason),
        }
    }
}

/// The end of the time for which a connection may be idle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Deadline {
    At(Moment),
    /// The connection is not used again.
    Never(RetireReason),
}

impl Deadline {
    /// Whether a connection with this deadline may be used at `now`.
    #[inline]
    pub(crate) fn verdict(self, now: &Moment) -> Verdict {
        match self {
            Self::At(end) => Verdict::until(end, now, RetireReason::IdleDeadline),
            Self::Never(reason) => Verdict::Retire(reason),
        }
    }
}

/// The deadline of a connection that was used, and is idle since `idle_since`.
#[inline]
pub(crate) fn deadline(
    policy: &KeepAlivePolicy,
    facts: &Facts,
    findings: &Findings,
    service: &Service,
    idle_since: &Moment,
) -> Deadline {
    if let Some(reason) = last_request(policy, service) {
        return Deadline::Never(reason);
    }
    let allowance = allowance(policy, facts, findings);
    if allowance.is_zero() {
        return Deadline::Never(RetireReason::NoIdleAllowed);
    }
    Deadline::At(idle_since.saturating_add(allowance))
}

/// Which of the two bounds of [the rule](crate::KeepAlivePolicy#the-rule) a deadline follows from: the later one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DeadlineBound {
    /// Counted from when the last request was sent, before which no server starts its idle timer.
    Certain,
    /// Counted from when the last response was completely read, less an estimate of how long the network held it.
    Likely,
}

/// How long a connection may be idle, counted from when its last response was completely read, or from
/// when it was connected.
#[inline]
pub(crate) fn allowance(policy: &KeepAlivePolicy, facts: &Facts, findings: &Findings) -> Span {
    let (certain, likely) = bounds(policy, facts, findings);
    let idle_jitter = policy.idle_jitter.unwrap_or(Fraction::NONE);
    facts.jitter.shorten(certain.max(likely), idle_jitter)
}

/// Which bound [`allowance`] follows from.
pub(crate) fn bound(policy: &KeepAlivePolicy, facts: &Facts, findings: &Findings) -> DeadlineBound {
    let (certain, likely) = bounds(policy, facts, findings);
    if certain >= likely {
        DeadlineBound::Certain
    } else {
        DeadlineBound::Likely
    }
}

/// How long a connection may be idle by each bound.
#[inline]
fn bounds(policy: &KeepAlivePolicy, facts: &Facts, findings: &Findings) -> (Span, Span) {
    let expected = expected(policy, facts, findings);
    let margin = margin(policy, expected);
    let certain = expected.saturating_sub(margin);
    if !facts.used {
        // Its server has nothing to count from but the connection itself.
        return (certain, Span::ZERO);
    }
    let least = GREATEST_MARGIN.min(expected.part(4));
    let kept = margin.max(least).max(facts.rtt.saturating_mul(2));
    let likely = expected.saturating_sub(kept.saturating_add(facts.held));
    (certain.saturating_sub(facts.elapsed), likely)
}

/// Whether an unused connection may be used for its first request at `now`, whatever policy leaves.
/// `first_read` is how long after `connected` it was first read from; `None` if it was not yet.
///
/// The task that opened it may be late to use it, so connecting is not what counts.
pub(crate) fn first_use_verdict(
    connected: &Moment,
    first_read: Option<Span>,
    now: &Moment,
) -> Verdict {
    let first_read = first_read.unwrap_or_else(|| now.since(connected));
    let end = connected.saturating_add(first_read.saturating_add(FIRST_USE_WINDOW));
    Deadline::At(end).verdict(now)
}

/// Whether a connection that was established at `connected` may be used at `now`, whatever its idle time.
#[inline]
pub(crate) fn lifetime_verdict(
    policy: &KeepAlivePolicy,
    connected: &Moment,
    jitter: Jitter,
    now: &Moment,
) -> Verdict {
    let Some(lifetime) = policy.max_lifetime else {
        return Verdict::Reuse {
            until: Moment::LATEST,
        };
    };
    let lifetime_jitter = policy.lifetime_jitter.unwrap_or(Fraction::NONE);
    let lifetime = jitter.shorten(Span::new(lifetime), lifetime_jitter);
    Verdict::until(
        connected.saturating_add(lifetime),
        now,
        RetireReason::MaxLifetime,
    )
}

/// Why a connection serves no request after so many, if so, whatever the time.
#[inline]
fn last_request(policy: &KeepAlivePolicy, service: &Service) -> Option<RetireReason> {
    let requests = service.requests;
    if requests == 0 {
        // It was opened for a request.
        return None;
    }
    if !policy.reuse {
        return Some(RetireReason::ReuseDisabled);
    }
    if service.is_at_request_limit() {
        return Some(RetireReason::RequestLimit);
    }
    if policy.max_requests.is_some_and(|max| requests >= max) {
        return Some(RetireReason::MaxRequests);
    }
    None
}

/// Whether the policy leaves nothing to reuse, whatever a server says, though it does not switch
/// reuse off.
pub(crate) fn never_allows_reuse(policy: &KeepAlivePolicy) -> bool {
    // The ceiling may lie below `max_idle`: then silence allows more than any hint.
    let silence = None;
    let longest_hint = Some(policy.hint_ceiling);
    policy.reuse
        && [silence, longest_hint]
            .into_iter()
            .all(|hint| window(policy, hint, Span::ZERO, &Findings::default()).is_none())
}

/// Allowed idle time for a server with this hint and these findings, after a response that took as long as its
/// quickest answer; `None` if no connection to it is reused.
pub(crate) fn window(
    policy: &KeepAlivePolicy,
    hint: Option<Duration>,
    quickest: Span,
    findings: &Findings,
) -> Option<Span> {
    let idle = allowance(policy, &Facts::after(hint, quickest), findings);
    (policy.reuse && !idle.is_zero()).then_some(idle)
}

/// Allowed idle time, after a response that may have taken any time, for a server that gives no hint; `None` if
/// no connection to it is reused.
pub(crate) fn constant_window(policy: &KeepAlivePolicy, rtt: Span) -> Option<Span> {
    let facts = Facts {
        rtt,
        ..Facts::after(None, rtt)
    };
    let (_, likely) = bounds(policy, &facts, &Findings::default());
    (policy.reuse && !likely.is_zero()).then_some(likely)
}

/// Whether a hint counts, but not in full.
pub(crate) fn is_clamped(policy: &KeepAlivePolicy, hint: Option<Duration>) -> bool {
    policy.hints && hint.is_some_and(|hint| hint > policy.hint_ceiling)
}

/// Whether the server named a timeout that counts.
#[inline]
pub(crate) fn is_hinted(policy: &KeepAlivePolicy, hint: Option<Duration>) -> bool {
    policy.hints && hint.is_some()
}

/// The idle timeout that the server is expected to have.
#[inline]
fn expected(policy: &KeepAlivePolicy, facts: &Facts, findings: &Findings) -> Span {
    let announced = match facts.hint {
        Some(hint) if policy.hints => hint.min(policy.hint_ceiling),
        _ => policy.max_idle,
    };
    let announced = Span::new(announced);
    if policy.learn == Learn::Off {
        return announced;
    }
    // Where the server names no timeout, one that it was seen to keep to counts.
    let kept = findings
        .kept
        .filter(|_| policy.learn == Learn::Full && !is_hinted(policy, facts.hint))
        .map(|kept| kept.min(Span::new(policy.learn_ceiling)));
    let longest = kept.map_or(announced, |kept| announced.max(kept));
    findings.bound.map_or(longest, |bound| longest.min(bound))
}

/// How much sooner than the server this side gives up the connection.
#[inline]
fn margin(policy: &KeepAlivePolicy, expected: Span) -> Span {
    match policy.safety_margin {
        SafetyMargin::Default => expected
            .part(10)
            .max(LEAST_MARGIN)
            .min(GREATEST_MARGIN)
            .min(expected.part(4)),
        SafetyMargin::Fixed(margin) => Span::new(margin),
    }
}

/// The margin that is kept of this timeout unless a policy sets another one.
#[cfg(feature = "cli")]
pub(crate) fn default_margin(timeout: Duration) -> Duration {
    margin(&KeepAlivePolicy::default(), Span::new(timeout)).duration()
}

#[cfg(test)]
mod tests;
