//! Those who read, comment and read again, and what became of their requests.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use http_keepalive::{ConnectionHandle, KeepAliveHint};
use hyper_util::client::legacy;
use indicatif::ProgressBar;
use tokio::time::sleep;
use tower::{Service, ServiceExt};

use crate::clients::RequestBody;
use crate::common::{Tally, answer};
use crate::origins::{NEWS, NEWS_TIMEOUT, STORE, STORE_TIMEOUT};
use crate::stack::BoxError;

/// Beyond the stack's own timeouts, so that those are what ends a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests of each round: a story of two pages, a comment, a picture.
pub const ROUND: u32 = 4;

/// What users know of origins, by name: what the connection to each was told last.
pub type Hints = BTreeMap<String, Option<KeepAliveHint>>;

/// How users spend their time.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    pub users: u32,
    pub rounds: u32,
    pub round_trip: Duration,
}

impl Habits {
    /// How long a user thinks before the comment, since the second page: until about when the news's
    /// server closes, which was not asked for that.
    fn before_comment(&self, user: u32, round: u32) -> Duration {
        let (from, step) = self.window(user + 3 * round);
        NEWS_TIMEOUT.saturating_sub(from + self.page_turn()) + step
    }

    /// And before the picture, since the comment: until about when the store's server closes.
    fn before_picture(&self, user: u32, round: u32) -> Duration {
        let (from, step) = self.window(user * 5 + round);
        (STORE_TIMEOUT + self.page_turn()).saturating_sub(NEWS_TIMEOUT + from) + step
    }

    fn page_turn(&self) -> Duration {
        BREAK + self.round_trip
    }

    /// A window of seven round trips around a server's timeout: by how much it begins before that, and
    /// how far into it this is.
    fn window(&self, number: u32) -> (Duration, Duration) {
        const STEPS: u32 = 28;
        let step = number * 11 % STEPS;
        (self.round_trip * 5, self.round_trip * 7 * step / STEPS)
    }

    /// How long all of it takes at most, but for one answer that does not come.
    pub fn at_most(&self) -> Duration {
        let round = STORE_TIMEOUT + BREAK + self.round_trip * 20;
        round * self.rounds
    }

    /// With one of each user that takes too long.
    pub fn requests(&self) -> u64 {
        u64::from(self.users) * (u64::from(self.rounds * ROUND) + 1)
    }
}

/// Between two pages, and between two rounds.
const BREAK: Duration = Duration::from_millis(500);

/// What became of the requests of one user, or of many.
#[derive(Debug, Default)]
pub struct Outcome {
    pub tally: Tally,
    /// Answers that were given up.
    pub timed_out: u64,
    pub hints: Hints,
}

impl Outcome {
    pub fn merge(mut self, other: Self) -> Self {
        self.tally = self.tally.merge(other.tally);
        self.timed_out += other.timed_out;
        self.hints.extend(other.hints);
        self
    }
}

/// One user with a stack of their own, so that one's idle time is not another's.
pub struct User<S> {
    stack: S,
    number: u32,
    habits: Habits,
    bar: ProgressBar,
    outcome: Outcome,
}

impl<S, B> User<S>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = legacy::Error> + Clone,
    B: Body<Data = Bytes, Error = BoxError>,
{
    pub fn new(stack: S, number: u32, habits: Habits, bar: ProgressBar) -> Self {
        Self {
            stack,
            number,
            habits,
            bar,
            outcome: Outcome::default(),
        }
    }

    /// A user's whole visit.
    pub async fn visit(mut self) -> Outcome {
        let user = self.number;
        for round in 0..self.habits.rounds {
            self.ask(get(NEWS, "/story")).await;
            sleep(BREAK).await;
            self.ask(get(STORE, "/story/2")).await;
            sleep(self.habits.before_comment(user, round)).await;
            self.ask(post(NEWS, "/comment")).await;
            sleep(self.habits.before_picture(user, round)).await;
            self.ask(get(STORE, "/picture")).await;
            if round == 0 {
                self.ask(get(NEWS, "/slow")).await;
            }
            sleep(BREAK).await;
        }
        self.outcome
    }

    async fn ask(&mut self, request: Request<RequestBody>) {
        let answer = answer(fetch(&self.stack, request), PATIENCE).await;
        if let Ok(response) = &answer {
            // No server here sends that.
            let timed_out = response.status() == StatusCode::GATEWAY_TIMEOUT;
            self.outcome.timed_out += u64::from(timed_out);
            if let Some((origin, hint)) = told(response) {
                self.outcome.hints.insert(origin, hint);
            }
        }
        self.outcome.tally.count(answer.map(drop));
        self.bar.inc(1);
    }
}

/// Which origin answered, and what its connection was told.
fn told<B>(response: &Response<B>) -> Option<(String, Option<KeepAliveHint>)> {
    let connection: &ConnectionHandle = response.extensions().get()?;
    Some((connection.origin()?.host().to_owned(), connection.hint()))
}

/// Sends a request and reads the whole response.
pub fn fetch<S, B, E>(
    stack: &S,
    request: Request<RequestBody>,
) -> impl Future<Output = Result<Response<Bytes>, BoxError>> + use<S, B, E>
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = E> + Clone,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    E: Into<BoxError>,
{
    let answer = stack.clone().oneshot(request);
    async move {
        let (head, body) = answer.await.map_err(Into::into)?.into_parts();
        let body = body.collect().await.map_err(Into::into)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }
}

pub fn get(host: &str, path: &str) -> Request<RequestBody> {
    let uri = format!("https://{host}{path}");
    Request::get(uri).body(Full::default()).unwrap()
}

pub fn post(host: &str, path: &str) -> Request<RequestBody> {
    let uri = format!("https://{host}{path}");
    Request::post(uri).body(Full::from("well said")).unwrap()
}
