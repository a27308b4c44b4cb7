//! What happens on connections, told to an observer and to the log.

mod event;
#[cfg(feature = "tracing")]
mod log;
#[cfg(feature = "metrics")]
mod metrics;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::{fmt, mem};

pub use self::event::{ConnectionEvent, EventKind};
#[cfg(all(feature = "tracing", feature = "server"))]
pub(crate) use self::log::TARGET;
#[cfg(feature = "tracing")]
pub(crate) use self::log::is_logged;
#[cfg(feature = "metrics")]
pub use self::metrics::MetricsObserver;

/// Is told what happens on connections; set by [`KeepAliveBuilder::observer`](crate::KeepAliveBuilder::observer).
///
/// Any closure of this form is one:
///
/// ```
/// use http_keepalive::{ConnectionEvent, EventKind, KeepAlive};
///
/// let keep_alive = KeepAlive::builder()
///     .observer(|event: &ConnectionEvent<'_>| {
///         if let EventKind::Closed { cause, .. } = event.kind {
///             println!("connection {}: {cause:?}", event.connection);
///         }
///     })
///     .build()?;
/// # let _ = keep_alive;
/// # Ok::<(), http_keepalive::PolicyError>(())
/// ```
///
/// It is called on the thread on which the event happens, in the midst of an exchange: what takes long belongs elsewhere.
/// No lock of this crate is held meanwhile. The events of one connection come in their order; those of several may
/// come at once, on several threads. A panic is caught, and harms no connection; that it happened is for the
/// panic hook to say.
pub trait Observer: Send + Sync {
    /// Something happened on a connection.
    fn on_event(&self, event: &ConnectionEvent<'_>);
}

impl<F: Fn(&ConnectionEvent<'_>) + Send + Sync> Observer for F {
    fn on_event(&self, event: &ConnectionEvent<'_>) {
        self(event);
    }
}

/// The observer, if there is one.
#[derive(Clone, Default)]
pub(crate) struct SharedObserver(Option<Arc<dyn Observer>>);

impl SharedObserver {
    pub(crate) fn new(observer: impl Observer + 'static) -> Self {
        Self(Some(Arc::new(observer)))
    }

    /// Whether somebody is told of events.
    #[inline]
    pub(crate) fn is_told(&self) -> bool {
        #[cfg(feature = "tracing")]
        if is_logged() {
            return true;
        }
        self.0.is_some()
    }

    /// Tells the log, and the observer. To be called without a lock.
    #[cold]
    pub(crate) fn tell(&self, event: &ConnectionEvent<'_>) {
        #[cfg(feature = "tracing")]
        harmlessly(|| log::log(event));
        if let Some(observer) = &self.0 {
            harmlessly(|| observer.on_event(event));
        }
    }
}

/// Catches a panic of foreign code.
pub(crate) fn harmlessly(call: impl FnOnce()) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else {
        return;
    };
    // What was thrown may panic when it is dropped. What that throws is not dropped.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(payload);
    }
}

impl fmt::Debug for SharedObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_set = self.0.is_some();
        f.debug_tuple("SharedObserver").field(&is_set).finish()
    }
}
