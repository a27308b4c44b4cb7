//! The clients that features add, and a server that is driven by hand, so that it knows what it has read of each
//! request. Nothing waits for a time.

use std::error::Error;
use std::pin::Pin;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use http_body_util::{BodyExt, Full};
use http_keepalive::{KeepAlive, Provenance};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tower::{Layer, Service, ServiceExt};

use crate::support::clock::ManualClock;
use crate::support::link::Link;
use crate::support::wire::{WireConnector, wires};

pub type BoxError = Box<dyn Error + Send + Sync>;

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub method: &'static str,
    pub field: Option<(&'static str, &'static str)>,
    pub body: &'static str,
}

/// A POST with this body.
pub fn post(body: &'static str) -> Call {
    Call {
        method: "POST",
        field: None,
        body,
    }
}

/// A response whose body was read, or failed.
pub struct Answer {
    pub extensions: Extensions,
    pub body: Result<Bytes, BoxError>,
}

impl Answer {
    pub fn provenance(&self) -> Provenance {
        Provenance::of_extensions(&self.extensions).unwrap()
    }
}

/// Sends a request, and reads the whole response.
pub type Sending = Box<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Result<Answer, BoxError>>>>>;

/// A client, and the far ends of its connections.
pub struct Rig {
    pub send: Sending,
    /// To where no server is.
    pub send_to_nobody: Sending,
    /// What the connections go by.
    pub clock: ManualClock,
    pub ends: UnboundedReceiver<End>,
}

impl Rig {
    /// Sends a request, which the server meets so, on the connection of `end` or on a new one.
    pub async fn exchange(
        &mut self,
        call: Call,
        end: &mut Option<End>,
        server: impl AsyncFnOnce(&mut End),
    ) -> Result<Answer, BoxError> {
        let (answer, ()) = tokio::join!((self.send)(call), async {
            if end.is_none() {
                *end = self.ends.recv().await;
            }
            server(end.as_mut().unwrap()).await;
        });
        answer
    }

    /// The far end of a connection that served one request, and is idle.
    pub async fn used(&mut self) -> Option<End> {
        let mut end = None;
        let answer = self.exchange(post("first"), &mut end, async |end| {
            assert_eq!(end.serve().await, "first");
        });
        answer.await.unwrap();
        end
    }

    /// Whether the server has accepted another connection.
    pub fn is_reconnected(&mut self) -> bool {
        self.ends.try_recv().is_ok()
    }
}

pub trait Io: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// The far end of a connection.
pub struct End(Pin<Box<dyn Io>>);

impl End {
    pub fn new(io: impl Io + 'static) -> Self {
        Self(Box::pin(io))
    }

    /// Reads a request, and returns its body; `None` if the connection ends instead.
    pub async fn try_request(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.ok()?;
        Some(String::from_utf8(body).unwrap())
    }

    /// Reads a request, and returns its body.
    pub async fn request(&mut self) -> String {
        self.try_request().await.expect("a request")
    }

    /// Drops the connection, over TLS without a word.
    pub fn close(&mut self) {
        *self = Self::new(tokio::io::empty());
    }

    pub async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Answers a request without a body: then the connection is back in the pool before its caller can ask for the
    /// next.
    pub async fn serve(&mut self) -> String {
        let body = self.request().await;
        self.respond().await;
        body
    }

    pub async fn respond(&mut self) {
        self.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await;
    }

    /// How many bytes come until the client closes, over TLS with or without a word.
    pub async fn rest(mut self) -> usize {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest).await;
        rest.len()
    }
}

/// What a client is with a layer around it.
pub trait Wraps<S>:
    Layer<
        S,
        Service: Service<
            Request<Full<Bytes>>,
            Response = Response<Incoming>,
            Error: Into<BoxError>,
        > + Clone
                     + 'static,
    >
{
}

impl<S, L> Wraps<S> for L where
    L: Layer<
            S,
            Service: Service<
                Request<Full<Bytes>>,
                Response = Response<Incoming>,
                Error: Into<BoxError>,
            > + Clone
                         + 'static,
        >
{
}

fn send<S>(client: S, uri: String) -> Sending
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error: Into<BoxError>>
        + Clone
        + 'static,
{
    Box::new(move |call| {
        let mut request = Request::builder().method(call.method).uri(&uri);
        if let Some((name, value)) = call.field {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(call.body)).unwrap();
        let response = client.clone().oneshot(request);
        Box::pin(async move {
            let (head, body) = response.await.map_err(Into::into)?.into_parts();
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

/// hyper-util's client with this crate's two halves, in memory. It sends nothing again by itself.
pub mod assembled {
    use http_keepalive::{IdleAwareConnector, KeepAliveService};

    use super::*;

    pub type Inner = KeepAliveService<Client<IdleAwareConnector<WireConnector>, Full<Bytes>>>;

    #[allow(clippy::unused_async, reason = "other clients need a runtime")]
    pub async fn rig(layer: impl Wraps<Inner>) -> Rig {
        rig_in_memory(client, &layer)
    }

    fn client(keep_alive: &KeepAlive, connector: WireConnector) -> Inner {
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .build(keep_alive.connector(connector));
        keep_alive.layer().layer(client)
    }
}

/// This crate's own client, in memory. It sends nothing again by itself.
pub mod own {
    use http_keepalive::KeepAliveService;

    use super::*;

    pub type Inner = KeepAliveService<http_keepalive::Client<WireConnector, Full<Bytes>>>;

    #[allow(clippy::unused_async, reason = "other clients need a runtime")]
    pub async fn rig(layer: impl Wraps<Inner>) -> Rig {
        rig_in_memory(client, &layer)
    }

    fn client(keep_alive: &KeepAlive, connector: WireConnector) -> Inner {
        let builder = keep_alive.client_over(connector).pool(|pool| {
            pool.retry_canceled_requests(false);
        });
        builder.build()
    }
}

/// With this client, within this layer.
fn rig_in_memory<S>(client: impl Fn(&KeepAlive, WireConnector) -> S, layer: &impl Wraps<S>) -> Rig {
    let clock = ManualClock::new();
    let keep_alive = clock.keep_alive();
    let (connector, ends) = in_memory();
    let send_over = |connector| {
        let client = layer.layer(client(&keep_alive, connector));
        send(client, "http://server.test/".to_owned())
    };
    Rig {
        send: send_over(connector),
        send_to_nobody: send_over(nowhere()),
        clock,
        ends,
    }
}

fn in_memory() -> (WireConnector, UnboundedReceiver<End>) {
    let (connector, mut far_ends) = wires(Link::new(), Connected::new);
    let (sender, ends) = unbounded_channel();
    tokio::spawn(async move {
        while let Some(end) = far_ends.accept().await {
            let _ = sender.send(End::new(end));
        }
    });
    (connector, ends)
}

fn nowhere() -> WireConnector {
    wires(Link::new(), Connected::new).0
}

/// `KeepAlive::client`, over TLS and the system's sockets. It sends nothing again by itself.
#[cfg(feature = "rustls")]
pub mod ready_made {
    use http_keepalive::HttpsClient;
    use hyper_rustls::HttpsConnectorBuilder;
    use tokio::net::TcpListener;

    use super::*;
    use crate::tls::Tls;

    pub type Inner = HttpsClient<Full<Bytes>>;

    pub async fn rig(layer: impl Wraps<Inner>) -> Rig {
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
        let client = || layer.layer(client(&clock.keep_alive(), &tls));
        Rig {
            send: send(client(), uri),
            send_to_nobody: send(client(), "https://127.0.0.1:1/".to_owned()),
            clock: clock.clone(),
            ends,
        }
    }

    fn client(keep_alive: &KeepAlive, tls: &Tls) -> Inner {
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls.client.clone());
        let builder = keep_alive.client().tls(tls).pool(|pool| {
            pool.retry_canceled_requests(false);
        });
        builder.build().unwrap()
    }
}

/// [`ReqwestLayer`](http_keepalive::ReqwestLayer), in memory. It sends nothing again by itself.
#[cfg(feature = "reqwest")]
pub mod for_reqwest {
    use http_keepalive::{IdleAwareConnector, KeepAliveService, ReqwestLayer, ReqwestService};
    use reqwest::{Body, Request, Response, Url};
    use tower::ServiceBuilder;

    use super::*;

    pub type Inner =
        ReqwestService<KeepAliveService<Client<IdleAwareConnector<WireConnector>, Body>>>;

    #[allow(clippy::unused_async, reason = "other clients need a runtime")]
    pub async fn rig<L>(layer: L) -> Rig
    where
        L: Layer<
                Inner,
                Service: Service<Request, Response = Response, Error = BoxError> + Clone + 'static,
            >,
    {
        let clock = ManualClock::new();
        let keep_alive = clock.keep_alive();
        let client = |connector| layer.layer(client(&keep_alive, connector));
        let (connector, ends) = in_memory();
        Rig {
            send: send(client(connector)),
            send_to_nobody: send(client(nowhere())),
            clock,
            ends,
        }
    }

    fn client(keep_alive: &KeepAlive, connector: WireConnector) -> Inner {
        ServiceBuilder::new()
            .layer(ReqwestLayer::new())
            .layer(keep_alive.layer())
            .service(
                Client::builder(TokioExecutor::new())
                    .retry_canceled_requests(false)
                    .build(keep_alive.connector(connector)),
            )
    }

    fn send<S>(client: S) -> Sending
    where
        S: Service<Request, Response = Response, Error = BoxError> + Clone + 'static,
    {
        Box::new(move |call| {
            let url = Url::parse("http://server.test/").unwrap();
            let mut request = Request::new(call.method.parse().unwrap(), url);
            if let Some((name, value)) = call.field {
                let value = value.parse().unwrap();
                request.headers_mut().insert(name, value);
            }
            *request.body_mut() = Some(call.body.into());
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
}

/// Makes a test of each of these functions, for each client there is. Each takes a rig.
macro_rules! for_all_clients {
    ($layer:expr; $($name:ident)*) => {
        mod the_assembled_client {
            use super::*;

            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(crate::clients::assembled::rig($layer).await).await;
                }
            )*
        }

        mod the_own_client {
            use super::*;

            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(crate::clients::own::rig($layer).await).await;
                }
            )*
        }

        #[cfg(feature = "rustls")]
        mod the_ready_made_client {
            use super::*;

            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(crate::clients::ready_made::rig($layer).await).await;
                }
            )*
        }

        #[cfg(feature = "reqwest")]
        mod the_client_for_reqwest {
            use super::*;

            $(
                #[tokio::test]
                async fn $name() {
                    super::$name(crate::clients::for_reqwest::rig($layer).await).await;
                }
            )*
        }
    };
}

pub(crate) use for_all_clients;
