//! Requests that ask for a persistent connection, and responses whose hint is heeded.
//!
//! [`KeepAliveLayer`] stands around an HTTP client.
//!
//! On a request:
//!
//! 1. One that carries a `Connection` field of its own is left as it is, `Connection: upgrade` above
//!    all.
//! 2. So is an HTTP/2 request, and one to an origin that answered in HTTP/2 when it was seen last:
//!    the field is forbidden there (RFC 9113 §8.2.2), and hyper would log a warning each time.
//! 3. Otherwise it gets `Connection: close` if the policy switches reuse off, or if its extensions
//!    hold [`CloseAfterResponse`].
//! 4. Otherwise `Connection: keep-alive`. HTTP/1.1 connections persist without it, but Apache httpd
//!    and Tomcat say how long they keep them only to those who ask.
//!
//! On a response:
//!
//! 5. Its `Keep-Alive` fields are parsed. What they say goes to the connection the response came on,
//!    if that is one of an [`IdleAwareConnector`](crate::IdleAwareConnector), and into the extensions
//!    of the response, as a [`KeepAliveHint`](crate::KeepAliveHint).
//!
//! The fields themselves stay. Errors pass through unchanged.

mod close;
mod future;
mod layer;
mod service;

pub use self::close::CloseAfterResponse;
pub use self::future::ResponseFuture;
pub use self::layer::KeepAliveLayer;
pub use self::service::KeepAliveService;
