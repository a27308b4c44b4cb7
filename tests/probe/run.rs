//! Runs of the program.

use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// How long a run may take: one that takes longer never ends.
const PATIENCE: Duration = Duration::from_secs(120);

/// How often a run is repeated that the machine has held up.
const ATTEMPTS: usize = 5;

/// What may lie between the server's timeout and the idle time at which the probe finds the close, in seconds, unless
/// the machine holds one of them up. Two closes that are seen so agree.
const STEADY: f64 = 0.05;

/// What a run has printed.
#[derive(Debug)]
pub struct Run {
    pub stdout: String,
    pub stderr: String,
    pub status: Option<i32>,
    /// `Null` if something else was printed than JSON.
    pub report: Value,
}

impl Run {
    /// The first URL.
    pub fn target(&self) -> &Value {
        &self.report["targets"][0]
    }

    /// The first address of the first URL.
    pub fn address(&self) -> &Value {
        &self.target()["addresses"][0]
    }

    /// The idle connections that were watched at the first address.
    pub fn idle(&self) -> &[Value] {
        items(&self.address()["idle"])
    }

    /// Why the first URL, or its first address, could not be measured.
    pub fn error(&self) -> &str {
        let error = self.target()["error"].as_str();
        let error = error.or_else(|| self.address()["error"].as_str());
        error.unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    /// Whether the probe found each close when it happened: after this idle time, in seconds.
    pub fn is_closed_after(&self, timeout: f64) -> bool {
        let is_steady = |end: &Value| {
            end["end"]["kind"] != "open" && (seconds(&end["idle"]) - timeout).abs() < STEADY
        };
        self.idle().iter().all(is_steady)
    }

    /// Whether the probe watched each connection to the end: that is at this idle time, in seconds.
    pub fn is_open_until(&self, max_wait: f64) -> bool {
        let is_steady =
            |end: &Value| end["end"]["kind"] == "open" && seconds(&end["idle"]) >= max_wait;
        self.idle().iter().all(is_steady)
    }

    /// Checks what follows for the first URL, and the exit status.
    pub fn concludes(&self, outcome: &str) {
        self.exits_with(match outcome {
            "answered" => 0,
            "nothing_found" => 1,
            "too_short" => 2,
            "failed" => 3,
            _ => panic!("no outcome: {outcome}"),
        });
        assert_eq!(self.target()["outcome"], outcome, "{self:?}");
        let verdict = self.target()["verdict"].as_str().unwrap();
        assert!(
            !verdict.is_empty() && verdict.lines().count() == 1,
            "{verdict}"
        );
    }

    /// Checks the exit status of a run with a report.
    pub fn exits_with(&self, status: i32) {
        assert!(self.status.is_some(), "it was killed: {self:?}");
        assert_eq!(self.status, Some(status), "{self:?}");
    }
}

/// A run that has not ended. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    pub fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_with_stderr(Stdio::piped(), arguments, environment)
    }

    /// The same, with this standard error.
    pub fn start_with_stderr(
        stderr: Stdio,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_http-keepalive-probe"))
            .args(arguments)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn();
        Self {
            child: child.unwrap(),
        }
    }

    /// The process, as long as it was not waited for.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Waits until it has printed something, and reads some of it.
    pub async fn printing(&mut self) {
        let mut byte = [0];
        let stdout = self.child.stdout.as_mut().unwrap();
        stdout.read_exact(&mut byte).await.unwrap();
    }

    /// The exit status, without reading what it prints; `None` if it was killed.
    pub async fn status_unread(mut self) -> Option<i32> {
        // Held until it has ended.
        let _unread = self.child.stdout.take();
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        status.expect("it ends").unwrap().code()
    }

    pub async fn end(self) -> Run {
        let output = tokio::time::timeout(PATIENCE, self.child.wait_with_output()).await;
        let output = output.expect("it ends").unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let report = if stdout.starts_with('{') {
            serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"))
        } else {
            Value::Null
        };
        Run {
            stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
            status: output.status.code(),
            report,
        }
    }
}

/// Runs the program with `--json` and these arguments.
pub async fn probe(arguments: &[&str]) -> Run {
    Running::start(&[&["--json"], arguments].concat(), &[])
        .end()
        .await
}

/// The same, again and again while the machine holds the probe or its server up, which their times show.
pub async fn steady(arguments: &[&str], is_steady: impl Fn(&Run) -> bool) -> Run {
    let mut run = probe(arguments).await;
    for _ in 1..ATTEMPTS {
        if is_steady(&run) {
            return run;
        }
        run = probe(arguments).await;
    }
    assert!(is_steady(&run), "{ATTEMPTS} runs were held up: {run:?}");
    run
}

/// The items of an array.
pub fn items(value: &Value) -> &[Value] {
    value
        .as_array()
        .unwrap_or_else(|| panic!("no array: {value}"))
}

/// A time.
pub fn seconds(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("no time: {value}"))
}

/// How the watched connections ended, each kind once.
pub fn kinds(run: &Run) -> Vec<&str> {
    let kinds = run
        .idle()
        .iter()
        .map(|idle| idle["end"]["kind"].as_str().unwrap());
    let mut kinds: Vec<_> = kinds.collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}
