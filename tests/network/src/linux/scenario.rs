//! The scenarios, and the clients that run in each.

use std::time::Duration;

use clap::ValueEnum;
use http_keepalive::{KeepAlivePolicy, SafetyMargin};
use serde::{Deserialize, Serialize};

use super::link::{Quality, Rate};
use super::middlebox::Response;

/// What is between a client and its servers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// A link with a round trip of 100 ms
    Far,
    /// The same with 2 % loss and 20 ms jitter
    Loss,
    /// A round trip of 600 ms, and servers that close after 2 s
    Satellite,
    /// 2 MB/s with a queue of 4 MB that all share, and bodies of 300 KB
    Slow,
    /// HAProxy in TCP mode at the client, and a round trip of 160 ms
    Relay,
    /// The client is stopped (SIGSTOP) while its requests are on their way
    Stopped,
    /// A middlebox forgets connections after 2 s, and answers with RST
    ForgottenReset,
    /// A middlebox forgets connections after 2 s without a word
    ForgottenSilent,
}

/// How a client is configured.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientName {
    /// The control: hyper-util's client alone.
    HyperUtil,
    /// The servers' T is told, if it is not 5 s. Everything else is as it comes.
    Default,
    /// The same with a margin of 100 ms.
    #[serde(rename = "margin-100ms")]
    Margin,
    /// The same with a `max_idle` of 2 s.
    #[serde(rename = "max-idle-2s")]
    MaxIdle,
}

/// A scenario in numbers.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// T: how long servers let a connection idle.
    pub idle_timeout: Duration,
    pub quality: Quality,
    /// After which idle time a middlebox forgets a connection, and what it does then.
    pub forgets: Option<(Duration, Response)>,
    pub has_relay: bool,
    /// Whether responses have a large body.
    pub is_large: bool,
    pub is_stopped: bool,
    /// The users that there are at most.
    pub users: u32,
    /// The requests of each user after the first.
    pub rounds: u32,
    /// How long a user waits for a response.
    pub patience: Duration,
}

/// The time after which the middlebox forgets.
const FORGETS_AFTER: Duration = Duration::from_secs(2);

impl Scenario {
    pub fn setting(self) -> Setting {
        let base = Setting {
            idle_timeout: Duration::from_secs(5),
            quality: round_trip(100),
            forgets: None,
            has_relay: false,
            is_large: false,
            is_stopped: false,
            users: u32::MAX,
            rounds: 24,
            patience: Duration::from_secs(20),
        };
        match self {
            Self::Far => base,
            Self::Loss => Setting {
                quality: Quality {
                    jitter: Duration::from_millis(20),
                    loss: 0.02,
                    ..base.quality
                },
                ..base
            },
            Self::Satellite => Setting {
                idle_timeout: Duration::from_secs(2),
                quality: round_trip(600),
                ..base
            },
            Self::Slow => Setting {
                quality: Quality {
                    rate: Some(Rate {
                        bytes_per_second: 2_000_000,
                        queue: 4_000_000,
                    }),
                    ..base.quality
                },
                is_large: true,
                users: 16,
                ..base
            },
            Self::Relay => Setting {
                quality: round_trip(160),
                has_relay: true,
                ..base
            },
            Self::Stopped => Setting {
                idle_timeout: Duration::from_secs(2),
                quality: round_trip(200),
                is_stopped: true,
                rounds: 12,
                ..base
            },
            Self::ForgottenReset => Setting {
                quality: round_trip(50),
                forgets: Some((FORGETS_AFTER, Response::Reset)),
                ..base
            },
            Self::ForgottenSilent => Setting {
                quality: round_trip(50),
                forgets: Some((FORGETS_AFTER, Response::None)),
                patience: Duration::from_secs(3),
                ..base
            },
        }
    }

    pub fn clients(self) -> [ClientName; 3] {
        match self {
            Self::ForgottenReset | Self::ForgottenSilent => [
                ClientName::HyperUtil,
                ClientName::Default,
                ClientName::MaxIdle,
            ],
            _ => [
                ClientName::HyperUtil,
                ClientName::Default,
                ClientName::Margin,
            ],
        }
    }
}

impl Setting {
    /// The idle time around which users make their requests: what ends connections.
    pub fn timer(&self) -> Duration {
        self.forgets.map_or(self.idle_timeout, |(after, _)| after)
    }

    /// The gaps for which a client that knows everything reuses a connection are shorter than this.
    /// `None` if it depends on what others do.
    pub fn reusable(&self) -> Option<Duration> {
        let before_close = self.idle_timeout.saturating_sub(self.quality.delay * 2);
        let before_forgotten = self.forgets.map_or(Duration::MAX, |(after, _)| after);
        let is_known = self.quality.rate.is_none() && !self.is_stopped;
        is_known.then_some(before_close.min(before_forgotten))
    }
}

impl ClientName {
    /// The policy of a client with this crate.
    pub fn policy(self, setting: &Setting) -> Option<KeepAlivePolicy> {
        let told = KeepAlivePolicy::default().max_idle(setting.idle_timeout);
        match self {
            Self::HyperUtil => None,
            Self::Default => Some(told),
            Self::Margin => {
                Some(told.safety_margin(SafetyMargin::Fixed(Duration::from_millis(100))))
            }
            Self::MaxIdle => Some(told.max_idle(FORGETS_AFTER)),
        }
    }

    /// The name for people.
    pub fn label(self) -> &'static str {
        match self {
            Self::HyperUtil => "hyper-util",
            Self::Default => "default",
            Self::Margin => "margin 100 ms",
            Self::MaxIdle => "max_idle 2 s",
        }
    }
}

fn round_trip(millis: u64) -> Quality {
    Quality {
        delay: Duration::from_millis(millis / 2),
        ..Quality::default()
    }
}
