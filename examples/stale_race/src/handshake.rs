//! What connecting takes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::sleep;
use tower::{Layer, Service};

/// Makes connectors take a round trip more, as TCP's handshake does: to the relay in this process
/// there is none. It goes around the connector of each client, reqwest's too.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeLayer {
    pub round_trip: Duration,
}

impl<C> Layer<C> for HandshakeLayer {
    type Service = Handshake<C>;

    fn layer(&self, inner: C) -> Handshake<C> {
        Handshake {
            inner,
            round_trip: self.round_trip,
        }
    }
}

/// A connector that takes a round trip more.
#[derive(Clone, Debug)]
pub struct Handshake<C> {
    inner: C,
    round_trip: Duration,
}

impl<C, Target> Service<Target> for Handshake<C>
where
    C: Service<Target, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, C::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        let round_trip = self.round_trip;
        let connecting = self.inner.call(target);
        Box::pin(async move {
            if !round_trip.is_zero() {
                sleep(round_trip).await;
            }
            connecting.await
        })
    }
}
