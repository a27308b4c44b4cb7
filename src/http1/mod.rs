//! HTTP/1 connections as services, for pools that are composed of layers.

mod connection;
mod error;
mod make;

pub use self::connection::{Http1Connection, Http1ResponseFuture};
pub use self::error::NotReusable;
pub use self::make::{Http1Connecting, Http1Layer, MakeHttp1};

/// Connecting and sending may fail in several ways.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
