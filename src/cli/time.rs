//! Waiting.

use std::future::{Future, pending};
use std::pin::pin;
use std::time::Duration;

use crate::clock::Clock;
use crate::proto::time::Moment;

/// The clock, and what waits by it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Time {
    clock: Clock,
}

impl Time {
    pub(super) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// Until the monotonic clock has shown that one of the clocks has reached `moment`.
    pub(super) async fn sleep_until(&self, moment: &Moment) {
        while let Some(at) = self.now().monotonic_at(moment) {
            let sleep = self
                .clock
                .instant(at)
                .and_then(|instant| self.clock.sleep_until(instant));
            match sleep {
                Some(sleep) => sleep.await,
                // It never comes.
                None => pending().await,
            }
        }
    }

    pub(super) async fn sleep(&self, time: Duration) {
        let until = self
            .now()
            .saturating_add(crate::proto::time::Span::new(time));
        self.sleep_until(&until).await;
    }

    /// What a future returns in that time.
    pub(super) async fn within<F: Future>(&self, time: Duration, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        tokio::select! {
            biased;
            output = &mut future => Some(output),
            () = self.sleep(time) => None,
        }
    }
}
