//! A client of one's own for code that holds `reqwest::Request`s.
//!
//! [`ReqwestLayer`] is the outermost layer, and documents the rules. [`ReqwestService`] converts requests to
//! those of `http`, [`ReqwestFuture`] converts responses to those of reqwest. The inner client sends the
//! requests.

mod future;
mod layer;
mod service;

pub use self::future::ReqwestFuture;
pub use self::layer::ReqwestLayer;
pub use self::service::ReqwestService;

/// The error type of tower's middleware where several are possible.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
