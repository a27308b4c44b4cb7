//! A client of one's own for code that holds `reqwest::Request`s.
//!
//! [`ReqwestLayer`] stands outermost, and has the rules; [`ReqwestService`] turns requests into those
//! of `http`, [`ReqwestFuture`] responses into those of reqwest. Neither sends anything: that is what
//! the client within is for.

mod future;
mod layer;
mod service;

pub use self::future::ReqwestFuture;
pub use self::layer::ReqwestLayer;
pub use self::service::ReqwestService;

/// What tower's middleware uses where an error may be one of several.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
