//! The other end: a server that says how long it keeps idle connections, and keeps its word.
//!
//! ```text
//!                    ServerKeepAlive: policy, clock, all connections, numbers, the drain
//!                    /              |                \
//!   IdleListener ──▶ IdleStream    ServedConnection ──▶ AdvertiseLayer ──▶ the application
//!   accepts, up      around each   what both know       says `Keep-Alive: timeout=…`, or
//!   to a cap         transport     of a connection      `Connection: close` for the last time
//! ```
//!
//! When to close, and what to say, is decided in `proto/serve.rs`.

mod advertise;
mod connection;
mod drain;
mod event;
mod listener;
#[cfg(feature = "tracing")]
mod log;
mod make_service;
mod server;
mod stats;
mod stream;

pub use self::advertise::{AdvertiseFuture, AdvertiseLayer, AdvertiseService};
pub use self::connection::ServedConnection;
pub use self::drain::Drain;
pub use self::event::{ServerEvent, ServerEventKind, ServerObserver};
pub use self::listener::IdleListener;
pub use self::make_service::{AdvertiseMakeFuture, AdvertiseMakeService};
pub use self::server::ServerKeepAlive;
pub use self::stats::{LastResponses, ServerClosed, ServerStats};
pub use self::stream::IdleStream;
