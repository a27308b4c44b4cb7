//! This crate's client beside hyper-util's.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use http::{Request, Response, Uri};
use http_keepalive::{ClientError, ClientErrorKind, KeepAlive, KeepAlivePolicy, Learn};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper_util::client::legacy;
use tower_service::Service;

use super::ClientsTally;
use super::call::{Call, Event, Refusal, describe};
use super::client::Flag;
use super::clock::Clock;
use super::operation::{Operation, Setup, Span};
use super::request::Message;
use super::transport::{Fault, Shared, Transport, Wire};
use super::upload::{Gate, Upload};

/// How many steps may be taken before there are none left.
const STEPS: usize = 1000;

/// What happens to the two of them, and what they make of it.
pub(super) struct Clients {
    clock: Clock,
    keep_alive: KeepAlive,
    own: Side,
    legacy: Side,
    /// What the server has made up and not sent.
    outbox: Vec<u8>,
    /// How many requests it has made up an answer for.
    answered: usize,
}

type Sending = Pin<Box<dyn Future<Output = Result<Response<Incoming>, Refusal>>>>;

/// One client, and all that belongs to it.
struct Side {
    network: Network,
    tasks: Tasks,
    /// Sends a request; `None` once the client is gone.
    send: Option<Box<dyn FnMut(Request<Upload>) -> Sending>>,
    calls: Vec<Call>,
}

impl Clients {
    pub(super) fn new(setup: Setup, fault: Fault) -> Self {
        let clock = Clock::new();
        let tasks = Tasks::default();
        let wall = clock.clone();
        // Nothing that hyper-util's client would not do.
        let policy = KeepAlivePolicy::default()
            .max_idle(Duration::MAX)
            .hints(false)
            .learn(Learn::Off);
        let keep_alive = KeepAlive::builder()
            .policy(policy)
            .timer(clock.clone())
            .wall_clock(move || wall.wall())
            .executor(tasks.clone())
            .build()
            .unwrap();
        let network = Network::new(setup, fault);
        let mut client = keep_alive
            .client_over(network.clone())
            .pool(|pool| {
                pool.http1(|http1| setup.set(http1));
            })
            .build()
            .into_inner();
        let own = Side::new(network, tasks, move |request| {
            let sending = client.call(request);
            Box::pin(async { sending.await.map_err(|error| of_own(&error)) })
        });
        let (network, tasks) = (Network::new(setup, Fault::None), Tasks::default());
        let mut builder = legacy::Client::builder(tasks.clone());
        setup.set_legacy(&mut builder);
        let mut client = builder.build(network.clone());
        let legacy = Side::new(network, tasks, move |request| {
            let sending = client.call(request);
            Box::pin(async { sending.await.map_err(|error| of_legacy(&error)) })
        });
        Self {
            clock,
            keep_alive,
            own,
            legacy,
            outbox: Vec::new(),
            answered: 0,
        }
    }

    /// The method of the request that the server answers next.
    pub(super) fn method(&self) -> &'static str {
        let calls = &self.legacy.calls;
        let call = calls.get(self.answered).or_else(|| calls.last());
        call.map_or("GET", |call| call.message.method)
    }

    /// Does the same to both. What the far end does, it does on the connection that was opened last.
    pub(super) fn apply(&mut self, operation: &Operation<'_>) {
        match *operation {
            Operation::Send(message) => {
                // Whether a connection becomes idle in time, or a new one is open before, depends on who is polled first.
                // So neither happens in the same instant.
                self.drive();
                if self.is_followed() {
                    self.both(|side| side.send(message));
                    self.drive();
                }
            }
            Operation::Upload(frames) => self.last_call(|call| call.gate.let_out(frames)),
            Operation::Answer(ref answer) => {
                self.answered += 1;
                self.outbox.extend(&answer.bytes);
            }
            Operation::Raw(bytes) => self.outbox.extend(bytes),
            Operation::Mangle { at, kind, byte } => self.mangle(at, kind, byte),
            Operation::Deliver(bytes) => {
                let count = bytes.min(self.outbox.len());
                let bytes: Vec<u8> = self.outbox.drain(..count).collect();
                self.wires(|wire| wire.deliver(&bytes));
            }
            Operation::Room { room, at_most } => self.wires(|wire| wire.make_room(room, at_most)),
            Operation::Stick(stuck) => self.wires(|wire| wire.set_stuck(stuck)),
            Operation::End(end) => self.wires(|wire| wire.end(end)),
            Operation::Break => self.wires(Wire::break_writes),
            Operation::Take(frames) => self.last_call(|call| call.take(frames)),
            Operation::Drop => self.last_call(Call::drop),
            Operation::DropSender => self.both(|side| side.send = None),
            Operation::Advance(Span::Of(time)) => self.clock.advance(time),
            Operation::Suspend(time) => self.clock.suspend(time),
            Operation::Poll => self.both(|side| side.tasks.wake_all()),
            // There is no deadline, and no one handle.
            Operation::Advance(Span::UntilDeadline { .. })
            | Operation::Tick(_)
            | Operation::Retire
            | Operation::Move => {}
        }
    }

    fn both(&mut self, mut apply: impl FnMut(&mut Side)) {
        apply(&mut self.own);
        apply(&mut self.legacy);
    }

    fn last_call(&mut self, apply: impl Fn(&mut Call)) {
        self.both(|side| {
            if let Some(call) = side.calls.last_mut() {
                apply(call);
            }
        });
    }

    fn wires(&mut self, mut apply: impl FnMut(&mut Wire)) {
        self.both(|side| apply(&mut side.network.last().borrow_mut()));
    }

    fn mangle(&mut self, at: usize, kind: u8, byte: u8) {
        if self.outbox.is_empty() {
            return;
        }
        let at = at % self.outbox.len();
        match kind % 3 {
            0 => self.outbox[at] = byte,
            1 => self.outbox.insert(at, byte),
            _ => self.outbox.truncate(at),
        }
    }

    /// Lets everybody come to rest, and looks at the two of them. Returns whether they go on.
    pub(super) fn rest(&mut self) -> bool {
        self.drive();
        self.assert_alike();
        self.is_followed()
    }

    /// Whether this crate follows all connections. Of another one it does not know whether it may be used again: it ends
    /// with the exchange.
    fn is_followed(&self) -> bool {
        self.keep_alive.stats().opaque.total() == 0
    }

    /// Polls everybody until nothing moves any more.
    fn drive(&mut self) {
        let (own, clock) = (&mut self.own, &self.clock);
        exhaust(|| own.step() | clock.fire());
        let legacy = &mut self.legacy;
        exhaust(|| legacy.step());
        // Where the answer was there before all of its request was out, hyper may only find out with the next poll that
        // the connection is idle. This crate has it polled.
        legacy.tasks.wake_all();
        exhaust(|| legacy.step());
    }

    /// Lets go of the clients: what is idle closes.
    pub(super) fn close(&mut self) {
        self.both(|side| side.send = None);
        self.rest();
        self.both(|side| side.calls.iter_mut().for_each(Call::drop));
        self.rest();
    }

    pub(super) fn tally(&self) -> ClientsTally {
        let last = |call: &Call| match call.events.last() {
            Some(Event::End) => [1, 0],
            Some(Event::Failed(_)) => [0, 1],
            _ => [0, 0],
        };
        let lasts = self.own.calls.iter().map(last);
        let sum = lasts.fold([0, 0], |sum, last| [sum[0] + last[0], sum[1] + last[1]]);
        let wires = self.own.network.wires();
        ClientsTally {
            connections: wires.len(),
            closed: wires.iter().filter(|wire| wire.borrow().is_shut()).count(),
            reused: self.keep_alive.stats().reused,
            answered: sum[0],
            failed: sum[1],
        }
    }

    fn assert_alike(&self) {
        let [own, legacy] = [&self.own, &self.legacy].map(|side| side.network.wires());
        assert_eq!(own.len(), legacy.len(), "connections");
        for (own, legacy) in own.iter().zip(&legacy) {
            let (own, legacy) = (own.borrow(), legacy.borrow());
            assert!(
                own.written() == legacy.written(),
                "written: {}\nby hyper-util's client: {}",
                own.written().escape_ascii(),
                legacy.written().escape_ascii()
            );
            assert_eq!(own.writes(), legacy.writes(), "in how many writes");
            assert_eq!(own.read(), legacy.read(), "what was read");
            if self.is_followed() {
                assert_eq!(own.is_shut(), legacy.is_shut(), "the end");
            }
        }
        for (own, legacy) in self.own.calls.iter().zip(&self.legacy.calls) {
            if !is_unsent(&own.events, &legacy.events) {
                assert_eq!(own.events, legacy.events);
            }
            assert_eq!(own.is_done(), legacy.is_done());
        }
    }
}

impl Side {
    fn new(
        network: Network,
        tasks: Tasks,
        send: impl FnMut(Request<Upload>) -> Sending + 'static,
    ) -> Self {
        Self {
            network,
            tasks,
            send: Some(Box::new(send)),
            calls: Vec::new(),
        }
    }

    fn send(&mut self, message: Message) {
        if let Some(send) = &mut self.send {
            let gate = Gate::default();
            let sending = send(message.request_to_origin(gate.clone()));
            self.calls.push(Call::of(sending, message, gate, 0));
        }
    }

    /// Polls everybody who was woken once; returns whether there was anybody.
    fn step(&mut self) -> bool {
        let mut any = self.tasks.step();
        for call in &mut self.calls {
            any |= call.step();
        }
        any
    }
}

/// Whether a new connection ended before anything of the request was sent. This crate's client says so; hyper-util's says
/// that the request failed. Both name the same cause.
fn is_unsent(own: &[Event], legacy: &[Event]) -> bool {
    let ([Event::Failed(own)], [Event::Failed(legacy)]) = (own, legacy) else {
        return false;
    };
    let own = own.strip_prefix("Canceled: operation was canceled: ");
    own.is_some_and(|cause| Some(cause) == legacy.strip_prefix("SendRequest: "))
}

/// Takes steps until there are none left.
fn exhaust(mut step: impl FnMut() -> bool) {
    let steps = (0..STEPS).take_while(|_| step()).count();
    assert!(steps < STEPS, "somebody does not come to rest");
}

fn of_own(error: &ClientError) -> Refusal {
    let kind = match error.kind() {
        ClientErrorKind::Connect => "Connect",
        ClientErrorKind::Canceled => "Canceled",
        ClientErrorKind::SendRequest => "SendRequest",
        ClientErrorKind::AbsoluteUriRequired => "UserAbsoluteUriRequired",
        ClientErrorKind::UnsupportedVersion => "UserUnsupportedVersion",
        ClientErrorKind::UnsupportedMethod => "UserUnsupportedRequestMethod",
        other => panic!("there is no limit that {other:?} is about"),
    };
    assert_eq!(error.is_connect(), kind == "Connect");
    Refusal::Failed(in_words(kind, error))
}

fn of_legacy(error: &legacy::Error) -> Refusal {
    // Its kind is to be seen nowhere else.
    let shown = format!("{error:?}");
    let kind = shown.split(['(', ',', ')']).nth(1).unwrap();
    assert_eq!(error.is_connect(), kind == "Connect");
    Refusal::Failed(in_words(kind, error))
}

fn in_words(kind: &str, error: &dyn Error) -> String {
    let source = error.source().map(describe).unwrap_or_default();
    format!("{kind}: {source}")
}

/// Runs tasks by hand. Clones are the same.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<Vec<Task>>>);

type Task = (Pin<Box<dyn Future<Output = ()> + Send>>, Arc<Flag>);

impl Tasks {
    fn step(&self) -> bool {
        let mut any = false;
        let mut tasks = self.take();
        tasks.retain_mut(|(task, flag)| {
            if !flag.take() {
                return true;
            }
            any = true;
            let waker = Waker::from(Arc::clone(flag));
            task.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        });
        // They may have begun others.
        let begun = self.take();
        any |= !begun.is_empty();
        tasks.extend(begun);
        *self.0.lock().unwrap() = tasks;
        any
    }

    fn take(&self) -> Vec<Task> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn wake_all(&self) {
        self.0
            .lock()
            .unwrap()
            .iter()
            .for_each(|(_, flag)| flag.raise());
    }
}

impl<F> Executor<F> for Tasks
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        let task = Box::pin(async { drop(future.await) });
        self.0.lock().unwrap().push((task, Flag::raised()));
    }
}

/// Connects at once, as often as it is asked to. Clones are the same.
#[derive(Clone)]
struct Network(Arc<Mutex<Wires>>);

struct Wires {
    is_vectored: bool,
    fault: Fault,
    connected: Vec<Shared>,
    /// The one that connects next.
    next: Shared,
}

impl Network {
    fn new(setup: Setup, fault: Fault) -> Self {
        Self(Arc::new(Mutex::new(Wires {
            is_vectored: setup.is_vectored,
            fault,
            connected: Vec::new(),
            next: Wire::shared(setup.is_vectored, fault),
        })))
    }

    fn wires(&self) -> Vec<Shared> {
        self.0.lock().unwrap().connected.clone()
    }

    /// The connection that was opened last; the first one, if none was.
    fn last(&self) -> Shared {
        let wires = self.0.lock().unwrap();
        wires.connected.last().unwrap_or(&wires.next).clone()
    }
}

impl Service<Uri> for Network {
    type Response = Transport;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Transport, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let mut wires = self.0.lock().unwrap();
        let another = Wire::shared(wires.is_vectored, wires.fault);
        let next = std::mem::replace(&mut wires.next, another);
        wires.connected.push(next.clone());
        std::future::ready(Ok(Transport(next)))
    }
}
