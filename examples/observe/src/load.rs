//! Users of servers, who think for about as long as the servers wait.

use std::sync::Arc;
use std::time::Duration;

use http_keepalive::ConnectionHandle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::common::answer;
use crate::servers::Site;
use crate::support::client::{HttpClient, exchange, get};

/// How long anybody waits for a response.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a request came to: the connection that its response came on, or an error for people.
pub type Outcome = Result<Option<ConnectionHandle>, String>;

/// Users who ask until this is dropped.
#[derive(Debug)]
pub struct Load {
    users: JoinSet<()>,
    is_paused: watch::Sender<bool>,
}

impl Load {
    /// Some users of each site, each with what `client` makes for them. `watch` sees what each request came to.
    pub fn start<S, W>(sites: &[Site], users: u32, client: impl Fn() -> S, watch: W) -> Self
    where
        S: HttpClient<Future: Send> + Send + Sync + 'static,
        W: Fn(Site, Outcome) + Send + Sync + 'static,
    {
        let (is_paused, watch) = (watch::Sender::new(false), Arc::new(watch));
        let mut tasks = JoinSet::new();
        for &site in sites {
            for number in 0..users {
                let user = User {
                    site,
                    // Spread over the first timeout.
                    arrival: site.idle_timeout * number / users,
                    first_turn: number,
                    is_paused: is_paused.subscribe(),
                };
                let (client, watch) = (client(), Arc::clone(&watch));
                tasks.spawn(user.ask_on(client, move |outcome| watch(site, outcome)));
            }
        }
        Self {
            users: tasks,
            is_paused,
        }
    }

    pub fn is_paused(&self) -> bool {
        *self.is_paused.borrow()
    }

    /// Nobody begins a request, until this is called again.
    pub fn toggle_pause(&self) {
        self.is_paused.send_modify(|is_paused| *is_paused ^= true);
    }

    /// All users leave, whatever they wait for.
    pub async fn stop(mut self) {
        self.users.shutdown().await;
    }
}

/// Somebody who makes requests, one after another.
struct User {
    site: Site,
    arrival: Duration,
    first_turn: u32,
    is_paused: watch::Receiver<bool>,
}

impl User {
    async fn ask_on<S: HttpClient>(mut self, client: S, watch: impl Fn(Outcome)) {
        sleep(self.arrival).await;
        let uri = self.site.origin();
        for turn in self.first_turn.. {
            if self
                .is_paused
                .wait_for(|is_paused| !is_paused)
                .await
                .is_err()
            {
                // The load is over.
                return;
            }
            let answer = answer(exchange(&client, get(&uri)), PATIENCE).await;
            watch(answer.map(|mut response| response.extensions_mut().remove()));
            sleep(thinking(&self.site, turn)).await;
        }
    }
}

/// How long a user thinks before the next request.
fn thinking(site: &Site, turn: u32) -> Duration {
    match turn % 4 {
        0 => site.idle_timeout / 5,
        1 => site.idle_timeout / 2,
        // A request that is sent then meets the server's close, half way.
        2 => site.idle_timeout - site.latency,
        _ => site.idle_timeout * 5 / 4,
    }
}
