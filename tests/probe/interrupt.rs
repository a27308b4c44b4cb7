//! Ctrl-C, and SIGTERM.

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::run::{Run, Running};
use crate::server::{OK, Server, request, until_closed};

/// A program that the server has seen so many requests of. The server answers, or does not.
async fn asking(requests: usize, is_answered: bool, arguments: &[&str]) -> (Running, Server) {
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
    let url = server.url();
    let always = ["--json", &*url, "--max-wait", "86400"];
    let run = Running::start(&[&always, arguments].concat(), &[]);
    for _ in 0..requests {
        events.recv().await.unwrap();
    }
    (run, server)
}

fn send(run: &Running, signal: Signal) {
    let process = Pid::from_raw(run.id().try_into().unwrap()).unwrap();
    kill_process(process, signal).unwrap();
}

/// Runs until the server has seen so many requests, and is interrupted.
async fn interrupted(signal: Signal, requests: usize, is_answered: bool) -> Run {
    let (run, _server) = asking(requests, is_answered, &[]).await;
    send(&run, signal);
    let run = run.end().await;
    assert_eq!(run.report["interrupted"], true, "{run:?}");
    run
}

#[tokio::test]
async fn what_is_known_is_printed() {
    for signal in [Signal::INT, Signal::TERM] {
        // The first response was read before the second connection was opened.
        let run = interrupted(signal, 2, true).await;

        assert_eq!(run.address()["response"]["status"], 200);
        assert_eq!(run.idle()[0]["connection"], 1);
        assert_eq!(run.idle()[0]["end"]["kind"], "open");
        assert!(run.address()["error"].is_null(), "{run:?}");
        assert!(run.address()["timeout"].is_null(), "{run:?}");
        run.concludes("nothing_found");
    }
}

#[tokio::test]
async fn a_response_is_not_waited_for() {
    let run = interrupted(Signal::INT, 1, false).await;

    assert_eq!(run.error(), "interrupted");
    assert!(run.address()["response"].is_null());
    assert_eq!(
        run.address()["connections"][0]["exchanges"][0]["status"],
        serde_json::Value::Null
    );
    run.concludes("failed");
}

#[tokio::test]
async fn a_second_signal_ends_a_program_whose_output_nobody_reads() {
    // It repeats them, which is more than a pipe holds.
    let long = ["x".repeat(100_000), "y".repeat(100_000)];
    let arguments = [&*long[0], &*long[1]];
    for signal in [Signal::INT, Signal::TERM] {
        let (mut run, _server) = asking(1, true, &arguments).await;
        send(&run, signal);
        run.printing().await;
        send(&run, signal);

        assert_eq!(run.status_unread().await, Some(130));
    }
}

#[tokio::test]
async fn the_first_signal_ends_a_program_that_has_measured() {
    let long = ["x".repeat(100_000), "y".repeat(100_000)];
    let mut run = Running::start(&["--json", &*long[0], &*long[1]], &[]);
    run.printing().await;
    send(&run, Signal::INT);

    assert_eq!(run.status_unread().await, Some(130));
}
