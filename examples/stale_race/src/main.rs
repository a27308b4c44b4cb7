//! HTTP clients against a server that closes idle connections, on six links: how many of their
//! requests fail, and how many connections they open.
//!
//! ```text
//! cargo run --release -p stale-race
//! cargo run --release -p stale-race -- --json
//! cargo run --release -p stale-race -- --plot stale_race.svg
//! ```
//!
//! # What runs
//!
//! The server is hyper's own, in this process, with an idle timeout T that it tells its clients
//! (`Keep-Alive: timeout=T`; with `--no-hint` it does not). Each user has a client of their own on each
//! link, and makes a request, waits for a gap from 0.1 T to 1.2 T, makes the next, and so on; every
//! other one is a POST. All clients on all links run side by side and see the same gaps ([`gaps`]).
//!
//! | link | |
//! |---|---|
//! | `fast` | no latency |
//! | `far` | 50 ms each way |
//! | `slow` | 50 ms each way, and responses of 400 KB over 200 KB/s: two seconds, which the server counts as idle |
//! | `shared` | 50 ms each way, and responses of 100 KB over a bandwidth that all users of a client share: they wait in one queue, for as long as it is |
//! | `silent` | as `far`, but the server does not say T, and no client is told |
//! | `changing` | as `silent`, and from the middle of the run on, T is half as long |
//!
//! On `changing`, the new T holds for connections that are accepted from then on, as where a deploy lets
//! the old servers drain ([`servers`]): those there are keep their T. So the change as such loses no
//! request, and who knew all would lose none. Gaps are multiples of the first T everywhere.
//!
//! Where no client is told, whoever needs a number has a guess, the 5 s that `KeepAlivePolicy` expects by
//! default: a T below 5 s is not what such a client can be blamed for.
//!
//! Since a client brings its own sockets, the link lies behind a relay on loopback ([`relay`]), and
//! each client's connector takes a round trip more, for the handshake ([`handshake`]).
//!
//! | client | |
//! |---|---|
//! | `hyper-util` | as it comes: it keeps connections for 90 s |
//! | `hyper-util-minus-1s` | with a `pool_idle_timeout` of T − 1 s, or of 5 s − 1 s where it is not told T |
//! | `reqwest` | as it comes: it keeps connections for 90 s |
//! | `http-keepalive` | around hyper-util, as it comes: it knows T from the server, or believes in 5 s |
//! | `http-keepalive-100ms` | with a margin of 100 ms, and with `--no-hint` told T by `max_idle`, but on `silent` and `changing` left with its 5 s |
//! | `http-keepalive-learned` | with `Learn::Full` and a margin of 100 ms, told nothing; its users share one `KeepAlive` on each link, for it is the process that learns |
//!
//! Beside them stands an oracle, which is computed ([`oracle`]): the fewest connections with which no
//! request is lost.
//!
//! # What to expect
//!
//! A client that reuses what it has loses the requests in the last round trip before the server closes:
//! those at gaps from T − 100 ms to T on the link `far`, and on the link `slow` those two seconds
//! before that, where no pool's timeout of T − 1 s helps. It opens fewer connections than the oracle,
//! if only by a few: a request that is lost spares it one.
//!
//! `100ms` gives up a round trip and 100 ms early, the oracle one round trip. So of the gaps, up to 1.2 T,
//! they reconnect at the last 0.2 T + 200 ms and 0.2 T + 100 ms: on the link `far`, beside the first
//! connection of each user, `100ms` opens 1.06 times as many at T = 8 s, and the less the longer T is. On the
//! link `slow` both have the two seconds on top, which makes it 1.03. What a run reports is a little less,
//! since it counts the first connections too.
//!
//! On the link `silent`, who has a guess of 5 s loses nothing as long as T is no shorter, and reconnects
//! the more the longer T is. On `changing`, the new T may be shorter than the guess: at T = 8 s it is
//! 4 s, and the requests in the round trip before it are lost to those who still reuse then.
//!
//! `learned` finds T on both, from one connection that it leaves open: on `silent` it then reconnects as
//! seldom as `100ms` does where that is told T. When T changes, it is to lose few requests,
//! as connections that keep the longer T speak against the shorter one; with the others each user is a process that
//! learns alone, so each may lose one or two.
//!
//! The margins are there for networks and timers that are late. Where this process itself gets no
//! processor for longer than that, any client can lose a request; so the report says how late timers
//! were. A run takes a quarter of two cores, half a gigabyte, and less than three minutes.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    unreachable_pub,
    reason = "this is not the library"
)]

mod args;
mod claims;
mod clients;
#[path = "../../common/mod.rs"]
mod common;
mod descriptors;
mod gaps;
mod handshake;
mod oracle;
mod plot;
mod race;
mod relay;
mod report;
mod scenario;
mod servers;
#[path = "../../../tests/support/mod.rs"]
mod support;

use std::process::ExitCode;

use self::args::Args;
use self::plot::Picture;
use self::report::Report;

#[tokio::main]
async fn main() -> ExitCode {
    let args = match common::args::read::<Args>() {
        Ok(args) => args,
        Err(exit) => return exit,
    };
    args.output.tell(|| run(&args)).await
}

async fn run(args: &Args) -> Result<Report, String> {
    let race = args.race();
    descriptors::reserve(&race)?;
    // What cannot be written is said now, not after the race.
    let picture = args.plot.as_deref().map(Picture::open).transpose()?;
    let report = race.run().await?;
    if let Some(picture) = picture {
        picture.draw(&report)?;
    }
    Ok(report)
}
