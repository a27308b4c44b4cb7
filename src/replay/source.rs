//! What a body shares with those that repeat it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use http::HeaderMap;
use hyper::body::{Body, Buf, Bytes, Frame, SizeHint};

use super::BoxError;

/// How many tasks are known to wait. More than that are woken, and wait anew if they still do.
const WAITING: usize = 8;

/// A stream, and what was read of it.
pub(super) struct Source<B> {
    stream: Stream<B>,
    /// All bytes that were read; `None` if there were more than the bound, or if the stream failed.
    kept: Option<Vec<u8>>,
    /// How many bytes were read.
    read: u64,
    bound: usize,
    /// Tasks that wait for the stream. It wakes the last.
    waiting: Vec<Waker>,
}

/// ```text
///   Open ──▶ Ended | Trailers | Lost
/// ```
enum Stream<B> {
    Open(B),
    Ended,
    /// It has ended with trailers.
    Trailers(HeaderMap),
    /// It has failed, or ended with trailers beyond the bound.
    Lost,
}

impl<B> Source<B> {
    pub(super) fn new(stream: B, bound: usize) -> Self {
        Self {
            stream: Stream::Open(stream),
            kept: Some(Vec::new()),
            read: 0,
            bound,
            waiting: Vec::new(),
        }
    }

    /// How many bytes were read.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Whether it cannot be read from the start any more.
    pub(super) fn is_capped(&self) -> bool {
        self.kept.is_none()
    }

    /// Adds the task that polled last to those that wait, or removes all, as there is something to read. Returns those
    /// to be woken, outside of the lock.
    pub(super) fn update_waiting(&mut self, polled: &Waker, is_pending: bool) -> Vec<Waker> {
        if self
            .waiting
            .last()
            .is_some_and(|last| last.will_wake(polled))
            && is_pending
        {
            return Vec::new();
        }
        self.waiting.retain(|waker| !waker.will_wake(polled));
        if !is_pending {
            return self.take_waiting();
        }
        let to_wake = if self.waiting.len() < WAITING {
            Vec::new()
        } else {
            self.take_waiting()
        };
        self.waiting.push(polled.clone());
        to_wake
    }

    /// Removes the tasks that wait.
    pub(super) fn take_waiting(&mut self) -> Vec<Waker> {
        if self.waiting.is_empty() {
            // What is allocated is used again.
            Vec::new()
        } else {
            std::mem::take(&mut self.waiting)
        }
    }

    /// Keeps what was read, or nothing any more if that is too much.
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.read = self.read.saturating_add(data.len() as u64);
            self.make_room(data.len());
            if let Some(kept) = &mut self.kept {
                kept.extend_from_slice(data);
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            self.make_room(length(trailers));
            self.stream = match self.kept {
                Some(_) => Stream::Trailers(trailers.clone()),
                None => Stream::Lost,
            };
        }
    }

    /// Drops what is kept if there is no room for so much more.
    fn make_room(&mut self, more: usize) {
        let has_room = |kept: &Vec<u8>| more <= self.bound.saturating_sub(kept.len());
        self.kept = self.kept.take().filter(has_room);
    }
}

impl<B> Source<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    /// The next frame for a body of which `position` bytes were read. If it is one of data, all bytes that were read of
    /// the stream have been read of that body.
    pub(super) fn poll_frame(
        &mut self,
        position: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if position < self.read {
            let data = self.kept.as_ref().and_then(|kept| {
                let start = usize::try_from(position).ok()?;
                kept.get(start..)
            });
            let frame = data.map(|data| Frame::data(Bytes::copy_from_slice(data)));
            return Poll::Ready(Some(frame.ok_or_else(not_kept)));
        }
        let frame = match &mut self.stream {
            Stream::Open(stream) => ready!(Pin::new(stream).poll_frame(cx)),
            Stream::Ended => return Poll::Ready(None),
            Stream::Trailers(trailers) => {
                return Poll::Ready(Some(Ok(Frame::trailers(trailers.clone()))));
            }
            Stream::Lost => return Poll::Ready(Some(Err(not_kept()))),
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let frame = frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
                self.keep(&frame);
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.stream = Stream::Lost;
                self.kept = None;
                Some(Err(error.into()))
            }
            None => {
                self.stream = Stream::Ended;
                None
            }
        })
    }

    /// Whether a body of which `position` bytes were read has no further frame.
    pub(super) fn is_end_stream(&self, position: u64) -> bool {
        let is_end = match &self.stream {
            Stream::Open(stream) => stream.is_end_stream(),
            Stream::Ended => true,
            Stream::Trailers(_) | Stream::Lost => false,
        };
        is_end && position == self.read
    }

    /// How much is left for a body of which `position` bytes were read.
    pub(super) fn size_hint(&self, position: u64) -> SizeHint {
        let kept = self.read.saturating_sub(position);
        let left = match &self.stream {
            Stream::Open(stream) => stream.size_hint(),
            _ => SizeHint::with_exact(0),
        };
        let mut hint = SizeHint::new();
        hint.set_lower(left.lower().saturating_add(kept));
        if let Some(upper) = left.upper().and_then(|upper| upper.checked_add(kept)) {
            hint.set_upper(upper);
        }
        hint
    }
}

/// The bytes of the names and values.
fn length(trailers: &HeaderMap) -> usize {
    let fields = trailers.iter();
    let lengths = fields.map(|(name, value)| name.as_str().len().saturating_add(value.len()));
    lengths.fold(0, usize::saturating_add)
}

fn not_kept() -> BoxError {
    "the body cannot be read from its start again: it is longer than what is kept, or has failed"
        .into()
}
