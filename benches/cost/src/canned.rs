//! A transport without a peer: whatever is asked on it, it answers with the same bytes.
//!
//! Nothing is cheaper to read from, so nothing shows better what the client itself costs.

use std::io::{Error, Result};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A typical response: ten headers, 30 bytes.
pub const TYPICAL: &str = "HTTP/1.1 200 OK\r\n\
    content-type: application/json\r\n\
    cache-control: no-store, max-age=0\r\n\
    etag: \"33a64df551425fcc55e4d42a148795d9f25f89d4\"\r\n\
    vary: accept-encoding\r\n\
    x-request-id: 7b1c2ad0-4f0a-4dbb-9a63-0c1f2f4c5e6d\r\n\
    x-content-type-options: nosniff\r\n\
    strict-transport-security: max-age=31536000\r\n\
    keep-alive: timeout=75, max=100\r\n\
    content-length: 30\r\n\
    date: Tue, 01 Jan 2030 00:00:00 GMT\r\n\r\n\
    {\"status\":\"ok\",\"value\":12345}!";

/// A response as it is on the wire: something, the same piece over and over, and an end.
#[derive(Clone, Debug)]
pub struct Canned {
    head: Bytes,
    piece: Bytes,
    pieces: u64,
    tail: Bytes,
    /// How many bytes of a body there are among it, if there are pieces.
    payload: u64,
}

impl Canned {
    /// All of it at once.
    pub fn whole(response: impl Into<Bytes>) -> Self {
        Self {
            head: response.into(),
            piece: Bytes::new(),
            pieces: 0,
            tail: Bytes::new(),
            payload: 0,
        }
    }

    /// With a body of so many pieces of this many bytes, and a `Content-Length`.
    pub fn sized(piece: usize, pieces: u64) -> Self {
        let length = piece as u64 * pieces;
        Self {
            head: format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").into(),
            piece: vec![b'x'; piece].into(),
            pieces,
            tail: Bytes::new(),
            payload: length,
        }
    }

    /// With a body of so many chunks of this many bytes.
    pub fn chunked(chunk: usize, chunks: u64) -> Self {
        let mut piece = format!("{chunk:X}\r\n").into_bytes();
        piece.resize(piece.len() + chunk, b'x');
        piece.extend(b"\r\n");
        Self {
            head: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".into(),
            piece: piece.into(),
            pieces: chunks,
            tail: "0\r\n\r\n".into(),
            payload: chunk as u64 * chunks,
        }
    }

    /// How many bytes of the body there are.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// All of it, as it is on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at = Place::default();
        loop {
            let part = self.from(&mut at);
            if part.is_empty() {
                return bytes;
            }
            bytes.extend_from_slice(part);
            at.offset += part.len();
        }
    }

    /// Whichever byte of it comes next, and those behind it that lie together.
    fn from(&self, at: &mut Place) -> &[u8] {
        loop {
            let part = match at.part {
                0 => &self.head,
                part if part <= self.pieces => &self.piece,
                part if part == self.pieces + 1 => &self.tail,
                _ => return &[],
            };
            if at.offset < part.len() {
                return &part[at.offset..];
            }
            *at = Place {
                part: at.part + 1,
                offset: 0,
            };
        }
    }
}

/// A place in a response.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    part: u64,
    offset: usize,
}

/// Connects at once to transports that answer with the same.
#[derive(Clone, Debug)]
pub struct CannedConnector(pub Canned);

impl tower_service::Service<Uri> for CannedConnector {
    type Response = TokioIo<CannedIo>;
    type Error = Error;
    type Future = std::future::Ready<Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let io = CannedIo {
            response: self.0.clone(),
            at: None,
            reader: None,
        };
        std::future::ready(Ok(TokioIo::new(io)))
    }
}

/// Answers whatever is written, if that ends as the head of a request does.
#[derive(Debug)]
pub struct CannedIo {
    response: Canned,
    /// What of the response is read next, while one is asked for.
    at: Option<Place>,
    reader: Option<Waker>,
}

impl Connection for CannedIo {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for CannedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let this = &mut *self;
        let Some(at) = &mut this.at else {
            this.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        while buf.remaining() > 0 {
            let bytes = this.response.from(at);
            if bytes.is_empty() {
                break;
            }
            let read = bytes.len().min(buf.remaining());
            buf.put_slice(&bytes[..read]);
            at.offset += read;
        }
        if this.response.from(at).is_empty() {
            this.at = None;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CannedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize>> {
        if buf.ends_with(b"\r\n\r\n") {
            self.at = Some(Place::default());
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }
}
