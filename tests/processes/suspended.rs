//! A client whose process is stopped (`SIGSTOP`) past its server's idle timeout while requests are
//! due, and then goes on (`SIGCONT`): over real sockets, in real time, with a process of its own. Each
//! promise stands beside the same program without this crate, failing.
//!
//! What this shows:
//!
//! 1. Requests that fell due meanwhile are not sent on connections whose time has passed, though no
//!    timer of the client's could say so: the one for the request is due as well as the one for the
//!    connection, and when the process goes on, any of them may come first.
//! 2. The same for a connection that was in the middle of a response, the rest of which waited in the
//!    socket. It is read long after the server has written it; what counts is when its first byte came.
//! 3. The same for a response that waited from its first byte on. That looks like one of a server that took
//!    its time; what counts is when its request was sent.
//!
//! What it does not show:
//!
//! * Whether the wall clock is asked: the monotonic clock goes on while a process is stopped, and says
//!   the same. It stands still while a machine is suspended, which no test can do to the machine that
//!   it runs on. For that, clocks are driven by hand, in `real_sockets.rs` and `footprint/deadlines.rs`.
//!
//! Nothing depends on how long anything takes: the parent waits for the client's reports, for the
//! system to say that it is stopped, and for the server to have closed. If the client was not stopped
//! in time all the same, on a machine that is busy, that proves nothing, and is done again with more
//! time.

mod child;
mod process;
mod relay;
mod trial;

use std::time::Duration;

use self::relay::Goodbye;
use self::trial::{Stopped, Trial};

/// How many requests fail of those that are due, one on each connection.
async fn lost(stopped: Stopped, goodbye: Goodbye, is_guarded: bool) -> usize {
    // Enough for a machine on which nothing else runs, and then for others.
    for seconds in [1, 2, 4, 8, 16] {
        let trial = Trial {
            stopped,
            goodbye,
            is_guarded,
            timeout: Duration::from_secs(seconds),
        };
        if let Some(errors) = trial.errors().await {
            return errors.len();
        }
    }
    panic!("the client could not be stopped in time");
}

/// All of those that are due.
const ALL: usize = 4;

/// The client does not know yet that the server has closed: it slept together with its network, or
/// goes on just then.
mod while_connections_are_idle {
    use super::*;

    #[tokio::test]
    async fn without_this_crate_all_requests_that_fell_due_are_lost() {
        assert_eq!(lost(Stopped::Idle, Goodbye::IsOnItsWay, false).await, ALL);
    }

    #[tokio::test]
    async fn with_this_crate_no_request_is_lost() {
        assert_eq!(lost(Stopped::Idle, Goodbye::IsOnItsWay, true).await, 0);
    }

    /// That a process is stopped ends its wait for sockets, on Linux. When it goes on, timers are
    /// looked at without sockets having been: requests are sent, though the end of their connections
    /// has been there for long.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn without_this_crate_all_requests_that_fell_due_are_lost_though_the_close_has_arrived() {
        assert_eq!(lost(Stopped::Idle, Goodbye::Arrives, false).await, ALL);
    }

    #[tokio::test]
    async fn with_this_crate_no_request_is_lost_where_the_close_has_arrived() {
        assert_eq!(lost(Stopped::Idle, Goodbye::Arrives, true).await, 0);
    }
}

mod in_the_middle_of_a_response {
    use super::*;

    /// Few bytes for which this side waited, and that are read late, are taken for those of a server that paused:
    /// it is the price for keeping connections whose responses come slowly.
    #[tokio::test]
    async fn the_next_request_is_lost_with_or_without_this_crate() {
        for guarded in [false, true] {
            let lost = lost(Stopped::Receiving, Goodbye::IsOnItsWay, guarded);
            assert_eq!(lost.await, 1, "guarded: {guarded}");
        }
    }
}

mod before_a_response_has_begun {
    use super::*;

    /// To the client, the server has answered just now.
    #[tokio::test]
    async fn without_this_crate_the_next_request_is_lost() {
        let lost = lost(Stopped::Waiting, Goodbye::IsOnItsWay, false);
        assert_eq!(lost.await, 1);
    }

    #[tokio::test]
    async fn with_this_crate_no_request_is_lost() {
        let lost = lost(Stopped::Waiting, Goodbye::IsOnItsWay, true);
        assert_eq!(lost.await, 0);
    }
}

#[tokio::test]
#[ignore = "run by the others, in a process of its own"]
async fn child() {
    child::run().await;
}
