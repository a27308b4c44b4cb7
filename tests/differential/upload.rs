//! Bodies of requests, let out frame by frame.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::{Body, Frame, SizeHint};

use super::input::Input;

/// What kind of body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    None,
    /// Of a length that is known beforehand.
    Sized,
    Streamed,
    /// Streamed, with trailers.
    Trailers,
    /// A byte shorter than it says.
    Short,
    /// A byte longer than it says.
    Long,
    /// Streamed, and failing instead of ending.
    Failing,
}

const KINDS: [Kind; 8] = [
    Kind::None,
    Kind::Sized,
    Kind::Streamed,
    Kind::Trailers,
    Kind::Sized,
    Kind::Short,
    Kind::Long,
    Kind::Failing,
];

const LENGTHS: [usize; 6] = [5, 1, 0, 26, 300, 9000];

/// The body of a request, to be made as often as it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    kind: Kind,
    lengths: [usize; 2],
}

impl Payload {
    pub(super) fn of(input: &mut Input<'_>) -> Self {
        let kind = input.pick(&KINDS);
        let lengths = if kind == Kind::None {
            [0; 2]
        } else {
            [input.pick(&LENGTHS), input.pick(&LENGTHS)]
        };
        Self { kind, lengths }
    }

    pub(super) fn is_none(&self) -> bool {
        self.kind == Kind::None
    }

    fn frames(&self) -> VecDeque<Result<Frame<Bytes>, Failed>> {
        let mut frames: VecDeque<_> = self
            .lengths
            .into_iter()
            .map(|length| Ok(Frame::data(Bytes::from_static(data(length)))))
            .collect();
        match self.kind {
            Kind::None => frames.clear(),
            Kind::Trailers => {
                let name = HeaderName::from_static("x-sum");
                let value = HeaderValue::from_static("1");
                frames.push_back(Ok(Frame::trailers(HeaderMap::from_iter([(name, value)]))));
            }
            Kind::Failing => frames.push_back(Err(Failed)),
            Kind::Sized | Kind::Streamed | Kind::Short | Kind::Long => {}
        }
        frames
    }

    fn size(&self) -> Option<u64> {
        let length = self.lengths.iter().sum::<usize>() as u64;
        match self.kind {
            Kind::None => Some(0),
            Kind::Sized => Some(length),
            Kind::Short => Some(length + 1),
            Kind::Long => Some(length.saturating_sub(1)),
            Kind::Streamed | Kind::Trailers | Kind::Failing => None,
        }
    }
}

/// Data that looks like framing, up to 26 KB of it.
pub(super) fn data(length: usize) -> &'static [u8] {
    static DATA: LazyLock<Vec<u8>> =
        LazyLock::new(|| b"\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n".repeat(1000));
    &DATA[..length]
}

/// Lets frames out.
#[derive(Clone, Default)]
pub(super) struct Gate(Arc<Mutex<(usize, Option<Waker>)>>);

impl Gate {
    pub(super) fn let_out(&self, frames: usize) {
        let mut state = self.0.lock().unwrap();
        let (allowed, waiting) = &mut *state;
        *allowed = allowed.saturating_add(frames);
        let waiting = waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let (allowed, waiting) = &mut *self.0.lock().unwrap();
        if *allowed == 0 {
            *waiting = Some(cx.waker().clone());
            return Poll::Pending;
        }
        *allowed -= 1;
        Poll::Ready(())
    }
}

/// A body on its way.
pub(super) struct Upload {
    frames: VecDeque<Result<Frame<Bytes>, Failed>>,
    size: Option<u64>,
    gate: Gate,
    was_polled: bool,
}

impl Upload {
    pub(super) fn new(payload: Payload, gate: Gate) -> Self {
        Self {
            frames: payload.frames(),
            size: payload.size(),
            gate,
            was_polled: false,
        }
    }

    pub(super) fn was_polled(&self) -> bool {
        self.was_polled
    }
}

#[derive(Debug)]
pub(super) struct Failed;

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the body fails")
    }
}

impl std::error::Error for Failed {}

impl Body for Upload {
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        self.was_polled = true;
        match self.gate.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(self.frames.pop_front()),
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
