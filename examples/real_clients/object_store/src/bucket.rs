//! A bucket that closes idle connections as S3 does.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use http::{Response, StatusCode};
use http_body_util::BodyExt;
use real_clients_common::{Server, ServerBuilder, full};

/// S3's idle timeout, which is about 20 s, scaled. S3 does not name it.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// Puts objects, and creates those that are not there.
pub fn bucket() -> ServerBuilder {
    let objects = Arc::new(Mutex::new(HashSet::new()));
    Server::builder()
        .idle_timeout(IDLE_TIMEOUT)
        .handler(move |request| {
            let objects = Arc::clone(&objects);
            async move {
                let creates = request.headers().contains_key(IF_NONE_MATCH);
                let path = request.uri().path().to_owned();
                // The connection is kept if the body was read.
                drop(request.into_body().collect().await);

                let is_new = objects
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .insert(path);
                let mut response = Response::new(full(""));
                if creates && !is_new {
                    *response.status_mut() = StatusCode::PRECONDITION_FAILED;
                }
                let etag = HeaderValue::from_static("\"1\"");
                response.headers_mut().insert(ETAG, etag);
                response
            }
        })
}
