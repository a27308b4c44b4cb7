//! A model that takes its time, on a server that closes idle connections as uvicorn does.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use real_clients_common::{Server, ServerBuilder};
use tokio::time::sleep;

/// uvicorn's idle timeout, which is 5 s, scaled. It does not name it.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a word takes: the whole answer takes longer than the idle timeout.
const WORD: Duration = Duration::from_millis(400);

pub const ANSWER: [&str; 3] = ["Wait", " for", " it."];

/// Answers every question with the same words, one after the other.
pub fn model() -> ServerBuilder {
    Server::builder()
        .idle_timeout(IDLE_TIMEOUT)
        .handler(async |request| {
            // The connection is kept if the body was read.
            drop(request.into_body().collect().await);
            let words = stream::iter(ANSWER).then(async |word| {
                sleep(WORD).await;
                event(word)
            });
            let events = words.chain(stream::iter(["data: [DONE]\n\n".to_owned()]));
            let frames = events.map(|event| Ok::<_, Infallible>(Frame::data(Bytes::from(event))));
            let mut response = Response::new(BodyExt::boxed(StreamBody::new(frames)));
            let events = HeaderValue::from_static("text/event-stream");
            response.headers_mut().insert(CONTENT_TYPE, events);
            response
        })
}

fn event(word: &str) -> String {
    let choice = format!(r#"{{"index":0,"delta":{{"content":"{word}"}},"finish_reason":null}}"#);
    let chunk = format!(
        r#"{{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{choice}]}}"#
    );
    format!("data: {chunk}\n\n")
}
