//! What became of a request that failed: as its error tells it, beside what the server saw.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use http_keepalive::{Extent, KeepAlivePolicy, Provenance, RequestOutcome};
use hyper::client::conn::http1;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::time::sleep;
use tower::{Service, ServiceExt};

use crate::support::client::{Guarded, exchange, get, guarded, is_own, keep_alive, plain};
use crate::support::clock::WallClock;
use crate::support::link::Link;
use crate::support::wire::{FarEnds, Peer, WireConnector, wires};

const URI: &str = "http://server.test/";

/// From one end to the other.
const ONE_WAY: Duration = Duration::from_millis(10);

/// How long the connection is idle before the request that fails.
const IDLE: Duration = Duration::from_secs(1);

type BoxError = Box<dyn Error + Send + Sync>;

struct Rig {
    client: Guarded<WireConnector>,
    ends: FarEnds,
}

impl Rig {
    fn new() -> Self {
        let (connector, ends) = wires(Link::new().latency(ONE_WAY), Connected::new);
        let client = guarded(&keep_alive(KeepAlivePolicy::default()), connector);
        Self { client, ends }
    }

    /// The far end of a connection that served one request, and was idle since.
    async fn used(&mut self) -> Peer {
        let (answer, peer) = tokio::join!(exchange(&self.client, get(URI)), async {
            let mut peer = self.ends.peer().await;
            peer.serve("").await;
            peer
        });
        answer.unwrap();
        sleep(IDLE).await;
        peer
    }

    /// The error of a request, which the server meets so.
    async fn error_of(&self, request: Request<Full<Bytes>>, server: impl Future) -> BoxError {
        let (answer, _) = tokio::join!(exchange(&self.client, request), server);
        answer.unwrap_err()
    }
}

#[track_caller]
fn of_error(error: &BoxError) -> Provenance {
    Provenance::of_error(&**error).expect("its connection is known")
}

fn large() -> Request<Full<Bytes>> {
    let body = vec![b'x'; 10 << 20];
    Request::post(URI).body(Full::from(body)).unwrap()
}

mod a_request_on_a_reused_connection {
    use super::*;

    #[track_caller]
    fn assert_stale(error: &BoxError) {
        let provenance = of_error(error);
        assert_eq!(provenance.outcome(), RequestOutcome::Stale);
        assert!(provenance.is_reused());
        assert_eq!(provenance.request_number(), 2);
        assert_eq!(provenance.idle_before(), Some(IDLE));
        assert_eq!(provenance.connection(), Some(0));
        assert_eq!(provenance.answered(), Extent::Nothing);
    }

    #[tokio::test(start_paused = true)]
    async fn is_stale_if_the_server_closes_while_it_is_on_its_way() {
        let mut rig = Rig::new();
        let peer = rig.used().await;

        let error = rig.error_of(get(URI), async { drop(peer) }).await;

        assert_stale(&error);
        assert_eq!(of_error(&error).written(), Extent::All);
    }

    #[tokio::test(start_paused = true)]
    async fn is_stale_if_the_server_resets_it() {
        let mut rig = Rig::new();
        let peer = rig.used().await;

        let error = rig.error_of(get(URI), async { peer.reset() }).await;

        assert_stale(&error);
    }

    #[tokio::test(start_paused = true)]
    async fn is_stale_if_the_server_received_it_and_crashed() {
        let mut rig = Rig::new();
        let mut peer = rig.used().await;

        let server = async {
            assert!(peer.request().await.is_some());
            drop(peer);
        };
        let error = rig.error_of(get(URI), server).await;

        assert_stale(&error);
    }

    #[tokio::test(start_paused = true)]
    async fn is_stale_if_the_server_received_a_part_of_it() {
        let mut rig = Rig::new();
        let mut peer = rig.used().await;

        let server = async {
            assert!(peer.request().await.is_some());
            peer.reset();
        };
        let error = rig.error_of(large(), server).await;

        assert_stale(&error);
    }

    #[tokio::test(start_paused = true)]
    async fn is_interrupted_if_a_part_of_its_response_came() {
        for part in [
            "H",
            "HTTP/1.1 200 OK\r\ncontent-le",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "no response at all",
        ] {
            let mut rig = Rig::new();
            let mut peer = rig.used().await;

            let server = async {
                assert!(peer.request().await.is_some());
                peer.send(part).await;
                drop(peer);
            };
            let error = rig.error_of(get(URI), server).await;

            let provenance = of_error(&error);
            assert_eq!(provenance.outcome(), RequestOutcome::Interrupted, "{part}");
            assert_eq!(provenance.request_number(), 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn is_answered_by_a_408_that_crosses_it() {
        let mut rig = Rig::new();
        let mut peer = rig.used().await;

        let server = async {
            peer.send(
                "HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
            )
            .await;
            drop(peer);
        };
        let (answer, ()) = tokio::join!(exchange(&rig.client, get(URI)), server);

        let answer = answer.unwrap();
        assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
        let provenance = Provenance::of_response(&answer).unwrap();
        assert_eq!(provenance.outcome(), RequestOutcome::Answered);
        assert_eq!(provenance.request_number(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn goes_over_another_one_if_the_server_had_closed_it_before() {
        let mut rig = Rig::new();
        drop(rig.used().await);
        sleep(IDLE).await;

        let (answer, _peer) = tokio::join!(exchange(&rig.client, get(URI)), async {
            let mut peer = rig.ends.peer().await;
            peer.serve("").await;
            peer
        });

        let provenance = Provenance::of_response(&answer.unwrap()).unwrap();
        assert_eq!(provenance.connection(), Some(1));
        assert!(!provenance.is_reused());
    }
}

mod a_request_on_a_new_connection {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn is_unanswered_if_the_server_closes() {
        let mut rig = Rig::new();
        let (answer, ()) = tokio::join!(exchange(&rig.client, get(URI)), async {
            let mut peer = rig.ends.peer().await;
            assert!(peer.request().await.is_some());
            drop(peer);
        });

        let provenance = of_error(&answer.unwrap_err());
        assert_eq!(provenance.outcome(), RequestOutcome::Unanswered);
        assert_eq!(provenance.request_number(), 1);
        assert_eq!(provenance.idle_before(), Some(Duration::ZERO));
        assert!(!provenance.is_reused());
    }

    #[tokio::test(start_paused = true)]
    async fn is_unsent_if_there_is_none() {
        let (connector, ends) = wires(Link::new(), Connected::new);
        drop(ends);
        let client = guarded(&keep_alive(KeepAlivePolicy::default()), connector);

        let provenance = of_error(&exchange(&client, get(URI)).await.unwrap_err());

        assert_eq!(provenance.outcome(), RequestOutcome::Unsent);
        assert_eq!(provenance.connection(), None);
        assert_eq!(provenance.request_number(), 0);
    }
}

mod a_body {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn that_breaks_off_interrupts_its_request() {
        let mut rig = Rig::new();
        let mut peer = rig.used().await;

        let (response, ()) = tokio::join!(rig.client.clone().oneshot(get(URI)), async {
            assert!(peer.request().await.is_some());
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
                .await;
            drop(peer);
        });

        let (head, body) = response.unwrap().into_parts();
        assert!(body.collect().await.is_err());
        let provenance = Provenance::of_extensions(&head.extensions).unwrap();
        assert_eq!(provenance.outcome(), RequestOutcome::Interrupted);
        assert_eq!(
            (provenance.written(), provenance.answered()),
            (Extent::All, Extent::Part)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn that_lasts_until_eof_is_complete_with_it() {
        let mut rig = Rig::new();
        let mut peer = rig.used().await;

        let (response, ()) = tokio::join!(rig.client.clone().oneshot(get(URI)), async {
            assert!(peer.request().await.is_some());
            peer.send("HTTP/1.1 200 OK\r\n\r\nall of it").await;
            drop(peer);
        });

        let response = response.unwrap();
        let outcome = |extensions: &Extensions| {
            let provenance = Provenance::of_extensions(extensions);
            provenance.unwrap().outcome()
        };
        assert_eq!(outcome(response.extensions()), RequestOutcome::Interrupted);
        let (head, body) = response.into_parts();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "all of it");
        assert_eq!(outcome(&head.extensions), RequestOutcome::Answered);
    }
}

mod a_connection_that_closed_itself {
    use super::*;

    /// hyper-util sends such a request on another connection, unless it is told not to.
    #[tokio::test(start_paused = true)]
    async fn leaves_what_was_queued_unsent() {
        if is_own() {
            // The own client always sends such a request again.
            return;
        }
        let (connector, mut ends) = wires(Link::new(), Connected::new);
        let clock = WallClock::new();
        let keep_alive = clock.builder().build().unwrap();
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .build(keep_alive.connector(connector));
        let (answer, mut peer) = tokio::join!(exchange(&client, get(URI)), async {
            let mut peer = ends.peer().await;
            peer.serve("").await;
            peer
        });
        answer.unwrap();
        clock.suspend(Duration::from_secs(10));

        let error = exchange(&client, get(URI)).await.unwrap_err();

        let provenance = of_error(&error);
        assert_eq!(provenance.outcome(), RequestOutcome::Unsent);
        assert_eq!(provenance.connection(), Some(0));
        assert_eq!(provenance.request_number(), 2);
        assert_eq!(provenance.idle_before(), None, "it was not begun");
        assert_eq!(peer.rest().await, b"", "the server saw nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn leaves_it_unsent_without_a_pool_too() {
        let (connector, mut ends) = wires(Link::new(), Connected::new);
        let keep_alive = keep_alive(KeepAlivePolicy::default());
        let io = keep_alive
            .connector(connector)
            .call(URI.parse().unwrap())
            .await
            .unwrap();
        let handle = io.handle();
        let (mut sender, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let mut peer = ends.peer().await;
        let (answer, _) = tokio::join!(sender.send_request(by_hand()), peer.serve(""));
        answer.unwrap().into_body().collect().await.unwrap();
        sender.ready().await.unwrap();
        tokio::time::advance(Duration::from_secs(10)).await;

        let error = sender.send_request(by_hand()).await.unwrap_err();

        let provenance = Provenance::of_hyper_error(&error, &handle).unwrap();
        assert_eq!(provenance.outcome(), RequestOutcome::Unsent);
        assert_eq!(provenance.request_number(), 2);
        assert_eq!(peer.rest().await, b"");
    }

    fn by_hand() -> Request<Full<Bytes>> {
        let request = Request::builder().method(Method::POST).uri("/");
        let request = request.header("host", "server.test");
        request.body(Full::from("")).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_pool_knows_what_became_of_it() {
    let (connector, mut ends) = wires(Link::new().latency(ONE_WAY), Connected::new);
    let keep_alive = keep_alive(KeepAlivePolicy::default());
    let io = keep_alive
        .connector(connector)
        .call(URI.parse().unwrap())
        .await
        .unwrap();
    let handle = io.handle();
    assert_eq!(handle.provenance(), None, "nothing was sent");
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let mut peer = ends.peer().await;
    let request = || {
        let request = Request::get("/").header("host", "server.test");
        request.body(Full::<Bytes>::default()).unwrap()
    };
    let (answer, _) = tokio::join!(sender.send_request(request()), peer.serve(""));
    let outcome = |of: Option<Provenance>| of.unwrap().outcome();
    answer.unwrap().into_body().collect().await.unwrap();
    assert_eq!(outcome(handle.provenance()), RequestOutcome::Answered);
    sender.ready().await.unwrap();

    let (answer, ()) = tokio::join!(sender.send_request(request()), async { drop(peer) });

    let error = answer.unwrap_err();
    let provenance = Provenance::of_hyper_error(&error, &handle);
    assert_eq!(outcome(provenance), RequestOutcome::Stale);
    assert_eq!(provenance, handle.provenance());
}

#[tokio::test(start_paused = true)]
async fn an_error_is_found_wherever_it_is_in_the_chain() {
    #[derive(Debug)]
    struct Outer(BoxError);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("outer")
        }
    }
    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }
    let mut rig = Rig::new();
    let peer = rig.used().await;
    let error = rig.error_of(get(URI), async { drop(peer) }).await;
    let expected = of_error(&error);

    let error = Outer(Box::new(io::Error::other(Outer(error))));

    assert_eq!(Provenance::of_error(&error), Some(expected));
}

/// The control.
#[tokio::test]
async fn without_this_crate_nothing_is_known() {
    let client = plain(HttpConnector::new());

    let error = exchange(&client, get("http://127.0.0.1:1/"))
        .await
        .unwrap_err();

    let provenance = Provenance::of_error(&*error).unwrap();
    assert_eq!(provenance.connection(), None);
    assert_eq!(
        provenance.outcome(),
        RequestOutcome::Unsent,
        "that is hyper-util's own"
    );
    let (connector, mut ends) = wires(Link::new(), Connected::new);
    let client = plain(connector);
    let (answer, ()) = tokio::join!(exchange(&client, get(URI)), async {
        let mut peer = ends.peer().await;
        assert!(peer.request().await.is_some());
    });
    assert_eq!(Provenance::of_error(&*answer.unwrap_err()), None);
}
