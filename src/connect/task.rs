//! Which task drives a connection.

use std::num::NonZeroUsize;
use std::task::Context;

/// Stands for a task, as long as its waker exists: half of what a waker takes. Whoever keeps the waker
/// sees to it that no other task is taken for this one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Task(NonZeroUsize);

impl Task {
    pub(super) fn of(cx: &Context<'_>) -> Option<Self> {
        let table: *const _ = cx.waker().vtable();
        NonZeroUsize::new(cx.waker().data().addr() ^ table.addr()).map(Self)
    }
}
