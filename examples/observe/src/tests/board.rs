//! What the board knows of connections.

use http_keepalive::Stats;
use tokio::time::sleep;

use super::{Rig, SECOND};
use crate::board::RowState;
use crate::servers::SITES;

/// The client's: quick to close, and with a hint.
const QUICK: usize = 0;
/// Three hundred milliseconds of round trip.
const FAR: usize = 1;

/// What is left of the deadline of the only connection, and what was allowed.
#[track_caller]
fn left(rig: &Rig) -> [u128; 2] {
    match rig.rows(QUICK)[..] {
        [ref row] => match row.state {
            RowState::Idle { left, allowed } => [left.as_millis(), allowed.as_millis()],
            ref other => panic!("{other:?}"),
        },
        ref rows => panic!("{rows:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_has_its_deadline_and_is_gone_then() {
    let rig = Rig::new();

    rig.ask(QUICK).await.unwrap();
    // Two seconds since the request was sent, less a tenth; the round trip is over.
    assert_eq!(left(&rig), [1_700, 1_700]);
    sleep(SECOND).await;
    assert_eq!(left(&rig), [700, 1_700]);
    assert!(rig.closes().is_empty());

    sleep(SECOND).await;
    assert!(rig.rows(QUICK).is_empty());
    assert_eq!(rig.closes(), [("at its idle deadline", 1)]);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_begins_anew_with_each_response() {
    let rig = Rig::new();

    for requests in 1..4 {
        rig.ask(QUICK).await.unwrap();
        assert_eq!(left(&rig), [1_700, 1_700]);
        assert_eq!(rig.rows(QUICK)[0].requests, requests);
        sleep(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_active_while_a_request_is_under_way() {
    let rig = Rig::new();
    let asked = async {
        // Connecting takes 300 ms, and so does the exchange.
        sleep(SECOND / 2).await;
        let [row] = &rig.rows(FAR)[..] else {
            panic!("{:?}", rig.rows(FAR));
        };
        let elapsed = SECOND / 5;
        assert_eq!(row.state, RowState::Active { elapsed });
    };

    let (answer, ()) = tokio::join!(rig.ask(FAR), asked);

    answer.unwrap();
    assert!(matches!(rig.rows(FAR)[0].state, RowState::Idle { .. }));
    assert!(rig.rows(QUICK).is_empty(), "of the other server");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_closes_its_connections_and_takes_none() {
    let rig = Rig::new();
    rig.ask(QUICK).await.unwrap();
    let server = &rig.servers.all()[QUICK];

    server.toggle();
    sleep(SECOND).await;
    assert!(!server.is_running());
    assert!(rig.rows(QUICK).is_empty());
    assert_eq!(rig.closes(), [("by the server, while it was idle", 1)]);
    rig.ask(QUICK).await.unwrap_err();
    rig.ask(FAR).await.unwrap();

    server.toggle();
    rig.ask(QUICK).await.unwrap();
    let numbers = |origin: usize| {
        rig.board.with_counts(&SITES[origin].origin(), |counts| {
            let tally = &counts.tally;
            (counts.opened, tally.requests, tally.failed)
        })
    };
    assert_eq!(numbers(QUICK), (2, 3, 1));
    assert_eq!(numbers(FAR), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_breaks_what_is_under_way() {
    let rig = Rig::new();
    rig.ask(FAR).await.unwrap();
    let stop = async {
        // The request arrives after 150 ms.
        sleep(SECOND / 10).await;
        rig.servers.all()[FAR].toggle();
    };

    let (answer, ()) = tokio::join!(rig.ask(FAR), stop);

    answer.unwrap_err();
    assert_eq!(
        rig.closes(),
        [("by the server, as a request was on its way", 1)]
    );
    assert_eq!(rig.board.stats().stale_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn the_board_waits_until_all_connections_are_closed() {
    let rig = Rig::new();
    for server in 0..SITES.len() {
        rig.ask(server).await.unwrap();
        rig.ask(server).await.unwrap();
    }

    rig.board.closed().await;

    let counted: Stats = rig.board.stats();
    assert_eq!((counted.opened, counted.retired.idle_deadline), (3, 3));
    assert_eq!(counted, rig.keep_alive.stats());
}
