//! The policy for reqwest's types.

use std::future::{Ready, ready};

use ::reqwest::{Request, Response};
use tower::retry::Policy;

use super::as_error::AsError;
use super::policy::{ReplayPolicy, Settings};

impl<E: AsError> Policy<Request, Response, E> for ReplayPolicy {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        request: &mut Request,
        result: &mut Result<Response, E>,
    ) -> Option<Self::Future> {
        let error = match result {
            Ok(response) => {
                self.on_response(response.extensions_mut());
                return None;
            }
            Err(error) => error,
        };
        let is_idempotent = |settings: &Settings| {
            settings.is_idempotent(request.method(), request.headers(), || head(request))
        };
        self.on_error(error, is_idempotent).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        request.try_clone()
    }
}

/// The request without its body; `None` if its URL is no URI.
fn head(request: &Request) -> Option<http::Request<()>> {
    let mut head = http::Request::new(());
    head.method_mut().clone_from(request.method());
    *head.uri_mut() = request.url().as_str().parse().ok()?;
    *head.version_mut() = request.version();
    head.headers_mut().clone_from(request.headers());
    Some(head)
}
