//! A request's own wishes.

use http::Request;
use http::Version;

use crate::origin::Apart;

/// A request extension: the connection is not to be reused after this request's response.
///
/// [`KeepAliveLayer`](crate::KeepAliveLayer) sends such a request with `Connection: close`, unless it
/// carries a `Connection` field of its own or goes over HTTP/2, and retires the connection that the
/// response came on. It does nothing to an HTTP/2 connection.
///
/// ```
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(http_keepalive::CloseAfterResponse);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CloseAfterResponse;

/// A request extension: the request is to be made on a connection that served none before.
///
/// For the one request that must not meet a server's goodbye, whatever a connection costs. Afterwards
/// that connection is closed, as with [`CloseAfterResponse`], which need not be there too. It does
/// nothing to requests that go over HTTP/2, to origins that spoke it when they were seen last, nor where
/// the URI names no origin.
///
/// A pool chooses connections by scheme and authority. So [`KeepAliveLayer`](crate::KeepAliveLayer)
/// writes the port in a way that nobody else does, with zeros before it, and
/// [`IdleAwareConnector`](crate::IdleAwareConnector) takes them off before it connects. What stands
/// between the two sees that URI, as does an HTTP proxy that is sent the whole of it; both are free to
/// take it for the number that it is (RFC 3986 §3.2.3). `Host` is as ever. Without that connector the
/// pool keeps such requests on connections of their own, which they share with each other.
///
/// ```
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(http_keepalive::FreshConnection);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct FreshConnection;

/// What a request wishes of its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes {
    pub(super) fresh: bool,
    /// It is to be closed afterwards.
    pub(super) close: bool,
}

impl Wishes {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let fresh = request.extensions().get::<FreshConnection>().is_some();
        Self {
            fresh,
            close: fresh || request.extensions().get::<CloseAfterResponse>().is_some(),
        }
    }
}

/// Keeps a request apart from all others that a pool has connections for.
pub(super) fn keep_apart<B>(request: &mut Request<B>) {
    if request.version() > Version::HTTP_11 {
        return;
    }
    let Some(Apart { uri, host }) = Apart::of(request.uri()) else {
        return;
    };
    *request.uri_mut() = uri;
    if let Some(host) = host {
        request
            .headers_mut()
            .entry(http::header::HOST)
            .or_insert(host);
    }
}
