//! Why a request has no response.

use std::error::Error;
use std::fmt;

use http::Extensions;
use hyper_util::client::legacy::connect::Connected;

use super::handle::ConnectionHandle;

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a request of a [`Client`](crate::Client) has no response.
///
/// [`source`](Error::source) is the connector's error if no connection could be opened, and hyper's if one failed.
/// [`Provenance::of_error`](crate::Provenance::of_error) tells what became of the request.
pub struct ClientError {
    kind: ClientErrorKind,
    source: Option<BoxError>,
    /// Follows the connection.
    connection: Option<ConnectionHandle>,
    extras: Extensions,
}

/// The kinds of [`ClientError`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// No connection could be opened.
    Connect,
    /// No connection was open within [`connect_timeout`](crate::PoolSettings::connect_timeout).
    ConnectTimeout,
    /// There were as many connections as [may be](crate::PoolSettings::max_connections_per_origin), or an HTTP/2 connection
    /// was being opened, and none became free within [`queue_timeout`](crate::PoolSettings::queue_timeout).
    QueueTimeout,
    /// The connection ended before anything of the request was sent. It was new, or requests
    /// [are not to go out again](crate::PoolSettings::retry_canceled_requests).
    Canceled,
    /// The exchange failed: the connection, the request's body, or a response that is none.
    SendRequest,
    /// The request's URI names no scheme, or no host.
    AbsoluteUriRequired,
    /// The connection does not speak the request's version of HTTP, or no connection does.
    UnsupportedVersion,
    /// HTTP/1.0 has no CONNECT.
    UnsupportedMethod,
}

impl ClientError {
    pub(crate) fn new(kind: ClientErrorKind) -> Self {
        Self {
            kind,
            source: None,
            connection: None,
            extras: Extensions::new(),
        }
    }

    pub(crate) fn with_source(self, source: impl Into<BoxError>) -> Self {
        let source = Some(source.into());
        Self { source, ..self }
    }

    /// With the connection, which the handle follows, and what its connector says of it.
    pub(crate) fn on(mut self, connection: ConnectionHandle, connected: &Connected) -> Self {
        connected.get_extras(&mut self.extras);
        self.connection = Some(connection);
        self
    }

    /// The kind of error.
    pub fn kind(&self) -> ClientErrorKind {
        self.kind
    }

    /// Whether there was no connection: [`Connect`](ClientErrorKind::Connect),
    /// [`ConnectTimeout`](ClientErrorKind::ConnectTimeout) or [`QueueTimeout`](ClientErrorKind::QueueTimeout). Nothing of
    /// the request was sent.
    pub fn is_connect(&self) -> bool {
        matches!(
            self.kind,
            ClientErrorKind::Connect
                | ClientErrorKind::ConnectTimeout
                | ClientErrorKind::QueueTimeout
        )
    }

    /// The connection that the request was given; `None` if it was given none.
    pub fn connection(&self) -> Option<&ConnectionHandle> {
        self.connection.as_ref()
    }

    /// What the connector adds to the extensions of responses on that connection, for instance an
    /// [`HttpInfo`](hyper_util::client::legacy::connect::HttpInfo). Empty if the request was given none.
    pub fn extras(&self) -> &Extensions {
        &self.extras
    }

    /// hyper's error, if a connection failed.
    pub fn hyper(&self) -> Option<&hyper::Error> {
        self.source.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for ClientErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "no connection could be opened",
            Self::ConnectTimeout => "no connection was open within the connect timeout",
            Self::QueueTimeout => {
                "no connection to the origin became free within the queue timeout"
            }
            Self::Canceled => "the connection ended before the request was sent",
            Self::SendRequest => "the exchange failed",
            Self::AbsoluteUriRequired => {
                "the request's URI has to be absolute: it names no scheme, or no host"
            }
            Self::UnsupportedVersion => {
                "the connection does not speak the request's version of HTTP"
            }
            Self::UnsupportedMethod => "HTTP/1.0 has no CONNECT",
        })
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Debug for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientError")
            .field("kind", &self.kind)
            .field("source", &self.source)
            .field("connection", &self.connection().map(ConnectionHandle::id))
            .finish()
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.source.as_ref()?)
    }
}
