//! All clients on all links, side by side.

use std::sync::Arc;
use std::time::Duration;

use indicatif::ProgressBar;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tower::ServiceExt;

use crate::clients::{BoxError, Client, ClientName, process};
use crate::common::{Tally, answer, progress_bar};
use crate::gaps::Gaps;
use crate::oracle;
use crate::relay::Relay;
use crate::report::{ClientReport, LinkReport, Report};
use crate::scenario::Scenario;
use crate::servers::Servers;
use crate::support::client::{get, post};
use crate::support::lateness::Lateness;

/// How long anybody waits for a response, beside the time that the link takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Who runs, on which links, at which pace.
#[derive(Debug)]
pub struct Race {
    pub scenarios: Vec<Scenario>,
    pub clients: Vec<ClientName>,
    pub gaps: Gaps,
    pub shows_progress: bool,
}

/// A request after a gap, and whether it failed.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// In multiples of the server's first idle timeout.
    pub gap: f64,
    pub is_failed: bool,
}

impl Race {
    pub async fn run(self) -> Result<Report, String> {
        let lateness = Lateness::watch();
        let bar = self.progress_bar();
        let this = Arc::new(self);

        // All are started before the first is waited for.
        let mut running = Vec::new();
        for scenario in &this.scenarios {
            let mut clients = Vec::new();
            for &client in &this.clients {
                clients.push(Lane::start(&this, scenario, client, &bar).await?);
            }
            running.push((scenario, clients));
        }

        let mut links = Vec::new();
        for (scenario, lanes) in running {
            let mut clients = Vec::new();
            for lane in lanes {
                clients.push(lane.finish().await);
            }
            links.push(LinkReport {
                scenario: scenario.clone(),
                oracle: oracle::connections(scenario, &this.gaps),
                clients,
            });
        }
        bar.finish_and_clear();
        Ok(Report {
            links,
            late: lateness.worst(),
        })
    }

    fn progress_bar(&self) -> ProgressBar {
        let of_one: usize = self.gaps.users().map(|gaps| gaps.len() + 1).sum();
        let requests = of_one * self.scenarios.len() * self.clients.len();
        let at_most = self.scenarios.iter().map(|scenario| self.at_most(scenario));
        let at_most = at_most.max().unwrap_or_default();
        progress_bar(requests as u64, at_most, self.shows_progress)
    }

    /// How long the run takes on a link, where nothing fails.
    fn at_most(&self, scenario: &Scenario) -> Duration {
        let rounds = self.gaps.users().map(<[_]>::len).max().unwrap_or_default();
        // A round trip to connect, another for the request.
        let exchange = scenario.round_trip() * 2 + scenario.drain();
        scenario.idle_timeout + self.gaps.longest() + exchange * (rounds as u32 + 1)
    }
}

/// All users of one client on one link.
struct Lane {
    client: ClientName,
    relay: Relay,
    users: JoinSet<(Tally, Vec<Sample>)>,
}

impl Lane {
    async fn start(
        race: &Arc<Race>,
        scenario: &Scenario,
        client: ClientName,
        bar: &ProgressBar,
    ) -> Result<Self, String> {
        let start = Instant::now();
        let servers = Servers::new(scenario, start);
        let relay = Relay::start(servers, scenario.link(), scenario.is_shared)
            .await
            .map_err(|error| format!("cannot listen on loopback: {error}"))?;
        let process = process()?;
        let mut users = JoinSet::new();
        let count = race.gaps.users().len();
        for (number, gaps) in race.gaps.users().enumerate() {
            let user = User {
                number,
                client: client.client(scenario, &process)?,
                target: relay.uri(),
                idle_timeout: scenario.idle_timeout,
                expects: scenario.body,
                patience: PATIENCE + scenario.round_trip() * 2 + scenario.drain(),
                bar: bar.clone(),
            };
            let gaps = gaps.to_vec();
            let arrival = start + scenario.arrival(number, count);
            users.spawn(async move {
                sleep_until(arrival).await;
                user.visit(&gaps).await
            });
        }
        Ok(Self {
            client,
            relay,
            users,
        })
    }

    async fn finish(self) -> ClientReport {
        let mut tally = Tally::default();
        let mut most = 0;
        let mut samples = Vec::new();
        for (of_user, seen) in self.users.join_all().await {
            most = most.max(of_user.failed);
            tally = tally.merge(of_user);
            samples.extend(seen);
        }
        ClientReport {
            client: self.client,
            connections: self.relay.connections(),
            tally,
            most_of_one_user: most,
            samples,
        }
    }
}

/// Somebody who makes requests, one after another.
struct User {
    number: usize,
    client: Client,
    target: String,
    /// That of the server, at first.
    idle_timeout: Duration,
    /// The length of each response's body.
    expects: usize,
    patience: Duration,
    bar: ProgressBar,
}

impl User {
    /// A request at once, and one after each gap, whatever became of the one before.
    async fn visit(self, gaps: &[Duration]) -> (Tally, Vec<Sample>) {
        let mut tally = Tally::default();
        let mut samples = Vec::with_capacity(gaps.len());
        tally.count(self.ask(0).await);
        for (round, &gap) in (1..).zip(gaps) {
            sleep(gap).await;
            let outcome = self.ask(round).await;
            samples.push(Sample {
                gap: gap.as_secs_f64() / self.idle_timeout.as_secs_f64(),
                is_failed: outcome.is_err(),
            });
            tally.count(outcome);
        }
        (tally, samples)
    }

    async fn ask(&self, round: usize) -> Result<(), String> {
        let exchange = self.exchange(round);
        let outcome = answer(exchange, self.patience).await;
        self.bar.inc(1);
        outcome
    }

    async fn exchange(&self, round: usize) -> Result<(), BoxError> {
        let request = if (self.number + round) % 2 == 0 {
            get(&self.target)
        } else {
            post(&self.target, format!("{}-{round}", self.number))
        };
        let length = self.client.clone().oneshot(request).await?;
        if length == self.expects {
            Ok(())
        } else {
            Err(format!("a body of {length} bytes, not {}", self.expects).into())
        }
    }
}
