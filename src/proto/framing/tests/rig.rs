//! hyper's own client on a transport in memory, polled by hand, with a tracker looking on.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::rt::{Read, ReadBufCursor, Write};
use tokio_test::task::{Spawn, spawn};

use super::cases::{Hyper, Message, Payload};
use super::follower::Follower;

/// How the transport takes what hyper writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writes {
    /// In pieces of at most so many bytes.
    pub(super) at_most: usize,
    pub(super) vectored: bool,
}

/// When the caller has its body ready.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Upload {
    AtOnce,
    /// When told to.
    Late,
}

/// A response as the caller got it, or what failed.
pub(super) type Received = Result<(u16, Bytes), hyper::Error>;

type Exchange = Spawn<Pin<Box<dyn Future<Output = Received>>>>;

/// One connection of hyper's, with a request on it or none.
pub(super) struct Rig {
    wire: Rc<RefCell<Wire>>,
    sender: SendRequest<Upstream>,
    /// `None` once it is done.
    connection: Option<Spawn<Connection<Transport, Upstream>>>,
    exchange: Option<Exchange>,
    gate: Gate,
    received: Option<Received>,
}

impl Rig {
    pub(super) fn new(builder: &Builder, writes: Writes) -> Self {
        let wire = Rc::new(RefCell::new(Wire {
            incoming: VecDeque::new(),
            eof: false,
            reader: None,
            writes,
            written: Vec::new(),
            follower: Follower::new(),
        }));
        let handshake = spawn(builder.handshake(Transport(Rc::clone(&wire)))).poll();
        let Poll::Ready(Ok((sender, connection))) = handshake else {
            panic!("an HTTP/1 handshake does no IO");
        };
        let mut rig = Self {
            wire,
            sender,
            connection: Some(spawn(connection)),
            exchange: None,
            gate: Gate::default(),
            received: None,
        };
        rig.drive();
        rig
    }

    /// Sends a request, with a body that waits for [`upload`](Self::upload) if it is late.
    pub(super) fn send(&mut self, message: &Message, upload: Upload) {
        self.gate = Gate::default();
        if upload == Upload::AtOnce {
            self.gate.open();
        }
        let body = Upstream::new(message.payload, &self.gate);
        let mut request = http::Request::builder()
            .method(message.method)
            .uri(message.target)
            .version(message.version);
        for (name, value) in message.fields {
            request = request.header(*name, *value);
        }
        let response = self.sender.send_request(request.body(body).unwrap());
        self.received = None;
        self.exchange = Some(spawn(Box::pin(async move {
            let (head, body) = response.await?.into_parts();
            Ok((head.status.as_u16(), body.collect().await?.to_bytes()))
        })));
        self.drive();
    }

    /// The caller has its body ready.
    pub(super) fn upload(&mut self) {
        self.gate.open();
        self.drive();
    }

    /// The server sends.
    pub(super) fn deliver(&mut self, bytes: &[u8]) {
        self.wire.borrow_mut().deliver(bytes);
        self.drive();
    }

    /// The server closes.
    pub(super) fn eof(&mut self) {
        self.wire.borrow_mut().eof();
        self.drive();
    }

    /// The server sends and closes, and hyper reads both in one go.
    pub(super) fn deliver_and_eof(&mut self, bytes: &[u8]) {
        self.wire.borrow_mut().deliver(bytes);
        self.eof();
    }

    /// Polls everything until nothing moves any more.
    fn drive(&mut self) {
        for _ in 0..1000 {
            if let Some(connection) = &mut self.connection
                && connection.poll().is_ready()
            {
                self.connection = None;
            }
            if let Some(exchange) = &mut self.exchange
                && let Poll::Ready(received) = exchange.poll()
            {
                self.received = Some(received);
                self.exchange = None;
            }
            let connection = self.connection.as_ref().is_some_and(Spawn::is_woken);
            let exchange = self.exchange.as_ref().is_some_and(Spawn::is_woken);
            if !connection && !exchange {
                return;
            }
        }
        panic!("hyper does not come to rest");
    }

    pub(super) fn hyper(&self) -> Hyper {
        if self.connection.is_none() || self.sender.is_closed() {
            Hyper::Closed
        } else if self.sender.is_ready() {
            Hyper::Ready
        } else {
            Hyper::Waiting
        }
    }

    /// The response to the last request, once the caller has it to its end.
    pub(super) fn received(&self) -> Option<&Received> {
        self.received.as_ref()
    }

    /// Looks at the tracker that looks on.
    pub(super) fn follow<R>(&self, look: impl FnOnce(&Follower) -> R) -> R {
        look(&self.wire.borrow().follower)
    }

    pub(super) fn written(&self) -> Vec<u8> {
        self.wire.borrow().written.clone()
    }

    /// Whether hyper has read everything that was delivered.
    pub(super) fn has_read_all(&self) -> bool {
        self.wire.borrow().incoming.is_empty()
    }
}

/// Both directions of a transport.
struct Wire {
    /// What hyper has not read yet.
    incoming: VecDeque<u8>,
    eof: bool,
    reader: Option<Waker>,
    writes: Writes,
    written: Vec<u8>,
    follower: Follower,
}

impl Wire {
    fn deliver(&mut self, bytes: &[u8]) {
        self.incoming.extend(bytes);
        self.wake();
    }

    fn eof(&mut self) {
        self.eof = true;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

struct Transport(Rc<RefCell<Wire>>);

impl Read for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.0.borrow_mut();
        if wire.incoming.is_empty() && !wire.eof {
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = wire.incoming.len().min(buf.remaining());
        let bytes: Vec<_> = wire.incoming.drain(..count).collect();
        buf.put_slice(&bytes);
        wire.follower.on_read(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl Write for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.0.borrow_mut();
        let count = buf.len().min(wire.writes.at_most);
        wire.written.extend_from_slice(&buf[..count]);
        wire.follower.on_written(&buf[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().writes.vectored
    }
}

/// Holds a body back.
#[derive(Clone, Default)]
struct Gate(Rc<RefCell<(State, Option<Waker>)>>);

#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum State {
    #[default]
    Shut,
    Open,
}

impl Gate {
    fn open(&self) {
        let (state, waiting) = &mut *self.0.borrow_mut();
        *state = State::Open;
        if let Some(waiting) = waiting.take() {
            waiting.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let (state, waiting) = &mut *self.0.borrow_mut();
        match state {
            State::Open => Poll::Ready(()),
            State::Shut => {
                *waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The body of a request.
struct Upstream {
    frames: VecDeque<Frame<Bytes>>,
    size: Option<u64>,
    gate: Gate,
}

impl Upstream {
    fn new(payload: Payload, gate: &Gate) -> Self {
        let data = |pieces: &'static [&'static str]| {
            let frames = pieces.iter().map(|piece| Frame::data(Bytes::from(*piece)));
            frames.collect::<VecDeque<_>>()
        };
        let (frames, size) = match payload {
            Payload::None => (VecDeque::new(), Some(0)),
            Payload::Sized(pieces) => {
                let size = pieces.iter().map(|piece| piece.len() as u64).sum();
                (data(pieces), Some(size))
            }
            Payload::Streamed(pieces) => (data(pieces), None),
            Payload::Trailers(pieces, (name, value)) => {
                let trailers = http::HeaderMap::from_iter([(
                    name.parse().unwrap(),
                    http::HeaderValue::from_static(value),
                )]);
                let mut frames = data(pieces);
                frames.push_back(Frame::trailers(trailers));
                (frames, None)
            }
        };
        Self {
            frames,
            size,
            gate: gate.clone(),
        }
    }
}

impl Body for Upstream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.gate.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(self.frames.pop_front().map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        // A stream does not know that what it gave was its last.
        self.size.is_some() && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
