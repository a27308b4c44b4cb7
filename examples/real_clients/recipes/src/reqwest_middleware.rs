//! The last middleware of a chain sends the request over a client of this crate, and reqwest's own is not used.

use async_trait::async_trait;
use http::Extensions;
use http_keepalive::{
    IdleAwareConnector, KeepAlive, KeepAliveService, ReqwestLayer, ReqwestService,
};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use reqwest::{Body, Request, Response};
use reqwest_middleware::{ClientBuilder, Error, Middleware, Next};
use tower::{ServiceBuilder, ServiceExt};

struct Send(ReqwestService<KeepAliveService<Client<IdleAwareConnector<HttpConnector>, Body>>>);

#[async_trait]
impl Middleware for Send {
    async fn handle(
        &self,
        request: Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> Result<Response, Error> {
        let response = self.0.clone().oneshot(request).await;
        response.map_err(|error| Error::Middleware(anyhow::Error::from_boxed(error)))
    }
}

/// Other middleware comes before it.
pub fn with_keep_alive(builder: ClientBuilder, keep_alive: &KeepAlive) -> ClientBuilder {
    let connector = keep_alive.connector(HttpConnector::new());
    let client = ServiceBuilder::new()
        .layer(ReqwestLayer::new())
        .layer(keep_alive.layer())
        .service(Client::builder(TokioExecutor::new()).build(connector));
    builder.with(Send(client))
}
