//! `hyper_util::client::pool::map`, of caches.

use http::uri::Authority;
use hyper_util::client::pool::{cache, map};

use super::senders::MakeHttp1;
use super::*;

/// A cache for each host, and the second of two requests to one of them.
macro_rules! second_of_two_through_a_map {
    ($server:expr, $connector:expr) => {{
        let connector = $connector;
        let mut map = map::Map::builder::<Uri>()
            .keys(|uri: &Uri| uri.authority().cloned())
            .values(move |_| cache::builder().build(MakeHttp1(connector.clone())))
            .build();
        let second = two_requests($server, map.service(&uri()), uri()).await;
        (map, second)
    }};
}

#[tokio::test(start_paused = true)]
async fn without_this_crate_a_map_loses_a_request_in_the_window() {
    let server = server();
    let (_, second) = second_of_two_through_a_map!(&server, connector(&server));
    assert_eq!(second, Second::Lost);
}

#[tokio::test(start_paused = true)]
async fn with_this_crate_a_map_loses_no_request_and_the_pool_within_decides() {
    let server = server();
    let (mut map, second) = second_of_two_through_a_map!(&server, guarded(&server));
    assert_eq!(second, Second::Answered { closed: 1 });
    assert_eq!(server.connections(), 2);

    // One host's cache is not the other's.
    let other = Uri::from_static("http://other.test/");
    assert!(map.service(&other).is_empty());
    drop(ready(map.service(&other), &other).await);
    assert_eq!(server.connections(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_map_keeps_the_pools_it_has_made_though_all_within_is_closed() {
    let server = server();
    let (mut map, _) = second_of_two_through_a_map!(&server, guarded(&server));
    server.closed(2).await;

    let mut hosts = Vec::<Option<Authority>>::new();
    map.retain(|host, cache| {
        hosts.push(host.clone());
        cache.retain(|connection| !connection.0.is_closed());
        !cache.is_empty()
    });
    assert_eq!(hosts, [uri().authority().cloned()]);
    map.retain(|_, _| panic!("it was let go"));
}
