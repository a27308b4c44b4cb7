//! A server on a socket of its own, and what happens at it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ProtocolVersion;

use super::watched::Watched;

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
    versions: Arc<Mutex<Vec<Option<ProtocolVersion>>>>,
}

impl Server {
    /// On TCP; over TLS with an acceptor, without otherwise.
    pub async fn tcp(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let versions = Arc::default();
        let seen: Arc<Mutex<Vec<_>>> = Arc::clone(&versions);
        tokio::spawn(async move {
            for number in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                let (tls, events, seen) = (tls.clone(), sender.clone(), Arc::clone(&seen));
                tokio::spawn(async move {
                    let Some(tls) = tls else {
                        return serve(socket, number, events, false).await;
                    };
                    // A client that does not believe the certificate hangs up.
                    let Ok(stream) = tls.accept(socket).await else {
                        return;
                    };
                    let session = stream.get_ref().1;
                    seen.lock().unwrap().push(session.protocol_version());
                    let http2 = session.alpn_protocol() == Some(b"h2");
                    serve(stream, number, events, http2).await;
                });
            }
        });
        Self {
            address: Some(address),
            scheme,
            events,
            log: Vec::new(),
            versions,
        }
    }

    /// On a Unix socket.
    pub fn unix(path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for number in 0.. {
                let (socket, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(socket, number, sender.clone(), false));
            }
        });
        Self {
            address: None,
            scheme: "http",
            events,
            log: Vec::new(),
            versions: Arc::default(),
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
        self.versions.lock().unwrap().clone()
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

async fn serve<T>(io: T, number: usize, events: mpsc::UnboundedSender<Event>, http2: bool)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let ending = Arc::new(Mutex::new(Ending::Unread));
    let io = TokioIo::new(Watched {
        io,
        ending: Arc::clone(&ending),
    });
    let requests = events.clone();
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        // Tests that are over do not listen.
        let _ = requests.send(Event::Requested {
            connection: number,
            id: request.headers()["x-id"].to_str().unwrap().to_owned(),
            target: request.uri().clone(),
        });
        // Without a body, a response comes whole with its head: the connection is back in the pool
        // before its caller can ask for the next.
        let mut response = Response::new(Full::<Bytes>::default());
        if let Some(hint) = request.headers().get("x-hint") {
            response.headers_mut().insert("keep-alive", hint.clone());
        }
        async move { Ok::<_, Infallible>(response) }
    });
    let served = if http2 {
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(io, service)
            .await
    } else {
        hyper::server::conn::http1::Builder::new()
            .serve_connection(io, service)
            .await
    };
    // How it ended was noted where it was read.
    drop(served);
    let ending = *ending.lock().unwrap();
    let _ = events.send(Event::Ended(number, ending));
}
