//! The standard library, but with locks before which shuttle may let any other thread run; and what the pool uses of tokio.
//!
//! A test has this in place of both (`extern crate handover as std`), so that it compiles the sources of the pool as they
//! are.

pub use std::*;

/// As [`std::sync`].
pub mod sync {
    pub use shuttle::sync::{Mutex, MutexGuard};
    pub use std::sync::*;

    pub mod oneshot;
}

/// As [`std::task`].
pub mod task {
    pub use std::task::*;

    /// As tokio's. There is no budget here.
    pub fn unconstrained<F>(future: F) -> F {
        future
    }
}
