//! Users with clients of their own, and the oracle that their connections are measured by.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_keepalive::ConnectionHandle;
use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::origin::Origin;
use super::{RTT, URI};
use crate::support::client::{HttpClient, exchange, post};
use crate::support::tally::answer;

const PATIENCE: Duration = Duration::from_secs(5);

/// Users who think for a random time, and ask.
#[derive(Clone, Debug)]
pub struct Load {
    pub users: u64,
    /// For how long they begin to think again.
    pub lasts: Duration,
    pub gaps: Range<Duration>,
    pub seed: u64,
}

/// One request, after the first of its user.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub at: Instant,
    /// How many idle connections the server had closed before it.
    pub closes: usize,
    /// Whether the oracle would have sent it on the connection that the last one came on.
    pub is_safe: bool,
    /// The same for a client that takes the shortest time after which the server ever closed for its
    /// timeout, and knows the round trip.
    pub is_safe_by_least: bool,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    Reused,
    Fresh,
    Failed,
}

impl Load {
    /// Lets them all loose, each with a client of their own, so that one's idle time is not another's.
    ///
    /// Every request is a POST, so that nothing is sent twice.
    pub async fn run<S>(&self, origin: &Origin, client: impl Fn() -> S) -> Asking
    where
        S: HttpClient<Future: Send> + Send + Sync + 'static,
    {
        let mut users = JoinSet::new();
        for user in 0..self.users {
            users.spawn(self.clone().ask(user, origin.clone(), client()));
        }
        let mut all = users.join_all().await.concat();
        all.sort_by_key(|asked| asked.at);
        Asking(all)
    }

    async fn ask<S: HttpClient>(self, user: u64, origin: Origin, client: S) -> Vec<Asked> {
        let started = Instant::now();
        let mut random = XorShiftRng::seed_from_u64(self.seed * 1_000 + user);
        sleep(random.random_range(Duration::ZERO..self.gaps.end)).await;
        let mut last = ask(&client).await.ok();
        let mut all = Vec::new();
        while started.elapsed() < self.lasts {
            let gap = random.random_range(self.gaps.clone());
            sleep(gap).await;
            let at = Instant::now();
            let closes = origin.closed_after();
            let least = closes.iter().min();
            let is_safe = last.as_ref().is_some_and(|last| is_safe(last, gap));
            let answer = ask(&client).await;
            all.push(Asked {
                at,
                closes: closes.len(),
                is_safe,
                is_safe_by_least: is_safe && least.is_none_or(|least| gap + RTT < *least),
                outcome: outcome(&answer),
            });
            last = answer.ok();
        }
        all
    }
}

/// A request, and its whole response.
pub async fn ask<S: HttpClient>(client: &S) -> Result<Response<Bytes>, String> {
    answer(exchange(client, post(URI, "")), PATIENCE).await
}

/// For how long the connection may idle that a new request is made on.
pub async fn allowed<S: HttpClient>(client: &S, uri: &str) -> Duration {
    let response = exchange(client, post(uri, "")).await.unwrap();
    let handle = response.extensions().get::<ConnectionHandle>().unwrap();
    handle.deadline().unwrap() - Instant::now().into_std()
}

pub fn outcome(answer: &Result<Response<Bytes>, String>) -> Outcome {
    match answer {
        // Not the server's answer, but what it had said before.
        Ok(response) if !response.headers().contains_key("x-number") => Outcome::Failed,
        Ok(response) if number(response, "x-number") == 1 => Outcome::Fresh,
        Ok(_) => Outcome::Reused,
        Err(_) => Outcome::Failed,
    }
}

/// What the server said in a response.
pub fn number(response: &Response<Bytes>, name: &str) -> u64 {
    let value = response.headers().get(name);
    value.map_or(0, |value| value.to_str().unwrap().parse().unwrap())
}

/// The oracle: it knows when the server will close, which counts from when it wrote this response,
/// half a round trip before that was read; a request takes another half.
fn is_safe(response: &Response<Bytes>, gap: Duration) -> bool {
    gap + RTT < Duration::from_millis(number(response, "x-waits"))
}

/// What became of the requests, in order.
#[derive(Clone)]
pub struct Asking(Vec<Asked>);

impl Asking {
    /// Those that were made after so many closes.
    pub fn after(&self, closes: usize) -> Self {
        let all = self.0.iter();
        Self(
            all.filter(|asked| asked.closes >= closes)
                .copied()
                .collect(),
        )
    }

    /// Those that were made before that time, and all others.
    pub fn split(&self, at: Instant) -> (Self, Self) {
        let (before, after) = self.0.iter().partition(|asked| asked.at < at);
        (Self(before), Self(after))
    }

    fn count(&self, counts: impl Fn(&Asked) -> bool) -> usize {
        self.0.iter().filter(|asked| counts(asked)).count()
    }

    pub fn requests(&self) -> usize {
        self.0.len()
    }

    pub fn failed(&self) -> usize {
        self.count(|asked| asked.outcome == Outcome::Failed)
    }

    pub fn reused(&self) -> usize {
        self.count(|asked| asked.outcome == Outcome::Reused)
    }

    /// How many the oracle would have sent on the connection that was there.
    pub fn reusable(&self) -> usize {
        self.count(|asked| asked.is_safe)
    }

    /// The same for the client that believes the shortest time it ever saw.
    pub fn percent_by_least(&self) -> f64 {
        let by_least = self.count(|asked| asked.is_safe_by_least);
        100.0 * by_least as f64 / self.reusable() as f64
    }

    /// How many were sent on the connection that was there, of a hundred that the oracle would have.
    pub fn percent(&self) -> f64 {
        100.0 * self.reused() as f64 / self.reusable() as f64
    }
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (requests, failed) = (self.requests(), self.failed());
        let (reused, reusable, percent) = (self.reused(), self.reusable(), self.percent());
        write!(
            f,
            "{requests} requests, {failed} failed, {reused} reused of {reusable} ({percent:.2} %)"
        )
    }
}
