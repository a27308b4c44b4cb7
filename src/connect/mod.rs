//! Connections that close themselves before their server does.
//!
//! [`IdleAwareConnector`] wraps a connector; [`IdleAwareLayer`] does so as a tower layer. What they
//! connect is an [`IdleAwareIo`] around the transport: it moves bytes, tells the
//! [`Connection`](crate::connection::Connection) what moved, asks it before idle reads, and applies
//! the answer. The rules stand on [`IdleAwareConnector`].

mod future;
mod io;
mod layer;
mod retire;
mod sentinel;
mod service;
mod task;
mod timer;

pub use self::future::Connecting;
pub use self::io::IdleAwareIo;
pub use self::layer::IdleAwareLayer;
pub use self::service::IdleAwareConnector;
