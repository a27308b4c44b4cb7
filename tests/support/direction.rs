//! One direction of a [`Link`](super::link::Link).

use std::collections::VecDeque;
use std::future::Future;
use std::io::{ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::ReadBuf;
use tokio::time::{Instant, Sleep, sleep_until};

use super::transit::{Due, Transit};

/// One direction: its writer puts parcels in, its reader takes out those that are due.
#[derive(Default)]
pub(super) struct Direction {
    transit: Transit,
    /// How many bytes it holds at most.
    buffer: usize,
    bytes: VecDeque<u8>,
    parcels: VecDeque<(Due, Parcel)>,
    /// FIN was sent.
    is_finished: bool,
    /// Nothing sent arrives any more.
    is_cut: bool,
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
    pub(super) fn new(transit: Transit, buffer: usize) -> Self {
        Self {
            transit,
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
        if self.is_finished {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        if self.is_abandoned || offered == 0 {
            self.transit.send(offered).for_each(drop);
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
            let now = self.transit.now();
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
        if std::mem::replace(&mut self.is_finished, true) || self.is_abandoned || self.is_cut {
            return None;
        }
        let due = self.transit.finish();
        self.parcels.push_back((due, Parcel::Fin));
        self.announce()
    }

    /// The writer has failed; gives the task to wake.
    pub(super) fn reset(&mut self) -> Option<Waker> {
        if !self.is_cut {
            self.reset = Some(self.transit.overtake());
        }
        self.announce()
    }

    /// Nothing arrives before that.
    pub(super) fn hold_until(&mut self, until: Instant) {
        let now = Some(Instant::now());
        self.transit.hold_until(until);
        let transit = &self.transit;
        let parcels = self.parcels.iter_mut().map(|(due, _)| due);
        for due in parcels.chain(&mut self.reset).filter(|due| **due > now) {
            *due = transit.delayed(*due);
        }
    }

    /// Nothing arrives any more.
    pub(super) fn cut(&mut self) {
        let now = Some(Instant::now());
        self.is_cut = true;
        self.parcels.retain(|&(due, _)| due <= now);
        self.reset = self.reset.filter(|due| *due <= now);
    }

    /// When the first byte of what was written last arrives, or would if it did.
    pub(super) fn first_arrives_at(&self) -> Due {
        self.transit.first_arrives_at()
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
        for (due, part) in self.transit.send(len) {
            match self.parcels.back_mut() {
                _ if self.is_cut => {}
                Some((last, Parcel::Bytes(held))) if *last == due => *held += part,
                _ => self.parcels.push_back((due, Parcel::Bytes(part))),
            }
        }
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

#[derive(Clone, Copy)]
enum Parcel {
    /// The next so many of the direction's bytes.
    Bytes(usize),
    /// The end of the stream: always the last parcel, and never taken out.
    Fin,
}

/// The memory that an empty direction keeps.
const KEPT: usize = 64 << 10;
