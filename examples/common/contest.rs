//! The same paced requests through two clients at once.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body_util::Full;
use http_keepalive::{KeepAlive, Retired};
use hyper_util::client::legacy::connect::Connect;
use indicatif::ProgressBar;
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};

use super::progress::progress_bar;
use super::report::{ClientReport, Report};
use super::tally::{Tally, answer};
use crate::support::client::{HttpClient, exchange, guarded, plain};

/// How long anybody waits for a response.
const PATIENCE: Duration = Duration::from_secs(5);

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
        let this = Arc::new(self);
        this.probe(&connector).await?;
        let bar = this.progress_bar();
        let keep_alive = KeepAlive::default();

        let opened = Opened::default();
        let plain_users = this.start(&bar, |_| plain(opened.count(connector.clone())));
        let guarded_users = this.start(&bar, |_| guarded(&keep_alive, connector.clone()));

        let (plain_tally, guarded_tally) = tokio::join!(plain_users, guarded_users);
        bar.finish_and_clear();

        let (opened, stats) = (opened.get(), keep_alive.stats());
        Ok(Report {
            clients: vec![
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
        })
    }

    /// Whether there is anybody to talk to.
    async fn probe<C>(&self, connector: &C) -> Result<(), String>
    where
        C: Connect + Clone + Send + Sync + 'static,
    {
        let client = plain(connector.clone());
        match answer(exchange(&client, self.request(0)), PATIENCE).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(format!("cannot reach {}: {failure}", self.target)),
        }
    }

    /// Starts all users of one client; they add up what became of their requests.
    fn start<S, F>(
        self: &Arc<Self>,
        bar: &ProgressBar,
        client: F,
    ) -> impl Future<Output = Tally> + use<S, F>
    where
        F: Fn(u32) -> S,
        S: HttpClient<Future: Send> + Send + Sync + 'static,
    {
        let mut users = JoinSet::new();
        for user in 0..self.users {
            users.spawn(Arc::clone(self).visit(user, client(user), bar.clone()));
        }
        async move {
            let tallies = users.join_all().await;
            tallies.into_iter().fold(Tally::default(), Tally::add)
        }
    }

    /// One user's requests, one after another.
    async fn visit<S: HttpClient>(
        self: Arc<Self>,
        user: u32,
        client: S,
        bar: ProgressBar,
    ) -> Tally {
        let mut tally = Tally::default();
        for round in 0..=self.rounds {
            if round > 0 {
                tokio::time::sleep(self.pace.pause(user, round)).await;
            }
            let exchange = exchange(&client, self.request(user + round));
            tally.count(answer(exchange, PATIENCE).await.map(drop));
            bar.inc(1);
        }
        tally
    }

    fn request(&self, turn: u32) -> Request<Full<Bytes>> {
        let method = &self.methods[turn as usize % self.methods.len()];
        let body = if method == Method::POST { "hello" } else { "" };
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = method.clone();
        *request.uri_mut() = self.target.clone();
        request
    }

    fn progress_bar(&self) -> ProgressBar {
        let requests = 2 * u64::from(self.users) * (u64::from(self.rounds) + 1);
        let at_most = self.pace.longest() * self.rounds;
        progress_bar(requests, at_most, self.show_progress)
    }
}

/// Counts the connections that a connector opened.
#[derive(Clone, Default)]
struct Opened(Arc<AtomicU64>);

impl Opened {
    fn count<C>(
        &self,
        connector: C,
    ) -> impl Service<Uri, Response = C::Response, Error = C::Error, Future = C::Future> + Clone + use<C>
    where
        C: Service<Uri> + Clone,
    {
        let opened = Arc::clone(&self.0);
        connector.map_request(move |uri| {
            opened.fetch_add(1, Ordering::Relaxed);
            uri
        })
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
