//! The service's future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Response, Version};
use pin_project::pin_project;

use super::hop_by_hop::strip_response_hop_by_hop;
use crate::connection::ConnectionHandle;
use crate::keep_alive::KeepAlive;
use crate::origin::Fingerprint;
use crate::proto::hint;

/// What to record of the origin when the response arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingProbe {
    pub(super) origin: Fingerprint,
    /// Whether the request asks for a hint.
    pub(super) asks_for_hint: bool,
}

/// Waits for a response, and applies the rules of [`KeepAliveLayer`](crate::KeepAliveLayer) to it: the
/// future of [`KeepAliveService`](crate::KeepAliveService).
///
/// Dropping it drops the inner client's future, and does nothing else.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    probe: Option<PendingProbe>,
    /// Whether the connection is to be retired.
    close: bool,
    /// Whether hop-by-hop fields are removed from the response.
    strips: bool,
    keep_alive: KeepAlive,
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(
        inner: F,
        probe: Option<PendingProbe>,
        close: bool,
        strips: bool,
        keep_alive: KeepAlive,
    ) -> Self {
        Self {
            inner,
            probe,
            close,
            strips,
            keep_alive,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut polled = this.inner.poll(cx);
        // Changed in place, since a response is large.
        match &mut polled {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => {}
            Poll::Ready(Ok(response)) => {
                apply(this.keep_alive, this.probe.as_ref(), response);
                if *this.close {
                    // `Connection: close` may not have been sent, and a server may ignore it.
                    retire(response);
                }
                if *this.strips {
                    strip_response_hop_by_hop(response);
                }
            }
        }
        polled
    }
}

/// Records the origin's HTTP version, and that a request for a hint was answered. Inserts the hint into the
/// extensions if no connector of this `KeepAlive` has read it.
fn apply<B>(keep_alive: &KeepAlive, probe: Option<&PendingProbe>, response: &mut Response<B>) {
    let is_http2 = response.version() > Version::HTTP_11;
    if let Some(probe) = probe {
        keep_alive
            .store()
            .http2()
            .on_version(probe.origin, is_http2);
    }
    if is_http2 {
        return;
    }
    let connection = response.extensions().get::<ConnectionHandle>();
    // A connector of another `KeepAlive` counts the hint in numbers of its own.
    let own = connection.filter(|connection| connection.is_of(keep_alive));
    match own {
        Some(connection) => {
            if probe.is_some_and(|probe| probe.asks_for_hint) {
                connection.on_probe_answered();
            }
        }
        None => insert_hint(keep_alive, response),
    }
}

/// Inserts the hint of a response into its extensions.
fn insert_hint<B>(keep_alive: &KeepAlive, response: &mut Response<B>) {
    let Some(parsed) = hint::parse(response.headers()) else {
        return;
    };
    keep_alive.counters().on_hint(&parsed);
    if let Some(hint) = parsed.hint {
        response.extensions_mut().insert(hint);
    }
}

fn retire<B>(response: &Response<B>) {
    if let Some(connection) = response.extensions().get::<ConnectionHandle>() {
        connection.retire();
    }
}
