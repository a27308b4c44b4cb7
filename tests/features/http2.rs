//! HTTP/2 under this crate's own client: one connection for all requests to an origin.

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use http_keepalive::{ClientErrorKind, PoolSettings, Provenance, RequestOutcome};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use crate::support::client::get;
use crate::support::link::{Link, LinkEnd};
use crate::support::own::{begin, client, delayed, numbers, over, settle};
use crate::support::wire::{FarEnds, wires};

const URI: &str = "http://server.test/";

fn prior_knowledge(pool: &mut PoolSettings) {
    pool.http2_prior_knowledge(true);
}

/// Serves HTTP/2; each request takes a second. Returns a switch that has the connection end once its requests are over.
fn serve(end: LinkEnd) -> (watch::Sender<bool>, tokio::task::JoinHandle<()>) {
    let (sender, mut goes_away) = watch::channel(false);
    let task = tokio::spawn(async move {
        let service = service_fn(|request: Request<Incoming>| async move {
            assert_eq!(request.version(), Version::HTTP_2);
            assert_eq!(request.uri(), URI);
            sleep(Duration::from_secs(1)).await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("ok")))
        });
        let connection =
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(end), service);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = goes_away.wait_for(|goes_away| *goes_away) => {}
        }
        connection.as_mut().graceful_shutdown();
        drop(connection.await);
    });
    (sender, task)
}

/// The next connection.
async fn accepted(far_ends: &mut FarEnds) -> LinkEnd {
    far_ends.accept().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn all_requests_share_one_connection() {
    let (client, mut far_ends) = client(prior_knowledge);
    let begun = Instant::now();
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(begin(&client, URI).await);
    }
    let (_goes_away, _) = serve(accepted(&mut far_ends).await);
    for answer in answers {
        let response = answer.await.unwrap().unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
    }
    assert_eq!(begun.elapsed().as_secs(), 1, "at once, not in turn");
    client.clone().oneshot(get(URI)).await.unwrap();
    assert_eq!(client.keep_alive().stats().opened, 1);
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_the_first_connection_are_not_lost_with_it() {
    let (client, mut far_ends) = client(prior_knowledge);
    let first = begin(&client, URI).await;
    let second = begin(&client, URI).await;
    // It is none that speaks HTTP/2.
    drop(accepted(&mut far_ends).await);
    let one = first.await.unwrap();
    assert!(one.is_err());
    let answered = tokio::spawn(second);
    settle().await;
    if !answered.is_finished() {
        let (_goes_away, _) = serve(accepted(&mut far_ends).await);
        sleep(Duration::from_secs(2)).await;
    }
    assert!(answered.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_goes_away_takes_no_more_requests() {
    let (client, mut far_ends) = client(prior_knowledge);
    let first = begin(&client, URI).await;
    let (goes_away, served) = serve(accepted(&mut far_ends).await);
    settle().await;
    goes_away.send(true).unwrap();
    first.await.unwrap().unwrap();
    served.await.unwrap();

    let second = begin(&client, URI).await;
    let (_goes_away, _) = serve(accepted(&mut far_ends).await);
    second.await.unwrap().unwrap();
    assert_eq!(client.keep_alive().stats().opened, 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_no_request_is_begun_is_let_go_of() {
    let timeout = Duration::from_secs(10);
    let (client, mut far_ends) = client(|pool| {
        prior_knowledge(pool);
        pool.http2_idle_timeout(Some(timeout));
    });
    let first = begin(&client, URI).await;
    let (_goes_away, served) = serve(accepted(&mut far_ends).await);
    first.await.unwrap().unwrap();
    let begun = Instant::now();
    served.await.unwrap();
    assert!(begun.elapsed() <= 2 * timeout);
    assert!(begun.elapsed() >= timeout - Duration::from_secs(1));
    assert_eq!(numbers(&client), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_request_under_way_is_not_ended_by_the_idle_timeout() {
    let (client, mut far_ends) = client(|pool| {
        prior_knowledge(pool);
        pool.http2_idle_timeout(Some(Duration::from_millis(100)));
    });
    let first = begin(&client, URI).await;
    let (_goes_away, _) = serve(accepted(&mut far_ends).await);
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn connections_on_which_http2_is_negotiated_later_than_on_another_are_closed() {
    let (connector, mut far_ends) = wires(Link::new(), || Connected::new().negotiated_h2());
    // All of them connect in the same time.
    let client = over(delayed(connector, Duration::from_millis(100)), |_| {});
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(begin(&client, URI).await);
    }
    assert_eq!(numbers(&client), [0, 0, 3, 3]);
    tokio::spawn(async move {
        let mut serving = Vec::new();
        while let Some(end) = far_ends.accept().await {
            serving.push(serve(end));
        }
    });
    for answer in answers {
        let response = answer.await.unwrap().unwrap();
        assert_eq!(response.version(), Version::HTTP_2);
    }
    assert_eq!(client.keep_alive().stats().opened, 3);
    client.clone().oneshot(get(URI)).await.unwrap();
    assert_eq!(client.keep_alive().stats().opened, 3);
    assert_eq!(numbers(&client), [0, 1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn the_connection_closes_with_its_client_once_its_requests_are_over() {
    let (client, mut far_ends) = client(prior_knowledge);
    let first = begin(&client, URI).await;
    drop(client);
    let (_goes_away, served) = serve(accepted(&mut far_ends).await);
    let begun = Instant::now();
    first.await.unwrap().unwrap();
    served.await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_http2_on_an_http1_connection_fails_and_leaves_it_usable() {
    let (client, mut far_ends) = client(|_| {});
    let mut request = get(URI);
    *request.version_mut() = Version::HTTP_2;
    let error = client.clone().oneshot(request).await.unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::UnsupportedVersion);

    let answer = begin(&client, URI).await;
    far_ends.peer().await.serve("").await;
    answer.await.unwrap().unwrap();
    assert_eq!(client.keep_alive().stats().opened, 1);
}

/// hyper-util's client too fails them all at once.
#[tokio::test(start_paused = true)]
async fn requests_to_a_server_that_is_gone_fail_at_once_and_not_one_after_the_other() {
    let timeout = Duration::from_secs(10);
    let (connector, mut far_ends) = wires(Link::new(), || Connected::new().negotiated_h2());
    let is_gone = Arc::<AtomicBool>::default();
    let gone = Arc::clone(&is_gone);
    let connector = connector.map_future(move |connecting| {
        let is_gone = Arc::clone(&gone);
        Box::pin(async move {
            if is_gone.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            connecting.await
        })
    });
    let client = over(connector, |pool| {
        pool.connect_timeout(timeout);
    });
    let first = begin(&client, URI).await;
    let (goes_away, served) = serve(accepted(&mut far_ends).await);
    first.await.unwrap().unwrap();
    goes_away.send(true).unwrap();
    served.await.unwrap();
    is_gone.store(true, Ordering::Relaxed);

    let begun = Instant::now();
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(begin(&client, URI).await);
    }
    for answer in answers {
        let error = answer.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::ConnectTimeout);
        let provenance = Provenance::of_error(&error).unwrap();
        assert_eq!(provenance.outcome(), RequestOutcome::Unsent);
    }
    // The first one tries alone, as it may find HTTP/2 again.
    assert_eq!(begun.elapsed().as_secs(), 2 * timeout.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_a_request_waits_for_long_is_not_let_go_of() {
    let (client, mut far_ends) = client(|pool| {
        prior_knowledge(pool);
        pool.http2_idle_timeout(Some(Duration::from_millis(100)));
        pool.max_connections_per_origin(NonZeroUsize::MIN);
    });
    let first = begin(&client, URI).await;
    let (_goes_away, _) = serve(accepted(&mut far_ends).await);
    sleep(Duration::from_millis(900)).await;
    let begun = Instant::now();
    begin(&client, URI).await.await.unwrap().unwrap();
    assert_eq!(
        begun.elapsed().as_secs(),
        1,
        "it did not wait for the first"
    );
    first.await.unwrap().unwrap();
    assert_eq!(client.keep_alive().stats().opened, 1);
}
