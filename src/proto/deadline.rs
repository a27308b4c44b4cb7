//! Until when a connection may be reused: policy and facts in, verdict out.

use std::fmt;
use std::time::Duration;

use super::jitter::{Fraction, Jitter};
use super::learn::Findings;
use super::{Moment, Reading, Span};
use crate::policy::{KeepAlivePolicy, Learn, SafetyMargin};

/// What [`SafetyMargin::Default`] is, unless that is more than a quarter of what is expected.
const DEFAULT_MARGIN: Duration = Duration::from_secs(1);

/// How long a connection that was never used is good for its first request, whatever policy leaves,
/// counted from when it was first read from.
///
/// It was opened for a request. To refuse that one would fail it, as nobody sends it again.
const FIRST_USE: Duration = Duration::from_secs(1);

/// Why a connection is not reused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// Somebody said so.
    ByHand,
    /// It has been idle for as long as policy and hint allow.
    IdleDeadline,
    /// It is as old as policy allows.
    MaxLifetime,
    /// It has served as many requests as policy allows.
    MaxRequests,
    /// The margin leaves nothing of the timeout that is expected.
    NoIdleAllowed,
    /// The server said how many requests it takes, and that many were made.
    RequestLimit,
    /// Policy switches reuse off.
    ReuseDisabled,
    /// Another connection to the origin that had been idle for no longer turned out to be closed, or
    /// somebody said so of all that were idle.
    Sibling,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ByHand => "as the caller asked",
            Self::IdleDeadline => "idle until its deadline",
            Self::MaxLifetime => "at its maximum lifetime",
            Self::MaxRequests => "it served as many requests as policy allows",
            Self::NoIdleAllowed => "the margin leaves no idle time",
            Self::RequestLimit => "it served as many requests as the server takes",
            Self::ReuseDisabled => "policy switches reuse off",
            Self::Sibling => {
                "another connection idle for no longer was closed, or all idle ones retired"
            }
        })
    }
}

/// What is known of one connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    /// Whether a request was ever made on it.
    pub(crate) used: bool,
    /// How many requests it may still take, where the server said.
    pub(crate) requests_left: Option<u64>,
    /// The timeout the server named last.
    pub(crate) hint: Option<Duration>,
    /// By how much the server's timer may have started before `finished`.
    pub(crate) skew: Duration,
    /// A round trip takes at most this long.
    pub(crate) rtt: Duration,
    /// Its lot where deadlines are to be spread.
    pub(crate) jitter: Jitter,
}

/// For how long a connection may idle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Allowance {
    Idle(Duration),
    Never(Reason),
}

/// Whether a connection may be used for another request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// It may, until then; without a time, for as long as it stays open.
    Reuse {
        until: Option<Reading>,
    },
    Retire(Reason),
}

/// For how long a connection may idle, counted from when its last response was completely read.
pub(crate) fn allowance(policy: &KeepAlivePolicy, facts: &Facts) -> Allowance {
    learned_allowance(policy, facts, &Findings::default())
}

/// The same, with what the server was seen to do.
pub(crate) fn learned_allowance(
    policy: &KeepAlivePolicy,
    facts: &Facts,
    findings: &Findings,
) -> Allowance {
    let expected = learned(policy, facts, findings);
    let margin = if facts.used {
        margin(policy, facts, findings, expected)
    } else {
        // Nothing was received yet that could have been late.
        safety(policy, expected)
    };
    let idle = expected.saturating_sub(margin);
    let idle = facts
        .jitter
        .shorten(idle, policy.idle_jitter.unwrap_or(Fraction::NONE));
    if !facts.used {
        return Allowance::Idle(idle);
    }
    if !policy.reuse {
        return Allowance::Never(Reason::ReuseDisabled);
    }
    if facts.requests_left == Some(0) {
        return Allowance::Never(Reason::RequestLimit);
    }
    if idle.is_zero() {
        return Allowance::Never(Reason::NoIdleAllowed);
    }
    Allowance::Idle(idle)
}

/// Whether an unused connection that was first read from at `first_read` may still be used for its
/// first request at `now`, whatever policy leaves.
pub(crate) fn first_use(first_read: &Moment, now: &Moment) -> Verdict {
    verdict(Allowance::Idle(FIRST_USE), first_read, now)
}

/// Whether a connection that has been idle since `idle_since` may be used at `now`.
pub(crate) fn verdict(allowance: Allowance, idle_since: &Moment, now: &Moment) -> Verdict {
    let idle = match allowance {
        Allowance::Idle(idle) => idle,
        Allowance::Never(reason) => return Verdict::Retire(reason),
    };
    let left = idle.saturating_sub(now.since(idle_since));
    if left.is_zero() {
        return Verdict::Retire(Reason::IdleDeadline);
    }
    Verdict::Reuse {
        until: now.monotonic.checked_add(left),
    }
}

/// For how long a connection may be used after it was established, if there is an end to that.
pub(crate) fn lifetime(policy: &KeepAlivePolicy, jitter: Jitter) -> Option<Duration> {
    let lifetime = policy.max_lifetime?;
    Some(jitter.shorten(lifetime, policy.lifetime_jitter.unwrap_or(Fraction::NONE)))
}

/// Whether policy lets a connection serve another request after so many.
pub(crate) fn takes_more(policy: &KeepAlivePolicy, requests: u64) -> bool {
    policy.max_requests.is_none_or(|max| requests < max)
}

/// Whether a connection that has served so many requests may be used at `now`, whatever its idle time.
pub(crate) fn wear(
    policy: &KeepAlivePolicy,
    jitter: Jitter,
    requests: u64,
    connected: &Moment,
    now: &Moment,
) -> Verdict {
    if !takes_more(policy, requests) {
        return Verdict::Retire(Reason::MaxRequests);
    }
    let Some(lifetime) = lifetime(policy, jitter) else {
        return Verdict::Reuse { until: None };
    };
    let left = lifetime.saturating_sub(now.since(connected));
    if left.is_zero() {
        return Verdict::Retire(Reason::MaxLifetime);
    }
    Verdict::Reuse {
        until: now.monotonic.checked_add(left),
    }
}

impl Verdict {
    /// Both hold: what says so first.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Reuse { until: one }, Self::Reuse { until: other }) => Self::Reuse {
                until: match (one, other) {
                    (Some(one), Some(other)) => Some(one.min(other)),
                    (one, other) => one.or(other),
                },
            },
            (Self::Retire(_), _) => self,
            (Self::Reuse { .. }, Self::Retire(_)) => other,
        }
    }

    /// One of both is enough: what says so last.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Reuse { until: one }, Self::Reuse { until: other }) => Self::Reuse {
                until: one.zip(other).map(|(one, other)| one.max(other)),
            },
            (Self::Retire(_), Self::Reuse { .. }) => other,
            (_, Self::Retire(_)) => self,
        }
    }
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
            .all(|hint| window(policy, hint, Duration::ZERO, &Findings::default()).is_none())
}

/// For how long a connection to a server of which that is known may idle, if its last response came at
/// once; `None` if none is reused.
pub(crate) fn window(
    policy: &KeepAlivePolicy,
    hint: Option<Duration>,
    rtt: Duration,
    findings: &Findings,
) -> Option<Duration> {
    let facts = Facts {
        used: true,
        requests_left: None,
        hint,
        skew: Duration::ZERO,
        rtt,
        jitter: Jitter::LATEST,
    };
    match learned_allowance(policy, &facts, findings) {
        Allowance::Idle(idle) => Some(idle),
        Allowance::Never(_) => None,
    }
}

/// Whether a hint counts, but not to the full.
pub(crate) fn is_clamped(policy: &KeepAlivePolicy, hint: Option<Duration>) -> bool {
    policy.hints && hint.is_some_and(|hint| hint > policy.hint_ceiling)
}

/// The timeout the server is taken to have.
fn expected(policy: &KeepAlivePolicy, facts: &Facts) -> Duration {
    match facts.hint {
        Some(hint) if policy.hints => hint.min(policy.hint_ceiling),
        _ => policy.max_idle,
    }
}

/// The same, as far as what the server was seen to do does not say otherwise.
fn learned(policy: &KeepAlivePolicy, facts: &Facts, findings: &Findings) -> Duration {
    let expected = expected(policy, facts);
    let bound = findings.bound.map(Span::duration);
    let longer = match (policy.learn, is_hinted(policy, facts)) {
        (Learn::Off, _) => return expected,
        (Learn::Shorten, _) | (Learn::Full, true) => None,
        (Learn::Full, false) => {
            let confirmed = bound.filter(|_| findings.spread.is_some());
            let open = findings.survived.map(Span::duration).max(confirmed);
            // That no close came does not mean that a request would have been answered.
            let failed = findings.failed.map_or(Duration::MAX, Span::duration);
            open.map(|open| open.min(failed))
        }
    };
    let longer = longer.map(|longer| longer.min(policy.learn_ceiling));
    let expected = longer.map_or(expected, |longer| expected.max(longer));
    bound.map_or(expected, |bound| expected.min(bound))
}

fn is_hinted(policy: &KeepAlivePolicy, facts: &Facts) -> bool {
    policy.hints && facts.hint.is_some()
}

fn margin(
    policy: &KeepAlivePolicy,
    facts: &Facts,
    findings: &Findings,
    expected: Duration,
) -> Duration {
    let round_trips = facts.rtt.saturating_mul(2);
    match policy.safety_margin {
        SafetyMargin::Adaptive { floor }
            if policy.learn == Learn::Full
                && findings.bound.map(Span::duration) == Some(expected) =>
        {
            if let Some(spread) = findings.spread {
                // What was seen has the way back in it already; a request needs the way there.
                return floor
                    .saturating_add(facts.rtt)
                    .saturating_add(spread.duration())
                    .saturating_add(facts.skew);
            }
            floor.saturating_add(round_trips)
        }
        SafetyMargin::Adaptive { floor } => floor.saturating_add(round_trips),
        SafetyMargin::Default | SafetyMargin::Fixed(_) => safety(policy, expected),
    }
    .max(round_trips)
    .saturating_add(facts.skew)
}

/// The margin where nothing is known of the network.
fn safety(policy: &KeepAlivePolicy, expected: Duration) -> Duration {
    match policy.safety_margin {
        SafetyMargin::Default => DEFAULT_MARGIN.min(expected / 4),
        SafetyMargin::Fixed(margin) => margin,
        SafetyMargin::Adaptive { floor } => floor,
    }
}

#[cfg(test)]
mod tests;
