//! The load: what it loses without this crate, and that it can be paused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::sleep;

use super::SECOND;
use crate::load::Load;
use crate::servers::{SITES, Servers};
use crate::support::client::{builder, plain};
use crate::trial::{Running, Trial};

fn start() -> Running {
    let trial = Trial {
        users: 4,
        has_metrics: false,
    };
    trial.start(builder()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_request_fails_and_the_observer_counts_what_the_crate_does() {
    let running = start();

    sleep(300 * SECOND).await;

    let view = running.view();
    assert_eq!(view.sum(|server| server.failed), 0);
    assert!(view.sum(|server| server.requests) > 1_000);
    for server in &view.servers {
        assert!(server.opened > 10, "{server:?}");
        assert!(server.reused > 10, "{server:?}");
    }
    let (counted, stats) = running.stop().await;
    assert_eq!(counted, stats);
    let sums = [
        view.sum(|server| server.opened),
        view.sum(|server| server.reused),
    ];
    assert_eq!(sums, [stats.opened, stats.reused]);
}

/// The control.
#[tokio::test(start_paused = true)]
async fn without_this_crate_requests_to_each_server_fail() {
    let servers = Servers::start(&SITES);
    let failed: Arc<[AtomicU64; 3]> = Arc::default();
    let counted = Arc::clone(&failed);

    let load = Load::start(
        &SITES,
        4,
        || plain(servers.clone()),
        move |site, outcome| {
            let mut sites = SITES.iter();
            let index = sites.position(|it| it.host == site.host).unwrap();
            counted[index].fetch_add(outcome.is_err().into(), Ordering::Relaxed);
        },
    );
    sleep(300 * SECOND).await;
    load.stop().await;

    for failed in failed.iter() {
        assert!(failed.load(Ordering::Relaxed) > 10, "{failed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_is_paused_makes_no_request_and_its_connections_end() {
    let running = start();
    sleep(10 * SECOND).await;

    running.load.toggle_pause();
    sleep(SECOND).await;
    let before = running.view();
    sleep(20 * SECOND).await;
    let paused = running.view();

    assert!(paused.is_paused);
    let requests = |view: &crate::view::View| view.sum(|server| server.requests);
    assert_eq!(requests(&paused), requests(&before));
    assert_eq!(paused.sum(|server| server.rows.len() as u64), 0);

    running.load.toggle_pause();
    sleep(10 * SECOND).await;
    assert!(requests(&running.view()) > requests(&paused));
}
