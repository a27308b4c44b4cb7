//! Sockets are files, and a process may open only so many.

use rlimit::increase_nofile_limit;

use crate::race::Race;

/// Makes sure that the race may open what it needs.
pub fn reserve(race: &Race) -> Result<(), String> {
    let connections = race.gaps.users().len() * race.scenarios.len() * race.clients.len();
    // Both ends are here. While one connection closes, the next may be open already; and a user who
    // learns alone may keep one that is only watched.
    let needed = (connections * 2 + connections + 100) as u64;
    match increase_nofile_limit(needed) {
        Ok(allowed) if allowed < needed => Err(format!(
            "needs {needed} open files and may have {allowed}: take fewer --users, --links or \
             --clients, or raise the limit (ulimit -n)"
        )),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot raise the limit of open files: {error}")),
    }
}
