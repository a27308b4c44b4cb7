//! Connecting: TCP, a Unix socket, or an HTTP proxy, and TLS over it.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, InvalidMessage};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::text::printable;
use super::time::Time;

/// How long connecting may take, TLS included.
const CONNECT: Duration = Duration::from_secs(10);

/// Which protocols are offered by ALPN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Offer {
    Http1,
    Http2AndHttp1,
}

/// A transport.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// What was connected.
pub(super) struct Dialed {
    pub(super) transport: Box<dyn Transport>,
    /// How long that took, without TLS.
    pub(super) connecting: Duration,
    pub(super) tls: Option<DialedTls>,
}

/// What was agreed on in a TLS handshake.
#[derive(Clone, Debug)]
pub(super) struct DialedTls {
    pub(super) version: Option<String>,
    pub(super) is_http2: bool,
}

/// Connects to one address.
pub(super) trait Dial: Send + Sync {
    /// An error is one line.
    fn dial(&self, offer: Offer) -> Dialing<'_>;
}

pub(super) type Dialing<'a> = Pin<Box<dyn Future<Output = Result<Dialed, String>> + Send + 'a>>;

/// One address, by the network.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) peer: Peer,
    pub(super) tls: Option<RouteTls>,
    pub(super) time: Time,
}

/// What is connected to.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    Tcp(SocketAddr),
    Unix(PathBuf),
    Proxy {
        proxy: Uri,
        /// Where its tunnel leads to; `None` if it takes requests.
        tunnel: Option<Uri>,
    },
}

/// How TLS is spoken.
#[derive(Debug)]
pub(super) struct RouteTls {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl Dial for Route {
    fn dial(&self, offer: Offer) -> Dialing<'_> {
        Box::pin(async move {
            self.time
                .within(CONNECT, self.connect(offer))
                .await
                .unwrap_or_else(|| Err(format!("not connected within {CONNECT:?}")))
        })
    }
}

impl Route {
    async fn connect(&self, offer: Offer) -> Result<Dialed, String> {
        let begun = self.time.now();
        let transport = self.peer.connect().await?;
        let connecting = self.time.now().since(&begun).duration();
        let Some(tls) = &self.tls else {
            return Ok(Dialed {
                transport,
                connecting,
                tls: None,
            });
        };
        let mut config = ClientConfig::clone(&tls.config);
        config.alpn_protocols = match offer {
            Offer::Http1 => vec![b"http/1.1".to_vec()],
            Offer::Http2AndHttp1 => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        let stream = TlsConnector::from(Arc::new(config))
            .connect(tls.name.clone(), transport)
            .await
            .map_err(|error| format!("TLS failed: {}", why_no_tls(&error)))?;
        let (_, session) = stream.get_ref();
        let dialed = DialedTls {
            version: session
                .protocol_version()
                .and_then(|version| version.as_str())
                .map(|version| version.replace('_', ".")),
            is_http2: session.alpn_protocol() == Some(b"h2"),
        };
        Ok(Dialed {
            transport: Box::new(stream),
            connecting,
            tls: Some(dialed),
        })
    }
}

/// Why there is no TLS, in a line.
fn why_no_tls(error: &io::Error) -> String {
    let source = error.get_ref().and_then(|source| source.downcast_ref());
    match source {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "the server does not speak it at this port; try http://".to_owned()
        }
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            "the server refuses HTTP/1.1 (by ALPN)".to_owned()
        }
        _ => one_line(error),
    }
}

impl Peer {
    async fn connect(&self) -> Result<Box<dyn Transport>, String> {
        let not_connected = |error: &dyn Error| format!("not connected: {}", one_line(error));
        match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect(address).await;
                let stream = stream.map_err(|error| not_connected(&error))?;
                // A request is one write.
                let _ = stream.set_nodelay(true);
                Ok(Box::new(stream))
            }
            Self::Unix(path) => unix(path).await.map_err(|error| not_connected(&error)),
            Self::Proxy { proxy, tunnel } => {
                let mut connector = HttpConnector::new();
                connector.set_nodelay(true);
                let stream = match tunnel {
                    None => {
                        let stream = connector.call(proxy.clone()).await;
                        stream.map_err(|error| not_connected(&error))?
                    }
                    Some(destination) => {
                        let mut tunnel = Tunnel::new(proxy.clone(), connector);
                        let stream = tunnel.call(destination.clone()).await;
                        stream.map_err(|error| format!("proxy {proxy}: {}", one_line(&error)))?
                    }
                };
                Ok(Box::new(TokioIo::into_inner(stream)))
            }
        }
    }
}

#[cfg(unix)]
async fn unix(path: &PathBuf) -> io::Result<Box<dyn Transport>> {
    let stream = tokio::net::UnixStream::connect(path).await?;
    Ok(Box::new(stream))
}

#[cfg(not(unix))]
async fn unix(_: &PathBuf) -> io::Result<Box<dyn Transport>> {
    let text = "there are no Unix sockets on this system";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// An error and its causes in one line, without repetitions.
pub(super) fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        source = cause.source();
    }
    printable(&line)
}
