//! A token endpoint. The function is what `request_async` takes.

use http_body_util::{BodyExt, Full};
use http_keepalive::KeepAlive;
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use oauth2::{AsyncHttpClient, HttpClientError, HttpRequest};
use tower::{Layer, ServiceExt};

pub fn http_client(keep_alive: &KeepAlive) -> impl for<'c> AsyncHttpClient<'c> {
    let connector = keep_alive.connector(HttpConnector::new());
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let client = keep_alive.layer().layer(client);
    move |request: HttpRequest| {
        let response = client
            .clone()
            .oneshot(request.map(|body| Full::new(Bytes::from(body))));
        async move {
            let (head, body) = response.await.map_err(Box::new)?.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| HttpClientError::Other(error.to_string()))?;
            Ok::<_, HttpClientError<_>>(http::Response::from_parts(head, body.to_bytes().to_vec()))
        }
    }
}
