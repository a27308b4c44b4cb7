//! What is known per origin.
//!
//! * [`Origin`]: the scheme, host and port of a server (RFC 9110 §4.3.1).
//! * [`Origins`]: the store that connector and layer share. It is bounded, and drops the least recently
//!   used origin first, those with open connections last.
//! * [`SharedHistory`]: what was observed of an origin's idle timeout. Its connections reach it through
//!   the origin, without the store.
//! * [`HintProbe`] and [`Http2Origins`]: which origins are to be asked for a hint, and which speak
//!   HTTP/2. Read with every request, so neither takes a lock.
//! * [`OriginSnapshot`]: what is known, for people and for the next process.
//! * [`Policies`]: which policy holds for which origin, by [`OriginMatcher`]s.
//!
//! [`HintProbe`]: probe::HintProbe
//! [`Http2Origins`]: http2::Http2Origins

mod history;
mod http2;
mod key;
mod matcher;
mod policies;
mod probe;
#[cfg(feature = "serde")]
mod serde;
mod snapshot;
mod store;

pub(crate) use self::history::SharedHistory;
pub use self::key::Origin;
pub use self::matcher::OriginMatcher;
pub(crate) use self::policies::{Policies, PolicyIndex};
pub(crate) use self::probe::Fingerprint;
pub use self::snapshot::{Evidence, EvidenceKind, OriginSnapshot};
pub(crate) use self::store::{CAPACITY, Origins};
