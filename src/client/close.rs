//! The last request of a connection.

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
