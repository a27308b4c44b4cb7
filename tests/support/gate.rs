//! A gate before connections: what comes waits until some instant, and writes wait, or fail, when told to.

use std::future::Future;
use std::io::{Error, ErrorKind, Result};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{Service, ServiceExt};

use super::connector::{LinkConnector, LinkStream};

/// A gate before all connections of a connector. Clones are the same gate; a new one is open.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    reads_from: Option<Instant>,
    writes: Writes,
    writer: Option<Waker>,
}

/// What becomes of writes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Writes {
    #[default]
    Pass,
    Wait,
    Fail,
}

impl Gate {
    /// Nothing is read before that, as if the process were stopped.
    pub fn hold_reads_until(&self, end: Instant) {
        self.0.lock().unwrap().reads_from = Some(end);
    }

    pub fn set_writes(&self, writes: Writes) {
        let mut state = self.0.lock().unwrap();
        state.writes = writes;
        state.writer.take().into_iter().for_each(Waker::wake);
    }

    /// Whether somebody waits to write.
    pub fn holds_a_write(&self) -> bool {
        self.0.lock().unwrap().writer.is_some()
    }

    /// Connects through the gate.
    pub fn before(
        &self,
        connector: LinkConnector,
    ) -> impl Service<Uri, Response = Gated, Error = Error, Future: Send + Unpin>
    + Clone
    + Send
    + Sync
    + 'static
    + use<> {
        let gate = self.clone();
        connector.map_response(move |stream| Gated {
            stream,
            gate,
            waits: None,
        })
    }
}

/// A connection behind a [`Gate`].
#[derive(Debug)]
pub struct Gated {
    stream: LinkStream,
    gate: Gate,
    waits: Option<Pin<Box<Sleep>>>,
}

impl Connection for Gated {
    fn connected(&self) -> Connected {
        self.stream.connected()
    }
}

impl Read for Gated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<Result<()>> {
        let end = self.gate.0.lock().unwrap().reads_from;
        if let Some(end) = end.filter(|end| *end > Instant::now()) {
            let waits = self.waits.insert(Box::pin(sleep_until(end)));
            if waits.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Gated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize>> {
        {
            let mut state = self.gate.0.lock().unwrap();
            match state.writes {
                Writes::Pass => {}
                Writes::Fail => return Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
                Writes::Wait => {
                    state.writer = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
