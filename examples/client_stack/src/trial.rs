//! The same users on two stacks, one with this crate and one without.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_keepalive::{KeepAlive, Retired};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use indicatif::ProgressBar;
use tokio::task::JoinSet;
use tower::Service;

use crate::clients::{RequestBody, guarded, https, plain};
use crate::common::{ClientReport, progress_bar};
use crate::hosts::Hosts;
use crate::origins::{NEWS, NEWS_TIMEOUT, Origins, STORE, STORE_TIMEOUT};
use crate::report::{OriginReport, Report};
use crate::stack::{BoxError, Patience, stack};
use crate::support::lateness::Lateness;
use crate::support::link::Link;
use crate::users::{Habits, Outcome, User};

/// The time bytes take to the origins, and back.
const LATENCY: Duration = Duration::from_millis(40);

/// How long users wait for an answer: ten round trips and more.
const PATIENCE: Patience = Patience {
    answer: Duration::from_secs(1),
    piece: Duration::from_secs(1),
};

/// Who asks, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    pub users: u32,
    pub rounds: u32,
    pub shows_progress: bool,
}

impl Trial {
    /// Runs both stacks side by side, each with users, connections and origins of its own.
    pub async fn run(self, keep_alive: KeepAlive) -> Report {
        let lateness = Lateness::watch();
        let habits = Habits {
            users: self.users,
            rounds: self.rounds,
            round_trip: 2 * LATENCY,
        };
        let at_most = habits.at_most() + PATIENCE.answer;
        let bar = progress_bar(2 * habits.requests(), at_most, self.shows_progress);

        let without = visit(habits, &bar, |connector| stack(plain(connector), PATIENCE));
        let with = visit(habits, &bar, |connector| {
            stack(guarded(&keep_alive, connector), PATIENCE)
        });
        let (without, with) = tokio::join!(without, with);
        bar.finish_and_clear();

        let origins = origins(&without, &with);
        let retired = keep_alive.stats().retired;
        Report {
            timed_out: [without.outcome.timed_out, with.outcome.timed_out],
            origins,
            clients: [
                without.report("hyper-util", Retired::default()),
                with.report("http-keepalive", retired),
            ],
            late: lateness.worst(),
        }
    }
}

/// What became of the users of one stack.
struct Visit {
    outcome: Outcome,
    origins: Origins,
}

async fn visit<S, B>(
    habits: Habits,
    bar: &ProgressBar,
    stack: impl Fn(HttpsConnector<Hosts>) -> S,
) -> Visit
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = legacy::Error, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    let origins = Origins::new(Link::new().latency(LATENCY));
    let mut users = JoinSet::new();
    for number in 0..habits.users {
        let connector = https(origins.tls.clone(), origins.hosts.clone());
        let user = User::new(stack(connector), number, habits, bar.clone());
        users.spawn(user.visit());
    }
    let outcomes = users.join_all().await;
    Visit {
        outcome: outcomes
            .into_iter()
            .fold(Outcome::default(), Outcome::merge),
        origins,
    }
}

impl Visit {
    fn report(self, name: &'static str, retired: Retired) -> ClientReport {
        let servers = [&self.origins.news, &self.origins.store];
        let connections = servers.map(|server| server.connections() as u64);
        let arrived = servers.map(|server| server.requests().len() as u64);
        let connections = connections.iter().sum();
        ClientReport {
            name,
            connections,
            reused: arrived.iter().sum::<u64>().saturating_sub(connections),
            retired,
            tally: self.outcome.tally,
        }
    }
}

fn origins(without: &Visit, with: &Visit) -> [OriginReport; 2] {
    let report = |name: &'static str, timeout, server: fn(&Origins) -> usize| OriginReport {
        name,
        timeout,
        hint: with.outcome.hints.get(name).copied().flatten(),
        connections: [without, with].map(|visit| server(&visit.origins) as u64),
    };
    [
        report(NEWS, NEWS_TIMEOUT, |origins| origins.news.connections()),
        report(STORE, STORE_TIMEOUT, |origins| origins.store.connections()),
    ]
}
