//! A connection closes itself in the instant in which a request is queued for it.
//!
//! Two threads meet again and again: one drives a connection of hyper's that is idle, and closes; the other
//! hands it a request. That request comes back unsent, or fails; it should not wait for ever. What remains is
//! for hyper to mend: see `guide::lost_requests`.
//!
//! The control is hyper alone, over a transport that reports EOF: now and then a request is lost in the queue.

use std::future::{Future, Ready, ready};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Empty;
use http_keepalive::{ConnectionHandle, KeepAlive, KeepAlivePolicy};
use hyper::client::conn::http1::{self, Connection, SendRequest};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{self, Connected};
use tower::Service;

use crate::clock::ManualClock;

/// A server in place of a socket: answers each write, and then says what it is told to.
#[derive(Clone, Default)]
struct Canned {
    responses: Arc<AtomicUsize>,
    is_closed: Arc<AtomicUsize>,
}

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

impl Read for Canned {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.responses.swap(0, SeqCst) > 0 {
            buf.put_slice(RESPONSE);
            Poll::Ready(Ok(()))
        } else if self.is_closed.load(SeqCst) > 0 {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

impl Write for Canned {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.responses.store(1, SeqCst);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl connect::Connection for Canned {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// What became of requests that were queued as their connection closed.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    /// They came back unsent.
    returned: usize,
    /// They were not taken.
    refused: usize,
    /// They are never answered, and never fail.
    lost: usize,
}

/// A connection, and what closes it.
struct Closing<T: Read + Write> {
    connection: Connection<T, Empty<Bytes>>,
    close: Box<dyn FnOnce() + Send>,
}

/// Queues requests until `is_enough`, each as its connection closes.
fn queue<T>(
    mut open: impl FnMut() -> (T, Box<dyn FnOnce() + Send>),
    is_enough: impl Fn(usize, &Outcome) -> bool,
) -> Outcome
where
    T: Read + Write + Unpin + Send + 'static,
{
    // Two such pairs of threads would only keep each other from meeting.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (closings, spin, barrier) = closer();
    let mut cx = Context::from_waker(Waker::noop());
    let mut outcome = Outcome::default();
    for n in 1.. {
        let (io, close) = open();
        let (mut sender, connection) = used(io);
        closings.send(Closing { connection, close }).unwrap();
        meet(&spin, n);
        // Not always in the same instant.
        for _ in 0..(n * 7 % 160) {
            std::hint::spin_loop();
        }
        let mut sent = pin!(sender.try_send_request(Request::new(Empty::new())));
        barrier.wait();
        match sent.as_mut().poll(&mut cx) {
            Poll::Ready(Ok(_)) => unreachable!("the connection is gone"),
            Poll::Ready(Err(error)) if error.message().is_some() => outcome.returned += 1,
            Poll::Ready(Err(_)) => outcome.refused += 1,
            Poll::Pending => outcome.lost += 1,
        }
        if is_enough(usize::try_from(n).unwrap(), &outcome) {
            break;
        }
    }
    outcome
}

/// Starts the thread that closes connections.
fn closer<T>() -> (Sender<Closing<T>>, Arc<AtomicU64>, Arc<Barrier>)
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (closings, closing) = channel::<Closing<T>>();
    let (spin, barrier) = (Arc::<AtomicU64>::default(), Arc::new(Barrier::new(2)));
    let (spins, gone) = (Arc::clone(&spin), Arc::clone(&barrier));
    thread::spawn(move || {
        let mut cx = Context::from_waker(Waker::noop());
        for (
            n,
            Closing {
                mut connection,
                close,
            },
        ) in (1..).zip(closing)
        {
            assert!(Pin::new(&mut connection).poll(&mut cx).is_pending());
            close();
            meet(&spins, n);
            let _ = Pin::new(&mut connection).poll(&mut cx);
            drop(connection);
            gone.wait();
        }
    });
    (closings, spin, barrier)
}

/// Waits for the other thread, so that both go on in the same instant, the `n`th time.
fn meet(spin: &AtomicU64, n: u64) {
    spin.fetch_add(1, SeqCst);
    for turn in 0_u64.. {
        if spin.load(SeqCst) >= 2 * n {
            break;
        }
        if turn % 1_000 == 999 {
            // The other one may wait for this processor.
            thread::yield_now();
        }
        std::hint::spin_loop();
    }
}

/// A connection that has served a request, and is idle.
fn used<T>(io: T) -> (SendRequest<Empty<Bytes>>, Connection<T, Empty<Bytes>>)
where
    T: Read + Write + Unpin + Send + 'static,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut handshake = pin!(http1::handshake(io));
    let Poll::Ready(Ok((mut sender, mut connection))) = handshake.as_mut().poll(&mut cx) else {
        unreachable!("it waits for nothing");
    };
    {
        let mut first = pin!(sender.try_send_request(Request::new(Empty::new())));
        loop {
            let _ = Pin::new(&mut connection).poll(&mut cx);
            if let Poll::Ready(response) = first.as_mut().poll(&mut cx) {
                assert!(response.is_ok());
                break;
            }
        }
    }
    assert!(Pin::new(&mut connection).poll(&mut cx).is_pending());
    assert!(sender.is_ready());
    (sender, connection)
}

/// A connection of this crate's.
fn guarded(keep_alive: &KeepAlive) -> http_keepalive::IdleAwareIo<Canned> {
    let mut connector = keep_alive.connector(Connector);
    let connecting = connector.call(Uri::from_static("http://server.test/"));
    match pin!(connecting).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(io)) => io,
        _ => unreachable!("it waits for nothing"),
    }
}

#[derive(Clone)]
struct Connector;

impl Service<Uri> for Connector {
    type Response = Canned;
    type Error = io::Error;
    type Future = Ready<io::Result<Canned>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(Ok(Canned::default()))
    }
}

/// How many requests are queued: by default as many as take some seconds. `QUEUED` sets another number.
fn tries() -> usize {
    std::env::var("QUEUED").map_or(4_000, |tries| tries.parse().unwrap())
}

/// Without a second processor the two threads hardly ever meet.
fn is_parallel() -> bool {
    thread::available_parallelism().is_ok_and(|processors| processors.get() > 1)
}

/// The control: hyper alone, over a transport that reports EOF as its connection closes.
fn queue_without_this_crate(is_enough: impl Fn(usize, &Outcome) -> bool) -> Outcome {
    queue(
        || {
            let io = Canned::default();
            let is_closed = Arc::clone(&io.is_closed);
            (io, Box::new(move || is_closed.store(1, SeqCst)))
        },
        is_enough,
    )
}

/// Where the system, or the host of a virtual machine, stops a sender between two instructions for longer than
/// any wait, a request is still lost: a few of a million. Without this crate's part many more are lost on the
/// same machine, as the control shows.
fn assert_hardly_any_is_lost(outcome: Outcome) {
    let control = queue_without_this_crate(|n, _| n >= tries());
    println!("{outcome:?}, without this crate: {control:?}");
    let few = 2 + tries() / 10_000;
    assert!(
        outcome.lost <= few + control.lost / 4,
        "{outcome:?}, {control:?}"
    );
    if is_parallel() {
        assert!(outcome.returned > 0, "they never met: {outcome:?}");
    }
}

#[test]
fn a_request_queued_at_the_deadline_comes_back_or_fails() {
    let clock = ManualClock::new();
    let keep_alive = crate::keep_alive(&clock, KeepAlivePolicy::default());

    let outcome = queue(
        || {
            let clock = clock.clone();
            let close = move || clock.advance(Duration::from_secs(3_600));
            (guarded(&keep_alive), Box::new(close))
        },
        |n, _| n >= tries(),
    );

    assert_hardly_any_is_lost(outcome);
}

#[test]
fn a_request_queued_while_its_connection_is_retired_comes_back_or_fails() {
    let keep_alive = crate::keep_alive(&ManualClock::new(), KeepAlivePolicy::default());

    let outcome = queue(
        || {
            let io = guarded(&keep_alive);
            let handle: ConnectionHandle = io.handle();
            (io, Box::new(move || handle.retire()))
        },
        |n, _| n >= tries(),
    );

    assert_hardly_any_is_lost(outcome);
}

#[test]
fn without_this_crate_a_request_queued_as_its_connection_closes_may_wait_for_ever() {
    if !is_parallel() {
        return;
    }

    let outcome = queue_without_this_crate(|n, outcome| outcome.lost > 0 || n >= 1_000_000);

    println!("{outcome:?}");
    assert!(outcome.lost > 0, "{outcome:?}");
}
