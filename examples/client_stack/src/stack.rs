//! The stack: what goes around what.
//!
//! The page `guide::client_stack` of the crate tells why it is this order.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use tower::{Service, ServiceBuilder};
use tower_http::decompression::DecompressionLayer;
use tower_http::follow_redirect::FollowRedirectLayer;
use tower_http::map_response_body::MapResponseBodyLayer;
use tower_http::timeout::{ResponseBodyTimeoutLayer, TimeoutLayer};
use tower_http::trace::TraceLayer;

use crate::clients::RequestBody;

pub type BoxError = Box<dyn Error + Send + Sync>;

/// How long the caller waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For the head of the last response, redirects included.
    pub answer: Duration,
    /// For the next piece of a body.
    pub piece: Duration,
}

/// All layers around a client, which may have this crate's within it already.
///
/// The error is that of the client. An answer that takes too long is a 504 which no server sent: it
/// has nothing in its extensions.
pub fn stack<S>(
    client: S,
    patience: Patience,
) -> impl Service<
    Request<RequestBody>,
    Response = Response<impl Body<Data = Bytes, Error = BoxError> + Send + 'static>,
    Error = legacy::Error,
    Future: Send,
> + Clone
+ Send
where
    S: Service<Request<RequestBody>, Response = Response<Incoming>, Error = legacy::Error>
        + Clone
        + Send,
    S::Future: Send,
{
    ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            patience.answer,
        ))
        // The one above answers by itself, for which it needs a body that can be empty.
        .layer(MapResponseBodyLayer::new(boxed))
        .layer(ResponseBodyTimeoutLayer::new(patience.piece))
        .layer(FollowRedirectLayer::new())
        .layer(DecompressionLayer::new())
        // `KeepAliveLayer` goes here, around the client and nothing else.
        .service(client)
}

fn boxed<B>(body: B) -> UnsyncBoxBody<Bytes, BoxError>
where
    B: Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    body.boxed_unsync()
}
