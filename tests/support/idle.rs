//! Many connections that idle in hyper-util's pool.

use std::time::Duration;

use futures_util::future::join_all;
use http::header::{CONNECTION, HeaderValue};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::client::{HttpClient, get};

/// Makes so many exchanges with an origin at once, each on a connection of its own: those that idle in
/// the client's pool, and new ones. Leaves them idle in that pool. In paused time only.
pub async fn fill<S: HttpClient>(client: &S, uri: &str, connections: usize) {
    let exchanges = (0..connections).map(|_| {
        let mut request = get(uri);
        // The layer would add it. With it in any case, all buffers hold the same.
        let field = HeaderValue::from_static("keep-alive");
        request.headers_mut().insert(CONNECTION, field);
        client.clone().oneshot(request)
    });
    // A response whose body was not read yet keeps its connection from being reused.
    for response in join_all(exchanges).await {
        response.unwrap().into_body().collect().await.unwrap();
    }
    settle().await;
}

/// Lets every task run until it waits for something.
pub async fn settle() {
    // Paused time goes on when nothing else does.
    tokio::time::sleep(Duration::from_millis(1)).await;
}
