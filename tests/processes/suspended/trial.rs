//! One client, stopped once.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};

use super::child::{BEGUN, IDLE, Job};
use super::process::Process;
use super::relay::{Goodbye, Relay};
use crate::support::server::{Body, Server, full};

/// What the client is doing when it is stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stopped {
    /// It has four idle connections, and timers run for the next requests.
    Idle,
    /// It has read the beginning of a response.
    Receiving,
    /// It waits for a response.
    Waiting,
}

/// A client that is stopped until its server has closed all connections.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    pub stopped: Stopped,
    pub goodbye: Goodbye,
    pub is_guarded: bool,
    /// The server's idle timeout.
    pub timeout: Duration,
}

impl Trial {
    /// The errors of the second requests; `None` if the client was not stopped in time.
    pub async fn errors(&self) -> Option<Vec<String>> {
        let (come, mut requests) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let server = self.server(come, Arc::clone(&gate));
        let mut relay = Relay::start(server.clone(), self.goodbye).await;
        let job = self.job(relay.uri());
        let mut process = Process::start(&job);

        for _ in 0..job.users {
            requests.recv().await.unwrap();
        }
        let reports: &[&str] = match self.stopped {
            Stopped::Waiting => &[],
            Stopped::Receiving => &[BEGUN],
            Stopped::Idle => &[BEGUN, IDLE],
        };
        for report in reports {
            assert_eq!(process.report().await, *report);
        }
        // The pauses began before that was reported. Timers may be late by a millisecond or two.
        let due = Instant::now() + job.pause + Duration::from_millis(50);
        #[cfg(target_os = "linux")]
        process.asleep().await;
        if !process.stop().await {
            return None;
        }

        gate.add_permits(job.users);
        relay.closed(job.users).await;
        sleep_until(due).await;
        if server.requests().len() > job.users || relay.was_hung_up() {
            return None;
        }
        process.resume();

        let rest = [BEGUN, IDLE].into_iter().skip(reports.len());
        for report in rest {
            assert_eq!(process.report().await, report);
        }
        let errors: Vec<String> = serde_json::from_str(&process.report().await).unwrap();
        process.end().await;
        for user in 0..job.users {
            let seen = server.times_seen(&format!("second {user}"));
            assert!(seen <= 1, "no request is served twice");
        }
        let answered = server.requests().len() - job.users;
        assert_eq!(answered + errors.len(), job.users, "{errors:?}");
        Some(errors)
    }

    fn job(&self, uri: String) -> Job {
        let is_idle = self.stopped == Stopped::Idle;
        Job {
            uri,
            is_guarded: self.is_guarded,
            timeout: self.timeout,
            users: if is_idle { 4 } else { 1 },
            // Sooner than anybody would give an idle connection up.
            pause: if is_idle {
                self.timeout / 2
            } else {
                Duration::ZERO
            },
        }
    }

    /// A server that tells of each first request, and makes no more of its response than the client is
    /// to have when it is stopped, until the gate opens.
    fn server(&self, come: mpsc::UnboundedSender<()>, gate: Arc<Semaphore>) -> Server {
        let stopped = self.stopped;
        Server::builder()
            .idle_timeout(self.timeout)
            .handler(move |request| respond(request, stopped, come.clone(), Arc::clone(&gate)))
            .build()
    }
}

async fn respond(
    request: Request<Incoming>,
    stopped: Stopped,
    come: mpsc::UnboundedSender<()>,
    gate: Arc<Semaphore>,
) -> Response<Body> {
    let is_first = request.headers()["x-id"] == "first";
    request.collect().await.unwrap();
    if !is_first {
        return Response::new(full("ok"));
    }
    // A trial that was given up does not listen.
    let _ = come.send(());
    let opens = async move { gate.acquire().await.unwrap().forget() };
    match stopped {
        Stopped::Idle => Response::new(full("ok")),
        Stopped::Waiting => {
            opens.await;
            Response::new(full("ok"))
        }
        Stopped::Receiving => {
            let data = |text| Ok::<_, Infallible>(Frame::data(Bytes::from_static(text)));
            let beginning = stream::iter([data(b"o")]);
            let rest = stream::once(async move {
                opens.await;
                data(b"k")
            });
            let body = StreamBody::new(beginning.chain(rest));
            Response::new(BodyExt::boxed(body))
        }
    }
}
