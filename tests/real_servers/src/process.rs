//! A server's process: started on a free port, and never left running.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::servers::Server;

/// Where `install` puts what is written in Python.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/real_servers/python/bin"
);

/// How long a server may take until it answers: Go builds its program first.
const START: Duration = Duration::from_secs(90);

/// How often a server is started, as its port may be taken by somebody else in the meantime.
const ATTEMPTS: usize = 3;

/// A server that runs, until this is dropped.
pub struct Process {
    server: Child,
    guard: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Process {
    /// Starts a server with that idle timeout, before an origin if it is a proxy for one, and waits until it answers
    /// `hello`.
    pub async fn start(
        server: &Server,
        origin: Option<SocketAddr>,
        idle: Duration,
        hello: &[u8],
    ) -> Result<Self, String> {
        let mut failure = String::new();
        for _ in 0..ATTEMPTS {
            let started = Self::spawn(server, origin, idle);
            let mut process = started.map_err(|error| format!("does not start: {error}"))?;
            match process.ready(hello).await {
                Ok(()) => return Ok(process),
                Err(why) => failure = why,
            }
        }
        Err(failure)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Fails if the server has ended.
    pub fn check(&mut self) -> Result<(), String> {
        match self.server.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("it ended ({status}){}", self.output())),
            Err(error) => Err(error.to_string()),
        }
    }

    fn spawn(server: &Server, origin: Option<SocketAddr>, idle: Duration) -> io::Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        // The server may go on as a user who may read no more than everybody.
        let everybody = fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().permissions(everybody).tempdir()?;
        let origin = origin.map_or_else(String::new, |origin| origin.to_string());
        let fill = |text: &str| {
            text.replace("@PORT@", &address.port().to_string())
                .replace("@DIR@", &folder.path().display().to_string())
                .replace("@IDLE@", &idle.as_secs().to_string())
                .replace("@ORIGIN@", &origin)
        };
        for (name, text) in server.files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap_or_else(|| folder.path()))?;
            fs::write(path, fill(text))?;
        }

        let output = File::create(folder.path().join(OUTPUT))?;
        let mut server = Command::new(server.command[0])
            .args(server.command[1..].iter().map(|text| fill(text)))
            .envs(
                server
                    .environment
                    .iter()
                    .map(|(name, text)| (name, fill(text))),
            )
            .env("PATH", std::env::join_paths(programs()).unwrap_or_default())
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        let guard = guard(server.id()).inspect_err(|_| {
            let _ = server.kill();
        })?;
        Ok(Self {
            server,
            guard,
            address,
            folder,
        })
    }

    async fn ready(&mut self, hello: &[u8]) -> Result<(), String> {
        let attempts = async {
            loop {
                self.check()?;
                if ask(self.address, hello).await.is_ok() {
                    // This one, and not somebody else who was given the port sooner.
                    return self.check();
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        match timeout(START, attempts).await {
            Ok(ready) => ready,
            Err(_) => Err(format!("no answer within {START:?}{}", self.output())),
        }
    }

    /// What the server has said so far, for people.
    fn output(&self) -> String {
        let text = fs::read(self.folder.path().join(OUTPUT)).unwrap_or_default();
        format!("; it said:\n{}", String::from_utf8_lossy(&text))
    }
}

/// The file with a server's standard output and standard error.
const OUTPUT: &str = "output";

impl Drop for Process {
    fn drop(&mut self) {
        // To wait for the guard closes its standard input, and with that its work begins.
        let _ = self.guard.wait();
        let _ = self.server.wait();
    }
}

/// Kills a group of processes when its standard input ends: when this process says so, or when it
/// ends, however it does.
fn guard(group: u32) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", "read -r line; kill -s KILL -- \"-$0\""])
        .arg(group.to_string())
        // What ends the tests from a terminal must not end the guard before it has done its work.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

/// What HTTP servers answer.
pub const HTTP: &[u8] = b"GET / HTTP/1.1\r\nhost: server.test\r\n\r\n";

/// Says something straight to a server, and waits for the first byte of the answer.
pub async fn ask(server: SocketAddr, hello: &[u8]) -> io::Result<TcpStream> {
    let mut connection = TcpStream::connect(server).await?;
    connection.write_all(hello).await?;
    connection.read_u8().await?;
    Ok(connection)
}

/// A port that nobody listens on, and that was not given out before.
fn free_port() -> io::Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if given.insert(port) {
            return Ok(port);
        }
    }
}

/// Whether a program can be run: a name that stands in one of the folders, or a path.
pub fn is_installed(program: &str) -> bool {
    programs().any(|folder| folder.join(program).is_file())
}

/// The folders in which programs are looked for.
fn programs() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = [PYTHON, "/usr/sbin", "/usr/local/sbin"].map(Path::new);
    let more = more.map(Path::to_owned);
    std::env::split_paths(&path)
        .collect::<Vec<_>>()
        .into_iter()
        .chain(more)
}
