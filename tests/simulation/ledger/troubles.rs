//! What happens to the whole world.

use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;
use super::{Event, Ledger};
use crate::simulation::counts::Struck;
use crate::simulation::process::Stop;

impl Ledger {
    /// That much of the client stops for so long.
    pub fn on_stop(&self, stop: Stop, time: Duration, struck: Struck) {
        let mut state = self.state();
        let now = Instant::now();
        state.freezes.push((now, now + time));
        state.were_reads_stopped |= stop == Stop::Reads;
        state.note(Event::Stopped(stop, time));
        state.counts.strike(struck);
    }

    pub fn on_partition(&self, time: Duration) {
        let mut state = self.state();
        let now = Instant::now();
        state.partitions.push((now, now + time));
        state.note(Event::Partition(time));
        state.counts.strike(Struck::Partition);
        state
            .connections
            .iter()
            .for_each(|connection| connection.hold_until(now + time));
    }

    /// Until when nothing passes.
    pub fn held_until(&self) -> Option<Instant> {
        let until = self
            .state()
            .partitions
            .iter()
            .map(|&(_, until)| until)
            .max();
        until.filter(|&until| until > Instant::now())
    }

    pub fn on_cut(&self) {
        let mut state = self.state();
        state.note(Event::Cut);
        state.counts.strike(Struck::Cut);
        state.connections.iter_mut().for_each(Connection::cut);
    }

    pub fn on_restart(&self) {
        let mut state = self.state();
        state.note(Event::Restart);
        state.counts.strike(Struck::Restart);
    }

    pub fn on_clock_set(&self, millis: i64) {
        let mut state = self.state();
        state.note(Event::ClockSet(millis));
        state.counts.strike(Struck::SetClock);
    }
}
