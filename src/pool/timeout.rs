//! Waiting no longer than so long.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use crate::clock::Clock;

/// The future's output; `None` if it was not ready in time. Without a timer that works, it has all the time.
pub(super) async fn within<F: Future>(
    clock: &Clock,
    timeout: Option<Duration>,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut sleep = timeout.and_then(|timeout| {
        let end = clock.monotonic().checked_add(timeout)?;
        clock.sleep_until(end)
    });
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        match &mut sleep {
            Some(sleep) => sleep.as_mut().poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}
