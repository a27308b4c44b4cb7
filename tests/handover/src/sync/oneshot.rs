//! As tokio's channel for one value.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Shared<T> {
    value: Option<T>,
    is_sender_gone: bool,
    is_closed: bool,
    receiver: Option<Waker>,
}

/// The end that sends.
#[derive(Debug)]
pub struct Sender<T>(Arc<Mutex<Shared<T>>>);

/// The end that receives.
#[derive(Debug)]
pub struct Receiver<T> {
    /// `None` once it has received.
    shared: Option<Arc<Mutex<Shared<T>>>>,
}

/// There is no value.
#[derive(Debug)]
#[non_exhaustive]
pub struct RecvError;

/// Makes a channel.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(Shared {
        value: None,
        is_sender_gone: false,
        is_closed: false,
        receiver: None,
    }));
    let receiver = Receiver {
        shared: Some(Arc::clone(&shared)),
    };
    (Sender(shared), receiver)
}

fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Sender<T> {
    /// Sends the value; gives it back if it cannot be received any more.
    pub fn send(self, value: T) -> Result<(), T> {
        let mut shared = lock(&self.0);
        if shared.is_closed {
            return Err(value);
        }
        shared.value = Some(value);
        // Dropping the sender wakes the receiver.
        Ok(())
    }

    /// Whether nothing can be received any more.
    pub fn is_closed(&self) -> bool {
        lock(&self.0).is_closed
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.0);
        shared.is_sender_gone = true;
        let receiver = shared.receiver.take();
        drop(shared);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }
}

impl<T> Receiver<T> {
    /// Nothing can be sent any more. What was sent can still be received.
    pub fn close(&mut self) {
        if let Some(shared) = &self.shared {
            lock(shared).is_closed = true;
        }
    }

    /// What was sent, if anything was.
    pub fn try_recv(&mut self) -> Result<T, RecvError> {
        let shared = self.shared.as_ref().ok_or(RecvError)?;
        let value = lock(shared).value.take();
        value.ok_or(RecvError)
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(of) = self.shared.take() else {
            panic!("it is polled after it was ready");
        };
        let mut shared = lock(&of);
        let value = shared.value.take();
        if value.is_none() && !shared.is_sender_gone {
            shared.receiver = Some(cx.waker().clone());
            drop(shared);
            self.shared = Some(of);
            return Poll::Pending;
        }
        Poll::Ready(value.ok_or(RecvError))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
        // The value is dropped without the lock.
        drop(self.try_recv());
    }
}
