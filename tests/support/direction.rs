//! One direction of a [`Link`](super::link::Link).

use std::collections::VecDeque;
use std::future::Future;
use std::io::{ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep_until};

/// One direction: its writer puts parcels in, its reader takes out those that are due.
#[derive(Default)]
pub(super) struct Direction {
    latency: Duration,
    /// Bytes per second; `None` is without limit.
    rate: Option<u64>,
    /// How many bytes leave at once where the rate is limited.
    segment: usize,
    /// How many bytes it holds at most.
    buffer: usize,
    bytes: VecDeque<u8>,
    parcels: VecDeque<(Due, Parcel)>,
    /// When the last byte accepted so far has left.
    sent_at: Due,
    /// When reads begin to fail.
    reset: Option<Due>,
    /// The reader was dropped.
    is_abandoned: bool,
    /// The reader, while it waits.
    reader: Option<Waker>,
    /// The reader's timer, made when it first waits.
    timer: Option<Pin<Box<Sleep>>>,
    /// The writer, while it waits for room.
    writer: Option<Waker>,
}

impl Direction {
    pub(super) fn new(latency: Duration, rate: Option<u64>, segment: usize, buffer: usize) -> Self {
        Self {
            latency,
            rate,
            segment,
            buffer,
            ..Self::default()
        }
    }

    /// Accepts what there is room for. [`announce`](Self::announce) has to follow.
    pub(super) fn poll_write(
        &mut self,
        cx: &Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let offered = bufs.iter().map(|buf| buf.len()).sum();
        if self.is_finished() {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if self.is_abandoned || offered == 0 {
            return Poll::Ready(Ok(offered));
        }
        let len = offered.min(self.buffer - self.bytes.len());
        if len == 0 {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut room = len;
        for buf in bufs {
            let part = &buf[..room.min(buf.len())];
            self.bytes.extend(part);
            room -= part.len();
        }
        self.send(len);
        Poll::Ready(Ok(len))
    }

    /// Reads what is due. [`vacate`](Self::vacate) has to follow.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        let now = loop {
            let now = self.now();
            if self.next_due().is_some_and(|due| due <= now) {
                break now;
            }
            ready!(self.poll_due(cx, now));
        };
        self.reader = None;
        if self.reset.is_some_and(|due| due <= now) {
            return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
        }
        self.take(buf, now);
        Poll::Ready(Ok(()))
    }

    /// Lets a waiting reader know when to read; gives its waker if that is now.
    ///
    /// The timer is set from here because a socket's reader hears nothing either before the bytes
    /// arrive. Were it woken to set the timer itself, the connection's task would be polled at the
    /// very moment in which the server closes, and tests could pass because of that.
    pub(super) fn announce(&mut self) -> Option<Waker> {
        let due = self.next_due()?;
        let reader = self.reader.take()?;
        if let (Some(due), Some(timer)) = (due, &mut self.timer) {
            timer.as_mut().reset(due);
            if timer
                .as_mut()
                .poll(&mut Context::from_waker(&reader))
                .is_pending()
            {
                self.reader = Some(reader);
                return None;
            }
        }
        Some(reader)
    }

    /// The waiting writer, if there is room for it now.
    pub(super) fn vacate(&mut self) -> Option<Waker> {
        if self.bytes.len() < self.buffer {
            self.writer.take()
        } else {
            None
        }
    }

    /// The writer is done; gives the task to wake.
    pub(super) fn finish(&mut self) -> Option<Waker> {
        if self.is_finished() || self.is_abandoned {
            return None;
        }
        let sent_at = self.sent_at.max(self.now());
        let due = sent_at.map(|at| at + self.latency);
        self.parcels.push_back((due, Parcel::Fin));
        self.announce()
    }

    /// The writer has failed; gives the task to wake.
    pub(super) fn reset(&mut self) -> Option<Waker> {
        self.reset = Some(self.now().map(|now| now + self.latency));
        self.announce()
    }

    /// The reader is gone; gives the task to wake.
    pub(super) fn abandon(&mut self) -> Option<Waker> {
        self.is_abandoned = true;
        (self.bytes, self.parcels) = Default::default();
        (self.reader, self.timer) = Default::default();
        self.writer.take()
    }

    /// Puts the last `len` bytes on their way, behind all that was sent before.
    fn send(&mut self, len: usize) {
        let now = self.now();
        let segment = self.rate.map_or(len, |_| self.segment);
        for start in (0..len).step_by(segment) {
            let part = segment.min(len - start);
            let takes = self
                .rate
                .map_or(0, |rate| part as u64 * 1_000_000_000 / rate);
            // `None`, no clock, is less than any instant.
            let sent_at = self
                .sent_at
                .max(now)
                .map(|at| at + Duration::from_nanos(takes));
            self.sent_at = sent_at;
            let due = sent_at.map(|at| at + self.latency);
            match self.parcels.back_mut() {
                Some((last, Parcel::Bytes(held))) if *last == due => *held += part,
                _ => self.parcels.push_back((due, Parcel::Bytes(part))),
            }
        }
    }

    fn is_finished(&self) -> bool {
        matches!(self.parcels.back(), Some((_, Parcel::Fin)))
    }

    fn now(&self) -> Due {
        let is_timed = self.rate.is_some() || !self.latency.is_zero();
        is_timed.then(Instant::now)
    }

    /// When a read has something to return, if that is known.
    fn next_due(&self) -> Option<Due> {
        let front = self.parcels.front().map(|&(due, _)| due);
        front.into_iter().chain(self.reset).min()
    }

    fn poll_due(&mut self, cx: &mut Context<'_>, now: Due) -> Poll<()> {
        let due = self.next_due().flatten();
        if let Some(now) = now {
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(now)));
            if let Some(due) = due {
                timer.as_mut().reset(due);
                if timer.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(());
                }
            }
        }
        self.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Moves what is due and fits; nothing at the end of the stream.
    fn take(&mut self, buf: &mut ReadBuf<'_>, now: Due) {
        let mut len = 0;
        while let Some((due, Parcel::Bytes(left))) = self.parcels.front_mut() {
            let part = (*left).min(buf.remaining() - len);
            if part == 0 || *due > now {
                break;
            }
            len += part;
            *left -= part;
            if *left == 0 {
                self.parcels.pop_front();
            }
        }
        let (front, back) = self.bytes.as_slices();
        let split = len.min(front.len());
        buf.put_slice(&front[..split]);
        buf.put_slice(&back[..len - split]);
        self.bytes.drain(..len);
        if self.bytes.is_empty() && self.bytes.capacity() > KEPT {
            // An idle connection does not hold on to the size of the largest body it carried.
            self.bytes = VecDeque::new();
        }
    }
}

/// When something happens; `None`, in a direction that needs no clock, is at once.
type Due = Option<Instant>;

#[derive(Clone, Copy)]
enum Parcel {
    /// The next so many of the direction's bytes.
    Bytes(usize),
    /// The end of the stream: always the last parcel, and never taken out.
    Fin,
}

/// The memory that an empty direction keeps.
const KEPT: usize = 64 << 10;
