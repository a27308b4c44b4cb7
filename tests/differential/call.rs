//! One request of a caller's, and what came of it.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;

use super::client::Flag;
use super::request::Message;
use super::upload::{Gate, Upload};

/// What a caller gets.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Event {
    Head(StatusCode, Version, HeaderMap),
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    Failed(String),
    /// The request came back; whether it did as it was sent.
    Unsent(bool),
}

type Responding = Pin<Box<dyn Future<Output = Result<Response<Incoming>, Refusal>>>>;

/// Why a request has no response.
pub(super) enum Refusal {
    /// Nothing of it was sent, and it came back.
    Unsent(Box<Request<Upload>>),
    /// In words.
    Failed(String),
}

impl From<TrySendError<Request<Upload>>> for Refusal {
    fn from(mut error: TrySendError<Request<Upload>>) -> Self {
        match error.take_message() {
            Some(request) => Self::Unsent(Box::new(request)),
            None => Self::Failed(describe(error.error())),
        }
    }
}

enum State {
    Responding(Responding),
    Receiving(Incoming),
    Done,
}

/// One request of a caller's.
pub(super) struct Call {
    pub(super) message: Message,
    /// How much had been written on the connection before this was sent.
    pub(super) written_before: usize,
    pub(super) gate: Gate,
    pub(super) events: Vec<Event>,
    state: State,
    /// How many frames of the response the caller takes.
    takes: usize,
    task: Arc<Flag>,
}

impl Call {
    pub(super) fn new(
        sender: &mut SendRequest<Upload>,
        message: Message,
        written_before: usize,
    ) -> Self {
        let gate = Gate::default();
        let responding = sender.try_send_request(message.request(gate.clone()));
        let responding = async { responding.await.map_err(Refusal::from) };
        Self::of(responding, message, gate, written_before)
    }

    /// A call whose response that is.
    pub(super) fn of(
        responding: impl Future<Output = Result<Response<Incoming>, Refusal>> + 'static,
        message: Message,
        gate: Gate,
        written_before: usize,
    ) -> Self {
        Self {
            message,
            written_before,
            gate,
            events: Vec::new(),
            state: State::Responding(Box::pin(responding)),
            takes: usize::MAX,
            task: Flag::raised(),
        }
    }

    /// The caller takes so many frames more.
    pub(super) fn take(&mut self, frames: usize) {
        self.takes = frames;
        self.task.raise();
    }

    /// The caller does not care any more.
    pub(super) fn drop(&mut self) {
        self.state = State::Done;
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether the caller takes whatever comes.
    pub(super) fn is_eager(&self) -> bool {
        self.takes > usize::MAX / 2
    }

    /// Whether this came back, and how.
    pub(super) fn unsent(&self) -> Option<bool> {
        match self.events.last() {
            Some(Event::Unsent(untouched)) => Some(*untouched),
            _ => None,
        }
    }

    pub(super) fn step(&mut self) -> bool {
        if self.is_done() || !self.task.take() {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.task));
        let mut cx = Context::from_waker(&waker);
        while let Poll::Ready(()) = self.poll(&mut cx) {}
        true
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let event = match &mut self.state {
            State::Done => return Poll::Pending,
            State::Responding(response) => match response.as_mut().poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(response)) => {
                    let (head, body) = response.into_parts();
                    self.state = State::Receiving(body);
                    Event::Head(head.status, head.version, head.headers)
                }
                Poll::Ready(Err(refusal)) => {
                    self.state = State::Done;
                    match refusal {
                        Refusal::Unsent(request) => {
                            Event::Unsent(self.message.is_untouched(&request))
                        }
                        Refusal::Failed(why) => Event::Failed(why),
                    }
                }
            },
            State::Receiving(_) if self.takes == 0 => return Poll::Pending,
            State::Receiving(body) => match Pin::new(body).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    self.takes -= 1;
                    match frame.into_data() {
                        Ok(data) => Event::Data(data),
                        Err(frame) => Event::Trailers(frame.into_trailers().unwrap_or_default()),
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.state = State::Done;
                    Event::Failed(describe(&error))
                }
                Poll::Ready(None) => {
                    self.state = State::Done;
                    Event::End
                }
            },
        };
        self.events.push(event);
        Poll::Ready(())
    }
}

/// An error with its causes.
pub(super) fn describe(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}
