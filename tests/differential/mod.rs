//! hyper's client with this crate beside hyper's client without, on whatever may happen to a
//! connection.
//!
//! [`run`] makes a list of operations of any bytes, does each of them to two connections of hyper's,
//! one through [`IdleAwareConnector`](http_keepalive::IdleAwareConnector) and one without, and holds
//! the two against each other and against rules whenever they come to rest:
//!
//! 1. Soundness: when the [`ConnectionHandle`](http_keepalive::ConnectionHandle) gives a deadline,
//!    which it does when idle, hyper is ready for another request or closed. It does not wait for
//!    more of a response, nor has it anything left to write. It may only wait for its caller to take
//!    what was read, or for the transport to flush what was written.
//! 2. Completeness: when hyper is ready for another request, the handle gives a deadline, unless
//!    bytes have passed that are not well-formed and made the connection opaque.
//! 3. Transparency: until this crate closes a connection, both have read and written the same bytes,
//!    stand alike, and have given their callers the same.
//! 4. This crate closes only idle connections, and those in time and in order. It takes nothing from
//!    callers: they have what they have without it, but for a request that was queued, which comes
//!    back untouched, and of which nothing was written.
//! 5. Nobody panics, and nobody is busy for ever.
//!
//! [`run_clients`] does the same to this crate's [`Client`](http_keepalive::Client) and to hyper-util's, under a policy that
//! has this crate close nothing: they open and reuse the same connections, write and read the same, and give their
//! callers the same, errors by kind included.
//!
//! `operation` is what can happen; `request`, `upload` and `response` make up messages. `client` and
//! `call` are hyper, polled by hand; `transport` and `clock` what it stands on. `pair` does things to
//! two of them, `checks` looks at them, and `rules` are the first two of the above.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

mod call;
mod checks;
mod client;
mod clients;
mod clock;
mod input;
mod operation;
mod pair;
mod request;
mod response;
mod rules;
mod transport;
mod upload;

use self::clients::Clients;
use self::input::Input;
use self::operation::{Operation, Setup};
use self::pair::Pair;
pub(crate) use self::pair::Tally;
pub(crate) use self::transport::Fault;

/// Does what the bytes say; panics where a rule is broken.
pub(crate) fn run(bytes: &[u8]) -> Tally {
    run_with(Fault::None, bytes)
}

/// The same, where the transport under this crate has a fault.
pub(crate) fn run_with(fault: Fault, bytes: &[u8]) -> Tally {
    let mut input = Input::new(bytes);
    let setup = Setup::of(&mut input);
    let mut history = History(setup, Vec::new());
    let mut pair = Pair::new(setup, fault);
    let mut goes_on = true;
    while goes_on {
        let Some((operation, rests)) = Operation::next(&mut input, pair.method()) else {
            break;
        };
        pair.apply(&operation);
        history.1.push(operation);
        goes_on = !rests || pair.rest();
    }
    if goes_on && pair.rest() {
        pair.close();
    }
    pair.tally
}

/// What came about with two clients.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(dead_code, reason = "the fuzzer does not look at it")]
pub(crate) struct ClientsTally {
    pub(crate) connections: usize,
    /// How many of them this crate's client has closed, as hyper-util's may not have.
    pub(crate) closed: usize,
    /// Requests that were sent on a connection that had served others.
    pub(crate) reused: u64,
    pub(crate) answered: usize,
    pub(crate) failed: usize,
}

/// Does what the bytes say to this crate's client and to hyper-util's, each with a pool of its own: `clients`. Panics
/// where they differ.
#[allow(dead_code, reason = "the fuzzer does not call it")]
pub(crate) fn run_clients(bytes: &[u8]) -> ClientsTally {
    do_to_clients(Fault::None, bytes, true)
}

/// The same, and lets go of no client in the end.
#[allow(dead_code, reason = "the fuzzer does not call it")]
pub(crate) fn run_clients_on(bytes: &[u8]) -> ClientsTally {
    do_to_clients(Fault::None, bytes, false)
}

/// The same, where the transports under this crate's client have a fault.
#[allow(dead_code, reason = "the fuzzer does not call it")]
pub(crate) fn run_clients_with(fault: Fault, bytes: &[u8]) -> ClientsTally {
    do_to_clients(fault, bytes, true)
}

fn do_to_clients(fault: Fault, bytes: &[u8], closes: bool) -> ClientsTally {
    let mut input = Input::new(bytes);
    let setup = Setup::of(&mut input);
    let mut history = History(setup, Vec::new());
    let mut clients = Clients::new(setup, fault);
    let mut goes_on = true;
    while goes_on {
        let Some((operation, rests)) = Operation::next(&mut input, clients.method()) else {
            break;
        };
        clients.apply(&operation);
        history.1.push(operation);
        goes_on = !rests || clients.rest();
    }
    if goes_on && clients.rest() && closes {
        clients.close();
    }
    clients.tally()
}

/// What happened so far, told when a rule is broken.
struct History<'a>(Setup, Vec<Operation<'a>>);

impl Drop for History<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{:?}", self.0);
            for operation in &self.1 {
                eprintln!("{operation:?}");
            }
        }
    }
}
