//! A body of the pattern, in hyper's terms.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, sleep_until};

use super::ledger::Ledger;
use super::pattern::{Side, piece};
use super::plan::{Framing, Payload};

/// A body of the pattern, which tells the ledger when nothing more will come of it.
pub struct PatternBody {
    payload: Payload,
    of: Of,
    offset: u64,
    sleep: Option<Pin<Box<Sleep>>>,
    ledger: Ledger,
    /// What the last piece waits for.
    last_after: Option<JoinHandle<bool>>,
}

/// Whose body.
#[derive(Clone, Copy, Debug)]
pub enum Of {
    Request { id: u64 },
    Response { id: u64, connection: usize },
}

impl PatternBody {
    pub fn new(payload: Payload, of: Of, ledger: Ledger) -> Self {
        Self {
            payload,
            of,
            offset: 0,
            sleep: None,
            ledger,
            last_after: None,
        }
    }

    /// Does not end before that has.
    pub fn end_after(mut self, task: JoinHandle<bool>) -> Self {
        self.last_after = Some(task);
        self
    }

    fn next(&mut self) -> Bytes {
        let (id, side) = match self.of {
            Of::Request { id } => (id, Side::Request),
            Of::Response { id, .. } => (id, Side::Response),
        };
        let left = self.payload.len - self.offset;
        let most = left.min(self.payload.piece as u64) as usize;
        let piece = piece(id, side, self.offset, most);
        self.offset += piece.len() as u64;
        piece
    }

    fn is_complete(&self) -> bool {
        self.offset == self.payload.len
    }

    fn tell(&self) {
        match self.of {
            Of::Request { id } if self.is_complete() => self.ledger.request_complete(id),
            Of::Request { id } => self.ledger.request_broke(id),
            Of::Response { connection, .. } => self.ledger.response_handed_over(connection),
        }
    }
}

impl Body for PatternBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.is_complete() {
            return Poll::Ready(None);
        }
        let pause = self.payload.pause;
        if !pause.is_zero() && self.offset > 0 {
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + pause)));
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        if self.payload.breaks && self.offset >= self.payload.len / 2 {
            self.tell();
            return Poll::Ready(Some(Err(Broken)));
        }
        let is_last = self.payload.len - self.offset <= self.payload.piece as u64;
        if let (true, Some(task)) = (is_last, &mut self.last_after) {
            // It cannot fail.
            drop(ready!(Pin::new(task).poll(cx)));
            self.last_after = None;
        }
        let piece = self.next();
        if self.is_complete() {
            self.tell();
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_complete()
    }

    fn size_hint(&self) -> SizeHint {
        if self.payload.framing == Framing::Sized {
            SizeHint::with_exact(self.payload.len - self.offset)
        } else {
            SizeHint::default()
        }
    }
}

impl Drop for PatternBody {
    /// A server drops a body once it has all of it, or, in answer to HEAD, wants none of it.
    fn drop(&mut self) {
        if matches!(self.of, Of::Response { .. }) {
            self.tell();
        }
    }
}

/// The body broke off, as planned.
#[derive(Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body broke off")
    }
}

impl std::error::Error for Broken {}
