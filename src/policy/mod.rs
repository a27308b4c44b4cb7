//! What users set: how long a connection may be idle and still be reused, and how long it serves.
//!
//! [`KeepAlivePolicy`] is plain data. What follows from it for a connection is decided in `proto/`.

mod fraction;
mod learn;
mod lifetimes;
mod margin;
#[cfg(feature = "server")]
mod server;
mod settings;

pub(crate) use self::fraction::Fraction;
pub use self::learn::Learn;
pub use self::margin::SafetyMargin;
#[cfg(feature = "server")]
pub use self::server::ServerPolicy;
pub use self::settings::KeepAlivePolicy;
