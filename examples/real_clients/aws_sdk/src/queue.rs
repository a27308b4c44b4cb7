//! A queue that takes messages as SQS does, and closes idle connections.

use std::time::Duration;

use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::BodyExt;
use real_clients_common::{Server, ServerBuilder, full};

/// The idle timeout of AWS's services, of which S3's is about 20 s, scaled. They do not name it.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Accepts every message.
pub fn queue() -> ServerBuilder {
    Server::builder()
        .idle_timeout(IDLE_TIMEOUT)
        .handler(async |request| {
            // The connection is kept if the body was read.
            drop(request.into_body().collect().await);
            let mut response = Response::new(full(r#"{"MessageId":"1"}"#));
            let json = HeaderValue::from_static("application/x-amz-json-1.0");
            response.headers_mut().insert(CONTENT_TYPE, json);
            response
        })
}
