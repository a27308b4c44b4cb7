//! The layer alone, around a client that the test plays itself: what it adds to requests, what it
//! takes from responses, and that it leaves everything else as it is.

use std::convert::Infallible;
use std::future::{Future, Ready, pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::client::keep_alive;
use crate::support::link::Link;
use crate::support::wire::{FarEnds, Wire, wires};
use http::header::{CONNECTION, HeaderName, HeaderValue};
use http::{Method, Request, Response, Uri, Version};
use http_keepalive::{
    CloseAfterResponse, ConnectionHandle, IdleAwareIo, KeepAlive, KeepAliveHint, KeepAliveLayer,
    KeepAlivePolicy, KeepAliveService,
};
use hyper_util::client::legacy::connect::Connected;
use tokio_test::task;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok};
use tower::{Layer, Service, service_fn};
use tower_test::mock::{self, Mock, Spawn};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// A client within the layer, played by the test.
struct Client {
    service: Spawn<KeepAliveService<Mock<Request<()>, Response<()>>>>,
    within: mock::Handle<Request<()>, Response<()>>,
}

impl Client {
    fn new(keep_alive: &KeepAlive) -> Self {
        Self::of(&keep_alive.layer())
    }

    fn of(layer: &KeepAliveLayer) -> Self {
        let (within, handle) = mock::pair();
        Self {
            service: Spawn::new(layer.layer(within)),
            within: handle,
        }
    }

    /// Sends a request. Returns what came to the client within, and what came of its answer.
    fn exchange(
        &mut self,
        request: Request<()>,
        answer: Response<()>,
    ) -> (Request<()>, Response<()>) {
        assert_ready_ok!(self.service.poll_ready());
        let mut response = task::spawn(self.service.call(request));
        assert_pending!(
            response.poll(),
            "there is no response before there is an answer"
        );
        let (sent, reply) = assert_ready!(self.within.poll_request()).unwrap();
        reply.send_response(answer);
        (sent, assert_ready_ok!(response.poll()))
    }

    /// What of its `Connection` fields comes to the client within, which answers in `version`.
    fn sent(&mut self, request: Request<()>, version: Version) -> Vec<HeaderValue> {
        let answer = answer(version, &[]);
        let (sent, _) = self.exchange(request, answer);
        connection_fields(&sent)
    }

    /// What comes of an answer in HTTP/1.1 with these `Keep-Alive` fields.
    fn receive(&mut self, fields: &[&'static str]) -> Response<()> {
        let answer = answer(Version::HTTP_11, fields);
        self.exchange(get("http://server.test/"), answer).1
    }
}

fn get(uri: &str) -> Request<()> {
    Request::get(uri).body(()).unwrap()
}

fn with_fields(fields: &[&'static str]) -> Request<()> {
    let mut request = get("http://server.test/");
    for &field in fields {
        let value = HeaderValue::from_static(field);
        request.headers_mut().append(CONNECTION, value);
    }
    request
}

fn marked() -> Request<()> {
    let mut request = get("http://server.test/");
    request.extensions_mut().insert(CloseAfterResponse);
    request
}

fn answer(version: Version, fields: &[&'static str]) -> Response<()> {
    let mut response = Response::new(());
    *response.version_mut() = version;
    for &field in fields {
        let value = HeaderValue::from_static(field);
        response.headers_mut().append(KEEP_ALIVE, value);
    }
    response
}

fn connection_fields(request: &Request<()>) -> Vec<HeaderValue> {
    let fields = request.headers().get_all(CONNECTION);
    fields.into_iter().cloned().collect()
}

fn hint(timeout: u64) -> KeepAliveHint {
    KeepAliveHint::new().with_timeout(Duration::from_secs(timeout))
}

/// A connection, whose handle can go into the extensions of a response.
fn connection(keep_alive: &KeepAlive) -> (IdleAwareIo<Wire>, FarEnds) {
    let (connector, far_ends) = wires(Link::new(), Connected::new);
    let connecting = keep_alive.connector(connector).call(Uri::default());
    let io = assert_ready_ok!(task::spawn(connecting).poll());
    (io, far_ends)
}

mod a_request {
    use super::*;

    #[test]
    fn without_the_layer_carries_no_connection_field() {
        let (mut service, mut within) = mock::spawn::<Request<()>, Response<()>>();
        assert_ready_ok!(service.poll_ready());

        let _response = service.call(get("http://server.test/"));

        let (sent, _) = assert_ready!(within.poll_request()).unwrap();
        assert_eq!(connection_fields(&sent), [""; 0]);
    }

    #[test]
    fn asks_for_a_persistent_connection() {
        let mut client = Client::new(&KeepAlive::default());
        for version in [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11] {
            let mut request = get("http://server.test/");
            *request.version_mut() = version;

            let sent = client.sent(request, Version::HTTP_11);

            assert_eq!(
                sent,
                ["keep-alive"],
                "{version:?}: servers tell only who asks"
            );
        }
    }

    #[test]
    fn asks_for_a_persistent_connection_from_a_layer_that_shares_nothing() {
        let mut client = Client::of(&KeepAliveLayer::new());

        let sent = client.sent(get("http://server.test/"), Version::HTTP_11);

        assert_eq!(sent, ["keep-alive"]);
    }

    #[test]
    fn asks_to_close_where_the_policy_allows_no_reuse() {
        let mut client = Client::new(&keep_alive(KeepAlivePolicy::default().reuse(false)));

        let sent = client.sent(get("http://server.test/"), Version::HTTP_11);

        assert_eq!(sent, ["close"], "the server is told that nothing follows");
    }

    #[test]
    fn asks_to_close_if_it_is_marked_so_and_the_next_one_does_not() {
        let mut client = Client::new(&KeepAlive::default());

        let sent = client.sent(marked(), Version::HTTP_11);
        let next = client.sent(get("http://server.test/"), Version::HTTP_11);

        assert_eq!(sent, ["close"], "`CloseAfterResponse` is a request's wish");
        assert_eq!(next, ["keep-alive"], "of that one request");
    }

    #[test]
    fn keeps_a_connection_field_of_its_own() {
        for reuse in [true, false] {
            let mut client = Client::new(&keep_alive(KeepAlivePolicy::default().reuse(reuse)));
            for fields in [
                &["upgrade"][..],
                &["close"],
                &["keep-alive, upgrade"],
                &["keep-alive", "te"],
                &[""],
            ] {
                let mut marked = with_fields(fields);
                marked.extensions_mut().insert(CloseAfterResponse);
                for request in [with_fields(fields), marked] {
                    let sent = client.sent(request, Version::HTTP_11);

                    assert_eq!(
                        sent, fields,
                        "reuse {reuse}: what a request says itself stands"
                    );
                }
            }
        }
    }

    #[test]
    fn in_http2_gets_no_connection_field() {
        for reuse in [true, false] {
            let mut client = Client::new(&keep_alive(KeepAlivePolicy::default().reuse(reuse)));
            for version in [Version::HTTP_2, Version::HTTP_3] {
                let mut request = marked();
                *request.version_mut() = version;

                let sent = client.sent(request, version);

                assert_eq!(sent, [""; 0], "{version:?}: the field is forbidden there");
            }
        }
    }

    #[test]
    fn stays_what_it_is_but_for_that_field() {
        let mut client = Client::new(&KeepAlive::default());
        let request = Request::builder()
            .method(Method::DELETE)
            .uri("http://server.test/path?query")
            .version(Version::HTTP_10)
            .header("x-id", "one")
            .header("x-id", "two")
            .extension(CloseAfterResponse)
            .extension("another")
            .body(())
            .unwrap();
        let before = request.clone();

        let (mut sent, _) = client.exchange(request, Response::new(()));

        assert_eq!(sent.headers_mut().remove(CONNECTION).unwrap(), "close");
        assert_eq!(sent.headers(), before.headers());
        assert_eq!(sent.method(), before.method());
        assert_eq!(sent.uri(), before.uri());
        assert_eq!(sent.version(), before.version());
        assert_eq!(sent.extensions().get(), Some(&"another"));
        assert_eq!(sent.extensions().get(), Some(&CloseAfterResponse));
    }
}

mod an_origin_that_answers_in_http2 {
    use super::*;

    const HERE: &str = "https://here.test/";

    fn client_that_met_it() -> Client {
        let mut client = Client::new(&KeepAlive::default());
        let sent = client.sent(get(HERE), Version::HTTP_2);
        assert_eq!(sent, ["keep-alive"], "nothing was known of it");
        client
    }

    #[test]
    fn is_not_asked_again() {
        let mut client = client_that_met_it();
        for uri in [
            HERE,
            "https://here.test/elsewhere",
            "https://HERE.test:443/",
            "https://user@here.test/",
        ] {
            for request in [get(uri), {
                let mut request = get(uri);
                request.extensions_mut().insert(CloseAfterResponse);
                request
            }] {
                let sent = client.sent(request, Version::HTTP_2);

                assert_eq!(sent, [""; 0], "{uri}: it speaks HTTP/2");
            }
        }
    }

    #[test]
    fn is_asked_each_time_as_long_as_it_answers_in_http1() {
        let mut client = Client::new(&KeepAlive::default());
        for _ in 0..3 {
            let sent = client.sent(get(HERE), Version::HTTP_11);

            assert_eq!(sent, ["keep-alive"]);
        }
    }

    #[test]
    fn speaks_for_no_other_origin() {
        let mut client = client_that_met_it();
        for uri in [
            "http://here.test/",
            "https://here.test:8443/",
            "https://there.test/",
            "/no-origin",
        ] {
            let sent = client.sent(get(uri), Version::HTTP_11);

            assert_eq!(sent, ["keep-alive"], "{uri}: of this one nothing is known");
        }
    }

    #[test]
    fn is_asked_again_once_it_answered_in_http1() {
        for version in [Version::HTTP_10, Version::HTTP_11] {
            let mut client = client_that_met_it();
            client.sent(get(HERE), version);

            let sent = client.sent(get(HERE), Version::HTTP_11);

            assert_eq!(sent, ["keep-alive"], "{version:?}: its last answer counts");
        }
    }

    #[test]
    fn is_known_to_everybody_who_shares_and_to_nobody_else() {
        let shared = KeepAlive::default();
        let mut one = Client::new(&shared);
        let mut other = Client::new(&shared);
        let mut stranger = Client::new(&KeepAlive::default());

        one.sent(get(HERE), Version::HTTP_2);

        assert_eq!(other.sent(get(HERE), Version::HTTP_2), [""; 0]);
        assert_eq!(stranger.sent(get(HERE), Version::HTTP_2), ["keep-alive"]);
    }

    #[test]
    fn stays_known_over_a_request_that_fails() {
        let mut client = client_that_met_it();
        assert_ready_ok!(client.service.poll_ready());
        let mut failing = task::spawn(client.service.call(get(HERE)));
        let (_, reply) = assert_ready!(client.within.poll_request()).unwrap();
        reply.send_error("connection refused");
        assert_ready_err!(failing.poll());

        let sent = client.sent(get(HERE), Version::HTTP_2);

        assert_eq!(sent, [""; 0], "an error says nothing about the version");
    }
}

mod a_response {
    use super::*;

    #[test]
    fn without_the_layer_has_no_hint_in_its_extensions() {
        let (mut service, mut within) = mock::spawn::<Request<()>, Response<()>>();
        assert_ready_ok!(service.poll_ready());
        let mut response = task::spawn(service.call(get("http://server.test/")));
        let (_, reply) = assert_ready!(within.poll_request()).unwrap();

        reply.send_response(answer(Version::HTTP_11, &["timeout=5"]));

        let response = assert_ready_ok!(response.poll());
        assert_eq!(response.extensions().get::<KeepAliveHint>(), None);
    }

    #[test]
    fn has_its_hint_in_its_extensions() {
        let keep_alive = KeepAlive::default();
        let mut client = Client::new(&keep_alive);
        for (fields, expected) in [
            (&["timeout=5, max=100"][..], hint(5).with_max(100)),
            (&["max=7"], KeepAliveHint::new().with_max(7)),
            (&["timeout=9", "timeout=3", "unknown=1"], hint(3)),
            (&["timeout=0"], hint(0)),
        ] {
            let response = client.receive(fields);

            assert_eq!(
                response.extensions().get(),
                Some(&expected),
                "the hint of {fields:?}"
            );
        }
        let stats = keep_alive.stats();
        assert_eq!(stats.hints, 4, "each is counted");
        assert_eq!(stats.invalid_hints, 0);
    }

    #[test]
    fn in_http10_has_its_hint_in_its_extensions() {
        let mut client = Client::new(&KeepAlive::default());
        let answer = answer(Version::HTTP_10, &["timeout=5"]);

        let (_, response) = client.exchange(get("http://server.test/"), answer);

        assert_eq!(response.extensions().get(), Some(&hint(5)));
    }

    #[test]
    fn in_http2_has_no_hint_in_its_extensions() {
        let keep_alive = KeepAlive::default();
        let mut client = Client::new(&keep_alive);
        let answer = answer(Version::HTTP_2, &["timeout=5, max=many"]);

        let (_, response) = client.exchange(get("https://server.test/"), answer);

        assert_eq!(
            response.extensions().get::<KeepAliveHint>(),
            None,
            "the field means nothing there"
        );
        assert_eq!(keep_alive.stats(), KeepAlive::default().stats());
    }

    #[test]
    fn that_names_nothing_has_no_hint_and_is_counted_neither_as_one_nor_as_invalid() {
        let keep_alive = KeepAlive::default();
        let mut client = Client::new(&keep_alive);
        for fields in [&[][..], &[""], &["unknown=1, another"]] {
            let response = client.receive(fields);

            assert_eq!(
                response.extensions().get::<KeepAliveHint>(),
                None,
                "{fields:?} says nothing"
            );
        }
        let stats = keep_alive.stats();
        assert_eq!((stats.hints, stats.invalid_hints), (0, 0));
    }

    #[test]
    fn whose_hint_is_invalid_is_counted_and_passes() {
        for (fields, expected, hints) in [
            (&["timeout=soon"][..], None, 0),
            (&["timeout=-1", "max=0.5"], None, 0),
            (&["timeout=5, max=many"], Some(hint(5)), 1),
        ] {
            let keep_alive = KeepAlive::default();
            let mut client = Client::new(&keep_alive);

            let response = client.receive(fields);

            assert_eq!(response.extensions().get(), expected.as_ref(), "{fields:?}");
            let stats = keep_alive.stats();
            assert_eq!(
                (stats.hints, stats.invalid_hints),
                (hints, 1),
                "{fields:?}: each response counts once"
            );
        }
    }

    #[test]
    fn keeps_its_fields_and_everything_else() {
        let mut client = Client::new(&KeepAlive::default());
        let mut answer = answer(Version::HTTP_11, &["timeout=5", "max=many"]);
        *answer.status_mut() = http::StatusCode::IM_A_TEAPOT;
        answer
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        answer.extensions_mut().insert("another");
        let headers = answer.headers().clone();

        let (_, response) = client.exchange(get("http://server.test/"), answer);

        assert_eq!(response.headers(), &headers, "a proxy decides what to drop");
        assert_eq!(response.status(), http::StatusCode::IM_A_TEAPOT);
        assert_eq!(response.version(), Version::HTTP_11);
        assert_eq!(response.extensions().get(), Some(&"another"));
    }
}

mod a_response_with_a_connection {
    use super::*;

    /// A response with this field that a layer receives on a connection of a connector.
    fn receive(
        layer: &KeepAlive,
        connector: &KeepAlive,
        field: &'static str,
    ) -> (ConnectionHandle, Response<()>) {
        let (io, _far_ends) = connection(connector);
        let mut client = Client::new(layer);
        let mut answer = answer(Version::HTTP_11, &[field]);
        answer.extensions_mut().insert(io.handle());
        let (_, response) = client.exchange(get("http://server.test/"), answer);
        (io.handle(), response)
    }

    /// The connector has read it as it passed: see `hints`.
    #[test]
    fn of_the_same_keep_alive_is_not_read_again() {
        let keep_alive = KeepAlive::default();

        let (connection, response) = receive(&keep_alive, &keep_alive, "timeout=60, max=3");

        assert_eq!(connection.hint(), None, "nothing came over the wire");
        assert_eq!(response.extensions().get::<KeepAliveHint>(), None);
        assert_eq!(keep_alive.stats().hints, 0);
        assert!(
            response.extensions().get::<ConnectionHandle>().is_some(),
            "the handle stays where it was"
        );
    }

    #[test]
    fn of_another_keep_alive_gets_the_hint_into_its_extensions() {
        let (layer, connector) = (KeepAlive::default(), KeepAlive::default());

        let (_, response) = receive(&layer, &connector, "timeout=60");

        assert_eq!(response.extensions().get(), Some(&hint(60)));
        assert_eq!(layer.stats().hints, 1);
        assert_eq!(connector.stats().hints, 0);
    }

    #[test]
    fn without_a_handle_gets_the_hint_even_where_hints_do_not_count() {
        let keep_alive = keep_alive(KeepAlivePolicy::default().hints(false));

        let response = Client::new(&keep_alive).receive(&["timeout=60"]);

        assert_eq!(response.extensions().get(), Some(&hint(60)));
    }
}

mod the_client_within {
    use super::*;

    #[test]
    fn decides_when_it_is_ready() {
        let mut client = Client::new(&KeepAlive::default());
        client.within.allow(0);
        assert_pending!(client.service.poll_ready(), "it has no room");

        client.within.allow(1);

        assert!(client.service.is_woken(), "the caller's own waker is told");
        assert_ready_ok!(client.service.poll_ready());
    }

    #[test]
    fn fails_to_be_ready_with_its_own_error() {
        let mut client = Client::new(&KeepAlive::default());
        client.within.send_error("out of order");

        let error = assert_ready_err!(client.service.poll_ready());

        assert_eq!(error.to_string(), "out of order");
    }

    #[test]
    #[should_panic(expected = "service not ready")]
    fn refuses_a_call_before_it_was_ready() {
        let (mut within, _handle) = mock::pair::<Request<()>, Response<()>>();

        drop(within.call(get("http://server.test/")));
    }

    #[test]
    fn is_the_one_that_was_ready_even_after_a_clone() {
        let keep_alive = KeepAlive::default();
        let (within, mut handle) = mock::pair::<Request<()>, Response<()>>();
        let mut service = Spawn::new(keep_alive.layer().layer(within));
        assert_ready_ok!(service.poll_ready());
        let clone = service.clone();

        // A clone of the mock is not ready, and panics.
        let _response = service.call(get("http://server.test/"));

        drop(clone);
        assert!(
            assert_ready!(handle.poll_request()).is_some(),
            "the request arrives"
        );
    }

    /// Neither a `std::error::Error` nor anything else but itself.
    #[derive(Debug, PartialEq)]
    struct Odd(u8);

    #[test]
    fn fails_with_its_own_error_unchanged() {
        let within = service_fn(|_: Request<()>| ready(Err::<Response<()>, _>(Odd(7))));
        let mut service = KeepAlive::default().layer().layer(within);

        let error: Odd = assert_ready_err!(task::spawn(service.call(get("/"))).poll());

        assert_eq!(error, Odd(7));
    }

    #[test]
    fn has_its_future_dropped_with_the_response_future() {
        let alive: Arc<()> = Arc::default();
        let seen: Weak<()> = Arc::downgrade(&alive);
        let mut given = Some(alive);
        let within = service_fn(move |_: Request<()>| {
            let alive = given.take();
            async move {
                let response: Response<()> = pending().await;
                drop(alive);
                Ok::<_, Infallible>(response)
            }
        });
        let mut service = KeepAlive::default().layer().layer(within);
        let mut response = task::spawn(service.call(get("/")));
        assert_pending!(response.poll());
        assert!(
            seen.upgrade().is_some(),
            "it runs for as long as it is wanted"
        );

        drop(response);

        assert!(seen.upgrade().is_none(), "nothing else holds it");
    }

    /// Implements nothing.
    struct Plain;

    /// A client that cannot be cloned, for bodies of any type.
    struct Unique(u32);

    impl Service<Request<Plain>> for Unique {
        type Response = Response<Plain>;
        type Error = Plain;
        type Future = Ready<Result<Response<Plain>, Plain>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Plain>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<Plain>) -> Self::Future {
            self.0 += 1;
            let asked = request.headers().contains_key(CONNECTION);
            ready(if asked {
                Ok(Response::new(request.into_body()))
            } else {
                Err(Plain)
            })
        }
    }

    #[test]
    fn may_be_unique_and_take_any_body() {
        let mut service = KeepAlive::default().layer().layer(Unique(0));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());

        let mut response = service.call(Request::new(Plain));

        let poll = Pin::new(&mut response).poll(&mut cx);
        assert!(matches!(poll, Poll::Ready(Ok(_))), "the field was added");
        assert_eq!(service.get_ref().0, 1);
        service.get_mut().0 += 1;
        assert_eq!(service.into_inner().0, 2, "it can be had back");
    }

    #[test]
    fn leaves_the_shared_keep_alive_within_reach() {
        let keep_alive = KeepAlive::default();
        let service = keep_alive.layer().layer(Unique(0));

        Client::new(&keep_alive).receive(&["timeout=5"]);

        assert_eq!(service.keep_alive().stats().hints, 1);
    }
}
