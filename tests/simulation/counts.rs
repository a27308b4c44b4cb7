//! What happened in worlds, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use super::ledger::Cause;

/// What happened in worlds, in numbers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    pub worlds: u64,
    /// Made by callers.
    pub requests: u64,
    /// Requests that were begun on a connection, ...
    pub exchanges: u64,
    /// ... and those of them on one that had served a request before.
    pub reused: u64,
    /// Of those, later than policy allows by itself.
    pub lengthened: u64,
    pub connections: u64,
    /// Answered, and the answer read as sent.
    pub answered: u64,
    /// Their callers lost interest.
    pub given_up: u64,
    pub failures: BTreeMap<Cause, u64>,
    pub struck: BTreeMap<Struck, u64>,
    /// In virtual time.
    pub seconds: u64,
}

/// What struck.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Struck {
    IdleTimer,
    Goodbye,
    Served,
    AtRandom,
    Evicted,
    Fault,
    Restart,
    Refused,
    Partition,
    Cut,
    Freeze,
    Suspend,
    Stall,
    StalledConnections,
    StalledReads,
    SetClock,
    /// A third request was lost to a timeout, where one of the three may have been answered.
    ThirdLoss,
    /// A third loss to a timeout, or a later one, where no more than two have not been refuted by answers since.
    RefutedLoss,
    /// A connection that hyper's client left with a request half written, for good.
    Stuck,
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdleTimer => "idle timers that ran out",
            Self::Goodbye => "idle timers that said goodbye",
            Self::Served => "closes after so many requests",
            Self::AtRandom => "closes at random",
            Self::Evicted => "evictions",
            Self::Fault => "answers broken off or withheld",
            Self::Restart => "restarts",
            Self::Refused => "connections refused",
            Self::Partition => "partitions that healed",
            Self::Cut => "partitions that did not",
            Self::Freeze => "clients frozen",
            Self::Suspend => "clients suspended",
            Self::Stall => "stalls of all threads",
            Self::StalledConnections => "stalls of the thread that drives connections",
            Self::StalledReads => "stalls of reads",
            Self::SetClock => "wall clocks set",
            Self::ThirdLoss => "third losses to what may be an answer",
            Self::RefutedLoss => "third losses where answers refute one",
            Self::Stuck => "connections that hyper forgets",
        })
    }
}

impl Counts {
    pub fn strike(&mut self, struck: Struck) {
        *self.struck.entry(struck).or_default() += 1;
    }

    pub fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.requests += other.requests;
        self.exchanges += other.exchanges;
        self.reused += other.reused;
        self.lengthened += other.lengthened;
        self.connections += other.connections;
        self.answered += other.answered;
        self.given_up += other.given_up;
        self.seconds += other.seconds;
        for (&cause, times) in &other.failures {
            *self.failures.entry(cause).or_default() += times;
        }
        for (&struck, times) in &other.struck {
            *self.struck.entry(struck).or_default() += times;
        }
    }

    pub fn failed(&self, cause: Cause) -> u64 {
        self.failures.get(&cause).copied().unwrap_or_default()
    }
}
