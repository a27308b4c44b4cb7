//! Bounds on connections, idle or in all, and on times.

use std::num::NonZeroUsize;
use std::time::Duration;

use http::Uri;
use http_keepalive::{ClientErrorKind, ConnectionHandle, PoolSettings, Provenance, RequestOutcome};
use tokio::time::{Instant, sleep};
use tower::service_fn;

use crate::support::client::Own;
use crate::support::own::{begin, client, numbers, over, settle};
use crate::support::wire::Wire;

const URI: &str = "http://server.test/";

fn at_most_one(pool: &mut PoolSettings) {
    pool.max_connections_per_origin(NonZeroUsize::MIN);
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_each_request_opens_a_connection() {
    let (client, mut far_ends) = client(|_| {});
    let first = begin(&client, URI).await;
    let second = begin(&client, URI).await;
    let (mut one, mut two) = (far_ends.peer().await, far_ends.peer().await);
    assert_eq!(numbers(&client), [0, 2, 0, 0]);
    one.serve("").await;
    two.serve("").await;
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(numbers(&client), [2, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn at_the_limit_requests_wait_and_are_served_in_their_order() {
    let (client, mut far_ends) = client(at_most_one);
    let mut answers = Vec::new();
    for path in ["/1", "/2", "/3"] {
        answers.push(begin(&client, &format!("http://server.test{path}")).await);
    }
    assert_eq!(numbers(&client), [0, 1, 0, 2]);

    let mut peer = far_ends.peer().await;
    for (answer, path) in answers.into_iter().zip(["/1", "/2", "/3"]) {
        let request = peer.serve("").await;
        assert!(request.starts_with(&format!("GET {path} ")), "{request}");
        answer.await.unwrap().unwrap();
    }
    assert_eq!(numbers(&client), [1, 0, 0, 0]);
    assert_eq!(client.keep_alive().stats().opened, 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_too_long_fails_and_takes_no_connection() {
    let timeout = Duration::from_secs(3);
    let (client, mut far_ends) = client(|pool| {
        at_most_one(pool);
        pool.queue_timeout(timeout);
    });
    let first = begin(&client, URI).await;
    let mut peer = far_ends.peer().await;

    let begun = Instant::now();
    let second = begin(&client, URI).await;
    let error = second.await.unwrap().unwrap_err();
    assert_eq!(begun.elapsed().as_secs(), timeout.as_secs());
    assert_eq!(error.kind(), ClientErrorKind::QueueTimeout);
    assert!(error.is_connect());
    let provenance = Provenance::of_error(&error).unwrap();
    assert_eq!(provenance.outcome(), RequestOutcome::Unsent);

    peer.serve("").await;
    first.await.unwrap().unwrap();
    assert_eq!(numbers(&client), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_given_up_on_while_it_waited_passes_its_turn_on() {
    let (client, mut far_ends) = client(at_most_one);
    let first = begin(&client, URI).await;
    let second = begin(&client, "http://server.test/2").await;
    let third = begin(&client, "http://server.test/3").await;
    let mut peer = far_ends.peer().await;

    // In the queue; then with the connection in its hands, which it has not looked at.
    second.abort();
    peer.serve("").await;
    let request = peer.serve("").await;
    assert!(request.starts_with("GET /3 "), "{request}");
    first.await.unwrap().unwrap();
    third.await.unwrap().unwrap();
    assert_eq!(numbers(&client), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_closes_leaves_its_place_to_a_request_that_waits() {
    let (client, mut far_ends) = client(at_most_one);
    let first = begin(&client, URI).await;
    let second = begin(&client, URI).await;
    drop(far_ends.peer().await);
    let error = first.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ClientErrorKind::SendRequest);
    let connection: &ConnectionHandle = error.extras().get().unwrap();
    assert_eq!(connection.id(), error.connection().unwrap().id());

    let mut peer = far_ends.peer().await;
    peer.serve("").await;
    second.await.unwrap().unwrap();
    assert_eq!(numbers(&client), [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_given_up_on_leaves_its_place() {
    let (client, mut far_ends) = client(at_most_one);
    let first = begin(&client, URI).await;
    let _unanswered = far_ends.peer().await;
    let second = begin(&client, URI).await;

    first.abort();
    far_ends.peer().await.serve("").await;
    second.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn connecting_ends_at_its_timeout_and_leaves_its_place() {
    let timeout = Duration::from_secs(7);
    let never_opens = service_fn(|_: Uri| std::future::pending::<std::io::Result<Wire>>());
    let client = over(never_opens, |pool| {
        at_most_one(pool);
        pool.connect_timeout(timeout);
    });
    let begun = Instant::now();
    let answers = [begin(&client, URI).await, begin(&client, URI).await];
    assert_eq!(numbers(&client), [0, 0, 1, 2]);
    for (turn, answer) in (1..).zip(answers) {
        let error = answer.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::ConnectTimeout);
        assert_eq!(begun.elapsed().as_secs(), turn * timeout.as_secs());
    }
    assert_eq!(numbers(&client), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_opened_fails_its_request_and_leaves_its_place() {
    let refused = service_fn(|_: Uri| async {
        settle().await;
        Err::<Wire, _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
    });
    let client = over(refused, at_most_one);
    let first = begin(&client, URI).await;
    let second = begin(&client, URI).await;
    for answer in [first, second] {
        let error = answer.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Connect);
        let source = std::error::Error::source(&error).unwrap();
        let source: &std::io::Error = source.downcast_ref().unwrap();
        let provenance = Provenance::of_error(&error).unwrap();
        assert_eq!(provenance.outcome(), RequestOutcome::Unsent);
        assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
    }
    assert_eq!(numbers(&client), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn no_more_idle_connections_are_kept_than_there_may_be() {
    for (of_origin, in_all, idle) in [(usize::MAX, usize::MAX, 3), (1, 9, 1), (9, 2, 2), (0, 9, 0)]
    {
        let (client, mut far_ends) = client(|pool| {
            pool.max_idle_per_origin(of_origin);
            pool.max_idle(in_all);
        });
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(begin(&client, URI).await);
        }
        let mut peers = Vec::new();
        for answer in answers {
            let mut peer = far_ends.peer().await;
            peer.serve("").await;
            answer.await.unwrap().unwrap();
            peers.push(peer);
        }
        settle().await;
        assert_eq!(numbers(&client), [idle, 0, 0, 0], "{of_origin}, {in_all}");
        // The others were closed.
        for peer in peers.iter_mut().skip(idle) {
            assert!(peer.rest().await.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn idle_connections_to_all_origins_share_their_bound() {
    let (client, mut far_ends) = client(|pool| {
        pool.max_idle(1);
    });
    for uri in ["http://one.test/", "http://two.test/"] {
        let answer = begin(&client, uri).await;
        far_ends.peer().await.serve("").await;
        drop(answer.await.unwrap());
    }
    settle().await;
    let idle = |client: &Own<_>| -> usize {
        client
            .get_ref()
            .stats()
            .iter()
            .map(|stats| stats.idle)
            .sum()
    };
    assert_eq!(idle(&client), 0, "the peers were dropped");

    let answer = begin(&client, "http://one.test/").await;
    let mut one = far_ends.peer().await;
    one.serve("").await;
    answer.await.unwrap().unwrap();
    let answer = begin(&client, "http://two.test/").await;
    let mut two = far_ends.peer().await;
    two.serve("").await;
    answer.await.unwrap().unwrap();
    assert!(two.rest().await.is_empty());
    assert_eq!(idle(&client), 1);
    // What closes makes room.
    drop(one);
    settle().await;
    assert_eq!(idle(&client), 0);
    sleep(Duration::from_secs(1)).await;
    let answer = begin(&client, "http://two.test/").await;
    let mut two = far_ends.peer().await;
    two.serve("").await;
    answer.await.unwrap().unwrap();
    assert_eq!(idle(&client), 1);
}
