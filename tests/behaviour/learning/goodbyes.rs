//! Servers that end an idle connection in words of their own.

use std::time::Duration;

use http_keepalive::{KeepAlivePolicy, Learn};
use tokio::time::{Instant, sleep};

use super::load::{Outcome, ask, outcome};
use super::origin::Origin;
use super::plan::{BAD_REQUEST, Farewell, LAST_CHUNK, Plan, TIMED_OUT, UNAVAILABLE};
use super::{MILLISECOND, RTT, SECOND, keep_alive};
use crate::support::client::{HttpClient, guarded, plain};

const FAREWELLS: [Farewell; 7] = [
    Farewell::Fin,
    Farewell::Reset,
    Farewell::Bytes(TIMED_OUT),
    Farewell::Bytes(LAST_CHUNK),
    Farewell::Bytes(BAD_REQUEST),
    Farewell::Bytes(UNAVAILABLE),
    Farewell::Bytes(b"bye"),
];

/// When a goodbye is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum When {
    /// Before the next request, or it crosses that request.
    InTime,
    /// With the next request, though it had come before: nobody looked.
    Late,
}

/// A response that may as well be the answer to a request, if it is found late.
fn is_ambiguous(farewell: Farewell) -> bool {
    matches!(farewell, Farewell::Bytes(BAD_REQUEST | UNAVAILABLE))
}

/// How many requests are answered by something else than their answer.
async fn lost<S: HttpClient>(origin: &Origin, client: &S, gaps: &[Duration], when: When) -> usize {
    let mut lost = 0;
    ask(client).await.unwrap();
    for gap in gaps.iter().cycle().take(20) {
        if let When::Late = when {
            origin.stall_until(Instant::now() + *gap + MILLISECOND);
        }
        sleep(*gap).await;
        lost += usize::from(outcome(&ask(client).await) == Outcome::Failed);
    }
    lost
}

#[tokio::test(start_paused = true)]
async fn no_goodbye_costs_more_than_two_requests() {
    let crossing = SECOND - RTT / 2;
    for (gaps, when) in [
        (&[crossing][..], When::InTime),
        (&[crossing, SECOND + 400 * MILLISECOND], When::InTime),
        (
            &[SECOND + 400 * MILLISECOND, crossing, crossing],
            When::InTime,
        ),
        (&[SECOND + 400 * MILLISECOND, 2 * SECOND], When::Late),
    ] {
        for farewell in FAREWELLS {
            let origin = || {
                Origin::new(move || Plan {
                    farewell,
                    ..Plan::fin(SECOND)
                })
            };
            for learn in [Learn::Shorten, Learn::Full] {
                let keep_alive = keep_alive(KeepAlivePolicy::default().learn(learn));
                let origin = origin();
                let client = guarded(&keep_alive, origin.connector());
                let lost = lost(&origin, &client, gaps, when).await;
                if when == When::InTime || !is_ambiguous(farewell) {
                    assert!(lost <= 2, "{farewell:?}, {gaps:?}, {when:?}: {lost}");
                }
            }

            // The control.
            let origin = origin();
            let client = plain(origin.connector());
            let lost = lost(&origin, &client, gaps, when).await;
            assert!(lost >= 5, "{farewell:?}, {gaps:?}, {when:?}: {lost}");
        }
    }
}
