//! What runs in the client's process.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use http_keepalive::{KeepAlive, KeepAlivePolicy};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::ServiceExt;

use crate::support::client::{HttpClient, exchange, guarded, plain, post};

/// The variable that says what to do.
pub const JOB: &str = "SUSPENDED_JOB";

/// What a line begins with that is for the parent.
pub const REPORT: &str = "report: ";

/// All first responses have begun to come.
pub const BEGUN: &str = "begun";

/// All first responses have been read to their ends, and the pauses have begun.
pub const IDLE: &str = "idle";

/// What a client is to do: for each of its users, one request, a pause, and another.
#[derive(Clone, Debug)]
pub struct Job {
    pub uri: String,
    /// With this crate, or without.
    pub is_guarded: bool,
    /// How long the server keeps idle connections; a client with this crate is told.
    pub timeout: Duration,
    pub users: usize,
    /// From the first response to the second request.
    pub pause: Duration,
}

impl Job {
    pub fn write(&self) -> String {
        let job = json!({
            "uri": self.uri,
            "is_guarded": self.is_guarded,
            "timeout": self.timeout.as_millis(),
            "users": self.users,
            "pause": self.pause.as_millis(),
        });
        job.to_string()
    }

    fn read(job: &str) -> Self {
        let job: Value = serde_json::from_str(job).unwrap();
        let number = |name: &str| job[name].as_u64().unwrap();
        Self {
            uri: job["uri"].as_str().unwrap().to_owned(),
            is_guarded: job["is_guarded"].as_bool().unwrap(),
            timeout: Duration::from_millis(number("timeout")),
            users: number("users").try_into().unwrap(),
            pause: Duration::from_millis(number("pause")),
        }
    }
}

/// Does what the environment says.
pub async fn run() {
    let job = Job::read(&std::env::var(JOB).unwrap());
    let keep_alive = KeepAlive::new(KeepAlivePolicy::default().max_idle(job.timeout)).unwrap();
    if job.is_guarded {
        ask(&job, || guarded(&keep_alive, HttpConnector::new())).await;
    } else {
        ask(&job, || plain(HttpConnector::new())).await;
    }
}

/// Asks for all users at once, each with a client of their own. Reports when all have got so far, and
/// at last the errors of the second requests.
async fn ask<C>(job: &Job, client: impl Fn() -> C)
where
    C: HttpClient<Future: Send> + Send + Sync + 'static,
{
    let all = Arc::new(Barrier::new(job.users + 1));
    let mut asking = JoinSet::new();
    for user in 0..job.users {
        let (job, client, all) = (job.clone(), client(), Arc::clone(&all));
        asking.spawn(async move {
            let first = client.clone().oneshot(post(&job.uri, "first"));
            let mut response = first.await.unwrap();
            response.frame().await.unwrap().unwrap();
            all.wait().await;
            response.collect().await.unwrap();
            // Its time begins here.
            let pause = Box::pin(sleep(job.pause));
            all.wait().await;
            pause.await;
            let second = exchange(&client, post(&job.uri, format!("second {user}")));
            second.await.err().map(|error| format!("{error:?}"))
        });
    }
    for point in [BEGUN, IDLE] {
        all.wait().await;
        report(point);
    }
    let errors: Vec<_> = asking.join_all().await.into_iter().flatten().collect();
    report(&json!(errors).to_string());
}

/// On a line of its own, whatever the test harness has printed before.
fn report(what: &str) {
    println!("\n{REPORT}{what}");
}
