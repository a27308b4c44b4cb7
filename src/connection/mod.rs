//! One connection, as both halves of the crate see it.
//!
//! The transport wrapper reports to a [`Connection`] what was written and read, and asks it whether it may
//! be reused. A [`ConnectionHandle`], which travels in the extensions of responses, shows the same
//! connection to callers and to the layer. Both only pass events to a [`Lifecycle`] and apply what follows
//! from them, under one lock, under which no foreign code runs but a waker's.
//!
//! [`Lifecycle`]: crate::proto::connection::Lifecycle

mod client_error;
mod error;
mod handle;
mod provenance;
mod sentinel;
mod state;

pub use self::client_error::{ClientError, ClientErrorKind};
pub use self::error::Http1Error;
pub use self::handle::ConnectionHandle;
#[cfg(feature = "replay")]
pub(crate) use self::provenance::of_error;
pub(crate) use self::sentinel::SentinelPermit;
pub(crate) use self::state::{Connection, ReadDecision, Reusable};
