//! The server to copy, as a process of its own.

#![cfg(unix)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "this is not the library"
)]

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// How long the test waits for the process before it gives up.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_signal_drains_and_a_second_one_ends_the_server() {
    let mut server = Process::start();
    let mut connection = server.connect();

    let before = ask(&mut connection);
    assert!(before.contains("keep-alive: timeout=65"), "{before}");
    assert!(!before.contains("connection: close"), "{before}");

    server.signal();
    assert_eq!(server.line(), "draining");
    let last = ask(&mut connection);
    assert!(last.contains("connection: close"), "{last}");
    let mut idle = server.connect();
    assert!(
        ask_on(&mut idle, "HEAD").contains("200 OK"),
        "it accepts while it drains"
    );

    let mut silent = server.connect();
    server.signal();
    assert!(server.child.wait().unwrap().success());
    // All connections end. One that the server has not accepted yet is reset by the system.
    match silent.read(&mut [0]) {
        Ok(read) => assert_eq!(read, 0),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    let rest: Vec<_> = server.output.by_ref().lines().map(Result::unwrap).collect();
    assert!(
        rest.iter().any(|line| line.contains("requests")),
        "{rest:?}"
    );
}

struct Process {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    address: String,
}

impl Process {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_axum-server"))
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self {
            child,
            output,
            address: String::new(),
        };
        let line = process.line();
        let (_, address) = line.split_once("http://").unwrap();
        process.address = address.to_owned();
        process
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn signal(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn ask(connection: &mut TcpStream) -> String {
    let response = ask_on(connection, "GET");
    connection.read_exact(&mut [0; "hello\n".len()]).unwrap();
    response
}

/// The head of a response, in lower case but for its first line's reason.
fn ask_on(connection: &mut TcpStream, method: &str) -> String {
    write!(
        connection,
        "{method} / HTTP/1.1\r\nhost: server.test\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}
