//! What the pool uses of the rest of the crate: without deadlines, without timers, and with tasks on shuttle's executor.

use std::sync::{Arc, Mutex, PoisonError};

use shuttle::future::JoinHandle;

pub mod client;
pub mod clock;
pub mod connect;
pub mod connection;
pub mod executor;
pub mod keep_alive;
pub mod origin;

pub use keep_alive::KeepAlive;

/// Tasks that were spawned.
#[derive(Clone, Debug, Default)]
pub struct Tasks(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Tasks {
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let task = shuttle::future::spawn(task);
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.push(task);
    }

    /// Waits until all of them have ended.
    pub fn join(&self) {
        loop {
            let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(task) = tasks.pop() else { return };
            drop(tasks);
            shuttle::future::block_on(task).unwrap();
        }
    }
}
