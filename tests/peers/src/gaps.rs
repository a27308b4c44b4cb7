//! The times that clients wait between two requests, and the numbers that those follow from.
//!
//! The first response is at the client one latency after the server has sent it, and the second request at the server
//! one latency after the client has sent it. A server that closes `C` after its response so loses what a client sends
//! within two latencies before the gap `C`. From the gap `C` on, the client knows of the end.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The time from the clients to the server, and from there to them.
pub const LATENCY: Duration = Duration::from_millis(100);

/// The idle timeout of the servers: how long the control keeps idle connections, and what the other one advertises.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// How much longer the server with this crate keeps idle connections than it says.
pub const GRACE: Duration = Duration::from_secs(2);

/// A time between two requests, in milliseconds.
pub type Gap = u64;

/// Gaps at which every client reuses its connection, with either server. undici reads a timeout of 5 s as 3 s.
pub const SHORT: [Gap; 3] = [300, 1000, 2500];

/// Gaps that show how long before the advertised timeout each client gives a connection up.
const LONGER: [Gap; 3] = [2900, 3500, 4200];

/// A gap at which the client of a server that advertises the timeout reuses a connection only if it does not read that.
pub const UNHEEDED: Gap = 6000;

/// A gap at which no connection is left.
pub const LONG: Gap = 9000;

/// How long before an instant at which a server closes the gaps around it end, in milliseconds: sooner than its losses
/// begin.
const SOONER: [Gap; 7] = [600, 500, 400, 350, 320, 290, 260];
/// In the time of losses, away from its ends, as timers may be late.
const DURING: [Gap; 13] = [150, 144, 138, 132, 126, 120, 114, 108, 102, 96, 90, 84, 78];
/// How long after the instant.
const LATER: [Gap; 4] = [50, 100, 200, 300];

/// The same for all clients and servers, so that the numbers of failures can be compared.
pub fn all() -> Vec<Gap> {
    let mut gaps = SHORT.to_vec();
    for close in [TIMEOUT, TIMEOUT + GRACE] {
        let close = milliseconds(close);
        gaps.extend(SOONER.iter().chain(&DURING).map(|before| close - before));
        gaps.extend(LATER.map(|after| close + after));
    }
    gaps.extend(LONGER);
    gaps.extend([UNHEEDED, LONG]);
    gaps
}

/// The gaps around the end of a connection that the server closes after `close`.
pub fn around(close: Duration) -> RangeInclusive<Gap> {
    let close = milliseconds(close);
    close - SOONER[0]..=close + LATER[LATER.len() - 1]
}

fn milliseconds(time: Duration) -> Gap {
    time.as_millis() as Gap
}
