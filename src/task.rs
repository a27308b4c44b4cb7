//! The identity of the task that drives a connection.

use std::num::NonZeroUsize;
use std::task::Context;

/// Identifies a task, in half the memory of a waker. Unique as long as a clone of the task's waker is kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Task(NonZeroUsize);

impl Task {
    pub(crate) fn of(cx: &Context<'_>) -> Option<Self> {
        let table: *const _ = cx.waker().vtable();
        NonZeroUsize::new(cx.waker().data().addr() ^ table.addr()).map(Self)
    }
}
