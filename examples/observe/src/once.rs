//! The view as text, after some seconds of load.

use std::time::Duration;

use http_keepalive::KeepAlive;
use tokio::time::sleep;

use crate::board::Board;
use crate::load::Load;
use crate::report::Report;
use crate::servers::{SITES, Servers};
use crate::support::client::plain;
use crate::support::lateness::Lateness;
use crate::trial::Trial;

/// What is run, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Once {
    pub trial: Trial,
    pub after: Duration,
}

impl Once {
    /// Runs the load through a client with this crate and, as the control, through hyper-util's as it comes.
    pub async fn run(&self) -> Result<Report, String> {
        let lateness = Lateness::watch();
        let running = self.trial.start(KeepAlive::builder())?;
        let control = Control::start(self.trial.users);
        sleep(self.after).await;
        let view = running.view();
        let control = control.stop().await;
        let (counted, stats) = running.stop().await;
        Ok(Report {
            view,
            counted,
            stats,
            control,
            late: lateness.worst(),
        })
    }
}

/// The same users and servers, without this crate.
struct Control {
    load: Load,
    board: Board,
}

impl Control {
    fn start(users: u32) -> Self {
        let (servers, board) = (Servers::start(&SITES), Board::new());
        let seen = board.clone();
        let load = Load::start(
            &SITES,
            users,
            || plain(servers.clone()),
            move |site, outcome| seen.on_outcome(&site.origin(), outcome),
        );
        Self { load, board }
    }

    /// How many requests there were, and how many failed.
    async fn stop(self) -> (u64, u64) {
        self.load.stop().await;
        SITES.iter().fold((0, 0), |(requests, failed), site| {
            self.board.with_counts(&site.origin(), |counts| {
                (
                    requests + counts.tally.requests,
                    failed + counts.tally.failed,
                )
            })
        })
    }
}
