//! The example to copy does what it says.

use crate::sockets::server::Server;

#[allow(dead_code, reason = "its main reads the command line")]
#[path = "../../examples/minimal.rs"]
mod example;

#[tokio::test]
async fn the_minimal_example_makes_both_requests_on_one_connection() {
    let mut server = Server::tcp(None).await;

    example::fetch_twice(&server.uri()).await.unwrap();

    assert_eq!(server.connections_of(""), [0, 0]);
}
