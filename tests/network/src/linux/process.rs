//! Processes that end with the one that started them, and leave no file behind.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::servers;
use super::users::{self, Plan};

/// Where a contained program finds its files.
pub const FOLDER: &str = "/tmp";

/// Files, with their names in [`FOLDER`].
pub type Files = BTreeMap<&'static str, String>;

/// What a process that is started does.
#[derive(Debug, Deserialize, Serialize)]
pub enum Task {
    /// It is a client, and says in the end what became of it.
    Client(Plan),
    /// It is the server on hyper.
    Server { idle_timeout: Duration },
    /// It becomes another program, which finds the files that standard input tells.
    Contained { command: Vec<String> },
}

impl Task {
    /// Does it, in the process that was started for it.
    pub async fn run(self, parent: u32) -> Result<(), String> {
        die_with(parent)?;
        match self {
            Self::Client(plan) => users::run(&plan).await,
            Self::Server { idle_timeout } => servers::serve(idle_timeout).await,
            Self::Contained { command } => contain(&command),
        }
    }
}

/// Starts this program anew, in the network namespace of this thread, which must outlive it.
pub fn spawn(task: &Task) -> Result<Child, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let task = serde_json::to_string(task).map_err(|error| error.to_string())?;
    Command::new(program)
        .args(["internal", &std::process::id().to_string(), &task])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot start a process: {error}"))
}

/// Starts another program, which finds these files.
pub async fn spawn_contained(files: &Files, command: &[&str]) -> Result<Child, String> {
    let command = command.iter().map(|&part| part.to_owned()).collect();
    let mut child = spawn(&Task::Contained { command })?;
    if let Some(mut input) = child.stdin.take() {
        let files = serde_json::to_vec(files).map_err(|error| error.to_string())?;
        let written = input.write_all(&files).await;
        written.map_err(|error| error.to_string())?;
    }
    Ok(child)
}

/// Has the kernel kill this process when the thread that started it ends.
fn die_with(parent: u32) -> Result<(), String> {
    set_pdeathsig(Signal::SIGKILL).map_err(|error| error.to_string())?;
    if getppid().as_raw().unsigned_abs() == parent {
        Ok(())
    } else {
        Err("who started this has ended".to_owned())
    }
}

fn contain(command: &[String]) -> Result<(), String> {
    let files: BTreeMap<String, String> =
        serde_json::from_reader(std::io::stdin()).map_err(|error| error.to_string())?;
    // Nobody else sees this file system, and it ends with this process.
    let private = || {
        unshare(CloneFlags::CLONE_NEWNS)?;
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)?;
        mount(
            Some("tmpfs"),
            FOLDER,
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )
    };
    private().map_err(|error| format!("cannot mount a file system: {error}"))?;
    for (name, text) in files {
        fs::write(format!("{FOLDER}/{name}"), text).map_err(|error| error.to_string())?;
    }
    let [program, arguments @ ..] = command else {
        return Err("no program".to_owned());
    };
    // The signal that is set above is kept.
    let program = find(program).ok_or_else(|| format!("{program} is not installed"))?;
    let error = std::process::Command::new(&program)
        .args(arguments)
        // The one of this process may lie below the tmpfs, and HAProxy wants to be able to return to it.
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .exec();
    Err(format!("cannot run {}: {error}", program.display()))
}

/// Where a program is installed.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Not everybody's PATH has the folder of those that root runs.
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}
