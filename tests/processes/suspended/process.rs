//! The client's process, as its parent sees it.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::child::{JOB, Job, REPORT};

/// How long to wait for what must happen: a broken promise is then a failure, and no test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client in a process of its own, which is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Runs the test `child` of this very program.
    pub fn start(job: &Job) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "suspended::child", "--ignored", "--nocapture"])
            .env(JOB, job.write())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, said }
    }

    /// Waits for the next report.
    pub async fn report(&mut self) -> String {
        let report = async {
            loop {
                let line = self.said.next_line().await.unwrap();
                let line = line.expect("the child reports before it ends");
                if let Some(report) = line.strip_prefix(REPORT) {
                    return report.to_owned();
                }
            }
        };
        timeout(PATIENCE, report).await.expect("a report")
    }

    /// Waits until it waits: until none of its threads has anything to do.
    #[cfg(target_os = "linux")]
    pub async fn asleep(&self) {
        let threads = format!("/proc/{}/task", self.pid().as_raw_nonzero());
        let is_asleep = |thread: std::io::Result<std::fs::DirEntry>| {
            let stat = std::fs::read_to_string(thread.unwrap().path().join("stat")).unwrap();
            // Its state stands behind its name, which is in parentheses.
            stat.rsplit(')').next().unwrap().starts_with(" S ")
        };
        let waiting = async {
            while !std::fs::read_dir(&threads).unwrap().all(is_asleep) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("it waits");
    }

    /// Stops it, and waits until it is. Returns whether it had not ended before.
    pub async fn stop(&self) -> bool {
        let pid = self.pid();
        kill_process(pid, Signal::STOP).unwrap();
        let waiting = tokio::task::spawn_blocking(move || {
            // Leaves it for others to be waited for: it is still to end.
            let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            waitid(WaitId::Pid(pid), options).unwrap()
        });
        let status = timeout(PATIENCE, waiting).await.unwrap().unwrap();
        status.unwrap().stopped()
    }

    /// Lets it go on.
    pub fn resume(&self) {
        kill_process(self.pid(), Signal::CONT).unwrap();
    }

    /// Waits for its end.
    pub async fn end(mut self) {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("an end");
        assert!(status.unwrap().success());
    }

    fn pid(&self) -> Pid {
        let id = self.child.id().expect("it was not waited for");
        Pid::from_raw(id.try_into().unwrap()).unwrap()
    }
}
