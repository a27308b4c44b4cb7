//! The last request of a connection.

/// A request extension: the connection is not to be reused after this request's response.
///
/// [`KeepAliveLayer`](crate::KeepAliveLayer) adds `Connection: close` to such a request, unless it
/// carries a `Connection` field or is HTTP/2, and retires the connection that the response came on. An
/// HTTP/2 connection is not affected.
///
/// ```
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(http_keepalive::CloseAfterResponse);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CloseAfterResponse;
