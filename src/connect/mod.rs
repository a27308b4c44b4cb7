//! Connections that close themselves before their server does.
//!
//! [`IdleAwareConnector`] wraps a connector; [`IdleAwareLayer`] does so as a tower layer. What they
//! connect is an [`IdleAwareIo`] around the transport:
//!
//! 1. What passes is looked at, in both directions, to know where messages end. No byte is altered,
//!    delayed, or copied.
//! 2. Before each read on an idle connection it is decided whether the connection may still be used.
//!    If not, the read reports EOF. hyper reads before it takes a request, so a request that was
//!    already waiting for this connection comes back unsent, and hyper-util's client sends it on
//!    another.
//! 3. A timer makes sure that this read happens at the deadline, so that the socket closes then. It
//!    is moved only when it fires, not with every request.
//! 4. While a request or a response is under way nothing is ever done to it, however long it takes.
//! 5. Connections that are not plain HTTP/1 (HTTP/2, upgraded to another protocol, tunnels, anything
//!    not understood) are left alone for good.
//!
//! Wrap the outermost connector, the one whose bytes are HTTP: around TLS, not within.

mod future;
mod io;
mod layer;
mod service;
mod timer;

pub use self::future::Connecting;
pub use self::io::IdleAwareIo;
pub use self::layer::IdleAwareLayer;
pub use self::service::IdleAwareConnector;
