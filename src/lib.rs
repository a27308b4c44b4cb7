//! HTTP/1.1 keep-alive for hyper and tower.
mod client;
mod clock;
mod connect;
mod connection;
mod error;
mod origin;
mod policy;
mod proto;
mod shared;
mod stats;
mod trace;

pub use self::client::{CloseAfterResponse, KeepAliveLayer, KeepAliveService, ResponseFuture};
pub use self::connect::{Connecting, IdleAwareConnector, IdleAwareIo, IdleAwareLayer};
pub use self::connection::ConnectionHandle;
pub use self::error::PolicyError;
pub use self::origin::Origin;
pub use self::policy::{KeepAlivePolicy, SafetyMargin};
pub use self::proto::keep_alive::KeepAliveHint;
pub use self::shared::{KeepAlive, KeepAliveBuilder};
pub use self::stats::{OpaqueConnections, Retired, Stats};
