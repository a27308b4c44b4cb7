//! The service's future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::reqwest::{Body, Error, Response, ResponseBuilderExt, Url};
use hyper::body::{Body as HttpBody, Bytes};
use pin_project::pin_project;

use super::BoxError;

/// Waits for a response, and converts it to one of reqwest: the future of
/// [`ReqwestService`](crate::ReqwestService).
///
/// Dropping it drops the inner client's future, and does nothing else.
#[pin_project]
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct ReqwestFuture<F> {
    #[pin]
    state: State<F>,
}

#[pin_project(project = StateProj)]
#[derive(Debug)]
enum State<F> {
    /// Polls the inner client. The URL goes into the response.
    Waiting {
        #[pin]
        inner: F,
        url: Option<Url>,
    },
    /// The request cannot be sent. Empty once the error was returned.
    Failed(Option<Error>),
}

impl<F> ReqwestFuture<F> {
    pub(super) fn new(inner: F, url: Url) -> Self {
        let url = Some(url);
        Self {
            state: State::Waiting { inner, url },
        }
    }

    pub(super) fn failed(error: Error) -> Self {
        Self {
            state: State::Failed(Some(error)),
        }
    }
}

impl<F, B, E> Future for ReqwestFuture<F>
where
    F: Future<Output = Result<http::Response<B>, E>>,
    E: Into<BoxError>,
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + Sync + 'static,
{
    type Output = Result<Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Waiting { inner, url } => {
                let response = ready!(inner.poll(cx)).map_err(Into::into)?;
                Poll::Ready(Ok(convert(response, url.take())))
            }
            StateProj::Failed(error) => match error.take() {
                Some(error) => Poll::Ready(Err(error.into())),
                // Polled after completion, which is a caller's mistake.
                None => Poll::Pending,
            },
        }
    }
}

fn convert<B>(response: http::Response<B>, url: Option<Url>) -> Response
where
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + Sync + 'static,
{
    let mut response = response.map(Body::wrap);
    if let Some(url) = url {
        // reqwest keeps the URL in an extension that only its builder can make.
        let carrier = http::Response::builder().url(url).body(());
        if let Ok(carrier) = carrier {
            let mut extensions = carrier.into_parts().0.extensions;
            // A URL that an inner service has set comes second, and so wins.
            extensions.extend(std::mem::take(response.extensions_mut()));
            *response.extensions_mut() = extensions;
        }
    }
    response.into()
}
