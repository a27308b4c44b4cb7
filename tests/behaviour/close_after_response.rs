//! A request that is the last of its connection, and one that shares its connection with no other.

use crate::support::client::{
    HttpClient, exchange, guarded, keep_alive, post, unlayered, unlayered_with,
};
use crate::support::link::Link;
use crate::support::server::Server;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use http_keepalive::CloseAfterResponse;

const URI: &str = "http://server.test/";

/// On which connection each request came, in the order of their names.
fn connections(server: &Server) -> Vec<usize> {
    let mut requests = server.requests();
    requests.sort_by(|one, other| one.id.cmp(&other.id));
    requests.iter().map(|request| request.connection).collect()
}

/// Makes three requests, the second over `other`.
async fn one_of_three<C: HttpClient>(
    client: &C,
    other: &impl HttpClient,
    second: Request<Full<Bytes>>,
) {
    exchange(client, post(URI, "1")).await.unwrap();
    exchange(other, second).await.unwrap();
    exchange(client, post(URI, "3")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_can_be_the_last_of_its_connection() {
    let server = Server::builder().build();
    let keep_alive = keep_alive(Default::default());
    let client = guarded(&keep_alive, server.connector(Link::new()));
    let mut last = post(URI, "2");
    last.extensions_mut().insert(CloseAfterResponse);

    one_of_three(&client, &client, last).await;

    let [first, second, third] = connections(&server).try_into().unwrap();
    assert_eq!(first, second);
    assert_ne!(third, first);
}

/// As the guide says. The control is the same request over the first client.
#[tokio::test(start_paused = true)]
async fn a_second_client_over_the_same_connector_gives_each_request_a_new_connection() {
    let server = Server::builder().build();
    let keep_alive = keep_alive(Default::default());
    let connector = server.connector(Link::new());
    let client = unlayered(&keep_alive, connector.clone());
    let unshared = unlayered_with(
        &keep_alive,
        connector,
        |legacy| {
            legacy.pool_max_idle_per_host(0);
        },
        |own| {
            own.max_idle_per_origin(0);
        },
    );

    one_of_three(&client, &unshared, post(URI, "2")).await;
    exchange(&unshared, post(URI, "4")).await.unwrap();
    exchange(&client, post(URI, "5")).await.unwrap();

    let [first, second, third, fourth, fifth] = connections(&server).try_into().unwrap();
    assert_eq!(
        (third, fifth),
        (first, first),
        "the idle one is not given up"
    );
    assert_ne!(second, first);
    assert_ne!(fourth, first);
    assert_ne!(fourth, second);
    server.closed(2).await;
    assert_eq!(server.open(), 1);
    assert_eq!(keep_alive.stats().opened, 3, "counted together");
}
