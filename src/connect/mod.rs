//! Connections that close themselves before their server does.
//!
//! [`IdleAwareConnector`] wraps a connector, and [`IdleAwareLayer`] does so as a tower layer. Each
//! connection is an [`IdleAwareIo`] around the transport. It moves bytes, reports to the
//! [`Connection`](crate::connection::Connection) what moved, asks it before idle reads, and applies
//! the verdict. The rules are documented on [`IdleAwareConnector`].

mod future;
mod io;
mod layer;
mod retire;
mod sentinel;
mod service;

pub use self::future::Connecting;
pub use self::io::IdleAwareIo;
pub use self::layer::IdleAwareLayer;
pub use self::service::IdleAwareConnector;
