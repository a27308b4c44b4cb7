//! What became of a request, as the clients tell it that features add, beside what the server saw.

use http_keepalive::{Extent, Provenance, RequestOutcome};
use tower::layer::util::Identity;

use crate::clients::{Answer, BoxError, Rig, for_all_clients, post};
use crate::support::clock::TIMEOUT;

#[track_caller]
fn assert_failed(answer: Result<Answer, BoxError>, outcome: RequestOutcome) -> Provenance {
    let error = answer.err().expect("a failure");
    let provenance = Provenance::of_error(&*error).expect("its connection is known");
    assert_eq!(provenance.outcome(), outcome, "{error:?}");
    provenance
}

async fn a_request_without_a_connection_is_unsent(mut rig: Rig) {
    let answer = (rig.send_to_nobody)(post("x")).await;

    let provenance = assert_failed(answer, RequestOutcome::Unsent);

    assert_eq!(provenance.connection(), None);
    assert!(!rig.is_reconnected(), "the server saw no connection");
}

/// The client has to be one that does not send it on another connection by itself.
async fn a_request_for_a_connection_that_closed_itself_is_unsent(mut rig: Rig) {
    let end = rig.used().await.unwrap();
    rig.clock.suspend(TIMEOUT);

    let provenance = assert_failed((rig.send)(post("second")).await, RequestOutcome::Unsent);

    assert_eq!(provenance.connection(), Some(0));
    assert_eq!(provenance.request_number(), 2);
    assert_eq!(end.rest().await, 0, "the server saw nothing of it");
    assert!(!rig.is_reconnected());
}

async fn a_request_that_the_server_took_on_a_used_connection_is_stale(mut rig: Rig) {
    let mut end = rig.used().await;

    // What the server does with it, nobody knows.
    let mut seen = None;
    let answer = rig.exchange(post("second"), &mut end, async |end| {
        seen = Some(end.request().await);
        end.close();
    });
    let answer = answer.await;

    let provenance = assert_failed(answer, RequestOutcome::Stale);
    assert_eq!(seen.as_deref(), Some("second"));
    assert_eq!(provenance.connection(), Some(0));
    assert_eq!(provenance.request_number(), 2);
    assert_eq!(provenance.written(), Extent::All);
    assert!(!rig.is_reconnected(), "it was sent once");
}

async fn a_request_that_the_server_took_on_a_new_connection_is_unanswered(mut rig: Rig) {
    let (mut seen, mut end) = (None, None);
    let answer = rig.exchange(post("first"), &mut end, async |end| {
        seen = Some(end.request().await);
        end.close();
    });
    let answer = answer.await;

    let provenance = assert_failed(answer, RequestOutcome::Unanswered);
    assert_eq!(seen.as_deref(), Some("first"));
    assert!(!provenance.is_reused());
    assert!(!rig.is_reconnected(), "it was sent once");
}

async fn a_request_with_a_part_of_a_head_is_interrupted(mut rig: Rig) {
    let mut end = rig.used().await;

    let mut seen = None;
    let answer = rig.exchange(post("second"), &mut end, async |end| {
        seen = Some(end.request().await);
        end.send("HTTP/1.1 200 OK\r\ncontent-le").await;
        end.close();
    });
    let answer = answer.await;

    let provenance = assert_failed(answer, RequestOutcome::Interrupted);
    assert_eq!(seen.as_deref(), Some("second"));
    assert_eq!(provenance.answered(), Extent::Part);
}

async fn a_response_whose_body_breaks_off_is_interrupted(mut rig: Rig) {
    let mut end = rig.used().await;

    let answer = rig.exchange(post("second"), &mut end, async |end| {
        assert_eq!(end.request().await, "second");
        end.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
            .await;
        end.close();
    });
    let answer = answer.await.expect("a head");

    answer.body.as_ref().unwrap_err();
    let provenance = answer.provenance();
    assert_eq!(provenance.outcome(), RequestOutcome::Interrupted);
    assert_eq!(provenance.request_number(), 2);
}

async fn a_response_that_comes_whole_is_answered(mut rig: Rig) {
    let mut end = rig.used().await;

    let answer = rig.exchange(post("second"), &mut end, async |end| {
        assert_eq!(end.request().await, "second");
        end.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwhole")
            .await;
    });
    let answer = answer.await.unwrap();

    assert_eq!(answer.body.as_deref().unwrap(), b"whole");
    let provenance = answer.provenance();
    assert_eq!(provenance.outcome(), RequestOutcome::Answered);
    assert_eq!(provenance.connection(), Some(0));
    assert_eq!(provenance.request_number(), 2);
    assert!(!rig.is_reconnected());
}

for_all_clients! {
    Identity::new();
    a_request_without_a_connection_is_unsent
    a_request_for_a_connection_that_closed_itself_is_unsent
    a_request_that_the_server_took_on_a_used_connection_is_stale
    a_request_that_the_server_took_on_a_new_connection_is_unanswered
    a_request_with_a_part_of_a_head_is_interrupted
    a_response_whose_body_breaks_off_is_interrupted
    a_response_that_comes_whole_is_answered
}
