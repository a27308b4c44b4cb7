//! Servers that do what a script says with each connection.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

/// How long the servers here keep an idle connection.
pub const TIMEOUT: Duration = Duration::from_millis(400);

/// The same, in seconds.
pub const TIMEOUT_SECONDS: f64 = 0.4;

/// A response that keeps its connection.
pub const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server on a socket of its own, as long as this is not dropped.
#[derive(Debug)]
pub struct Server {
    pub address: SocketAddr,
    scheme: &'static str,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Runs the script on each connection.
    pub async fn tcp<F, S>(script: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, script)
    }

    /// The same, on this socket.
    pub fn on<F, S>(listener: TcpListener, script: S) -> Self
    where
        S: Fn(TcpStream) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                tokio::spawn(script(stream));
            }
        });
        Self {
            address,
            scheme: "http",
            accepting,
        }
    }

    /// Runs the script on each connection on which a TLS handshake succeeded.
    pub async fn tls<F, S>(config: Arc<ServerConfig>, script: S) -> Self
    where
        S: Fn(TlsStream<TcpStream>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let server = Self::tcp(move |stream| {
            let accepting = TlsAcceptor::from(Arc::clone(&config)).accept(stream);
            let script = script.clone();
            async move {
                if let Ok(stream) = accepting.await {
                    script(stream).await;
                }
            }
        });
        Self::with_scheme(server.await, "https")
    }

    fn with_scheme(mut self, scheme: &'static str) -> Self {
        self.scheme = scheme;
        self
    }

    /// A server that keeps idle connections for [`TIMEOUT`].
    pub async fn closing() -> Self {
        Self::tcp(|mut stream| async move {
            answer_until_idle(&mut stream, TIMEOUT, |_| OK.to_owned()).await;
        })
        .await
    }

    /// A server that never closes a connection.
    pub async fn patient() -> Self {
        Self::tcp(|mut stream| async move {
            answer_all(&mut stream, OK).await;
        })
        .await
    }

    /// A server that reads one request, sends these bytes, and closes.
    pub async fn once(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::tcp(move |mut stream| {
            let response = response.clone();
            async move {
                if request(&mut stream).await.is_some() {
                    let _ = stream.write_all(&response).await;
                    let _ = stream.shutdown().await;
                    until_closed(&mut stream).await;
                }
            }
        })
        .await
    }

    pub fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

/// Reads the head of a request; `None` if the client closes.
pub async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Reads until the client closes.
pub async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) {
    let mut buffer = [0; 4096];
    while stream
        .read(&mut buffer)
        .await
        .is_ok_and(|length| length > 0)
    {}
}

/// Answers each request, until there is none for so long. Returns whether the client has not closed.
pub async fn answer_until_idle<S>(
    stream: &mut S,
    timeout: Duration,
    answer: impl Fn(&str) -> String,
) -> bool
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let Ok(next) = tokio::time::timeout(timeout, request(stream)).await else {
            return true;
        };
        let Some(head) = next else { return false };
        if stream.write_all(answer(&head).as_bytes()).await.is_err()
            || stream.flush().await.is_err()
        {
            return false;
        }
    }
}

/// Answers each request until the client closes.
pub async fn answer_all<S>(stream: &mut S, response: &str)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while request(stream).await.is_some() {
        if stream.write_all(response.as_bytes()).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

/// Whether a request has `Connection: keep-alive`.
pub fn asks(head: &str) -> bool {
    head.lines()
        .any(|line| line.eq_ignore_ascii_case("connection: keep-alive"))
}
