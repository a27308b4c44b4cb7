//! Many connections that idle in hyper-util's pool.

use std::time::Duration;

use futures_util::future::join_all;
use http::header::{CONNECTION, HeaderValue};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::client::{HttpClient, get};

/// How many requests wait for a connection to one origin at once, at most, where there may be several
/// origins: for each of them the pool walks over all others.
const AT_ONCE: usize = 1_000;

/// Makes so many exchanges with an origin at once, each on a connection of its own: those that idle in
/// the client's pool, and new ones. Leaves them idle in that pool. In paused time only.
pub async fn fill<S: HttpClient>(client: &S, uri: &str, connections: usize) {
    let exchanges = (0..connections).map(|_| {
        let mut request = get(uri);
        // The layer would add it. With it in any case, all buffers hold the same.
        let field = HeaderValue::from_static("keep-alive");
        request.headers_mut().insert(CONNECTION, field);
        async { client.clone().oneshot(request).await.unwrap() }
    });
    for response in join_all(exchanges).await {
        response.into_body().collect().await.unwrap();
    }
    settle().await;
}

/// The same with several origins of that name, for when there are many connections.
pub async fn fill_origins<S: HttpClient>(client: &S, name: &str, connections: usize) {
    for first in (0..connections).step_by(AT_ONCE) {
        let uri = format!("http://{name}-{first}.test/");
        fill(client, &uri, AT_ONCE.min(connections - first)).await;
    }
}

/// Lets every task run until it waits for something.
async fn settle() {
    // Paused time goes on when nothing else does.
    tokio::time::sleep(Duration::from_millis(1)).await;
}
