//! What is known of origins, for people and for the next process.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::{Origin, SharedHistory};
use crate::policy::KeepAlivePolicy;
use crate::proto::connection::Advertised;
use crate::proto::deadline;
use crate::proto::learn::{self, Failure, History, Observation};
use crate::proto::time::{Moment, Span};

/// What is known of one origin's idle timeout: made by
/// [`KeepAlive::origins`](crate::KeepAlive::origins).
///
/// For people, and with feature `serde` to be saved. A
/// [`KeepAliveBuilder`](crate::KeepAliveBuilder::remember) takes the [`hint`](Self::hint), the
/// [`quickest`](Self::quickest) and the [`evidence`](Self::evidence) from it. All else follows from these and from
/// the policies, or is observed anew.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct OriginSnapshot {
    /// The version of the saved form: [`VERSION`](Self::VERSION). Another one is not read.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "super::serde::snapshot_version")
    )]
    pub version: u32,
    /// The origin. An HTTP forward proxy is one too, as `proxy://` and its address: the connections to all origins
    /// behind it are closed by it.
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
    /// How long the server was seen to keep idle connections: two closes agree that it is no shorter. `None` if it
    /// is not known well enough. It counts with [`Learn::Full`](crate::Learn::Full).
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::serde::seconds_or_none")
    )]
    pub kept: Option<Duration>,
    /// How many requests the server takes on a connection, if it was seen to close behind the same one twice in a
    /// row.
    #[cfg_attr(feature = "serde", serde(default))]
    pub requests: Option<u32>,
    /// The quickest answer: the least time from when a request was sent to the first byte of its response.
    #[cfg_attr(
        feature = "serde",
        serde(default, with = "super::serde::seconds_or_none")
    )]
    pub quickest: Option<Duration>,
    /// Whether a sentinel is open: see [`Learn`](crate::Learn).
    #[cfg_attr(feature = "serde", serde(default))]
    pub has_sentinel: bool,
    /// Observations of its connections: at most [`MAX_EVIDENCE`](Self::MAX_EVIDENCE). None of an origin behind a
    /// proxy, which has them.
    #[cfg_attr(
        feature = "serde",
        serde(default, deserialize_with = "super::serde::evidence")
    )]
    pub evidence: Vec<Evidence>,
}

/// An observation of a connection that was idle.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Evidence {
    /// What happened to the connection.
    pub kind: EvidenceKind,
    /// How long it had been idle when that was found.
    #[cfg_attr(feature = "serde", serde(with = "super::serde::seconds"))]
    pub idle: Duration,
    /// Of a close, how long the connection had been idle when it was last seen open; of a failure, the longest idle
    /// time after which a request was answered since; otherwise `idle`.
    #[cfg_attr(feature = "serde", serde(with = "super::serde::seconds"))]
    pub open: Duration,
    /// How long before the snapshot this was found.
    #[cfg_attr(feature = "serde", serde(with = "super::serde::seconds"))]
    pub age: Duration,
    /// Whether a bound follows from it, with the others. From a single close none does, nor from a single failure where
    /// other requests were answered after such an idle time.
    #[cfg_attr(feature = "serde", serde(default))]
    pub counts: bool,
}

/// What happened to a connection that was idle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum EvidenceKind {
    /// A request was sent on it, and answered. The longest are kept.
    Answered,
    /// The server closed it. The latest are kept.
    Closed,
    /// A request was sent on it, and got no answer. The latest are kept.
    Failed,
    /// A request was sent on it, and its caller gave it up unanswered. The one after the shortest idle time is kept.
    GivenUp,
}

impl OriginSnapshot {
    /// The version of the form in which this version of the crate saves snapshots, and which it reads.
    pub const VERSION: u32 = 1;

    /// How many observations of one origin are kept.
    pub const MAX_EVIDENCE: usize = 3 * learn::KEPT + 1;

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
        let quickest = shared
            .quickest()
            .and_then(|quickest| quickest.valid_answer(now, age));
        let has_sentinel = shared.has_sentinel();
        let (is_hint_contradicted, evidence) = shared.look(|history| {
            let timeout = advertised.timeout;
            let evidence = if origin.is_proxied() {
                Vec::new()
            } else {
                evidence(history, now)
            };
            (
                timeout.is_some_and(|timeout| history.contradicts(Span::new(timeout))),
                evidence,
            )
        });
        Self {
            version: Self::VERSION,
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
            kept: findings.kept.map(Span::duration),
            requests: findings.requests,
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
        let age = Span::new(age);
        let taken = now.saturating_sub(Span::new(since));
        let mut evidence: Vec<_> = self.evidence.iter().collect();
        // In the order in which they were made: later ones refute earlier ones.
        evidence.sort_by_key(|evidence| std::cmp::Reverse(evidence.age));
        history.remember(|history| {
            for evidence in evidence {
                let at = taken.saturating_sub(Span::new(evidence.age));
                history.on_observation(evidence.observation(at), age);
            }
            history.forget(now, age);
        });
        if let Some(quickest) = self.quickest {
            history.on_answer(Span::new(quickest), &taken, age);
        }
    }
}

/// The observations of a history.
fn evidence(history: &History, now: &Moment) -> Vec<Evidence> {
    let new = |kind, evidence: &learn::Evidence, open: Span, counts| Evidence {
        kind,
        idle: evidence.idle.duration(),
        open: open.duration(),
        age: now.since(&evidence.at).duration(),
        counts,
    };
    let bound = history.bound_by_closes();
    let closes = history.closes().map(|close| {
        let counts = bound.is_some_and(|bound| bound <= close.evidence.idle);
        new(EvidenceKind::Closed, &close.evidence, close.open, counts)
    });
    let failures = history.failures().map(|(failure, counts)| {
        let Failure {
            evidence, answered, ..
        } = failure;
        new(EvidenceKind::Failed, evidence, *answered, counts)
    });
    let answers = history
        .answers()
        .map(|answer| new(EvidenceKind::Answered, answer, answer.idle, true));
    let given_up = history
        .given_up()
        .map(|given_up| new(EvidenceKind::GivenUp, given_up, given_up.idle, true));
    closes
        .chain(failures)
        .chain(answers)
        .chain(given_up)
        .collect()
}

impl Evidence {
    /// The observation that was made at `at`.
    fn observation(&self, at: Moment) -> Observation {
        let evidence = learn::Evidence {
            since: at.saturating_sub(Span::new(self.idle)),
            at,
            idle: Span::new(self.idle),
        };
        match self.kind {
            EvidenceKind::Answered => Observation::Answer {
                evidence,
                request: 0,
            },
            EvidenceKind::Closed => Observation::Close {
                evidence,
                open: Span::new(self.open),
            },
            EvidenceKind::Failed => Observation::Failure(Failure {
                evidence,
                // Those that were sent together were counted once.
                sent: at,
                answered: Span::new(self.open),
                is_doubted: false,
            }),
            EvidenceKind::GivenUp => Observation::GivenUp(evidence),
        }
    }
}

/// One line, such as `https://example.com: reused within 29.1s; closes after 30.1s; hint 60s (contradicted);
/// quickest answer 12ms`.
impl fmt::Display for OriginSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.window {
            Some(window) => write!(f, "{}: reused within {}", self.origin, Brief(window))?,
            None => write!(f, "{}: not reused", self.origin)?,
        }
        if let Some(bound) = self.bound {
            write!(f, "; closes after {}", Brief(bound))?;
        }
        if let Some(requests) = self.requests {
            write!(f, "; takes {requests} requests on a connection")?;
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
