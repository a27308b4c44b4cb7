//! What is known per origin.
//!
//! An [`Origin`] is the scheme, host and port of a server (RFC 9110 §4.3.1). [`Origins`] is the store
//! that the connector and the layer share: bounded, least recently used out first, those with open
//! connections last. To forget an origin costs at most what it cost to learn of it. What was learned of
//! its idle timeout is [`Learning`], which its connections reach through the origin itself. Which origins
//! speak HTTP/2, and which have been asked for their timeout, every request wants to know: that takes no
//! lock.
//!
//! An [`OriginSnapshot`] shows it to people, and to the next process.
//!
//! [`Policies`] says which policy holds for which origin, by [`OriginMatcher`]s.

mod asked;
mod http2;
mod key;
mod learning;
mod matcher;
mod policies;
#[cfg(feature = "serde")]
mod saved;
mod snapshot;
mod store;

pub(crate) use self::asked::Fingerprint;
pub use self::key::Origin;
pub(crate) use self::learning::Learning;
pub use self::matcher::OriginMatcher;
pub(crate) use self::policies::{Place, Policies};
pub use self::snapshot::{Evidence, EvidenceKind, OriginSnapshot};
pub(crate) use self::store::{CAPACITY, Origins};
