//! A server on a socket of its own, and what happens at it.

use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ProtocolVersion;

use super::read_ending::ReadEnding;

/// How long to wait for what must happen: a broken promise is then a failure, and not a test that
/// hangs, or that passes because hyper-util's pool closes the connection, after 90 s.
const PATIENCE: Duration = Duration::from_secs(60);

/// What happens at the server, on which connection.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Requested {
        connection: usize,
        id: String,
        target: Uri,
    },
    Ended(usize, Ending),
}

/// How a connection ended, as the server read it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// EOF, over TLS with a `close_notify` before it.
    Orderly,
    /// Over TLS this is EOF without one.
    Error(io::ErrorKind),
    /// By the server itself.
    Unread,
}

/// A server on a socket of its own.
#[derive(Debug)]
pub struct Server {
    address: Option<SocketAddr>,
    scheme: &'static str,
    events: mpsc::UnboundedReceiver<Event>,
    log: Vec<Event>,
    shared: Arc<Shared>,
}

/// What a server and its connections share.
#[derive(Debug, Default)]
struct Shared {
    versions: Mutex<Vec<Option<ProtocolVersion>>>,
    /// Of each connection, in the order in which they were accepted.
    closing: Mutex<Vec<Arc<Notify>>>,
}

impl Shared {
    /// The next connection's, by which it is told to close.
    fn accept(&self) -> Arc<Notify> {
        let told = Arc::<Notify>::default();
        self.closing.lock().unwrap().push(Arc::clone(&told));
        told
    }
}

impl Server {
    /// On TCP; over TLS with an acceptor, without otherwise.
    pub async fn tcp(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::<Shared>::default();
        let server = Arc::clone(&shared);
        tokio::spawn(async move {
            for number in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                let (tls, events, told) = (tls.clone(), sender.clone(), server.accept());
                let server = Arc::clone(&server);
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return serve(socket, number, events, told).await;
                    };
                    // A client that does not believe the certificate hangs up.
                    let Ok(stream) = tls.accept(socket).await else {
                        return;
                    };
                    let session = stream.get_ref().1;
                    let version = session.protocol_version();
                    server.versions.lock().unwrap().push(version);
                    if session.alpn_protocol() == Some(b"h2") {
                        serve_http2(stream, number, events).await;
                    } else {
                        serve(stream, number, events, told).await;
                    }
                });
            }
        });
        Self {
            address: Some(address),
            scheme,
            events,
            log: Vec::new(),
            shared,
        }
    }

    /// On a Unix socket.
    pub fn unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let shared = Arc::<Shared>::default();
        let server = Arc::clone(&shared);
        tokio::spawn(async move {
            for number in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, number, sender.clone(), server.accept()));
            }
        });
        Self {
            address: None,
            scheme: "http",
            events,
            log: Vec::new(),
            shared,
        }
    }

    /// Where it listens, on TCP.
    pub fn address(&self) -> SocketAddr {
        self.address.unwrap()
    }

    /// The URI of the address, on TCP.
    pub fn uri(&self) -> String {
        format!("{}://{}/", self.scheme, self.address())
    }

    /// The version of TLS of each connection, in the order of their handshakes.
    pub fn versions(&self) -> Vec<Option<ProtocolVersion>> {
        self.shared.versions.lock().unwrap().clone()
    }

    /// Closes a connection that is idle, as at its timeout, over a network with latency: the client is
    /// told when it has sent something meanwhile. Until then that is on its way.
    pub async fn close(&mut self, connection: usize) {
        let told = Arc::clone(&self.shared.closing.lock().unwrap()[connection]);
        told.notify_one();
        assert_eq!(self.ending(connection).await, Ending::Unread);
    }

    /// Waits for the end of a connection.
    pub async fn ending(&mut self, connection: usize) -> Ending {
        loop {
            let ended = self.log.iter().find_map(|event| match event {
                Event::Ended(number, ending) if *number == connection => Some(*ending),
                _ => None,
            });
            if let Some(ending) = ended {
                return ending;
            }
            let next = tokio::time::timeout(PATIENCE, self.events.recv()).await;
            let next = next.unwrap_or_else(|_| panic!("no end after {:?}", self.log));
            self.log.push(next.unwrap());
        }
    }

    /// The connections on which requests with this id have come so far, and what they asked for.
    pub fn requests(&mut self, wanted: &str) -> Vec<(usize, Uri)> {
        while let Ok(event) = self.events.try_recv() {
            self.log.push(event);
        }
        let with_id = |event: &Event| match event {
            Event::Requested {
                connection,
                id,
                target,
            } if id == wanted => Some((*connection, target.clone())),
            _ => None,
        };
        self.log.iter().filter_map(with_id).collect()
    }

    /// The connections on which requests with this id have come so far.
    pub fn connections_of(&mut self, id: &str) -> Vec<usize> {
        let requests = self.requests(id);
        requests
            .into_iter()
            .map(|(connection, _)| connection)
            .collect()
    }
}

type Events = mpsc::UnboundedSender<Event>;

/// HTTP/1.1, until the client closes, or it is told to.
async fn serve<T>(io: T, number: usize, events: Events, told: Arc<Notify>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (io, ending) = watch(io);
    let service =
        service_fn(|request| ready(Ok::<_, Infallible>(answer(&request, number, &events))));
    let mut serving = http1::Builder::new().serve_connection(io, service);
    tokio::select! {
        // How it ended was noted where it was read.
        _ = &mut serving => {
            let ending = *ending.lock().unwrap();
            let _ = events.send(Event::Ended(number, ending));
        }
        () = told.notified() => {
            let mut io = serving.into_parts().io.into_inner();
            let _ = events.send(Event::Ended(number, Ending::Unread));
            // Bytes, or an end: either way the client did not wait for ours.
            let _ = io.read_u8().await;
        }
    }
}

async fn serve_http2<T>(io: T, number: usize, events: Events)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (io, ending) = watch(io);
    let sender = events.clone();
    let service =
        service_fn(move |request| ready(Ok::<_, Infallible>(answer(&request, number, &sender))));
    let _ = http2::Builder::new(TokioExecutor::new())
        .serve_connection(io, service)
        .await;
    let ending = *ending.lock().unwrap();
    let _ = events.send(Event::Ended(number, ending));
}

fn watch<T>(io: T) -> (TokioIo<ReadEnding<T>>, Arc<Mutex<Ending>>) {
    let ending = Arc::new(Mutex::new(Ending::Unread));
    let io = ReadEnding {
        io,
        ending: Arc::clone(&ending),
    };
    (TokioIo::new(io), ending)
}

fn answer(
    request: &Request<Incoming>,
    connection: usize,
    events: &Events,
) -> Response<Full<Bytes>> {
    // Tests that are over do not listen.
    let _ = events.send(Event::Requested {
        connection,
        id: request
            .headers()
            .get("x-id")
            .map_or("", |id| id.to_str().unwrap())
            .to_owned(),
        target: request.uri().clone(),
    });
    // Without a body, a response comes whole with its head: the connection is back in the pool before
    // its caller can ask for the next.
    let mut response = Response::new(Full::default());
    if let Some(hint) = request.headers().get("x-hint") {
        response.headers_mut().insert("keep-alive", hint.clone());
    }
    response
}
