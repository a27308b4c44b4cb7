//! A policy for tower's retry that sends again what is safe to send again, and nothing else.
//!
//! [`ReplayPolicy`] documents the rules, and [`ReplayPolicyBuilder`] what can be set. [`Attempts`] is what it adds to
//! responses. A body has to be [`Repeatable`]: one that can be cloned is, and [`ReplayBody`] makes one of a stream.

mod as_error;
mod attempts;
mod body;
mod builder;
mod error;
mod policy;
mod repeatable;
#[cfg(feature = "reqwest")]
mod reqwest;
mod source;

pub use self::as_error::AsError;
pub use self::attempts::Attempts;
pub use self::body::ReplayBody;
pub use self::builder::ReplayPolicyBuilder;
pub use self::error::ReplayError;
pub use self::policy::ReplayPolicy;
pub use self::repeatable::Repeatable;

/// The error type of tower's middleware where several are possible.
type BoxError = Box<dyn std::error::Error + Send + Sync>;
