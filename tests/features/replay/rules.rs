//! The rules, one by one.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::join_all;
use futures_util::stream;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use http_keepalive::{
    Attempts, KeepAlivePolicy, Learn, Provenance, ReplayBody, ReplayPolicy, RequestOutcome,
};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::connect::Connected;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use tokio::time::sleep;
use tower::retry::{Policy, Retry, RetryLayer};
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::clients::{BoxError, End};
use crate::support::client::{
    GuardedLegacy, exchange, get, guarded_legacy, keep_alive, plain, post,
};
use crate::support::link::Link;
use crate::support::wire::{FarEnds, WireConnector, wires};

const URI: &str = "http://server.test/";

const IDLE: Duration = Duration::from_secs(1);

/// A client and the far ends of its connections, a millisecond away. Nothing is learned of the server.
fn rig() -> (GuardedLegacy<WireConnector>, FarEnds) {
    let link = Link::new().latency(Duration::from_millis(1));
    let (connector, ends) = wires(link, Connected::new);
    let policy = KeepAlivePolicy::default().learn(Learn::Off);
    (guarded_legacy(&keep_alive(policy), connector), ends)
}

/// Connects to nobody.
fn to_nobody() -> GuardedLegacy<WireConnector> {
    rig().0
}

async fn next_end(ends: &mut FarEnds) -> End {
    End::new(ends.accept().await.unwrap())
}

/// So many connections, which served one request each and were idle since.
async fn used(
    client: &GuardedLegacy<WireConnector>,
    ends: &mut FarEnds,
    connections: usize,
) -> Vec<End> {
    let requests = (0..connections).map(|_| exchange(client, post(URI, "first")));
    let (answers, used) = tokio::join!(join_all(requests), async {
        let mut used = Vec::new();
        for _ in 0..connections {
            used.push(next_end(ends).await);
        }
        for end in &mut used {
            end.serve().await;
        }
        used
    });
    assert!(answers.iter().all(Result::is_ok));
    sleep(IDLE).await;
    used
}

/// Counts what comes through.
fn counted<S, B>(
    client: S,
    count: &Arc<AtomicUsize>,
) -> impl Service<Request<B>, Response = S::Response, Error = S::Error, Future = S::Future> + Clone
where
    S: Service<Request<B>> + Clone,
{
    let count = Arc::clone(count);
    ServiceBuilder::new()
        .map_request(move |request: Request<B>| {
            count.fetch_add(1, Ordering::Relaxed);
            request
        })
        .service(client)
}

/// Makes so many requests at once, to nobody. Returns how many attempts there were.
async fn attempts(policy: &ReplayPolicy, requests: usize) -> usize {
    let count = Arc::default();
    let client = Retry::new(policy.clone(), counted(to_nobody(), &count));
    let all = (0..requests).map(|_| exchange(&client, post(URI, "x")));
    for answer in join_all(all).await {
        let error = answer.unwrap_err();
        let provenance = Provenance::of_error(&*error).unwrap();
        assert_eq!(provenance.outcome(), RequestOutcome::Unsent);
    }
    count.load(Ordering::Relaxed)
}

fn with_budget(span: u64, per_second: u32, share: f32) -> ReplayPolicy {
    let span = Duration::from_secs(span);
    let builder = ReplayPolicy::builder().budget(span, per_second, share);
    builder.build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_is_unsent_is_sent_again_three_times() {
    assert_eq!(attempts(&ReplayPolicy::default(), 1).await, 4);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_not_sent_twice_as_much() {
    // 10 per second, of 10 s.
    assert_eq!(attempts(&ReplayPolicy::default(), 1_000).await, 1_100);
    // The control: with a budget that is as good as none.
    assert_eq!(attempts(&with_budget(10, 1_000, 0.0), 1_000).await, 4_000);
}

#[tokio::test(start_paused = true)]
async fn clones_share_the_budget_which_time_refills() {
    let policy = with_budget(1, 5, 0.0);
    assert_eq!(attempts(&policy, 1).await, 4);
    assert_eq!(attempts(&policy.clone(), 1).await, 3);
    assert_eq!(attempts(&policy, 1).await, 1);
    sleep(2 * Duration::from_secs(1)).await;
    assert_eq!(attempts(&policy, 1).await, 4);
}

#[tokio::test(start_paused = true)]
async fn responses_allow_their_share_of_repeats() {
    let policy = with_budget(10, 0, 0.2);
    assert_eq!(attempts(&policy, 1).await, 1);
    let (client, mut ends) = rig();
    let client = Retry::new(policy.clone(), client);
    tokio::spawn(async move {
        let mut end = next_end(&mut ends).await;
        loop {
            end.serve().await;
        }
    });
    for _ in 0..10 {
        exchange(&client, post(URI, "x")).await.unwrap();
    }
    assert_eq!(attempts(&policy, 1).await, 3);
}

/// What this crate's policy does, but for the connections beside the one that failed.
#[derive(Clone, Default)]
struct Heedless {
    has_repeated: bool,
}

impl Policy<Request<Full<Bytes>>, Response<Incoming>, Error> for Heedless {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Full<Bytes>>,
        result: &mut Result<Response<Incoming>, Error>,
    ) -> Option<Ready<()>> {
        let error = result.as_ref().err()?;
        let is_stale = Provenance::of_error(error)?.outcome() == RequestOutcome::Stale;
        let repeats = is_stale && !std::mem::replace(&mut self.has_repeated, true);
        repeats.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

/// A middlebox has forgotten all connections, and says so only to who sends something. Returns whether a GET was
/// answered, and how many of them came to the middlebox.
async fn after_a_silent_loss<P>(policy: P) -> (bool, usize)
where
    P: Policy<Request<Full<Bytes>>, Response<Incoming>, Error> + Clone,
{
    let (client, mut ends) = rig();
    let strays = Arc::<AtomicUsize>::default();
    for mut end in used(&client, &mut ends, 5).await {
        let strays = Arc::clone(&strays);
        tokio::spawn(async move {
            if end.try_request().await.is_some() {
                strays.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tokio::spawn(async move {
        // The control needs none.
        let mut end = ends.accept().await.map(End::new);
        if let Some(end) = &mut end {
            end.serve().await;
        }
        std::future::pending::<()>().await;
    });

    let answer = exchange(&Retry::new(policy, client), get(URI)).await;

    (answer.is_ok(), strays.load(Ordering::Relaxed))
}

#[tokio::test(start_paused = true)]
async fn the_repeat_does_not_go_over_a_connection_that_is_as_old() {
    let (is_answered, strays) = after_a_silent_loss(Heedless::default()).await;
    assert_eq!((is_answered, strays), (false, 2), "the control");

    let (is_answered, strays) = after_a_silent_loss(ReplayPolicy::default()).await;
    assert_eq!((is_answered, strays), (true, 1));
}

/// The second attempt goes over a connection that was busy when the first failed, and is closed as well.
#[tokio::test(start_paused = true)]
async fn what_is_stale_twice_is_left_alone() {
    let (client, mut ends) = rig();
    let used = used(&client, &mut ends, 2).await;
    let client = Retry::new(ReplayPolicy::default(), client);
    let servers = async {
        let [mut one, mut other] = <[End; 2]>::try_from(used).ok().unwrap();
        let (first, _) = tokio::join!(one.request(), other.request());
        let (mut busy, failing) = if first == "hello" {
            (one, other)
        } else {
            (other, one)
        };
        busy.respond().await;
        sleep(IDLE / 10).await;
        drop(failing);
        busy.request().await
    };

    let requests = async {
        tokio::join!(
            exchange(&client, post(URI, "")),
            exchange(&client, get(URI))
        )
    };
    let ((busy, failed), _) = tokio::join!(requests, servers);

    busy.unwrap();
    let provenance = Provenance::of_error(&*failed.unwrap_err()).unwrap();
    assert_eq!(provenance.outcome(), RequestOutcome::Stale);
    assert_eq!(provenance.request_number(), 3, "it went over the other");
    assert!(ends.accept().now_or_never().is_none(), "there was no third");
}

#[tokio::test(start_paused = true)]
async fn of_a_client_without_this_crate_nothing_is_sent_again() {
    let (connector, mut ends) = wires(Link::new(), Connected::new);
    let client = Retry::new(ReplayPolicy::default(), plain(connector));
    let (answer, ()) = tokio::join!(exchange(&client, get(URI)), async {
        let mut end = next_end(&mut ends).await;
        end.serve().await;
    });
    answer.unwrap();
    let (answer, ()) = tokio::join!(exchange(&client, get(URI)), async {
        let mut end = next_end(&mut ends).await;
        end.request().await;
    });
    answer.unwrap_err();
    assert!(ends.accept().now_or_never().is_none());
}

type Upload = StreamBody<stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, BoxError>>>>;

/// A body in pieces of so many bytes.
fn upload(pieces: usize, bytes: usize) -> Upload {
    let piece = Bytes::from(vec![b'x'; bytes]);
    let frames = vec![piece; pieces].into_iter();
    let frames = frames.map(|piece| Ok(Frame::data(piece)));
    StreamBody::new(stream::iter(frames.collect::<Vec<_>>()))
}

/// Sends a PUT with a stream of so many pieces, which the server takes on a connection that was used, and closes.
/// Returns what follows, and the lengths of the bodies that the server has read.
async fn put(
    pieces: usize,
    bytes: usize,
    bound: usize,
) -> (Result<Response<Incoming>, BoxError>, Vec<usize>) {
    let link = Link::new().latency(Duration::from_millis(1));
    let (connector, mut ends) = wires(link, Connected::new);
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let client = Client::builder(TokioExecutor::new()).build(keep_alive.connector(connector));
    let client = ServiceBuilder::new()
        .map_request(move |request: Request<Upload>| {
            request.map(|body| ReplayBody::with_bound(body, bound).unwrap())
        })
        .layer(RetryLayer::new(ReplayPolicy::default()))
        .layer(keep_alive.layer())
        .map_err(BoxError::from)
        .service(client);
    let request = |pieces| {
        let request = Request::put(URI).header("content-length", pieces * bytes);
        request.body(upload(pieces, bytes)).unwrap()
    };
    let (response, mut end) = tokio::join!(client.clone().oneshot(request(0)), async {
        let mut end = next_end(&mut ends).await;
        end.serve().await;
        end
    });
    response.unwrap().into_body().collect().await.unwrap();
    sleep(IDLE).await;

    let mut seen = Vec::new();
    let answer = tokio::select! {
        answer = client.oneshot(request(pieces)) => answer,
        () = async {
            seen.push(end.request().await.len());
            drop(end);
            let mut end = next_end(&mut ends).await;
            seen.push(end.serve().await.len());
            std::future::pending().await
        } => unreachable!(),
    };
    (answer, seen)
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_sent_again_up_to_the_bound() {
    let (answer, seen) = put(3, 1_000, 3_000).await;
    assert_eq!(Attempts::of_response(&answer.unwrap()).count(), 2);
    assert_eq!(seen, [3_000, 3_000]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_beyond_the_bound_is_sent_whole_and_not_again() {
    let (answer, seen) = put(3, 1_000, 2_999).await;
    let provenance = Provenance::of_error(&*answer.unwrap_err()).unwrap();
    assert_eq!(provenance.outcome(), RequestOutcome::Stale);
    assert_eq!(seen, [3_000]);
}
