//! What clients find out about servers that say nothing, or not the truth: how long those keep idle
//! connections.
//!
//! In virtual time, with hyper-util's client. Each promise stands beside the same load without
//! learning, failing, or reconnecting where that was not needed.
//!
//! * [`origin`]: a server that [plans](plan) for each idle time how it ends;
//! * [`load`]: users with clients of their own, and the oracle that their connections are measured by;
//! * all others: the promises.

mod accident;
mod change;
mod endings;
mod evictions;
mod goodbyes;
mod hint;
mod hostile;
mod late;
mod load;
mod origin;
mod plan;
mod proxy;
mod sentinels;
mod siblings;
mod silent;

use std::time::Duration;

use http_keepalive::{KeepAlivePolicy, Learn};

use crate::support::client::{builder, keep_alive};

const URI: &str = "http://server.test/";

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A round trip.
const RTT: Duration = Duration::from_millis(200);

/// Learns all there is to learn, and reuses for as long as is safe.
fn full() -> KeepAlivePolicy {
    KeepAlivePolicy::default()
        .learn(Learn::Full)
        .safety_margin(Duration::from_millis(100))
}
