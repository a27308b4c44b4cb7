//! A clock that is moved by hand, and its timer.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use hyper::rt::{Sleep, Timer};

/// Both clocks, and the sleeps of one of them. Clones share everything.
#[derive(Clone)]
pub(super) struct Clock(Arc<Mutex<State>>);

struct State {
    monotonic: Instant,
    wall: SystemTime,
    /// By how much each reading moves both clocks, while that is switched on.
    tick: Duration,
    ticking: bool,
    /// Who sleeps until when, and whom to wake then.
    sleeps: BTreeMap<u64, (Instant, Waker)>,
    next_sleep: u64,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            monotonic: Instant::now(),
            wall: SystemTime::UNIX_EPOCH,
            tick: Duration::ZERO,
            ticking: false,
            sleeps: BTreeMap::new(),
            next_sleep: 0,
        })))
    }

    pub(super) fn wall(&self) -> SystemTime {
        self.state().wall
    }

    pub(super) fn advance(&self, by: Duration) {
        let mut state = self.state();
        state.monotonic += by;
        state.wall += by;
    }

    /// What a suspended machine has missed.
    pub(super) fn suspend(&self, by: Duration) {
        self.state().wall += by;
    }

    pub(super) fn set_tick(&self, tick: Duration) {
        self.state().tick = tick;
    }

    /// Whether readings move the clocks.
    pub(super) fn set_ticking(&self, ticking: bool) {
        self.state().ticking = ticking;
    }

    /// Wakes those whose time has come; returns whether there were any.
    pub(super) fn fire(&self) -> bool {
        let mut state = self.state();
        let now = state.monotonic;
        let mut due = Vec::new();
        state.sleeps.retain(|_, (deadline, waker)| {
            let is_due = *deadline <= now;
            if is_due {
                due.push(waker.clone());
            }
            !is_due
        });
        drop(state);
        let any = !due.is_empty();
        due.into_iter().for_each(Waker::wake);
        any
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let mut state = self.state();
        let id = state.next_sleep;
        state.next_sleep += 1;
        Box::pin(Asleep {
            clock: self.clone(),
            id,
            deadline,
        })
    }

    fn now(&self) -> Instant {
        let mut state = self.state();
        if state.ticking {
            let tick = state.tick;
            state.monotonic += tick;
            state.wall += tick;
        }
        state.monotonic
    }
}

struct Asleep {
    clock: Clock,
    id: u64,
    deadline: Instant,
}

impl Future for Asleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state();
        if state.monotonic >= self.deadline {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        state.sleeps.insert(self.id, (self.deadline, waker));
        Poll::Pending
    }
}

impl Sleep for Asleep {}

impl Drop for Asleep {
    fn drop(&mut self) {
        self.clock.state().sleeps.remove(&self.id);
    }
}
