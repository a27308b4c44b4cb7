//! The numbers of an observer and of the crate, where several threads count.

use std::sync::Arc;

use http_keepalive::{CloseAfterResponse, ConnectionHandle, KeepAlive, KeepAlivePolicy};
use tokio::task::JoinSet;

use crate::board::Board;
use crate::support::client::{exchange, get, guarded};
use crate::support::link::Link;
use crate::support::server::Server;

/// More than there are threads.
const USERS: usize = 16;

const REQUESTS: usize = 200;

/// Nothing here waits for a time: connections end as their users say, after so many requests, or with their client.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_observer_counts_what_the_crate_counts() {
    let board = Board::new();
    let policy = KeepAlivePolicy::default().max_requests(7);
    let builder = KeepAlive::builder().policy(policy).observer(board.clone());
    let keep_alive = builder.build().unwrap();
    let server = Arc::new(Server::builder().hint("timeout=60").record(false).build());
    let client = guarded(&keep_alive, server.connector(Link::new()));

    let mut users = JoinSet::new();
    for user in 0..USERS {
        let (client, board) = (client.clone(), board.clone());
        users.spawn(async move {
            for n in 0..REQUESTS {
                let uri = format!("http://server-{}.test/", (user + n) % 5);
                let mut request = get(&uri);
                if (user + n).is_multiple_of(11) {
                    request.extensions_mut().insert(CloseAfterResponse);
                }
                let mut response = exchange(&client, request).await.unwrap();
                let handle: ConnectionHandle = response.extensions_mut().remove().unwrap();
                if (user + n).is_multiple_of(13) {
                    handle.retire();
                }
                let origin = format!("http://server-{}.test", (user + n) % 5);
                board.on_outcome(&origin, Ok(Some(handle)));
            }
        });
    }
    users.join_all().await;
    drop(client);
    board.closed().await;

    let (counted, stats) = (board.stats(), keep_alive.stats());
    assert_eq!(counted, stats);
    assert_eq!(stats.exchanges, (USERS * REQUESTS) as u64);
    assert_eq!(stats.hints, stats.exchanges);
    assert!(
        stats.reused > 0 && stats.retired.max_requests > 0,
        "{stats:?}"
    );
    assert!(stats.retired.requested > 0, "{stats:?}");
    assert_eq!(board.closes().values().sum::<u64>(), stats.opened);
}
