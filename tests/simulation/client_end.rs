//! The client's end of a connection, below this crate: tells the ledger all that passes.

use std::io::{IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::{Connected, Connection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::ledger::Ledger;
use super::process::Process;
use crate::support::link::LinkEnd;

/// The client's end of a connection.
pub struct ClientEnd {
    end: LinkEnd,
    connection: usize,
    ledger: Ledger,
    process: Process,
}

/// Which connection carried something: an extension of responses, and of errors.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Carrier(pub usize);

impl ClientEnd {
    pub fn new(end: LinkEnd, connection: usize, ledger: Ledger, process: Process) -> Self {
        Self {
            end,
            connection,
            ledger,
            process,
        }
    }

    /// Its number.
    pub fn connection(&self) -> usize {
        self.connection
    }
}

impl Connection for ClientEnd {
    fn connected(&self) -> Connected {
        Connected::new().extra(Carrier(self.connection))
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        self.ledger.client_closed(self.connection);
    }
}

impl AsyncRead for ClientEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        ready!(self.process.poll_reads(cx));
        let before = buf.filled().len();
        let read = Pin::new(&mut self.end).poll_read(cx, buf);
        match &read {
            Poll::Pending => {}
            Poll::Ready(Ok(())) if buf.filled().len() > before => {
                let bytes = &buf.filled()[before..];
                self.ledger.on_read(self.connection, bytes);
            }
            Poll::Ready(_) => self.ledger.on_end(self.connection),
        }
        read
    }
}

impl AsyncWrite for ClientEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let id = bufs.first().and_then(|buf| request_in(buf));
        if let Some(id) = id {
            self.ledger.before_request(self.connection, id);
        }
        let written = Pin::new(&mut self.end).poll_write_vectored(cx, bufs);
        if let Poll::Ready(Ok(_)) = &written {
            self.ledger.on_written(self.connection);
        }
        if let (Some(_), Poll::Ready(Ok(_))) = (id, &written) {
            let arrival = self.end.arrival();
            self.ledger.request_arrives(self.connection, arrival);
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.end).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.ledger.client_closed(self.connection);
        Pin::new(&mut self.end).poll_shutdown(cx)
    }
}

/// The number in the path of a request whose head begins there. Bodies contain no such bytes.
pub fn request_in(head: &[u8]) -> Option<u64> {
    let path = [b"GET /".as_slice(), b"HEAD /", b"POST /"]
        .iter()
        .find_map(|start| head.strip_prefix(*start))?;
    let digits = path.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(None, |number, digit| {
        Some(number.unwrap_or(0) * 10 + u64::from(digit - b'0'))
    })
}
