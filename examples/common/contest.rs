//! The same paced requests through two clients at once.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};
use http_keepalive::{KeepAlive, Retired};
use hyper_util::client::legacy::connect::Connect;
use indicatif::ProgressBar;
use tower::Service;

use super::progress::progress_bar;
use super::report::{ClientReport, Report};
use crate::support::client::{guarded, plain};
use crate::support::lateness::Lateness;
use crate::support::users::{Answer, Opened, Users};

/// Who asks what, and how often.
pub struct Contest {
    pub target: Uri,
    /// Each user goes through them in turn.
    pub methods: Vec<Method>,
    pub pace: Pace,
    /// How many users, each with a client of their own, so that one's idle time is not another's.
    pub users: u32,
    /// How many requests each user makes after the first.
    pub rounds: u32,
    pub show_progress: bool,
}

/// How long users think between a response and their next request.
#[derive(Clone, Copy)]
pub struct Pace {
    shortest: Duration,
    spread: Duration,
}

impl Pace {
    /// Around a server's idle timeout: from three round trips below it to one above.
    pub fn around(timeout: Duration, latency: Duration) -> Self {
        let round_trip = latency * 2;
        Self {
            shortest: timeout.saturating_sub(round_trip * 3),
            spread: round_trip * 4,
        }
    }

    /// The pause of a user before a round: the same for every client, and spread over all of them.
    fn pause(&self, user: u32, round: u32) -> Duration {
        if round == 0 {
            return Duration::ZERO;
        }
        let step = (user * 7 + round * 13) % 32;
        let pause = self.shortest + self.spread * step / 32;
        // Now and then somebody is quick.
        if (user + round) % 4 == 0 {
            pause / 4
        } else {
            pause
        }
    }

    fn longest(&self) -> Duration {
        self.shortest + self.spread
    }
}

impl Contest {
    /// Runs both clients side by side, each over its own connections of the connector.
    pub async fn run<C>(self, connector: C) -> Result<Report, String>
    where
        C: Connect + Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
        C::Response: hyper_util::client::legacy::connect::Connection,
        C::Future: Send + Unpin + 'static,
        C::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let bar = self.progress_bar();
        let users = Arc::new(Users {
            target: self.target,
            methods: self.methods,
            users: self.users,
            rounds: self.rounds,
            pause: Box::new(move |user, round| self.pace.pause(user, round)),
        });
        if let Err(failure) = users.probe(&plain(connector.clone())).await {
            bar.finish_and_clear();
            return Err(format!("cannot reach {}: {failure}", users.target));
        }
        let lateness = Lateness::watch();
        let keep_alive = KeepAlive::default();
        let ticks = bar.clone();
        let tick = move |_: &Answer| ticks.inc(1);

        let opened = Opened::default();
        let plain_users = users.visit(|_| plain(opened.count(connector.clone())), tick.clone());
        let guarded_users = users.visit(|_| guarded(&keep_alive, connector.clone()), tick);

        let (plain_tally, guarded_tally) = tokio::join!(plain_users, guarded_users);
        bar.finish_and_clear();

        let (opened, stats) = (opened.get(), keep_alive.stats());
        Ok(Report {
            clients: [
                ClientReport {
                    name: "hyper-util",
                    connections: opened,
                    reused: plain_tally.requests.saturating_sub(opened),
                    retired: Retired::default(),
                    tally: plain_tally,
                },
                ClientReport {
                    name: "http-keepalive",
                    connections: stats.opened,
                    reused: stats.reused,
                    retired: stats.retired,
                    tally: guarded_tally,
                },
            ],
            late: lateness.worst(),
        })
    }

    fn progress_bar(&self) -> ProgressBar {
        let requests = 2 * u64::from(self.users) * (u64::from(self.rounds) + 1);
        let at_most = self.pace.longest() * self.rounds;
        progress_bar(requests, at_most, self.show_progress)
    }
}
