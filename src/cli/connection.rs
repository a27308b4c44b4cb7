//! One connection: requests on it, and how it ends. All that happens on it is told to a [`Lifecycle`], which decides
//! what it shows.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::sync::SemaphorePermit;

use super::dial::{Dialed, DialedTls, Offer, Transport, one_line};
use super::head::Head;
use super::report::{self, End, Exchange, IdleEnd, Purpose, Seconds};
use super::site::Site;
use crate::proto::connection::{Cause, CloseCause, Lifecycle, Outcome};
use crate::proto::framing::OpaqueReason;
use crate::proto::hint::KeepAliveHint;
use crate::proto::time::{Moment, Span};

/// How long a response may take, to its last byte.
const RESPONSE: Duration = Duration::from_secs(30);

/// How many bytes of a response are read.
const MAX_RESPONSE: u64 = 16 << 20;

/// How many exchanges of a connection are reported.
const MAX_EXCHANGES: usize = 32;

/// How long an orderly shutdown may take.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// How much more time the wall clock may show than the monotonic one, which stands still while the machine is asleep.
const ASLEEP: Span = Span::new(Duration::from_millis(250));

/// One connection.
pub(super) struct Probed<'a> {
    site: &'a Site<'a>,
    transport: Box<dyn Transport>,
    tls: Option<DialedTls>,
    lifecycle: Lifecycle,
    record: report::Connection,
    /// Counted from one, over all of the site.
    number: u32,
    buffer: Vec<u8>,
    _permit: SemaphorePermit<'a>,
}

/// A complete response.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) hint: Option<KeepAliveHint>,
    pub(super) head: Head,
    /// Whether the server keeps the connection.
    pub(super) is_persistent: bool,
}

/// Why there is no complete response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Failure {
    /// The connection ended.
    Ended(End),
    /// It ended in the response.
    Cut(End),
    /// There was no byte in time.
    Silence,
    /// The response cannot be used; why, in a line.
    Unusable(String),
    /// The probe was interrupted.
    Interrupted,
}

/// What is read of a response.
#[derive(Default)]
struct Reading {
    head: Head,
    hint: Option<KeepAliveHint>,
    bytes: u64,
}

impl<'a> Probed<'a> {
    /// Connects, once there may be another connection. An error is one line.
    pub(super) async fn open(
        site: &'a Site<'a>,
        purpose: Purpose,
        offer: Offer,
    ) -> Result<Self, String> {
        let interrupted = || "interrupted".to_owned();
        let permit = site.permit().await.ok_or_else(interrupted)?;
        let begun = site.at(&site.time.now());
        let mut record = report::Connection {
            purpose,
            opened: begun,
            exchanges: Vec::new(),
            ended: begun,
            end: End::Open,
        };
        let number = site.add(record.clone());
        let dialed = tokio::select! {
            dialed = site.dial.dial(offer) => dialed,
            () = site.interrupted() => Err(interrupted()),
        };
        let now = site.time.now();
        record.opened = site.at(&now);
        let Dialed {
            transport,
            connecting,
            tls,
        } = match dialed {
            Ok(dialed) => dialed,
            Err(text) => {
                record.ended = record.opened;
                record.end = End::Error { text: text.clone() };
                site.set(number, record);
                return Err(text);
            }
        };
        site.on_connected(connecting);
        Ok(Self {
            number,
            record,
            site,
            transport,
            tls,
            lifecycle: Lifecycle::new(Span::new(connecting), now),
            buffer: vec![0; 16 << 10],
            _permit: permit,
        })
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn tls(&self) -> Option<&DialedTls> {
        self.tls.as_ref()
    }

    /// For how long it has been idle.
    pub(super) fn idle(&self) -> Duration {
        let idle = self.lifecycle.idle(&self.site.time.now());
        idle.map(Span::duration).unwrap_or_default()
    }

    /// Sends a request, and reads its response, but not before `unread` has passed since it was sent. Silence is
    /// that after `patience`.
    pub(super) async fn exchange(
        &mut self,
        request: &[u8],
        unread: Duration,
        patience: Duration,
    ) -> Result<Answer, Failure> {
        let site = self.site;
        if self.record.exchanges.len() >= MAX_EXCHANGES {
            self.record.exchanges.pop();
        }
        self.record.exchanges.push(Exchange {
            sent: site.at(&site.time.now()),
            answered: None,
            status: None,
        });
        let mut reading = Reading::default();
        let first = site.time.within(
            unread.saturating_add(patience),
            self.send_and_wait(request, unread, &mut reading),
        );
        let first = tokio::select! {
            first = first => first,
            () = site.interrupted() => Some(Err(Failure::Interrupted)),
        };
        let result = match first {
            None => Err(Failure::Silence),
            Some(Err(failure)) => Err(failure),
            Some(Ok(Some(answer))) => Ok(answer),
            Some(Ok(None)) => tokio::select! {
                rest = site.time.within(RESPONSE, self.read_rest(&mut reading)) => rest.unwrap_or_else(|| {
                    let text = format!("the response does not end within {RESPONSE:?}");
                    Err(Failure::Unusable(text))
                }),
                () = site.interrupted() => Err(Failure::Interrupted),
            },
        };
        let now = site.time.now();
        if let Some(exchange) = self.record.exchanges.last_mut() {
            if let Ok(answer) = &result {
                exchange.answered = Some(site.at(&now));
                exchange.status = Some(answer.status);
            }
        }
        match result {
            Err(Failure::Ended(end)) => {
                self.record.end = end.clone();
                Err(if reading.bytes > 0 {
                    Failure::Cut(end)
                } else {
                    Failure::Ended(end)
                })
            }
            other => other,
        }
    }

    /// `None` if the response is not complete yet.
    async fn send_and_wait(
        &mut self,
        request: &[u8],
        unread: Duration,
        reading: &mut Reading,
    ) -> Result<Option<Answer>, Failure> {
        let mut rest = request;
        while !rest.is_empty() {
            let written = self.transport.write(rest).await;
            let now = self.site.time.now();
            match written {
                Ok(accepted) if accepted > 0 => {
                    let (piece, left) = rest.split_at(accepted.min(rest.len()));
                    rest = left;
                    let outcome = self.lifecycle.on_written([piece], &self.site.known(), now);
                    self.apply(&outcome, &now);
                }
                Ok(_) => return Err(self.broken(&io::ErrorKind::WriteZero.into(), now)),
                Err(error) => {
                    self.lifecycle.on_write_failed(now);
                    return Err(self.broken(&error, now));
                }
            }
        }
        if let Err(error) = self.transport.flush().await {
            return Err(self.broken(&error, self.site.time.now()));
        }
        self.site.time.sleep(unread).await;
        self.read_piece(reading).await
    }

    async fn read_rest(&mut self, reading: &mut Reading) -> Result<Answer, Failure> {
        loop {
            if let Some(answer) = self.read_piece(reading).await? {
                return Ok(answer);
            }
        }
    }

    /// Reads once. Returns the response when it is complete.
    async fn read_piece(&mut self, reading: &mut Reading) -> Result<Option<Answer>, Failure> {
        let (read, was_awaited) = self.read().await;
        let now = self.site.time.now();
        let bytes = match &read {
            Err(error) => return Err(self.broken(error, now)),
            Ok(0) => {
                let cause = self.end(Cause::Eof, now);
                self.record.ended = self.site.at(&now);
                self.record.end = End::Fin;
                if cause == Some(CloseCause::Delimited) {
                    return Ok(Some(self.answer(reading)));
                }
                return Err(Failure::Ended(End::Fin));
            }
            Ok(length) => self.buffer.get(..*length).unwrap_or_default(),
        };
        reading.bytes = reading.bytes.saturating_add(bytes.len() as u64);
        reading.head.add(bytes);
        let known = self.site.known();
        let outcome = self.lifecycle.on_read(bytes, was_awaited, &known, now);
        if let Some(hint) = outcome.hint.and_then(|parsed| parsed.hint) {
            reading.hint = Some(hint);
        }
        self.apply(&outcome, &now);
        if let Some(became) = outcome.opaque {
            return Err(Failure::Unusable(not_http1(became.reason, &reading.head)));
        }
        if outcome.ended.is_some() {
            return Ok(Some(self.answer(reading)));
        }
        if reading.bytes > MAX_RESPONSE {
            let text = format!(
                "the response is longer than {} MiB; choose another URL, or --method HEAD",
                MAX_RESPONSE >> 20
            );
            return Err(Failure::Unusable(text));
        }
        Ok(None)
    }

    fn answer(&self, reading: &mut Reading) -> Answer {
        let head = std::mem::take(&mut reading.head);
        Answer {
            status: self.lifecycle.status(),
            hint: reading.hint,
            is_persistent: self.lifecycle.is_idle() && head.is_kept(),
            head,
        }
    }

    /// Watches the idle connection until it was idle for so long, or ends.
    pub(super) async fn watch(&mut self, until: Duration) -> IdleEnd {
        let site = self.site;
        let begun = site.time.now();
        let mut schedule = self.lifecycle.watch(Span::new(until), &begun);
        let mut open = Span::ZERO;
        loop {
            let due = *schedule.due();
            let read = tokio::select! {
                biased;
                (read, _) = self.read() => Some(read),
                () = site.time.sleep_until(&due) => None,
                () = site.interrupted() => break,
            };
            let now = site.time.now();
            let idle = self.lifecycle.idle(&now).unwrap_or(Span::ZERO);
            let Some(read) = read else {
                let slept = now
                    .since(&begun)
                    .saturating_sub(now.monotonic_since(&begun));
                if slept > ASLEEP {
                    // The network was asleep, too: that no end was read shows nothing.
                    break;
                }
                open = idle;
                site.on_open(idle.duration());
                let mut observed = schedule.on_open(&now);
                if observed.is_none() {
                    // If this process was held up, its system was not: an end would have been read.
                    schedule = self.lifecycle.watch(Span::new(until), &now);
                    observed = schedule.on_open(&now);
                }
                match observed {
                    Some(observed) => {
                        site.observe(observed);
                        continue;
                    }
                    // It was watched for long enough.
                    None => break,
                }
            };
            let end = end(&read, self.buffer.get(..*read.as_ref().unwrap_or(&0)));
            let observed = match &read {
                Ok(0) => self.lifecycle.on_end(Cause::Eof, now),
                Err(_) => self.lifecycle.on_end(Cause::Error, now),
                Ok(length) => {
                    let bytes = self.buffer.get(..*length).unwrap_or_default();
                    let outcome = self.lifecycle.on_read(bytes, true, &site.known(), now);
                    if let Some(observed) = outcome.observed {
                        site.observe(schedule.refine(observed, &now));
                    }
                    None
                }
            };
            if let Some(observed) = observed.and_then(|ended| ended.observed) {
                site.observe(schedule.refine(observed, &now));
            }
            if self.tls.is_some() {
                site.on_tls_end(&read);
            }
            self.record.ended = site.at(&now);
            self.record.end = end.clone();
            return self.idle_end(idle, open, end);
        }
        let idle = self.lifecycle.idle(&site.time.now()).unwrap_or(Span::ZERO);
        self.idle_end(idle, open, End::Open)
    }

    fn idle_end(&self, idle: Span, open: Span, end: End) -> IdleEnd {
        IdleEnd {
            connection: self.number,
            idle: Seconds(idle.duration()),
            open: Seconds(open.duration()),
            end,
        }
    }

    /// Closes it, and notes when and how it ended.
    pub(super) async fn close(mut self) {
        let now = self.site.time.now();
        if self.record.end == End::Open {
            self.record.ended = self.site.at(&now);
            let observed = self.lifecycle.on_drop(now).and_then(|ended| ended.observed);
            if let Some(observed) = observed {
                self.site.observe(observed);
            }
            let _ = self
                .site
                .time
                .within(SHUTDOWN, self.transport.shutdown())
                .await;
        }
        self.site.set(self.number, self.record);
    }

    fn apply(&self, outcome: &Outcome, now: &Moment) {
        if let Some(observed) = outcome.observed {
            self.site.observe(observed);
        }
        if let Some(answer) = outcome.answer {
            self.site.on_answer(answer, now);
        }
    }

    /// The connection failed.
    fn broken(&mut self, error: &io::Error, now: Moment) -> Failure {
        self.end(Cause::Error, now);
        self.record.ended = self.site.at(&now);
        Failure::Ended(of_error(error))
    }

    fn end(&mut self, cause: Cause, now: Moment) -> Option<CloseCause> {
        let ended = self.lifecycle.on_end(cause, now)?;
        if let Some(observed) = ended.observed {
            self.site.observe(observed);
        }
        Some(ended.cause)
    }

    /// Reads once, and whether there was nothing to read at first.
    async fn read(&mut self) -> (io::Result<usize>, bool) {
        let mut was_awaited = false;
        let read = poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut self.buffer);
            let read = Pin::new(&mut *self.transport).poll_read(cx, &mut buffer);
            was_awaited |= read.is_pending();
            match read {
                Poll::Ready(read) => Poll::Ready(read.map(|()| buffer.filled().len())),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        (read, was_awaited)
    }
}

/// What the response is instead of one of HTTP/1.
fn not_http1(reason: OpaqueReason, head: &Head) -> String {
    let text = match reason {
        OpaqueReason::OversizeHead => "the head of the response is longer than 512 KiB",
        OpaqueReason::Upgrade => "the server changes to another protocol",
        // A TLS alert (RFC 8446 §6), and the first frame of an HTTP/2 server, SETTINGS (RFC 9113 §3.4).
        _ if head.begins_with(&[0x15, 3]) => "this is no HTTP but TLS; try https://",
        _ if head.begins_with(&[0, 0]) => "this is no HTTP/1.1 but HTTP/2",
        _ => "this is no HTTP/1.1 response",
    };
    text.to_owned()
}

/// How an idle connection ended with this read.
fn end(read: &io::Result<usize>, bytes: Option<&[u8]>) -> End {
    match read {
        Ok(0) => End::Fin,
        Ok(_) => match Head::of(bytes.unwrap_or_default()).status() {
            Some(status) => End::Response { status },
            None => End::Bytes,
        },
        Err(error) => of_error(error),
    }
}

fn of_error(error: &io::Error) -> End {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => End::Reset,
        // Over TLS: without `close_notify`.
        io::ErrorKind::UnexpectedEof => End::Fin,
        _ => End::Error {
            text: one_line(error),
        },
    }
}
