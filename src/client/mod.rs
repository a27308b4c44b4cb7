//! Requests that ask for a persistent connection, and responses whose hint is heeded.
//!
//! [`KeepAliveLayer`] stands around an HTTP client, and has the rules; [`KeepAliveService`] applies
//! them to requests, [`ResponseFuture`] to responses.

mod close;
mod future;
mod layer;
mod service;

pub use self::close::CloseAfterResponse;
pub use self::future::ResponseFuture;
pub use self::layer::KeepAliveLayer;
pub use self::service::KeepAliveService;
