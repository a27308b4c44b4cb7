//! Users who ask a server again and again, and what became of their requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tower::{Service, ServiceExt};

use super::client::{HttpClient, exchange};
use super::tally::{Tally, answer};

/// How long anybody waits for a response.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks what, and how often.
pub struct Users {
    pub target: Uri,
    /// Each user goes through them in turn.
    pub methods: Vec<Method>,
    /// How many there are, each with a client of their own, so that one's idle time is not another's.
    pub users: u32,
    /// How many requests each user makes after the first.
    pub rounds: u32,
    /// How long a user thinks before a request, by user and round. The first is that of round 0.
    pub pause: Box<dyn Fn(u32, u32) -> Duration + Send + Sync>,
}

/// What a request came to; the error is for people.
pub type Answer = Result<Response<Bytes>, String>;

impl Users {
    /// Lets them all loose, each with what `client` makes for them, and adds up what became of their
    /// requests. `watch` sees each answer.
    pub async fn visit<S, C, W>(self: &Arc<Self>, client: C, watch: W) -> Tally
    where
        C: Fn(u32) -> S,
        S: HttpClient<Future: Send> + Send + Sync + 'static,
        W: Fn(&Answer) + Clone + Send + 'static,
    {
        let mut users = JoinSet::new();
        for user in 0..self.users {
            users.spawn(Arc::clone(self).visit_as(user, client(user), watch.clone()));
        }
        let tallies = users.join_all().await;
        tallies.into_iter().fold(Tally::default(), Tally::merge)
    }

    /// One user's requests, one after another.
    async fn visit_as<S: HttpClient>(
        self: Arc<Self>,
        user: u32,
        client: S,
        watch: impl Fn(&Answer),
    ) -> Tally {
        let mut tally = Tally::default();
        for round in 0..=self.rounds {
            sleep((self.pause)(user, round)).await;
            let answer = answer(exchange(&client, self.request(user + round)), PATIENCE).await;
            watch(&answer);
            tally.count(answer.map(drop));
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

    /// A request as the first user's first one.
    pub async fn probe<S: HttpClient>(&self, client: &S) -> Answer {
        answer(exchange(client, self.request(0)), PATIENCE).await
    }
}

/// Counts the connections that a connector opened.
#[derive(Clone, Default)]
pub struct Opened(Arc<AtomicU64>);

impl Opened {
    pub fn count<C>(
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

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
