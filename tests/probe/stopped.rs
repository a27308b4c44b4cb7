//! A probe that does not get the processor for a while.

use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Notify, mpsc};

use crate::run::{Running, seconds};
use crate::server::{OK, Server, request, until_closed};

/// Much longer than a look at a connection may be late.
const STOPPED: Duration = Duration::from_secs(1);

#[tokio::test]
async fn connections_are_watched_on() {
    let (seen, mut events) = mpsc::unbounded_channel();
    let closing = Arc::<Notify>::default();
    let told = Arc::clone(&closing);
    let server = Server::tcp(move |mut stream| {
        let (seen, closing) = (seen.clone(), Arc::clone(&closing));
        async move {
            if request(&mut stream).await.is_some() {
                let _ = stream.write_all(OK.as_bytes()).await;
                let _ = seen.send(());
                tokio::select! {
                    () = closing.notified() => {}
                    () = until_closed(&mut stream) => {}
                }
            }
        }
    })
    .await;
    let arguments = ["--json", &*server.url(), "--max-wait", "60"];
    let run = Running::start(&arguments, &[]);
    let process = Pid::from_raw(run.id().try_into().unwrap()).unwrap();
    for _ in 0..2 {
        events.recv().await.unwrap();
    }
    kill_process(process, Signal::STOP).unwrap();
    tokio::time::sleep(STOPPED).await;
    kill_process(process, Signal::CONT).unwrap();
    // Time to look at the connections once more.
    tokio::time::sleep(STOPPED).await;
    told.notify_one();
    tokio::time::sleep(STOPPED).await;
    // All that are there, and those that come.
    let all = tokio::spawn(async move {
        loop {
            told.notify_one();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let run = run.end().await;
    all.abort();

    for idle in &run.idle()[..2] {
        assert_eq!(idle["end"]["kind"], "fin", "{run:?}");
        assert!(seconds(&idle["idle"]) >= STOPPED.as_secs_f64(), "{run:?}");
    }
}
