//! What is known of origins, for people and for the next process.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::{Learning, Origin};
use crate::policy::KeepAlivePolicy;
use crate::proto::exchange::Told;
use crate::proto::learn::{self, Kind, Limit};
use crate::proto::{Moment, Span, deadline};

/// What is known of one origin's idle timeout: made by
/// [`KeepAlive::origins`](crate::KeepAlive::origins).
///
/// For people, and with feature `serde` to be saved. Given to another
/// [`KeepAliveBuilder`](crate::KeepAliveBuilder::remember), the [`hint`](Self::hint), the
/// [`rtt`](Self::rtt) and the [`evidence`](Self::evidence) count; all else follows from these and from
/// its policies.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct OriginSnapshot {
    /// The origin.
    pub origin: Origin,
    /// When this was so, by the wall clock.
    pub taken: SystemTime,
    /// For how long a connection to it may idle, if its last response came at once; `None` if none is
    /// reused.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::saved::seconds_or_none")
    )]
    pub window: Option<Duration>,
    /// The timeout that the server named last, on any connection.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::saved::seconds_or_none")
    )]
    pub hint: Option<Duration>,
    /// The server closes sooner than its hint says.
    #[cfg_attr(feature = "serde", serde(default))]
    pub is_hint_contradicted: bool,
    /// The server's timeout seems not to be longer.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::saved::seconds_or_none")
    )]
    pub bound: Option<Duration>,
    /// By how much the evidence differs that confirms the bound; `None` if it is not confirmed.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::saved::seconds_or_none")
    )]
    pub spread: Option<Duration>,
    /// A round trip takes at most that long: the least that was measured.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::saved::seconds_or_none")
    )]
    pub rtt: Option<Duration>,
    /// Whether a connection is left open just now to learn more: see [`Learn`](crate::Learn).
    #[cfg_attr(feature = "serde", serde(default))]
    pub has_sentinel: bool,
    /// What was seen of its connections: what says most, at most 16 of it.
    #[cfg_attr(feature = "serde", serde(default))]
    pub evidence: Vec<Evidence>,
}

/// What was seen of a connection that was idle.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Evidence {
    /// What became of it.
    pub kind: EvidenceKind,
    /// For how long it had been idle.
    #[cfg_attr(feature = "serde", serde(with = "super::saved::seconds"))]
    pub idle: Duration,
    /// By how much longer the server may have counted it as idle.
    #[cfg_attr(feature = "serde", serde(with = "super::saved::seconds"))]
    pub slack: Duration,
    /// How long before the snapshot that was.
    #[cfg_attr(feature = "serde", serde(with = "super::saved::seconds"))]
    pub age: Duration,
    /// Whether the connection had been left open to learn this.
    #[cfg_attr(feature = "serde", serde(default))]
    pub by_sentinel: bool,
    /// Whether it counts as it stands: a single close does not against others that survived longer.
    #[cfg_attr(feature = "serde", serde(default))]
    pub counts: bool,
}

/// What became of a connection that was idle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum EvidenceKind {
    /// The server closed it.
    Closed,
    /// A request was made on it, and got no answer.
    Failed,
    /// It was used again, or was still open.
    Survived,
}

impl OriginSnapshot {
    pub(crate) fn of(
        origin: &Origin,
        told: &Told,
        policy: &KeepAlivePolicy,
        now: &Moment,
        taken: SystemTime,
    ) -> Self {
        let learning = origin.learning();
        learning.on_time(now, policy.evidence_age);
        let findings = learning.findings();
        let (rtt, has_sentinel) = (learning.rtt(), learning.is_watched());
        let (is_hint_contradicted, evidence) = learning.look(|known| {
            let limits = known.limits().map(|(limit, counts)| {
                let kind = match limit.kind {
                    Kind::Close => EvidenceKind::Closed,
                    Kind::Failure => EvidenceKind::Failed,
                };
                Evidence::of(&limit.seen, kind, counts, now)
            });
            let survivals = known
                .survivals()
                .map(|seen| Evidence::of(seen, EvidenceKind::Survived, true, now));
            (
                told.timeout.is_some_and(|hint| known.contradicts(hint)),
                limits.chain(survivals).collect(),
            )
        });
        Self {
            taken,
            window: deadline::window(policy, told.timeout, rtt.unwrap_or_default(), &findings),
            hint: told.timeout,
            is_hint_contradicted,
            bound: findings.bound.map(Span::duration),
            spread: findings.spread.map(Span::duration),
            rtt,
            has_sentinel,
            evidence,
            // One that is kept by people alone is not in use.
            origin: origin.anew(),
        }
    }

    /// What it says on a connection, unless that was so long `since` that it counts no more.
    pub(crate) fn told(&self, since: Duration, age: Duration) -> Told {
        Told {
            timeout: self.hint.filter(|_| since < age),
            requests: None,
        }
    }

    /// Has it all known as it was, and has become older since.
    pub(crate) fn teach(&self, learning: &Learning, now: &Moment, since: Duration, age: Duration) {
        let evidence = self.evidence.iter();
        let seen = evidence.map(|evidence| {
            let at = now.saturating_sub(evidence.age.saturating_add(since));
            (evidence.kind, evidence.at(at))
        });
        let limits = seen.clone().filter_map(|(kind, seen)| {
            let kind = match kind {
                EvidenceKind::Closed => Kind::Close,
                EvidenceKind::Failed => Kind::Failure,
                EvidenceKind::Survived => return None,
            };
            Some(Limit { seen, kind })
        });
        let survivals = seen
            .filter(|(kind, _)| *kind == EvidenceKind::Survived)
            .map(|(_, seen)| seen);
        learning.remember(limits, survivals, now, age);
        if let Some(rtt) = self.rtt {
            learning.on_rtt(Span::new(rtt));
        }
    }
}

impl Evidence {
    fn of(seen: &learn::Evidence, kind: EvidenceKind, counts: bool, now: &Moment) -> Self {
        Self {
            kind,
            idle: seen.idle.duration(),
            slack: seen.slack.duration(),
            age: now.since(&seen.at),
            by_sentinel: seen.watched,
            counts,
        }
    }

    fn at(&self, at: Moment) -> learn::Evidence {
        learn::Evidence {
            since: at.saturating_sub(self.idle),
            at,
            idle: Span::new(self.idle),
            slack: Span::new(self.slack),
            watched: self.by_sentinel,
        }
    }
}

/// One line, such as `https://example.com: reused within 29.1s; closes after 30.1s (confirmed); hint
/// 60s (contradicted); round trip at most 12ms`.
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
        if let Some(rtt) = self.rtt {
            write!(f, "; round trip at most {}", Brief(rtt))?;
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
