//! The client's process: what runs in it, what of it stops, and what its clocks say.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, SystemTime};

use hyper::rt::{Executor, Sleep, Timer};
use pin_project::{pin_project, pinned_drop};
use tokio::time::Instant;

/// The client's process. Clones are the same one.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    started: Instant,
    /// How many stops there are of each kind.
    stops: [AtomicUsize; 3],
    waiting: Mutex<Vec<Waker>>,
    tasks: AtomicUsize,
    /// How far the monotonic clock is behind, in nanoseconds: for how long it stood still.
    behind: AtomicU64,
    /// By how much the wall clock was set, in milliseconds.
    set_by: AtomicI64,
}

/// What of the process stops for a while. Its kernel goes on, and so do its clocks.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Stop {
    /// Everything.
    All,
    /// The thread that drives connections. Callers go on, and their requests wait for it.
    Connections,
    /// What tells tasks that something arrived. All tasks go on, and see nothing of it.
    Reads,
}

/// Which thread a task runs in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Thread {
    Callers,
    Connections,
}

impl Process {
    pub fn start() -> Self {
        Self(Arc::new(Inner {
            started: Instant::now(),
            stops: Default::default(),
            waiting: Mutex::default(),
            tasks: AtomicUsize::new(0),
            behind: AtomicU64::new(0),
            set_by: AtomicI64::new(0),
        }))
    }

    /// Runs a caller, while the process is not stopped.
    pub fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.spawn_in(Thread::Callers, future)
    }

    fn spawn_in<F>(&self, thread: Thread, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.tasks.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(Task {
            future,
            thread,
            process: self.clone(),
        })
    }

    /// How many tasks have not ended.
    pub fn tasks(&self) -> usize {
        self.0.tasks.load(Ordering::Relaxed)
    }

    /// That much of it stops for so long, while the rest of the world goes on.
    pub async fn stop(&self, stop: Stop, time: Duration) {
        self.stopped(stop, time, Duration::ZERO).await;
    }

    /// It stops with the whole machine, and its monotonic clock stands still.
    pub async fn suspend(&self, time: Duration) {
        self.stopped(Stop::All, time, time).await;
    }

    async fn stopped(&self, stop: Stop, time: Duration, clock_stands: Duration) {
        let stops = &self.0.stops[stop as usize];
        stops.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(time).await;
        let nanos = clock_stands.as_nanos() as u64;
        self.0.behind.fetch_add(nanos, Ordering::Relaxed);
        stops.fetch_sub(1, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ready unless reads see nothing for now.
    pub fn poll_reads(&self, cx: &Context<'_>) -> Poll<()> {
        self.poll_running(Stop::Reads, cx)
    }

    /// Ready unless that is stopped.
    fn poll_running(&self, stop: Stop, cx: &Context<'_>) -> Poll<()> {
        if self.0.stops[stop as usize].load(Ordering::Relaxed) == 0 {
            return Poll::Ready(());
        }
        self.waiting().push(cx.waker().clone());
        Poll::Pending
    }

    /// Sets its wall clock forward or back.
    pub fn set_wall_clock(&self, by_millis: i64) {
        self.0.set_by.fetch_add(by_millis, Ordering::Relaxed);
    }

    /// What its wall clock says.
    pub fn wall_clock(&self) -> SystemTime {
        const AT_START: i64 = 50 * 365 * 24 * 3600 * 1000;
        let passed = Instant::now().duration_since(self.0.started).as_millis() as i64;
        let millis = AT_START + passed + self.0.set_by.load(Ordering::Relaxed);
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis as u64)
    }

    /// What its monotonic clock says.
    pub fn now(&self) -> std::time::Instant {
        Instant::now().into_std() - self.behind()
    }

    fn behind(&self) -> Duration {
        Duration::from_nanos(self.0.behind.load(Ordering::Relaxed))
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waker>> {
        self.0
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> Executor<F> for Process
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, future: F) {
        drop(self.spawn_in(Thread::Connections, future));
    }
}

/// A task of the process.
#[pin_project(PinnedDrop)]
struct Task<F> {
    #[pin]
    future: F,
    thread: Thread,
    process: Process,
}

#[pinned_drop]
impl<F> PinnedDrop for Task<F> {
    fn drop(self: Pin<&mut Self>) {
        self.process.0.tasks.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<F: Future> Future for Task<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        ready!(this.process.poll_running(Stop::All, cx));
        if *this.thread == Thread::Connections {
            ready!(this.process.poll_running(Stop::Connections, cx));
        }
        this.future.poll(cx)
    }
}

/// Timers by the monotonic clock of the process.
impl Timer for Process {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let at = Instant::from_std(deadline + self.behind());
        Box::pin(Nap {
            process: self.clone(),
            deadline,
            sleep: Box::pin(tokio::time::sleep_until(at)),
        })
    }

    fn now(&self) -> std::time::Instant {
        Self::now(self)
    }
}

struct Nap {
    process: Process,
    deadline: std::time::Instant,
    sleep: Pin<Box<tokio::time::Sleep>>,
}

impl Sleep for Nap {}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if self.process.now() >= self.deadline {
                return Poll::Ready(());
            }
            let at = Instant::from_std(self.deadline + self.process.behind());
            if self.sleep.deadline() != at {
                self.sleep.as_mut().reset(at);
            }
            ready!(self.sleep.as_mut().poll(cx));
        }
    }
}
