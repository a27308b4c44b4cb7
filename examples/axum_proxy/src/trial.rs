//! The same users before two proxies, one with this crate and one without.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::uri::Authority;
use http::{Method, Response, StatusCode, Uri};
use http_body_util::BodyExt;
use http_keepalive::KeepAlive;
use indicatif::ProgressBar;
use tokio::task::JoinSet;

use crate::clients::{guarded, plain};
use crate::common::progress_bar;
use crate::listener;
use crate::proxy::{Client, Proxy};
use crate::report::{ProxyReport, Report};
use crate::support::client;
use crate::support::lateness::Lateness;
use crate::support::link::Link;
use crate::support::server::{LinkConnector, Server, full};
use crate::support::users::{Answer, Users};

/// The time bytes take from a proxy to the upstream, and back.
const LATENCY: Duration = Duration::from_millis(40);

/// Who asks, and how often.
#[derive(Debug)]
pub struct Trial {
    pub users: u32,
    /// How many requests each user makes after the first.
    pub rounds: u32,
    /// That of the upstream.
    pub idle_timeout: Duration,
    pub shows_progress: bool,
}

impl Trial {
    /// Runs both proxies side by side, each with users, connections and an upstream of its own.
    pub async fn run(self, keep_alive: KeepAlive) -> Result<Report, String> {
        let lateness = Lateness::watch();
        let bar = self.progress_bar();
        let think = self.think();
        let users = Arc::new(Users {
            target: Uri::from_static("http://proxy.test/"),
            methods: vec![Method::GET, Method::POST],
            users: self.users,
            rounds: self.rounds,
            pause: Box::new(move |_, round| think(round)),
        });

        let without = self.visit("hyper-util", &users, &bar, plain);
        let with = |connector| guarded(&keep_alive, connector);
        let with = self.visit("http-keepalive", &users, &bar, with);
        let (without, with) = tokio::join!(without, with);
        bar.finish_and_clear();
        Ok(Report {
            proxies: [without, with],
            late: lateness.worst(),
        })
    }

    /// What becomes of the users' requests through a proxy with a client.
    async fn visit<S: Client>(
        &self,
        name: &'static str,
        users: &Arc<Users>,
        bar: &ProgressBar,
        client: impl Fn(LinkConnector) -> S,
    ) -> ProxyReport {
        let upstream = self.upstream();
        let connector = upstream.connector(Link::new().latency(LATENCY));
        let proxy = Proxy::new(client(connector), Authority::from_static("upstream.test"));
        let mut tasks = JoinSet::new();
        let front = listener::serve(proxy.router(), &mut tasks);

        let bad_gateways = Arc::new(AtomicU64::new(0));
        let (counted, bar) = (Arc::clone(&bad_gateways), bar.clone());
        let watch = move |answer: &Answer| {
            let is_bad = |response: &Response<_>| response.status() == StatusCode::BAD_GATEWAY;
            let bad = answer.as_ref().is_ok_and(is_bad);
            counted.fetch_add(bad.into(), Ordering::Relaxed);
            bar.inc(1);
        };
        // The way to the proxy is not on trial: it lets its clients' connections idle.
        let tally = users.visit(|_| client::plain(front.clone()), watch).await;
        ProxyReport {
            name,
            tally,
            bad_gateways: bad_gateways.load(Ordering::Relaxed),
            connections: upstream.connections() as u64,
        }
    }

    /// Names its idle timeout to who asks for it, as Apache httpd does.
    fn upstream(&self) -> Server {
        Server::builder()
            .idle_timeout(self.idle_timeout)
            .hint(format!("timeout={}", self.idle_timeout.as_secs()))
            .hint_if_asked()
            .record(false)
            .handler(|request| async {
                // A request that ends early is none to answer; hyper then closes.
                drop(request.into_body().collect().await);
                Response::new(full("ok"))
            })
            .build()
    }

    /// How long all users think before a round: a few round trips more or less than the upstream
    /// waits, and every other time much less.
    fn think(&self) -> impl Fn(u32) -> Duration + Send + Sync + use<> {
        let round_trip = 2 * LATENCY;
        let timeout = self.idle_timeout;
        move |round| match round {
            0 => Duration::ZERO,
            quick if quick % 2 == 0 => timeout / 4,
            round => {
                let step = round * 7 % 16;
                timeout.saturating_sub(2 * round_trip) + round_trip * 3 * step / 16
            }
        }
    }

    fn progress_bar(&self) -> ProgressBar {
        let requests = 2 * u64::from(self.users) * (u64::from(self.rounds) + 1);
        let think = self.think();
        let exchange = 4 * LATENCY;
        let at_most = (0..=self.rounds).map(|round| think(round) + exchange).sum();
        progress_bar(requests, at_most, self.shows_progress)
    }
}
