//! What the programs of this workspace share: [`Host`], a server that closes idle connections, [`visit`], which has a
//! client meet that server, and [`Report`], which says what became of the clients.

#[path = "../../../common/args.rs"]
pub mod args;
mod guide;
mod host;
#[path = "../../../common/output.rs"]
mod output;
mod program;
mod relay;
#[path = "../../../common/report.rs"]
#[allow(dead_code, reason = "a part of it is used here")]
mod report;
mod summary;
mod support;
mod visit;

pub use self::guide::shows;
pub use self::host::Host;
pub use self::output::{Claim, Output, Tell};
pub use self::program::{install_crypto, main, passes_its_check};
pub use self::report::ClientReport;
pub use self::summary::Report;
pub use self::support::lateness::Lateness;
pub use self::support::server::{Body, Server, ServerBuilder, full};
pub use self::support::tally::{Tally, answer};
pub use self::visit::{PAUSES, Pause, visit};
