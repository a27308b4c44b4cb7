//! The service's future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Response, Version};
use pin_project::pin_project;

use super::hop_by_hop::strip_response_hop_by_hop;
use crate::connection::ConnectionHandle;
use crate::origin::Fingerprint;
use crate::proto::keep_alive;
use crate::shared::KeepAlive;

/// Where a request went whose answer tells something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) origin: Fingerprint,
    /// Whether it asks for a hint.
    pub(super) hint: bool,
}

/// Waits for a response, and heeds its hint: the future of
/// [`KeepAliveService`](crate::KeepAliveService).
///
/// Dropping it drops the future of the client within, and nothing else.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    answer: Answer,
    keep_alive: KeepAlive,
}

impl<F> ResponseFuture<F> {
    pub(super) fn new(
        inner: F,
        asked: Option<Asked>,
        close: bool,
        strips: bool,
        keep_alive: KeepAlive,
    ) -> Self {
        Self {
            inner,
            answer: Answer {
                asked,
                close,
                strips,
            },
            keep_alive,
        }
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut polled = this.inner.poll(cx);
        // Looked at where it lies: it is large.
        if let Poll::Ready(Ok(response)) = &mut polled {
            this.answer.heed(this.keep_alive, response);
        }
        polled
    }
}

/// What matters of a request when its response is there.
#[derive(Debug)]
struct Answer {
    asked: Option<Asked>,
    /// Whether the connection is to be closed afterwards.
    close: bool,
    /// Whether the response is stripped of what was meant for this side alone.
    strips: bool,
}

impl Answer {
    #[inline(never)]
    fn heed<B>(&self, keep_alive: &KeepAlive, response: &mut Response<B>) {
        let http2 = response.version() > Version::HTTP_11;
        if let Some(asked) = &self.asked {
            keep_alive.store().http2().on_version(asked.origin, http2);
        }
        if !http2 {
            let is_silent = !heed_hint(keep_alive, response);
            if self.asked.as_ref().is_some_and(|asked| asked.hint) {
                settle(keep_alive, response, is_silent);
            }
        }
        if self.close {
            // The field may not have been sent, nor need the server heed it.
            let handle = response.extensions().get::<ConnectionHandle>();
            handle.into_iter().for_each(ConnectionHandle::retire);
        }
        if self.strips {
            strip_response_hop_by_hop(response);
        }
    }
}

/// Remembers that the server was asked on this connection.
fn settle<B>(keep_alive: &KeepAlive, response: &Response<B>, is_silent: bool) {
    let connection = response.extensions().get::<ConnectionHandle>();
    // Of others it is not known where they have been asked.
    if let Some(connection) = connection.filter(|connection| connection.is_of(keep_alive)) {
        connection.on_answer(is_silent);
    }
}

/// Passes a hint on to whom it concerns. Returns whether there was one.
#[inline]
fn heed_hint<B>(keep_alive: &KeepAlive, response: &mut Response<B>) -> bool {
    let Some(parsed) = keep_alive::parse(response.headers()) else {
        return false;
    };
    keep_alive
        .counters()
        .on_hint(parsed.hint.is_some(), parsed.invalid);
    let Some(hint) = parsed.hint else {
        return false;
    };
    let connection = response.extensions().get::<ConnectionHandle>();
    if let Some(connection) = connection {
        connection.on_hint(hint);
    }
    if !connection.is_some_and(|connection| connection.is_of(keep_alive)) {
        response.extensions_mut().insert(hint);
    }
    true
}
