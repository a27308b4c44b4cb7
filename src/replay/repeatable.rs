//! Bodies that can be sent again.

/// A body that can be sent again: what can be cloned, and [`ReplayBody`](crate::ReplayBody).
pub trait Repeatable: Sized {
    /// Returns a body with all that this one has, or had; `None` if that is not known any more.
    ///
    /// Called before each attempt, and after each that failed, so cheap.
    fn repeat(&self) -> Option<Self>;
}

impl<B: Clone> Repeatable for B {
    fn repeat(&self) -> Option<Self> {
        Some(self.clone())
    }
}
