//! A layer that sends requests again stands outside of this crate's, and asks the error whether to.

use std::future::{Ready, ready};
use std::time::Duration;

use client_stack::clients::RequestBody;
use client_stack::support::link::Link;
use client_stack::support::server::Server;
use client_stack::users::{fetch, get, post};
use http::{Extensions, Request, Response};
use http_keepalive::ConnectionHandle;
use hyper_util::client::legacy;
use tokio::time::sleep;
use tower::ServiceBuilder;
use tower::retry::{Policy, RetryLayer};

use super::rig::{FIRST, PATIENCE, RTT, Rig, Stack, connection, hint};

/// When the first origin closes; it says a minute.
const T: Duration = Duration::from_secs(1);

fn lying() -> Rig {
    let server = Server::builder().idle_timeout(T).hint("timeout=60");
    Rig::new(server, Server::builder(), Link::new().latency(RTT / 2))
}

/// Once more, on a new connection, what may be repeated and was lost on one that was reused.
#[derive(Clone)]
struct OnceMore {
    is_left: bool,
}

impl<B> Policy<Request<RequestBody>, Response<B>, legacy::Error> for OnceMore {
    type Future = Ready<()>;

    fn retry(
        &mut self,
        request: &mut Request<RequestBody>,
        result: &mut Result<Response<B>, legacy::Error>,
    ) -> Option<Ready<()>> {
        let error = result.as_ref().err()?;
        let was_reused = provenance(error).is_some_and(|connection| connection.is_reused());
        let again = self.is_left && was_reused && request.method().is_idempotent();
        self.is_left = false;
        again.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
        Some(request.clone())
    }
}

/// The connection on which a request failed.
fn provenance(error: &legacy::Error) -> Option<ConnectionHandle> {
    let mut extras = Extensions::new();
    error.connect_info()?.get_extras(&mut extras);
    extras.remove()
}

fn retrying(rig: &Rig) -> impl Stack + use<> {
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(OnceMore { is_left: true }))
        .service(rig.guarded());
    client_stack::stack::stack(client, PATIENCE)
}

/// Into the window in which the first origin closes.
async fn into_the_window<S: Stack>(stack: &S) {
    fetch(stack, get(FIRST, "/")).await.unwrap();
    sleep(T - RTT / 2).await;
}

#[tokio::test(start_paused = true)]
async fn an_error_tells_through_all_layers_that_its_connection_was_reused() {
    let rig = lying();
    let stack = rig.stack();
    into_the_window(&stack).await;

    let error = fetch(&stack, get(FIRST, "/")).await.unwrap_err();

    let error: &legacy::Error = error.downcast_ref().expect("the client's own error");
    let connection = provenance(error).unwrap();
    assert_eq!(connection.requests(), 2);
    assert_eq!(connection.idle_before(), Some(T - RTT / 2));
    assert_eq!(rig.keep_alive.stats().stale_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn each_attempt_passes_through_the_layer_and_has_a_connection_of_its_own() {
    let rig = lying();
    let stack = retrying(&rig);
    into_the_window(&stack).await;

    let response = fetch(&stack, get(FIRST, "/")).await.unwrap();

    assert_eq!(connection(&response).requests(), 1, "a new connection");
    assert_eq!(hint(connection(&response)), Some(Duration::from_secs(60)));
    assert_eq!(rig.keep_alive.stats().hints, 2);
    assert_eq!(rig.first.requests().len(), 2, "the lost one never arrived");
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_repeated_is_not() {
    let rig = lying();
    let stack = retrying(&rig);
    into_the_window(&stack).await;

    let outcome = fetch(&stack, post(FIRST, "/")).await;

    assert!(outcome.is_err());
}
