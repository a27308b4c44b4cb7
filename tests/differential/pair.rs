//! The same connection twice, with this crate and without.

use std::future::Future;
use std::ops::Add;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::Uri;
use http_keepalive::{ConnectionHandle, KeepAlive};
use hyper::rt::Timer;
use tower_service::Service;

use super::call::Call;
use super::client::{Client, Standing};
use super::clock::Clock;
use super::operation::{Operation, Setup, Span};
use super::request::Message;
use super::transport::{Connector, Fault, Transport, Wire};

/// What came about, to see that something did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    /// Requests that were sent on a connection that had served others.
    pub(crate) reused: u64,
    /// How often the connection was found idle, and open.
    pub(crate) idle: u64,
    /// How often it was, while a caller had not taken all of the response.
    pub(crate) held_up: u64,
    /// Connections that this crate closed.
    pub(crate) retired: u64,
    /// Requests that came back from those.
    pub(crate) unsent: u64,
    /// Connections that were not followed to their end.
    pub(crate) opaque: u64,
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            reused: self.reused + other.reused,
            idle: self.idle + other.idle,
            held_up: self.held_up + other.held_up,
            retired: self.retired + other.retired,
            unsent: self.unsent + other.unsent,
            opaque: self.opaque + other.opaque,
        }
    }
}

/// What happens to the two of them, and what they make of it.
pub(super) struct Pair {
    pub(super) setup: Setup,
    pub(super) clock: Clock,
    pub(super) keep_alive: KeepAlive,
    pub(super) handle: ConnectionHandle,
    pub(super) guarded: Client,
    pub(super) bare: Client,
    /// What the server has made up and not sent.
    outbox: Vec<u8>,
    /// How many requests it has made up an answer for.
    answered: usize,
    pub(super) is_well_formed: bool,
    pub(super) is_miscounted: bool,
    /// Whether the handle gave a deadline when everybody was at rest.
    pub(super) is_idle: bool,
    pub(super) was_suspended: bool,
    pub(super) tally: Tally,
}

impl Pair {
    pub(super) fn new(setup: Setup, fault: Fault) -> Self {
        let clock = Clock::new();
        let wall = clock.clone();
        let keep_alive = KeepAlive::builder()
            .policy(setup.policy)
            .timer(clock.clone())
            .wall_clock(move || wall.wall())
            .build()
            .unwrap();
        let wire = Wire::shared(setup.is_vectored, fault);
        let mut connector = keep_alive.connector(Connector(Some(Transport(wire.clone()))));
        let connecting = pin!(connector.call(Uri::from_static("http://server.test/")));
        let polled = connecting.poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(io)) = polled else {
            panic!("a connection that is there is connected at once");
        };
        let handle = io.handle().follow();
        let builder = setup.builder();
        let bare = Wire::shared(setup.is_vectored, Fault::None);
        Self {
            setup,
            clock,
            keep_alive,
            handle,
            guarded: Client::new(&builder, wire, io),
            bare: Client::new(&builder, bare.clone(), Transport(bare)),
            outbox: Vec::new(),
            answered: 0,
            is_well_formed: true,
            is_miscounted: false,
            is_idle: false,
            was_suspended: false,
            tally: Tally::default(),
        }
    }

    /// The method of the request that the server answers next.
    pub(super) fn method(&self) -> &'static str {
        let calls = &self.bare.calls;
        let call = calls.get(self.answered).or_else(|| calls.last());
        call.map_or("GET", |call| call.message.method)
    }

    /// Does the same to both.
    pub(super) fn apply(&mut self, operation: &Operation<'_>) {
        match *operation {
            Operation::Send(message) => self.send(message),
            Operation::Upload(frames) => self.last_call(|call| call.gate.let_out(frames)),
            Operation::Answer(ref answer) => {
                // What answers no request is not asked for.
                self.is_well_formed &= answer.is_well_formed;
                self.is_well_formed &= self.answered < self.bare.calls.len();
                self.answered += 1;
                self.outbox.extend(&answer.bytes);
            }
            Operation::Raw(bytes) => {
                self.is_well_formed &= bytes.is_empty();
                self.outbox.extend(bytes);
            }
            Operation::Mangle { at, kind, byte } => self.mangle(at, kind, byte),
            Operation::Deliver(bytes) => self.deliver(bytes),
            Operation::Room { room, at_most } => {
                self.both(|client| client.wire.borrow_mut().make_room(room, at_most));
            }
            // What hyper makes of a connection that cannot flush is not to be seen from without.
            Operation::Stick(stuck) => {
                let stuck = stuck && !self.setup.is_unlimited;
                self.both(|client| client.wire.borrow_mut().set_stuck(stuck));
            }
            Operation::End(end) => self.both(|client| client.wire.borrow_mut().end(end)),
            Operation::Break => self.both(|client| client.wire.borrow_mut().break_writes()),
            Operation::Take(frames) => self.last_call(|call| call.take(frames)),
            Operation::Drop => self.last_call(Call::drop),
            Operation::DropSender => self.both(Client::drop_sender),
            Operation::Advance(span) => self.clock.advance(match span {
                Span::Of(time) => time,
                Span::UntilDeadline { less } => {
                    let now = self.clock.now();
                    let deadline = self.handle.deadline().unwrap_or(now);
                    deadline.saturating_duration_since(now).saturating_sub(less)
                }
            }),
            Operation::Suspend(time) => {
                self.was_suspended = true;
                self.clock.suspend(time);
            }
            Operation::Tick(tick) => self.clock.set_tick(tick),
            Operation::Retire => self.handle.retire(),
            Operation::Move => self.both(Client::move_task),
            Operation::Poll => self.both(Client::poll_for_nothing),
        }
    }

    pub(super) fn both(&mut self, mut apply: impl FnMut(&mut Client)) {
        apply(&mut self.guarded);
        apply(&mut self.bare);
    }

    fn last_call(&mut self, apply: impl Fn(&mut Call)) {
        self.both(|client| {
            if let Some(call) = client.calls.last_mut() {
                apply(call);
            }
        });
    }

    /// Sends where a pool would: when hyper is ready, or has just begun. Not after a request of which
    /// hyper left out what its fields promise: the server takes the next one for that.
    fn send(&mut self, message: Message) {
        let is_first = self.bare.calls.is_empty();
        let is_ready = self.bare.standing() == Standing::Ready && !self.is_miscounted;
        if is_first || is_ready {
            self.is_well_formed &= message.is_well_formed();
            self.is_miscounted |= !message.is_well_formed();
            self.both(|client| client.send(message));
        }
    }

    fn mangle(&mut self, at: usize, kind: u8, byte: u8) {
        if self.outbox.is_empty() {
            return;
        }
        self.is_well_formed = false;
        let at = at % self.outbox.len();
        match kind % 3 {
            0 => self.outbox[at] = byte,
            1 => self.outbox.insert(at, byte),
            _ => self.outbox.truncate(at),
        }
    }

    fn deliver(&mut self, bytes: usize) {
        let count = bytes.min(self.outbox.len());
        let bytes: Vec<u8> = self.outbox.drain(..count).collect();
        if bytes.is_empty() {
            return;
        }
        // What is answered before it is asked is not known for an answer.
        self.is_well_formed &= self.is_request_line_out();
        self.both(|client| client.wire.borrow_mut().deliver(&bytes));
    }

    fn is_request_line_out(&self) -> bool {
        let wire = self.bare.wire.borrow();
        let Some(call) = self.bare.calls.last() else {
            return false;
        };
        // Behind what was still to be written of the request before, if anything was.
        let begin = call.message.begin();
        let written = &wire.written()[call.written_before..];
        let found = written
            .windows(begin.len())
            .position(|bytes| bytes == begin.as_bytes());
        found.is_some_and(|at| written[at..].contains(&b'\n'))
    }
}
