//! Time that moves when a test says so, for tests on several threads: tokio's paused time has one.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};

/// A monotonic clock with its timer. Clones are the same clock.
#[derive(Clone)]
pub struct Time {
    start: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    passed: Duration,
    sleeps: u64,
    waiting: HashMap<u64, (Instant, Waker)>,
}

impl Time {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            state: Arc::default(),
        }
    }

    /// Moves the clock, and wakes whoever waited for that.
    pub fn advance(&self, by: Duration) {
        let mut due = Vec::new();
        {
            let mut state = self.state.lock().unwrap();
            state.passed += by;
            let now = self.start + state.passed;
            state.waiting.retain(|_, (deadline, waker)| {
                if *deadline > now {
                    return true;
                }
                due.push(waker.clone());
                false
            });
        }
        due.into_iter().for_each(Waker::wake);
    }
}

impl Timer for Time {
    fn now(&self) -> Instant {
        self.start + self.state.lock().unwrap().passed
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let mut state = self.state.lock().unwrap();
        state.sleeps += 1;
        Box::pin(Sleeping {
            time: self.clone(),
            deadline,
            number: state.sleeps,
        })
    }
}

struct Sleeping {
    time: Time,
    deadline: Instant,
    number: u64,
}

impl Future for Sleeping {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.time.state.lock().unwrap();
        if self.time.start + state.passed >= self.deadline {
            return Poll::Ready(());
        }
        let waiting = (self.deadline, cx.waker().clone());
        state.waiting.insert(self.number, waiting);
        Poll::Pending
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.time.state.lock().unwrap().waiting.remove(&self.number);
    }
}

impl Sleep for Sleeping {}
