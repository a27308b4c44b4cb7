//! Who is woken for a connection: the request that drives it, or its own task.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The waker that a connection is always polled with.
///
/// While a request waits for its response, the request's task polls the connection. So no thread has to wake
/// another one for the request, nor for its response. At all other times the connection's own task does.
///
/// A waker of its own keeps both apart: the transport keeps one waker, whoever polls, and nothing has to be
/// registered anew when the driver changes.
#[derive(Debug, Default)]
pub(super) struct Driver {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The connection's own task, once that was polled.
    task: Option<Waker>,
    by: By,
    /// Whether the connection was woken since it was polled last, by that very poll too.
    is_woken: bool,
}

/// Who drives the connection.
#[derive(Debug, Default)]
enum By {
    /// Its own task.
    #[default]
    Task,
    /// A request, whose task is woken.
    Request(Waker),
    /// Somebody who polls it at this moment, or was woken to.
    Polling,
}

impl Driver {
    /// The connection is about to be polled by a request.
    pub(super) fn begin(&self) {
        let mut state = self.state();
        state.is_woken = false;
        let before = mem::replace(&mut state.by, By::Polling);
        drop(state);
        // A waker, whose drop may come back here.
        drop(before);
    }

    /// The connection is about to be polled by its own task; `false` if a request drives it.
    pub(super) fn begin_task(&self, task: &Waker) -> bool {
        let mut state = self.state();
        match &mut state.task {
            Some(known) => known.clone_from(task),
            none => *none = Some(task.clone()),
        }
        if !matches!(state.by, By::Task) {
            return false;
        }
        state.is_woken = false;
        state.by = By::Polling;
        true
    }

    /// The request was polled, and goes on to wait.
    pub(super) fn wait(&self, request: &Waker) {
        let mut state = self.state();
        state.by = By::Request(request.clone());
        let is_woken = mem::take(&mut state.is_woken);
        drop(state);
        if is_woken {
            request.wake_by_ref();
        }
    }

    /// The connection's own task drives it from now on, and does so at once if the connection was woken meanwhile, or
    /// if `wakes`.
    pub(super) fn hand_over(&self, wakes: bool) {
        let mut state = self.state();
        let before = mem::replace(&mut state.by, By::Task);
        let is_woken = mem::take(&mut state.is_woken);
        let task = (is_woken || wakes).then(|| state.task.clone()).flatten();
        drop(state);
        drop(before);
        if let Some(task) = task {
            task.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Driver {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state();
        let woken = match mem::replace(&mut state.by, By::Polling) {
            By::Task => {
                state.by = By::Task;
                state.task.clone()
            }
            // It polls the connection next.
            By::Request(request) => Some(request),
            By::Polling => {
                state.is_woken = true;
                None
            }
        };
        drop(state);
        if let Some(waker) = woken {
            waker.wake();
        }
    }
}
