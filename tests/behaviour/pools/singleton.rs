//! `hyper_util::client::pool::singleton`: of HTTP/1 connections that are shared. For HTTP/2, see
//! [`negotiate`](super::negotiate).

use hyper_util::client::pool::singleton::Singleton;
use tower::{Service, ServiceExt};

use super::senders::{MakeHttp1, Shared};
use super::*;

#[tokio::test(start_paused = true)]
async fn without_this_crate_a_singleton_loses_a_request_in_the_window() {
    let server = server();
    let made = MakeHttp1(connector(&server)).map_response(Shared::from);
    let mut singleton = Singleton::new(made);

    let second = two_requests(&server, &mut singleton, uri()).await;

    assert_eq!(second, Second::Lost);
    assert_eq!(server.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn with_this_crate_a_singleton_hands_out_the_closed_connection_once_more() {
    let server = server();
    let made = MakeHttp1(guarded(&server)).map_response(Shared::from);
    let mut singleton = Singleton::new(made);

    let second = two_requests(&server, &mut singleton, uri()).await;

    assert_eq!(second, Second::Answered { closed: 1 });
    assert_eq!(server.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_stays_in_a_singleton_until_it_is_asked_whether_it_is_ready() {
    let server = server();
    let made = MakeHttp1(guarded(&server)).map_response(Shared::from);
    let mut singleton = Singleton::new(made);
    drop(ready(&mut singleton, &uri()).await);
    server.closed(1).await;

    let mut connection = singleton.call(uri()).await.unwrap();
    assert!(!singleton.is_empty());
    let is_ready = poll_fn(|cx| connection.poll_ready(cx)).await;
    assert!(is_ready.unwrap_err().is_closed());
    assert!(singleton.is_empty());
}
