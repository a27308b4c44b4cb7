//! What must not differ between the two, and what has to hold of the one.

use http_keepalive::Stats;
use hyper::rt::Timer;

use super::call::Call;
use super::client::{Client, Standing};
use super::pair::Pair;
use super::rules::Facts;

/// How many steps may be taken before there are none left.
const STEPS: usize = 1000;

impl Pair {
    /// Lets everybody come to rest, and looks at the two of them. Returns whether they go on.
    pub(super) fn rest(&mut self) -> bool {
        self.settle();
        if self.has_closed() {
            self.assert_nothing_was_taken();
            return false;
        }
        self.assert_alike();
        // Counters are summed up for that.
        let stats = self.keep_alive.stats();
        if stats.opaque.total() > 0 {
            self.tally.opaque = 1;
        }
        if !self.setup.is_unlimited {
            let facts = self.facts(self.handle.deadline().is_some(), &stats);
            assert_eq!(facts.broken(), None, "{facts:?}");
            self.count(&facts, &stats);
        }
        self.guarded.ended().is_none()
    }

    /// Retires the connection, which closes it exactly if it is idle, and lets everything come to
    /// its end.
    pub(super) fn close(&mut self) {
        let before = self.facts(true, &self.keep_alive.stats());
        self.handle.retire();
        self.settle();
        if self.has_closed() {
            assert_eq!(before.broken(), None, "{before:?}, and it was closed");
            self.assert_nothing_was_taken();
            return;
        }
        self.assert_alike();
        let is_idle = self.handle.deadline().is_some();
        let facts = self.facts(is_idle, &self.keep_alive.stats());
        assert_eq!(facts.broken(), None, "{facts:?}, retired in vain");
        self.release();
        if self.has_closed() {
            self.assert_nothing_was_taken();
        } else {
            self.assert_alike();
        }
    }

    /// From here on nothing is held back.
    fn release(&mut self) {
        self.both(|client| {
            let mut wire = client.wire.borrow_mut();
            wire.make_room(usize::MAX, usize::MAX);
            wire.set_stuck(false);
            drop(wire);
            for call in &mut client.calls {
                call.gate.let_out(usize::MAX);
                call.take(usize::MAX);
            }
        });
        self.drive();
    }

    /// Lets everybody come to rest.
    fn settle(&mut self) {
        self.drive();
        if self.is_over() && self.guarded.wire.borrow().is_flush_pending() {
            // hyper flushes before it closes.
            self.both(|client| client.wire.borrow_mut().set_stuck(false));
            self.drive();
        }
    }

    /// Polls everybody until nothing moves any more.
    fn drive(&mut self) {
        self.clock.set_ticking(true);
        let (guarded, clock) = (&mut self.guarded, &self.clock);
        exhaust(|| guarded.step() | clock.fire());
        self.clock.set_ticking(false);
        let was_idle = std::mem::replace(&mut self.is_idle, self.handle.deadline().is_some());
        let bare = &mut self.bare;
        exhaust(|| bare.step());
        let lags = bare.standing() == Standing::Waiting && guarded.standing() != Standing::Waiting;
        if lags || self.is_idle && !was_idle {
            // Where the answer was there before all of its request was out, hyper may only find out
            // with the next poll that it is. This crate has it polled.
            bare.poll_for_nothing();
            exhaust(|| bare.step());
        }
    }

    /// Whether this crate has closed the connection.
    fn has_closed(&self) -> bool {
        self.guarded.ended().is_some() && self.keep_alive.stats().retired.total() > 0
    }

    /// Whether it is not to be used again.
    fn is_over(&self) -> bool {
        let deadline = self.handle.deadline();
        deadline.is_some_and(|deadline| deadline <= self.clock.now())
    }

    fn facts(&self, idle: bool, stats: &Stats) -> Facts {
        let wire = self.guarded.wire.borrow();
        let waits = |call: &&Call| !call.is_done();
        Facts {
            hyper: self.guarded.standing(),
            idle,
            is_over: self.is_over(),
            is_opaque: stats.opaque.total() > 0,
            is_blocked: wire.is_blocked(),
            is_flush_pending: wire.is_flush_pending(),
            is_awaited: self.guarded.calls.iter().filter(waits).any(Call::is_eager),
            is_held_up: self
                .guarded
                .calls
                .iter()
                .filter(waits)
                .any(|call| !call.is_eager()),
            is_well_formed: self.is_well_formed,
            is_miscounted: self.is_miscounted,
            is_timed: !self.was_suspended,
        }
    }

    fn count(&mut self, facts: &Facts, stats: &Stats) {
        let is_open = facts.idle && facts.hyper != Standing::Closed;
        self.tally.idle += u64::from(is_open);
        self.tally.held_up += u64::from(is_open && facts.is_held_up);
        self.tally.reused = stats.reused;
    }

    /// As long as this crate does nothing, nothing is to be seen of it.
    fn assert_alike(&self) {
        let (guarded, bare) = (&self.guarded, &self.bare);
        assert_written_alike(guarded, bare);
        assert_eq!(read(guarded), read(bare), "what was read");
        assert_eq!(guarded.ended(), bare.ended(), "the end");
        assert_eq!(guarded.standing(), bare.standing(), "the standing");
        for (guarded, bare) in guarded.calls.iter().zip(&bare.calls) {
            assert_eq!(guarded.events, bare.events);
            assert_eq!(guarded.is_done(), bare.is_done());
        }
    }

    /// This crate has closed the connection: the callers have what they would have without it, or
    /// the request that was waiting, untouched.
    fn assert_nothing_was_taken(&mut self) {
        self.tally.retired = 1;
        assert!(self.is_over(), "closed before its deadline");
        self.release();
        let (guarded, bare) = (&self.guarded, &self.bare);
        let unsent = guarded.calls.iter().find_map(|call| {
            let untouched = call.unsent()?;
            Some((call.written_before, untouched))
        });
        if let Some((written_before, untouched)) = unsent {
            self.tally.unsent = 1;
            assert!(untouched, "the request came back as another");
            let written = guarded.wire.borrow().written().len();
            assert_eq!(written, written_before, "of what came back");
        } else {
            assert_written_alike(guarded, bare);
        }
        for (guarded, bare) in guarded.calls.iter().zip(&bare.calls) {
            if guarded.unsent().is_none() {
                assert_eq!(guarded.events, bare.events);
            }
            assert!(guarded.is_done(), "a caller waits for ever");
        }
        let wire = guarded.wire.borrow();
        assert!(!wire.is_unflushed(), "closed before it was flushed");
        assert!(wire.is_shut(), "closed without a goodbye");
        if guarded.ended() == bare.ended() {
            // hyper would not have reused it either.
            return;
        }
        let ended = guarded.ended().unwrap_or_default();
        if unsent.is_some() {
            assert_eq!(ended, "Ok(())", "the request took the error with it");
        } else {
            assert!(ended.contains("ConnectionAborted"), "{ended}");
        }
    }
}

/// Takes steps until there are none left.
fn exhaust(mut step: impl FnMut() -> bool) {
    let steps = (0..STEPS).take_while(|_| step()).count();
    assert!(steps < STEPS, "hyper does not come to rest");
}

fn assert_written_alike(guarded: &Client, bare: &Client) {
    let (guarded, bare) = (guarded.wire.borrow(), bare.wire.borrow());
    assert_eq!(guarded.writes(), bare.writes(), "in how many writes");
    let (guarded, bare) = (guarded.written(), bare.written());
    assert!(
        guarded == bare,
        "written: {}\nwithout this crate: {}",
        guarded.escape_ascii(),
        bare.escape_ascii()
    );
}

fn read(client: &Client) -> usize {
    client.wire.borrow().read()
}
