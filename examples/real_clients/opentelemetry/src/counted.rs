//! What became of an exporter's requests.

use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use real_clients_common::Tally;
use tokio::sync::watch;

/// A client whose requests are counted.
#[derive(Debug)]
pub struct Counted<C> {
    client: C,
    tally: Arc<watch::Sender<Tally>>,
}

impl<C> Counted<C> {
    pub fn new(client: C, tally: Arc<watch::Sender<Tally>>) -> Self {
        Self { client, tally }
    }
}

#[async_trait]
impl<C: HttpClient> HttpClient for Counted<C> {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.client.send_bytes(request).await;
        let outcome = response.as_ref().map(drop).map_err(|error| root(&**error));
        self.tally.send_modify(|tally| tally.count(outcome));
        response
    }
}

/// The text of the error at the bottom.
fn root(error: &(dyn Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}
