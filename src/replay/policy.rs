//! The policy.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;

use http::{Extensions, HeaderMap, HeaderName, Method, Request, Response};
use tower::retry::Policy;
use tower::retry::budget::{Budget, TpsBudget};

use super::as_error::AsError;
use super::attempts::Attempts;
use super::builder::ReplayPolicyBuilder;
use super::repeatable::Repeatable;
use crate::connection;
use crate::proto::provenance::{Provenance, RequestOutcome};
use crate::proto::replay::{self, Repeats};

/// A policy for tower's [`Retry`](tower::retry::Retry): sends a request again if that is safe, and nothing else.
///
/// ```
/// use http_keepalive::{KeepAlive, ReplayPolicy};
/// use hyper_util::client::legacy::{Client, connect::HttpConnector};
/// use hyper_util::rt::TokioExecutor;
/// use tower::ServiceBuilder;
/// use tower::retry::RetryLayer;
///
/// # let keep_alive = KeepAlive::default();
/// # let connector = keep_alive.connector(HttpConnector::new());
/// # let client = Client::builder(TokioExecutor::new()).build::<_, String>(connector);
/// let client = ServiceBuilder::new()
///     .layer(RetryLayer::new(ReplayPolicy::default()))
///     .layer(keep_alive.layer())
///     .service(client);
/// # let _ = client;
/// ```
///
/// 1. A request that is [`Unsent`](RequestOutcome::Unsent) is sent again up to three times, whatever it is.
/// 2. One that is [`Stale`](RequestOutcome::Stale) is sent again once, if it is idempotent: by its method (GET,
///    HEAD, OPTIONS, TRACE, PUT, DELETE by [RFC 9110 §9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2), and
///    QUERY), by a field `Idempotency-Key` or `X-Idempotency-Key` that is not empty, or by
///    [a rule of one's own](ReplayPolicyBuilder::idempotent_if). Before it is, connections to the origin that have been
///    idle for as long are [retired](crate::ConnectionHandle::retire_siblings), so that it does not fail for the same
///    reason.
/// 3. No other request is: not one that is [`Unanswered`](RequestOutcome::Unanswered) or
///    [`Interrupted`](RequestOutcome::Interrupted), nor one with a response, whatever its status. Neither is one
///    whose outcome is not known: over HTTP/2, or on connections without this crate.
/// 4. Repeats stay within a [budget](ReplayPolicyBuilder::budget), so that a server that is down is not sent more.
/// 5. The response to a request that was sent more than once has [`Attempts`] in its extensions. An error passes
///    unchanged: it is that of the last attempt.
///
/// `Idempotency-Key` has no standard: draft-ietf-httpapi-idempotency-key-header expired. Whether a server heeds it, its
/// documentation says. One that does not may execute such a request twice.
///
/// # What is needed
///
/// tower's retry takes a clone of the request before it is sent, so the body has to be [`Repeatable`]: `Full`, `Empty`,
/// `String`, anything that is `Clone`. [`ReplayBody`](crate::ReplayBody) makes a stream so. hyper-util's client
/// wants a body that is `Send + Unpin + 'static`, which all of those are. The clone is that of the head, and of the
/// body: `Full<Bytes>` shares its bytes, a `String` copies them.
///
/// With feature `reqwest` it is a policy for `reqwest::Request`s too, and goes outside of
/// [`ReqwestLayer`](crate::ReqwestLayer). reqwest does not clone a stream: such a request is not sent again.
///
/// Clones share the budget. See [`guide::replay`](crate::guide::replay).
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ReplayPolicy {
    settings: Arc<Settings>,
    /// Of one request: tower clones the policy for each.
    repeats: Repeats,
    last_failure: Option<Provenance>,
}

/// What is set.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) keys: Vec<HeaderName>,
    pub(super) rule: Option<Rule>,
    pub(super) budget: TpsBudget,
}

impl Default for Settings {
    fn default() -> Self {
        let keys = ["idempotency-key", "x-idempotency-key"];
        Self {
            keys: keys.map(HeaderName::from_static).into(),
            rule: None,
            budget: TpsBudget::default(),
        }
    }
}

/// Which further requests are idempotent.
pub(super) struct Rule(pub(super) Box<IsIdempotent>);

type IsIdempotent = dyn Fn(&Request<()>) -> bool + Send + Sync;

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule").finish_non_exhaustive()
    }
}

impl ReplayPolicy {
    /// A builder, for what is left at its default otherwise.
    pub fn builder() -> ReplayPolicyBuilder {
        ReplayPolicyBuilder::default()
    }

    pub(super) fn with(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            repeats: Repeats::default(),
            last_failure: None,
        }
    }

    /// A response came, whose extensions these are.
    pub(super) fn on_response(&self, extensions: &mut Extensions) {
        self.settings.budget.deposit();
        let count = self.repeats.attempts();
        if count > 1 {
            extensions.insert(Attempts {
                count,
                last_failure: self.last_failure,
            });
        }
    }

    /// A request failed. Returns whether it is sent again.
    pub(super) fn on_error(
        &mut self,
        error: &impl AsError,
        is_idempotent: impl FnOnce(&Settings) -> bool,
    ) -> bool {
        let Some((provenance, connection)) = connection::of_error(error.as_error()) else {
            return false;
        };
        let outcome = provenance.outcome();
        let is_idempotent = || is_idempotent(&self.settings);
        let Some(repeats) = self.repeats.after(outcome, is_idempotent) else {
            return false;
        };
        if !self.settings.budget.withdraw() {
            return false;
        }
        if let (RequestOutcome::Stale, Some(connection)) = (outcome, connection) {
            connection.retire_siblings();
        }
        self.repeats = repeats;
        self.last_failure = Some(provenance);
        true
    }
}

impl Settings {
    /// Whether a request is idempotent; `head` is the whole of it, for a rule of the user's.
    pub(super) fn is_idempotent(
        &self,
        method: &Method,
        fields: &HeaderMap,
        head: impl FnOnce() -> Option<Request<()>>,
    ) -> bool {
        let allows = |rule: &Rule| head().is_some_and(|head| rule.0(&head));
        replay::is_idempotent(method, fields, &self.keys) || self.rule.as_ref().is_some_and(allows)
    }
}

impl<B, C, E> Policy<Request<B>, Response<C>, E> for ReplayPolicy
where
    B: Repeatable,
    E: AsError,
{
    type Future = Ready<()>;

    fn retry(
        &mut self,
        request: &mut Request<B>,
        result: &mut Result<Response<C>, E>,
    ) -> Option<Self::Future> {
        let error = match result {
            Ok(response) => {
                self.on_response(response.extensions_mut());
                return None;
            }
            Err(error) => error,
        };
        // A stream may have become too long meanwhile.
        request.body().repeat()?;
        let is_idempotent = |settings: &Settings| {
            let head = || Some(with_body(request, ()));
            settings.is_idempotent(request.method(), request.headers(), head)
        };
        self.on_error(error, is_idempotent).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<B>) -> Option<Request<B>> {
        let body = request.body().repeat()?;
        Some(with_body(request, body))
    }
}

/// A clone of the request, with another body.
fn with_body<B, C>(request: &Request<B>, body: C) -> Request<C> {
    let mut clone = Request::new(body);
    clone.method_mut().clone_from(request.method());
    clone.uri_mut().clone_from(request.uri());
    *clone.version_mut() = request.version();
    clone.headers_mut().clone_from(request.headers());
    clone.extensions_mut().clone_from(request.extensions());
    clone
}
