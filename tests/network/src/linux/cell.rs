//! One client in one scenario.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;
use tokio::runtime;
use tokio::time::sleep;

use super::forwarder::Forwarder;
use super::host::{self, CLIENT, SERVER};
use super::link::Link;
use super::middlebox::Middlebox;
use super::process::{Task, spawn};
use super::servers;
use super::users::{Outcome, Plan, SENDING};

/// How long the client is stopped beyond T, in turn. Up to the round trip of 200 ms, the servers have
/// closed and the client cannot have seen it.
const BEYOND: [Duration; 6] = [
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(90),
    Duration::from_millis(150),
    Duration::from_millis(400),
    Duration::from_millis(1000),
];

/// When the requests are written, but not answered yet.
const WRITTEN: Duration = Duration::from_millis(60);

/// Starts a plan in namespaces of its own.
pub fn start(plan: Plan) -> JoinHandle<Result<Outcome, String>> {
    // The namespaces are those of the thread, and its processes end with it.
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        runtime.block_on(run(plan))
    })
}

async fn run(plan: Plan) -> Result<Outcome, String> {
    let setting = plan.scenario.setting();
    let server_device = host::enter(SERVER).await?;
    let mut children = Vec::from(servers::start(setting.idle_timeout).await?);
    let client_device = host::enter(CLIENT).await?;
    if setting.has_relay {
        children.push(servers::start_relay().await?);
    }
    let mut client = spawn(&Task::Client(plan))?;

    let forgets = setting.forgets;
    let middlebox = forgets.map(|(after, response)| Middlebox::new(after, response));
    let link = Link::new(setting.quality, middlebox, plan.seed);
    let mut forwarder = Forwarder::new(client_device, server_device, link);
    let outcome = tokio::select! {
        outcome = attend(&mut client, setting.idle_timeout) => outcome,
        stopped = forwarder.run() => Err(format!("cannot forward packets: {stopped:?}")),
    };
    children.push(client);
    for mut child in children {
        let _ = child.kill().await;
    }
    let mut outcome = outcome?;
    outcome.late = outcome.late.max(forwarder.late().as_secs_f64());
    Ok(outcome)
}

/// Waits for what a client says in the end, and stops it whenever it says that it sends.
async fn attend(client: &mut Child, idle_timeout: Duration) -> Result<Outcome, String> {
    let says_nothing = || "a client ended without a word".to_owned();
    let output = client.stdout.take().ok_or_else(says_nothing)?;
    let mut lines = BufReader::new(output).lines();
    let mut beyond = BEYOND.iter().cycle();
    let failed = |error: io::Error| error.to_string();
    while let Some(line) = lines.next_line().await.map_err(failed)? {
        if line == SENDING {
            sleep(WRITTEN).await;
            signal(client, Signal::SIGSTOP)?;
            sleep(idle_timeout + beyond.next().copied().unwrap_or_default()).await;
            signal(client, Signal::SIGCONT)?;
        } else {
            return serde_json::from_str(&line).map_err(|error| error.to_string());
        }
    }
    Err(says_nothing())
}

fn signal(child: &Child, signal: Signal) -> Result<(), String> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let id = id.ok_or("a client ended while it was stopped")?;
    kill(Pid::from_raw(id), signal).map_err(|error| error.to_string())
}
