//! Requests that ask for a persistent connection, and responses whose hint is heeded.
//!
//! [`KeepAliveLayer`] stands around an HTTP client, and has the rules; [`KeepAliveService`] applies
//! them to requests, [`ResponseFuture`] to responses. What a proxy must not pass on is removed by
//! [`strip_request_hop_by_hop`] and [`strip_response_hop_by_hop`].

mod close;
mod future;
mod hop_by_hop;
mod layer;
mod service;

pub use self::close::CloseAfterResponse;
pub use self::future::ResponseFuture;
pub use self::hop_by_hop::{strip_request_hop_by_hop, strip_response_hop_by_hop};
pub use self::layer::KeepAliveLayer;
pub use self::service::KeepAliveService;
