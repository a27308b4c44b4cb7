//! Any HTTP service of OpenDAL: `operator.with_context(context(&keep_alive))`.

use futures_util::TryStreamExt;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use http_keepalive::{IdleAwareConnector, KeepAlive, KeepAliveService, Provenance, RequestOutcome};
use hyper::body::{Body, Bytes};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

use opendal::{
    Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, OperationContext,
};
use tower::{BoxError, Layer, ServiceExt};
use tower_http::follow_redirect::{FollowRedirect, FollowRedirectLayer};

/// OpenDAL expects that redirects are followed.
type Inner =
    FollowRedirect<KeepAliveService<Client<IdleAwareConnector<HttpConnector>, Full<Bytes>>>>;

struct Transport(Inner);

pub fn context(keep_alive: &KeepAlive) -> OperationContext {
    let connector = keep_alive.connector(HttpConnector::new());
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let client = FollowRedirectLayer::new().layer(keep_alive.layer().layer(client));
    OperationContext::new().with_http_transport(HttpTransporter::new(Transport(client)))
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let method = request.method().clone();
        let request = request.map(|body| Full::new(body.to_bytes()));
        let response = self.0.clone().oneshot(request).await;
        let (head, body) = response
            .map_err(|error| explained(error.into(), &method))?
            .into_parts();
        let size = body.size_hint().exact();
        let pieces = body.into_data_stream().map_ok(Buffer::from);
        let pieces = pieces.map_err(move |error| explained(error.into(), &method));
        Ok(Response::from_parts(head, HttpBody::new(pieces, size)))
    }
}

/// `RetryLayer` repeats what is temporary.
fn explained(error: BoxError, method: &Method) -> Error {
    let provenance = Provenance::of_error(&*error).map(|provenance| provenance.outcome());
    let is_repeatable = provenance == Some(RequestOutcome::Unsent) || method.is_idempotent();
    let error = anyhow::Error::from_boxed(error);
    let error = Error::new(ErrorKind::Unexpected, "send http request").set_source(error);
    if is_repeatable {
        error.set_temporary()
    } else {
        error
    }
}
