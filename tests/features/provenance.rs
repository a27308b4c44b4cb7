//! What became of a request, as the clients tell it that features add, beside what the server saw.
//!
//! The server is driven by hand, so that it knows what it has read of each request. Nothing waits for a time.

use std::error::Error;
use std::pin::Pin;

use bytes::Bytes;
use http::Extensions;
use http_keepalive::{Extent, Provenance, RequestOutcome};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::clock::{ManualClock, TIMEOUT};

type BoxError = Box<dyn Error + Send + Sync>;

/// A response whose body was read, or failed.
struct Answer {
    extensions: Extensions,
    body: Result<Bytes, BoxError>,
}

impl Answer {
    fn provenance(&self) -> Provenance {
        Provenance::of_extensions(&self.extensions).unwrap()
    }
}

/// Sends a POST with a body, and reads the whole response.
type Post = Box<dyn Fn(&'static str) -> Pin<Box<dyn Future<Output = Result<Answer, BoxError>>>>>;

/// A client that a feature adds, and the far ends of its connections.
struct Rig {
    post: Post,
    /// To where no server is.
    post_to_nobody: Post,
    /// What the connections go by.
    clock: ManualClock,
    ends: UnboundedReceiver<End>,
}

impl Rig {
    /// Sends a request, which the server meets so, on the connection of `end` or on a new one.
    async fn exchange(
        &mut self,
        body: &'static str,
        end: &mut Option<End>,
        server: impl AsyncFnOnce(&mut End),
    ) -> Result<Answer, BoxError> {
        let (answer, ()) = tokio::join!((self.post)(body), async {
            if end.is_none() {
                *end = self.ends.recv().await;
            }
            server(end.as_mut().unwrap()).await;
        });
        answer
    }

    /// The far end of a connection that served one request, and is idle.
    async fn used(&mut self) -> Option<End> {
        let mut end = None;
        let answer = self.exchange("first", &mut end, async |end| {
            assert_eq!(end.serve().await, "first");
        });
        answer.await.unwrap();
        end
    }

    /// Whether the server has accepted another connection.
    fn is_reconnected(&mut self) -> bool {
        self.ends.try_recv().is_ok()
    }
}

trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// The far end of a connection.
struct End(Pin<Box<dyn Io>>);

impl End {
    fn new(io: impl Io + 'static) -> Self {
        Self(Box::pin(io))
    }

    /// Reads a request, and returns its body.
    async fn request(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.parse().unwrap())
        });
        let mut body = vec![0; length.unwrap()];
        self.0.read_exact(&mut body).await.unwrap();
        String::from_utf8(body).unwrap()
    }

    /// Drops the connection, over TLS without a word.
    fn close(&mut self) {
        *self = Self::new(tokio::io::empty());
    }

    async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Answers a request without a body: then the connection is back in the pool before its caller can ask for the
    /// next.
    async fn serve(&mut self) -> String {
        let body = self.request().await;
        self.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await;
        body
    }

    /// How many bytes come until the client closes, over TLS with or without a word.
    async fn rest(mut self) -> usize {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        rest.len()
    }
}

#[track_caller]
fn assert_failed(answer: Result<Answer, BoxError>, outcome: RequestOutcome) -> Provenance {
    let error = answer.err().expect("a failure");
    let provenance = Provenance::of_error(&*error).expect("its connection is known");
    assert_eq!(provenance.outcome(), outcome, "{error:?}");
    provenance
}

async fn a_request_without_a_connection_is_unsent(mut rig: Rig) {
    let answer = (rig.post_to_nobody)("x").await;

    let provenance = assert_failed(answer, RequestOutcome::Unsent);

    assert_eq!(provenance.connection(), None);
    assert!(!rig.is_reconnected(), "the server saw no connection");
}

/// The client has to be one that does not send it on another connection by itself.
async fn a_request_for_a_connection_that_closed_itself_is_unsent(mut rig: Rig) {
    let end = rig.used().await.unwrap();
    rig.clock.suspend(TIMEOUT);

    let provenance = assert_failed((rig.post)("second").await, RequestOutcome::Unsent);

    assert_eq!(provenance.connection(), Some(0));
    assert_eq!(provenance.request_number(), 2);
    assert_eq!(end.rest().await, 0, "the server saw nothing of it");
    assert!(!rig.is_reconnected());
}

async fn a_request_that_the_server_took_on_a_used_connection_is_stale(mut rig: Rig) {
    let mut end = rig.used().await;

    // What the server does with it, nobody knows.
    let mut seen = None;
    let answer = rig.exchange("second", &mut end, async |end| {
        seen = Some(end.request().await);
        end.close();
    });
    let answer = answer.await;

    let provenance = assert_failed(answer, RequestOutcome::Stale);
    assert_eq!(seen.as_deref(), Some("second"));
    assert_eq!(provenance.connection(), Some(0));
    assert_eq!(provenance.request_number(), 2);
    assert_eq!(provenance.written(), Extent::All);
    assert!(!rig.is_reconnected(), "it was sent once");
}

async fn a_request_that_the_server_took_on_a_new_connection_is_unanswered(mut rig: Rig) {
    let (mut seen, mut end) = (None, None);
    let answer = rig.exchange("first", &mut end, async |end| {
        seen = Some(end.request().await);
        end.close();
    });
    let answer = answer.await;

    let provenance = assert_failed(answer, RequestOutcome::Unanswered);
    assert_eq!(seen.as_deref(), Some("first"));
    assert!(!provenance.is_reused());
    assert!(!rig.is_reconnected(), "it was sent once");
}

async fn a_request_with_a_part_of_a_head_is_interrupted(mut rig: Rig) {
    let mut end = rig.used().await;

    let mut seen = None;
    let answer = rig.exchange("second", &mut end, async |end| {
        seen = Some(end.request().await);
        end.send("HTTP/1.1 200 OK\r\ncontent-le").await;
        end.close();
    });
    let answer = answer.await;

    let provenance = assert_failed(answer, RequestOutcome::Interrupted);
    assert_eq!(seen.as_deref(), Some("second"));
    assert_eq!(provenance.answered(), Extent::Part);
}

async fn a_response_whose_body_breaks_off_is_interrupted(mut rig: Rig) {
    let mut end = rig.used().await;

    let answer = rig.exchange("second", &mut end, async |end| {
        assert_eq!(end.request().await, "second");
        end.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            .await;
        end.close();
    });
    let answer = answer.await.expect("a head");

    answer.body.as_ref().unwrap_err();
    let provenance = answer.provenance();
    assert_eq!(provenance.outcome(), RequestOutcome::Interrupted);
    assert_eq!(provenance.request_number(), 2);
}

async fn a_response_that_comes_whole_is_answered(mut rig: Rig) {
    let mut end = rig.used().await;

    let answer = rig.exchange("second", &mut end, async |end| {
        assert_eq!(end.request().await, "second");
        end.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole")
            .await;
    });
    let answer = answer.await.unwrap();

    assert_eq!(answer.body.as_deref().unwrap(), b"whole");
    let provenance = answer.provenance();
    assert_eq!(provenance.outcome(), RequestOutcome::Answered);
    assert_eq!(provenance.connection(), Some(0));
    assert_eq!(provenance.request_number(), 2);
    assert!(!rig.is_reconnected());
}

macro_rules! tests {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                super::$name(rig().await).await;
            }
        )*
    };
}

macro_rules! all_tests {
    () => {
        tests! {
            a_request_without_a_connection_is_unsent
            a_request_for_a_connection_that_closed_itself_is_unsent
            a_request_that_the_server_took_on_a_used_connection_is_stale
            a_request_that_the_server_took_on_a_new_connection_is_unanswered
            a_request_with_a_part_of_a_head_is_interrupted
            a_response_whose_body_breaks_off_is_interrupted
            a_response_that_comes_whole_is_answered
        }
    };
}

/// `KeepAlive::client`, over TLS and the system's sockets.
#[cfg(feature = "rustls")]
mod the_ready_made_client {
    use http::Request;
    use http_body_util::{BodyExt, Full};
    use http_keepalive::{HttpsClient, KeepAlive};
    use hyper_rustls::HttpsConnectorBuilder;
    use tokio::net::TcpListener;
    use tower::ServiceExt;

    use super::*;
    use crate::support::tls::Tls;

    async fn rig() -> Rig {
        let tls = Tls::for_host("127.0.0.1");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("https://{}/", listener.local_addr().unwrap());
        let acceptor = tls.acceptor();
        let (sender, ends) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let stream = acceptor.accept(socket).await.unwrap();
                let _ = sender.send(End::new(stream));
            }
        });
        let clock = ManualClock::new();
        let client = client(&clock.keep_alive(), &tls);
        Rig {
            post: post(client.clone(), uri),
            post_to_nobody: post(client, "https://127.0.0.1:1/".to_owned()),
            clock,
            ends,
        }
    }

    fn client(keep_alive: &KeepAlive, tls: &Tls) -> HttpsClient<Full<Bytes>> {
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls.client.clone());
        let builder = keep_alive.client().tls(tls).pool(|pool| {
            pool.retry_canceled_requests(false);
        });
        builder.build().unwrap()
    }

    fn post(client: HttpsClient<Full<Bytes>>, uri: String) -> Post {
        Box::new(move |body| {
            let request = Request::post(&uri).body(Full::from(body)).unwrap();
            let response = client.clone().oneshot(request);
            Box::pin(async move {
                let (head, body) = response.await?.into_parts();
                Ok(Answer {
                    extensions: head.extensions,
                    body: match body.collect().await {
                        Ok(body) => Ok(body.to_bytes()),
                        Err(error) => Err(error.into()),
                    },
                })
            })
        })
    }

    all_tests!();
}

/// [`ReqwestLayer`](http_keepalive::ReqwestLayer), in memory.
#[cfg(feature = "reqwest")]
mod the_client_for_reqwest {
    use http_keepalive::{KeepAlive, ReqwestLayer};
    use hyper_util::client::legacy::Client;
    use hyper_util::client::legacy::connect::Connected;
    use hyper_util::rt::TokioExecutor;
    use reqwest::{Method, Request, Url};
    use tower::{ServiceBuilder, ServiceExt};

    use super::*;
    use crate::support::link::Link;
    use crate::support::wire::{WireConnector, wires};

    async fn rig() -> Rig {
        let (connector, mut far_ends) = wires(Link::new(), Connected::new);
        let (sender, ends) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(end) = far_ends.accept().await {
                let _ = sender.send(End::new(end));
            }
        });
        let (nowhere, _) = wires(Link::new(), Connected::new);
        let clock = ManualClock::new();
        let keep_alive = clock.keep_alive();
        Rig {
            post: post(&keep_alive, connector),
            post_to_nobody: post(&keep_alive, nowhere),
            clock,
            ends,
        }
    }

    fn post(keep_alive: &KeepAlive, connector: WireConnector) -> Post {
        let client = ServiceBuilder::new()
            .layer(ReqwestLayer::new())
            .layer(keep_alive.layer())
            .service(
                Client::builder(TokioExecutor::new())
                    .retry_canceled_requests(false)
                    .build(keep_alive.connector(connector)),
            );
        Box::new(move |body| {
            let url = Url::parse("http://server.test/").unwrap();
            let mut request = Request::new(Method::POST, url);
            *request.body_mut() = Some(body.into());
            let response = client.clone().oneshot(request);
            Box::pin(async move {
                let mut response = response.await?;
                Ok(Answer {
                    // What follows takes the response with them.
                    extensions: std::mem::take(response.extensions_mut()),
                    body: response.bytes().await.map_err(Into::into),
                })
            })
        })
    }

    all_tests!();
}
