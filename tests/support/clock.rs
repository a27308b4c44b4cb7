//! Clocks that stand still until the test sets them forward.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use http_keepalive::{KeepAlive, KeepAliveBuilder, KeepAlivePolicy};
use hyper::rt::{Sleep, Timer};

/// A wall clock beside tokio's monotonic one. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct WallClock(Arc<Mutex<SystemTime>>);

impl WallClock {
    #[allow(clippy::new_without_default, reason = "it is like no other")]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH)))
    }

    /// Connections whose wall clock is this one.
    pub fn builder(&self) -> KeepAliveBuilder {
        let clock = self.clone();
        KeepAlive::builder().wall_clock(move || *clock.0.lock().unwrap())
    }

    /// Time passes as if the machine were suspended: no timer has noticed.
    pub fn suspend(&self, time: Duration) {
        *self.0.lock().unwrap() += time;
    }
}

/// The timeout that servers are expected to have.
pub const TIMEOUT: Duration = Duration::from_secs(3600);

/// Connections are good for [`TIMEOUT`] less this.
pub const MARGIN: Duration = Duration::from_secs(60);

/// A monotonic and a wall clock, and the timers that go by the monotonic one: they wake nobody before
/// it is time. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    monotonic: Instant,
    wall: SystemTime,
    sleeps: u64,
    waiting: HashMap<u64, (Instant, Waker)>,
}

impl ManualClock {
    #[allow(clippy::new_without_default, reason = "it is like no other")]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            monotonic: Instant::now(),
            wall: SystemTime::UNIX_EPOCH,
            sleeps: 0,
            waiting: HashMap::new(),
        })))
    }

    /// A handle whose connections go by this clock.
    pub fn keep_alive(&self) -> KeepAlive {
        let wall = self.clone();
        let policy = KeepAlivePolicy::default()
            .max_idle(TIMEOUT)
            .safety_margin(MARGIN);
        KeepAlive::builder()
            .policy(policy)
            .timer(self.clone())
            .wall_clock(move || wall.0.lock().unwrap().wall)
            .build()
            .unwrap()
    }

    /// Time passes, and timers fire.
    pub fn advance(&self, time: Duration) {
        let mut due = Vec::new();
        {
            let mut state = self.0.lock().unwrap();
            state.wall += time;
            state.monotonic += time;
            let now = state.monotonic;
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

    /// Time passes as if the machine were suspended: no timer has noticed.
    pub fn suspend(&self, time: Duration) {
        self.0.lock().unwrap().wall += time;
    }
}

impl Timer for ManualClock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let mut state = self.0.lock().unwrap();
        state.sleeps += 1;
        Box::pin(ManualSleep {
            clock: self.clone(),
            deadline,
            number: state.sleeps,
        })
    }

    fn now(&self) -> Instant {
        self.0.lock().unwrap().monotonic
    }
}

struct ManualSleep {
    clock: ManualClock,
    deadline: Instant,
    number: u64,
}

impl Sleep for ManualSleep {}

impl Future for ManualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.0.lock().unwrap();
        if state.monotonic >= self.deadline {
            return Poll::Ready(());
        }
        let waiting = (self.deadline, cx.waker().clone());
        state.waiting.insert(self.number, waiting);
        Poll::Pending
    }
}

impl Drop for ManualSleep {
    fn drop(&mut self) {
        let mut state = self.clock.0.lock().unwrap();
        state.waiting.remove(&self.number);
    }
}
