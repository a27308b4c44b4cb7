//! Ctrl-C, and SIGTERM where there is one. The first ends the measurement, and a later one the process.

use std::io;
use std::process;
use std::thread;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

/// The exit status of a process that was interrupted: 128, and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// A runtime that is driven by the thread which waits for something.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Becomes true with the first signal. If the receiver is gone by then, there is nothing to end but the process.
///
/// This takes a thread of its own, which is there while another one prints.
pub(super) fn listen() -> io::Result<watch::Receiver<bool>> {
    let (interrupt, interrupted) = watch::channel(false);
    let runtime = runtime()?;
    // From here on a signal does not end the process.
    let mut signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    let listen = move || {
        runtime.block_on(signals.next());
        if interrupt.send(true).is_ok() {
            runtime.block_on(signals.next());
        }
        process::exit(INTERRUPTED);
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listen)?;
    Ok(interrupted)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn new() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    /// Waits for the next one.
    async fn next(&mut self) {
        self.0.recv().await;
    }
}
