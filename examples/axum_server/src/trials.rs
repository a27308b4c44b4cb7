//! All trials, side by side.

use rlimit::increase_nofile_limit;

use crate::common::progress_bar;
use crate::report::Report;
use crate::support::lateness::Lateness;
use crate::{cap, drain, limits, race, slow_heads};

/// All trials.
#[derive(Debug)]
pub struct Trials {
    /// How many users each kind of client has in the race.
    pub users: u32,
    pub shows_progress: bool,
}

impl Trials {
    pub async fn run(&self) -> Result<Report, String> {
        self.reserve_files()?;
        let lateness = Lateness::watch();
        let (requests, longest) = (race::requests(self.users), race::longest(self.users));
        let bar = progress_bar(requests, longest, self.shows_progress);
        // While users of the race pause, the others have time.
        let others = async {
            let capped = async { tokio::join!(cap::run(), slow_heads::run()) };
            let (cap, slow_heads) = capped.await;
            let (requests, age) = tokio::join!(limits::requests(), limits::age());
            [drain::run().await, requests, age, cap, slow_heads]
        };
        let (race, others) = tokio::join!(race::run(self.users, &bar), others);
        bar.finish_and_clear();

        let (mut trials, server) = race?;
        for trial in others {
            trials.push(trial?);
        }
        Ok(Report {
            trials,
            server,
            late: lateness.worst(),
        })
    }

    /// Makes sure that the process may open all sockets.
    fn reserve_files(&self) -> Result<(), String> {
        // Three kinds of clients, two servers, both ends of a socket; a new connection while an old one closes; and
        // the other trials.
        let needed = u64::from(self.users) * 3 * 2 * 3 + 800;
        match increase_nofile_limit(needed) {
            Ok(allowed) if allowed < needed => Err(format!(
                "needs {needed} open files and may have {allowed}: take fewer --users, or raise the limit \
                 (ulimit -n)"
            )),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("cannot raise the limit of open files: {error}")),
        }
    }
}
