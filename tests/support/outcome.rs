//! What became of a request that may meet the close of its server.

use super::client::{HttpClient, exchange, post};
use super::server::Server;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It was answered on a connection that was there.
    Reused,
    /// It was answered on a new connection.
    Reconnected,
    /// It was lost: the server did not see it.
    Failed,
}

/// Makes a POST that goes by `id`.
pub async fn outcome<C: HttpClient>(server: &Server, client: &C, id: &str) -> Outcome {
    let before = server.connections();
    let answer = exchange(client, post("http://server.test/", id)).await;

    match answer {
        Err(_) => {
            assert_eq!(server.times_seen(id), 0, "it was lost, not served");
            Outcome::Failed
        }
        Ok(_) => {
            assert_eq!(server.times_seen(id), 1, "no request is served twice");
            if server.connections() == before {
                Outcome::Reused
            } else {
                Outcome::Reconnected
            }
        }
    }
}
