//! Connections that are left open, to learn how long their server waits.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Read, ReadBuf, Sleep, Write};

use crate::clock::Clock;
use crate::connection::SentinelPermit;
use crate::executor::ConnectionTask;

/// How long an orderly shutdown may take.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Leaves a transport open, in a task of its own, for as long as there is something to learn.
pub(super) fn leave_open<T>(mut transport: Pin<&mut Option<T>>, permit: Box<SentinelPermit>)
where
    T: Read + Write + Unpin + Send + 'static,
{
    if let (Some(transport), Some(keep_alive)) = (transport.take(), permit.keep_alive().upgrade()) {
        keep_alive
            .executor()
            .spawn(ConnectionTask::new(watch(transport, permit)));
    }
}

async fn watch<T: Read + Write + Unpin>(mut transport: T, mut permit: Box<SentinelPermit>) {
    let clock = &permit.keep_alive().clock().clone();
    while let Some(due) = permit.due() {
        let Some(mut sleep) = clock.sleep_until(due) else {
            break;
        };
        let is_closed = poll_fn(|cx| match poll_close(&mut transport, cx) {
            Poll::Ready(()) => Poll::Ready(true),
            Poll::Pending => poll_sleep(&mut sleep, clock, due, cx).map(|()| false),
        })
        .await;
        if is_closed {
            permit.on_close();
            break;
        }
        if !permit.on_open() {
            break;
        }
    }
    // Another connection may become a sentinel during the shutdown.
    drop(permit);
    let due = clock.monotonic().checked_add(SHUTDOWN);
    let Some((due, mut sleep)) = due.and_then(|due| Some((due, clock.sleep_until(due)?))) else {
        return;
    };
    poll_fn(|cx| match Pin::new(&mut transport).poll_shutdown(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => poll_sleep(&mut sleep, clock, due, cx),
    })
    .await;
}

/// Ready with the first thing that arrives from a server to which nothing was sent: EOF, an error, or
/// any bytes.
fn poll_close<T: Read + Unpin>(transport: &mut T, cx: &mut Context<'_>) -> Poll<()> {
    let mut bytes = [0; 16];
    let mut buf = ReadBuf::new(&mut bytes);
    Pin::new(transport)
        .poll_read(cx, buf.unfilled())
        .map(|_| ())
}

/// Ready when that time has come, however early the timer is.
fn poll_sleep(
    sleep: &mut Pin<Box<dyn Sleep>>,
    clock: &Clock,
    due: Instant,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if sleep.as_mut().poll(cx).is_pending() {
        return Poll::Pending;
    }
    if clock.monotonic() < due {
        clock.reset(sleep, due);
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    Poll::Ready(())
}
