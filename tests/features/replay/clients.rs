//! The policy around each client there is, beside what the server has read.

use http_keepalive::{Attempts, Provenance, ReplayPolicy, RequestOutcome};
use tower::retry::RetryLayer;

use crate::clients::{Answer, BoxError, Call, End, Rig, for_all_clients, post};
use crate::support::clock::TIMEOUT;

/// Each with a body, by which the server knows it.
fn call(method: &'static str) -> Call {
    Call {
        method,
        ..post("second")
    }
}

fn with_field(name: &'static str, value: &'static str) -> Call {
    Call {
        field: Some((name, value)),
        ..call("POST")
    }
}

/// What the server does with a request on a connection that was used.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Takes it, and closes.
    Closed,
    /// Takes it, sends the beginning of a head, and closes.
    Interrupted,
    /// Answers with this status.
    Answered(&'static str),
}

/// Sends a request over a connection that was used. What comes on other connections is answered. Returns the bodies
/// that the server has read, too.
async fn send(rig: &mut Rig, call: Call, fate: Fate) -> (Result<Answer, BoxError>, Vec<String>) {
    let mut end = rig.used().await.unwrap();
    let mut seen = Vec::new();
    let answer = tokio::select! {
        answer = (rig.send)(call) => answer,
        () = async {
            seen.push(end.request().await);
            match fate {
                Fate::Closed => {}
                Fate::Interrupted => end.send("HTTP/1.1 2").await,
                Fate::Answered(status) => {
                    end.send(&format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")).await;
                    std::future::pending().await
                }
            }
            end.close();
            let mut others: Vec<End> = Vec::new();
            while let Some(mut other) = rig.ends.recv().await {
                seen.push(other.serve().await);
                others.push(other);
            }
        } => unreachable!("there may always be another"),
    };
    (answer, seen)
}

#[track_caller]
fn assert_repeated(answer: Result<Answer, BoxError>, failure: RequestOutcome) {
    let answer = answer.unwrap();
    let attempts = Attempts::of_extensions(&answer.extensions);
    assert_eq!(attempts.count(), 2);
    assert_eq!(attempts.last_failure().unwrap().outcome(), failure);
    assert_eq!(attempts.last_failure().unwrap().connection(), Some(0));
    let last = answer.provenance();
    assert_eq!(last.outcome(), RequestOutcome::Answered);
    assert_eq!(last.connection(), Some(1));
    assert_eq!(last.request_number(), 1);
}

async fn what_is_stale_and_idempotent_is_sent_once_more(mut rig: Rig) {
    let (answer, seen) = send(&mut rig, call("GET"), Fate::Closed).await;

    assert_repeated(answer, RequestOutcome::Stale);
    assert_eq!(seen, ["second", "second"]);
}

async fn what_is_stale_and_has_a_key_is_sent_once_more(mut rig: Rig) {
    let call = with_field("Idempotency-Key", "\"8e03978e\"");
    let (answer, seen) = send(&mut rig, call, Fate::Closed).await;

    assert_repeated(answer, RequestOutcome::Stale);
    assert_eq!(seen, ["second", "second"]);
}

async fn a_rule_allows_what_is_stale_to_be_sent_once_more(mut rig: Rig) {
    let (answer, seen) = send(&mut rig, with_field("x-rule", "1"), Fate::Closed).await;

    assert_repeated(answer, RequestOutcome::Stale);
    assert_eq!(seen, ["second", "second"]);
}

async fn what_is_stale_and_not_idempotent_is_left_alone(mut rig: Rig) {
    let sent = send(&mut rig, call("POST"), Fate::Closed).await;

    assert_left_alone(&mut rig, sent);
}

async fn what_is_stale_and_has_an_empty_key_is_left_alone(mut rig: Rig) {
    let call = with_field("Idempotency-Key", "");
    let sent = send(&mut rig, call, Fate::Closed).await;

    assert_left_alone(&mut rig, sent);
}

#[track_caller]
fn assert_left_alone(rig: &mut Rig, (answer, seen): (Result<Answer, BoxError>, Vec<String>)) {
    let error = answer.err().unwrap();
    let provenance = Provenance::of_error(&*error).unwrap();
    assert_eq!(provenance.outcome(), RequestOutcome::Stale);
    assert_eq!(seen, ["second"], "the server has it once");
    assert!(!rig.is_reconnected());
}

async fn what_is_interrupted_is_left_alone(mut rig: Rig) {
    let (answer, seen) = send(&mut rig, call("GET"), Fate::Interrupted).await;

    answer.err().unwrap();
    assert_eq!(seen, ["second"]);
    assert!(!rig.is_reconnected());
}

async fn what_is_unanswered_is_left_alone(mut rig: Rig) {
    let mut end = None;
    let answer = rig.exchange(call("GET"), &mut end, async |end| {
        end.request().await;
        end.close();
    });
    answer.await.err().unwrap();
    assert!(!rig.is_reconnected());
}

async fn what_is_answered_is_left_alone_whatever_the_status(mut rig: Rig) {
    let fate = Fate::Answered("503 Service Unavailable");
    let (answer, seen) = send(&mut rig, call("GET"), fate).await;

    let extensions = answer.unwrap().extensions;
    assert_eq!(Attempts::of_extensions(&extensions).count(), 1);
    assert_eq!(seen, ["second"]);
}

/// hyper-util's client would have sent it again by itself, which it is told not to do here.
async fn what_was_queued_for_a_connection_that_closed_itself_is_sent_again(mut rig: Rig) {
    let first = rig.used().await.unwrap();
    rig.clock.suspend(TIMEOUT);

    let mut second = None;
    let answer = rig.exchange(call("POST"), &mut second, async |end| {
        assert_eq!(end.serve().await, "second");
    });

    assert_repeated(answer.await, RequestOutcome::Unsent);
    assert_eq!(first.rest().await, 0, "the server saw it once");
}

fn layer() -> RetryLayer<ReplayPolicy> {
    let builder = ReplayPolicy::builder();
    let builder = builder.idempotent_if(|request| request.headers().contains_key("x-rule"));
    RetryLayer::new(builder.build().unwrap())
}

for_all_clients! {
    layer();
    what_is_stale_and_idempotent_is_sent_once_more
    what_is_stale_and_has_a_key_is_sent_once_more
    a_rule_allows_what_is_stale_to_be_sent_once_more
    what_is_stale_and_not_idempotent_is_left_alone
    what_is_stale_and_has_an_empty_key_is_left_alone
    what_is_interrupted_is_left_alone
    what_is_unanswered_is_left_alone
    what_is_answered_is_left_alone_whatever_the_status
    what_was_queued_for_a_connection_that_closed_itself_is_sent_again
}
