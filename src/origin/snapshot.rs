//! What is known of origins, for people and for the next process.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::{Origin, SharedHistory};
use crate::policy::KeepAlivePolicy;
use crate::proto::connection::Advertised;
use crate::proto::deadline;
use crate::proto::learn::{self, Kind, UpperBound};
use crate::proto::time::{Moment, Span};

/// What is known of one origin's idle timeout: made by
/// [`KeepAlive::origins`](crate::KeepAlive::origins).
///
/// For people, and with feature `serde` to be saved. A
/// [`KeepAliveBuilder`](crate::KeepAliveBuilder::remember) takes the [`hint`](Self::hint), the
/// [`quickest`](Self::quickest) and the [`evidence`](Self::evidence) from it; all else follows from these and from
/// the policies.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct OriginSnapshot {
    /// The origin.
    pub origin: Origin,
    /// When the snapshot was taken, by the wall clock.
    pub taken: SystemTime,
    /// The allowed idle time of a connection to it, after a response that took as long as the quickest answer;
    /// `None` if no connection is reused.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::serde::seconds_or_none")
    )]
    pub window: Option<Duration>,
    /// The timeout that the server named last, on any connection.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::serde::seconds_or_none")
    )]
    pub hint: Option<Duration>,
    /// Whether the server was observed to close sooner than its hint says.
    #[cfg_attr(feature = "serde", serde(default))]
    pub is_hint_contradicted: bool,
    /// Upper bound of the server's timeout, as observed.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::serde::seconds_or_none")
    )]
    pub bound: Option<Duration>,
    /// The spread of the observations that confirm the bound; `None` if it is not confirmed.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::serde::seconds_or_none")
    )]
    pub spread: Option<Duration>,
    /// The quickest answer: the least time from when a request was sent to the first byte of its response.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::serde::seconds_or_none")
    )]
    pub quickest: Option<Duration>,
    /// Whether a sentinel is open: see [`Learn`](crate::Learn).
    #[cfg_attr(feature = "serde", serde(default))]
    pub has_sentinel: bool,
    /// Observations of its connections: at most 8 closes and failures, the latest, and 8 survivals, the
    /// longest.
    #[cfg_attr(feature = "serde", serde(default))]
    pub evidence: Vec<Evidence>,
}

/// An observation of a connection that was idle.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Evidence {
    /// What happened to the connection.
    pub kind: EvidenceKind,
    /// How long it had been idle.
    #[cfg_attr(feature = "serde", serde(with = "super::serde::seconds"))]
    pub idle: Duration,
    /// How much longer the server may have counted it as idle.
    #[cfg_attr(feature = "serde", serde(with = "super::serde::seconds"))]
    pub slack: Duration,
    /// How long before the snapshot this was observed.
    #[cfg_attr(feature = "serde", serde(with = "super::serde::seconds"))]
    pub age: Duration,
    /// Whether the connection was a sentinel.
    #[cfg_attr(feature = "serde", serde(default))]
    pub by_sentinel: bool,
    /// Whether it counts. A single close does not where other connections survived longer.
    #[cfg_attr(feature = "serde", serde(default))]
    pub counts: bool,
}

/// What happened to a connection that was idle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum EvidenceKind {
    /// The server closed it.
    Closed,
    /// A request was sent on it, and got no answer.
    Failed,
    /// It was used again, or was still open.
    Survived,
}

impl OriginSnapshot {
    pub(crate) fn new(
        origin: &Origin,
        advertised: &Advertised,
        policy: &KeepAlivePolicy,
        now: &Moment,
        taken: SystemTime,
    ) -> Self {
        let shared = origin.history();
        shared.forget(now, Span::new(policy.evidence_age));
        let findings = shared.findings();
        let age = Span::new(policy.evidence_age);
        let (quickest, has_sentinel) = (shared.quickest(now, age), shared.has_sentinel());
        let (is_hint_contradicted, evidence) = shared.look(|history| {
            let bounds = history.bounds().map(|(bound, binds)| {
                let kind = match bound.kind {
                    Kind::Close => EvidenceKind::Closed,
                    Kind::Failure => EvidenceKind::Failed,
                };
                Evidence::new(&bound.evidence, kind, binds, now)
            });
            let survivals = history
                .survivals()
                .map(|survival| Evidence::new(survival, EvidenceKind::Survived, true, now));
            let timeout = advertised.timeout;
            (
                timeout.is_some_and(|timeout| history.contradicts(Span::new(timeout))),
                bounds.chain(survivals).collect(),
            )
        });
        Self {
            taken,
            window: deadline::window(
                policy,
                advertised.timeout,
                quickest.unwrap_or(Span::ZERO),
                &findings,
            )
            .map(Span::duration),
            hint: advertised.timeout,
            is_hint_contradicted,
            bound: findings.bound.map(Span::duration),
            spread: findings.spread.map(Span::duration),
            quickest: quickest.map(Span::duration),
            has_sentinel,
            evidence,
            // A clone would count as a connection that is open.
            origin: origin.without_history(),
        }
    }

    /// What the origin advertised; nothing if the snapshot, taken `since` ago, is as old as `age`.
    pub(crate) fn advertised(&self, since: Duration, age: Duration) -> Advertised {
        Advertised {
            timeout: self.hint.filter(|_| since < age),
            requests: None,
        }
    }

    /// Adds the observations to a history, with the time `since` the snapshot added to their ages.
    pub(crate) fn restore(
        &self,
        history: &SharedHistory,
        now: &Moment,
        since: Duration,
        age: Duration,
    ) {
        let evidence = self.evidence.iter().map(|evidence| {
            let at = now.saturating_sub(Span::new(evidence.age.saturating_add(since)));
            (evidence.kind, evidence.at(at))
        });
        let bounds = evidence.clone().filter_map(|(kind, evidence)| {
            let kind = match kind {
                EvidenceKind::Closed => Kind::Close,
                EvidenceKind::Failed => Kind::Failure,
                EvidenceKind::Survived => return None,
            };
            Some(UpperBound { evidence, kind })
        });
        let survivals = evidence
            .filter(|(kind, _)| *kind == EvidenceKind::Survived)
            .map(|(_, evidence)| evidence);
        history.remember(bounds, survivals, now, Span::new(age));
        if let Some(quickest) = self.quickest {
            let taken = now.saturating_sub(Span::new(since));
            history.on_answer(Span::new(quickest), &taken, Span::new(age));
        }
    }
}

impl Evidence {
    fn new(evidence: &learn::Evidence, kind: EvidenceKind, counts: bool, now: &Moment) -> Self {
        Self {
            kind,
            idle: evidence.idle.duration(),
            slack: evidence.slack.duration(),
            age: now.since(&evidence.at).duration(),
            by_sentinel: evidence.by_sentinel,
            counts,
        }
    }

    fn at(&self, at: Moment) -> learn::Evidence {
        learn::Evidence {
            since: at.saturating_sub(Span::new(self.idle)),
            at,
            idle: Span::new(self.idle),
            slack: Span::new(self.slack),
            by_sentinel: self.by_sentinel,
        }
    }
}

/// One line, such as `https://example.com: reused within 29.1s; closes after 30.1s (confirmed); hint
/// 60s (contradicted); quickest answer 12ms`.
impl fmt::Display for OriginSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.window {
            Some(window) => write!(f, "{}: reused within {}", self.origin, Brief(window))?,
            None => write!(f, "{}: not reused", self.origin)?,
        }
        if let Some(bound) = self.bound {
            let confirmed = if self.spread.is_some() {
                "confirmed"
            } else {
                "unconfirmed"
            };
            write!(f, "; closes after {} ({confirmed})", Brief(bound))?;
        }
        if let Some(hint) = self.hint {
            let contradicted = if self.is_hint_contradicted {
                " (contradicted)"
            } else {
                ""
            };
            write!(f, "; hint {}{contradicted}", Brief(hint))?;
        }
        if let Some(quickest) = self.quickest {
            write!(f, "; quickest answer {}", Brief(quickest))?;
        }
        Ok(())
    }
}

/// A duration to the millisecond, or shorter ones in full.
struct Brief(Duration);

impl fmt::Display for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let brief = if whole == 0 {
            self.0
        } else {
            Duration::from_millis(whole)
        };
        write!(f, "{brief:?}")
    }
}
