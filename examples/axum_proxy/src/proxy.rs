//! The proxy.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::ExtensionRejection;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CONTENT_LENGTH, UPGRADE};
use http::uri::{Authority, Scheme};
use http::{Method, StatusCode, Uri, Version};
use http_keepalive::strip_request_hop_by_hop;
use hyper::body::Incoming;
use tower::{Service, ServiceExt};
use tracing::warn;

use crate::fields;
use crate::gateway::{BoxError, Refusal};
use crate::tunnel;

/// A client as a proxy needs it: both bodies are streamed.
pub trait Client:
    Service<Request, Response = http::Response<Incoming>, Error: Into<BoxError>, Future: Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Client for S where
    S: Service<Request, Response = http::Response<Incoming>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Passes on to one upstream whatever it is asked for.
#[derive(Clone, Debug)]
pub struct Proxy<S> {
    client: S,
    upstream: Authority,
}

impl<S: Client> Proxy<S> {
    pub fn new(client: S, upstream: Authority) -> Self {
        Self { client, upstream }
    }

    /// For [`axum::serve()`]. Clients' addresses are passed on if it is served
    /// `into_make_service_with_connect_info`.
    pub fn router(self) -> Router {
        Router::new().fallback(answer::<S>).with_state(self)
    }

    async fn forward(
        &self,
        mut request: Request,
        client: Option<IpAddr>,
    ) -> Result<Response, Refusal> {
        // Before anything is added, or the client could have that removed.
        strip_request_hop_by_hop(&mut request);
        let is_upgrade = request.headers().contains_key(UPGRADE);
        let downstream = is_upgrade.then(|| hyper::upgrade::on(&mut request));
        let is_head = request.method() == Method::HEAD;
        fields::on_request(&mut request, client);
        *request.uri_mut() = self.target(request.uri()).ok_or(Refusal::NoTarget)?;
        *request.version_mut() = Version::HTTP_11;

        let response = self.client.clone().oneshot(request).await;
        let mut response = response.map_err(|error| Refusal::Upstream(error.into()))?;

        let mut upstream = None;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let downstream = downstream.ok_or(Refusal::UnaskedUpgrade)?;
            upstream = Some((downstream, hyper::upgrade::on(&mut response)));
        }
        let mut response = response.map(Body::new);
        fields::on_response(&mut response);
        *response.version_mut() = Version::HTTP_11;
        if let Some((downstream, upstream)) = upstream {
            tokio::spawn(tunnel::join(downstream, upstream));
        }
        if is_head || response.status() == StatusCode::NOT_MODIFIED {
            hide_length(&mut response);
        }
        Ok(response)
    }

    /// The same at the upstream.
    fn target(&self, uri: &Uri) -> Option<Uri> {
        Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.upstream.clone())
            .path_and_query(uri.path_and_query()?.clone())
            .build()
            .ok()
    }
}

async fn answer<S: Client>(
    State(proxy): State<Proxy<S>>,
    client: Result<ConnectInfo<SocketAddr>, ExtensionRejection>,
    request: Request,
) -> Response {
    let client = client.ok().map(|ConnectInfo(address)| address.ip());
    let (method, path) = (request.method().clone(), request.uri().clone());
    match proxy.forward(request, client).await {
        Ok(response) => response,
        Err(refusal) => {
            warn!(%method, path = path.path(), upstream = %proxy.upstream, "no answer: {refusal}");
            refusal.into_response()
        }
    }
}

/// Keeps axum from taking the length of what is not sent for the length of what was asked about: where
/// the upstream named none, none is known.
fn hide_length(response: &mut Response) {
    if !response.headers().contains_key(CONTENT_LENGTH) {
        *response.body_mut() = Body::from_stream(stream::empty::<Result<Vec<u8>, BoxError>>());
    }
}
