//! The tower layer around an HTTP client, which asks servers for their timeout.
//!
//! [`KeepAliveLayer`] documents the rules. [`KeepAliveService`] applies them to requests,
//! [`ResponseFuture`] to responses. [`strip_request_hop_by_hop`] and [`strip_response_hop_by_hop`] remove
//! the fields that a proxy must not pass on.

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
