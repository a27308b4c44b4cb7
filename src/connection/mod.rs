//! One connection, as both halves of the crate see it.
//!
//! The transport wrapper tells a [`Connection`] what went over the wire and asks it whether it may
//! be reused; a [`ConnectionHandle`], which travels in the extensions of responses, shows the same
//! connection to callers and to the layer. Both only take facts to [`Exchange`] and carry its answers
//! out, under one lock, under which no foreign code runs but that of wakers.
//!
//! [`Exchange`]: crate::proto::exchange::Exchange

mod handle;
mod shared;
mod watch;

pub use self::handle::ConnectionHandle;
pub(crate) use self::shared::{BeforeRead, Connection, Standing};
pub(crate) use self::watch::Watch;
