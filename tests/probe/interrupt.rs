//! Ctrl-C.

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::run::{Run, Running};
use crate::server::{OK, Server, request, until_closed};

/// Runs until the server has seen so many requests, and is interrupted. The server answers, or does not.
async fn interrupted(requests: usize, is_answered: bool) -> Run {
    let (seen, mut events) = mpsc::unbounded_channel();
    let server = Server::tcp(move |mut stream| {
        let seen = seen.clone();
        async move {
            while request(&mut stream).await.is_some() {
                let _ = seen.send(());
                if !is_answered {
                    return until_closed(&mut stream).await;
                }
                let _ = stream.write_all(OK.as_bytes()).await;
            }
        }
    })
    .await;
    let run = Running::start(&["--json", &server.url(), "--max-wait", "86400"], &[]);
    for _ in 0..requests {
        events.recv().await.unwrap();
    }
    let process = Pid::from_raw(run.id().try_into().unwrap()).unwrap();
    kill_process(process, Signal::INT).unwrap();
    let run = run.end().await;
    assert_eq!(run.report["interrupted"], true, "{run:?}");
    run
}

#[tokio::test]
async fn what_is_known_is_printed() {
    // The first response was read before the second connection was opened.
    let run = interrupted(2, true).await;

    assert_eq!(run.address()["response"]["status"], 200);
    assert_eq!(run.idle()[0]["connection"], 1);
    assert_eq!(run.idle()[0]["end"]["kind"], "open");
    assert!(run.address()["error"].is_null(), "{run:?}");
    assert!(run.address()["timeout"].is_null(), "{run:?}");
    run.concludes("nothing_found");
}

#[tokio::test]
async fn a_response_is_not_waited_for() {
    let run = interrupted(1, false).await;

    assert_eq!(run.error(), "interrupted");
    assert!(run.address()["response"].is_null());
    assert_eq!(
        run.address()["connections"][0]["exchanges"][0]["status"],
        serde_json::Value::Null
    );
    run.concludes("failed");
}
