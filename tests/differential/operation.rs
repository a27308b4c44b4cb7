//! What happens to a connection: a list of operations, made of any bytes.

use std::time::Duration;

use http_keepalive::KeepAlivePolicy;
use hyper::client::conn::http1::Builder;
use hyper_util::client::legacy;

use super::input::Input;
use super::request::Message;
use super::response::Answer;
use super::transport::End;

/// What a connection is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Setup {
    pub(super) policy: KeepAlivePolicy,
    /// Whether the policy allows for ever, so that no deadline tells of an idle connection.
    pub(super) is_unlimited: bool,
    pub(super) is_vectored: bool,
    /// Whether hyper takes more than it does by default.
    is_lenient: bool,
}

impl Setup {
    pub(super) fn of(input: &mut Input<'_>) -> Self {
        let byte = input.byte();
        let default = KeepAlivePolicy::default();
        let policies = [
            default,
            default.max_idle(Duration::from_secs(60)),
            default
                .safety_margin(Duration::from_secs(1))
                .response_window(10),
            default.safety_margin(Duration::from_millis(100)),
            default.reuse(false),
            default.safety_margin(Duration::from_secs(9)),
            default.max_idle(Duration::from_nanos(1)),
            default.max_idle(Duration::MAX),
        ];
        let policy = usize::from(byte) % policies.len();
        Self {
            policy: policies[policy],
            is_unlimited: policy == 7,
            is_vectored: byte & 8 != 0,
            is_lenient: byte & 16 != 0,
        }
    }

    pub(super) fn builder(&self) -> Builder {
        let mut builder = Builder::new();
        self.set(&mut builder);
        builder
    }

    pub(super) fn set(&self, builder: &mut Builder) {
        if self.is_lenient {
            builder
                .http09_responses(true)
                .allow_spaces_after_header_name_in_responses(true)
                .allow_obsolete_multiline_headers_in_responses(true)
                .ignore_invalid_headers_in_responses(true)
                .max_headers(10_000)
                .max_buf_size(4 * 1024 * 1024);
        }
    }

    /// The same for hyper-util's client.
    pub(super) fn set_legacy(&self, builder: &mut legacy::Builder) {
        if self.is_lenient {
            builder
                .http09_responses(true)
                .http1_allow_spaces_after_header_name_in_responses(true)
                .http1_allow_obsolete_multiline_headers_in_responses(true)
                .http1_ignore_invalid_headers_in_responses(true)
                .http1_max_headers(10_000)
                .http1_max_buf_size(4 * 1024 * 1024);
        }
    }
}

/// How far the clocks go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Span {
    Of(Duration),
    /// To the deadline, or nearly.
    UntilDeadline {
        less: Duration,
    },
}

/// What happens to a connection.
#[derive(Debug)]
pub(super) enum Operation<'a> {
    /// The caller sends a request.
    Send(Message),
    /// The caller has so many more frames of its body ready.
    Upload(usize),
    /// The server makes up an answer.
    Answer(Answer),
    /// The server makes up anything.
    Raw(&'a [u8]),
    /// A byte of what the server has made up is another, or is gone, or one more is there.
    Mangle {
        at: usize,
        kind: u8,
        byte: u8,
    },
    /// The server sends so much of what it has made up.
    Deliver(usize),
    /// The transport takes so many bytes more, at most so many at once.
    Room {
        room: usize,
        at_most: usize,
    },
    /// The transport flushes, or does not.
    Stick(bool),
    /// The server goes.
    End(End),
    /// Writes fail.
    Break,
    /// The caller takes so many frames of the response.
    Take(usize),
    /// The caller does not care for the response any more.
    Drop,
    /// The caller will not send any more.
    DropSender,
    Advance(Span),
    /// The machine sleeps.
    Suspend(Duration),
    /// Each reading of the clock moves it.
    Tick(Duration),
    Retire,
    /// Another task drives the connection.
    Move,
    /// The connection is polled though nothing woke it.
    Poll,
}

const UPLOADS: [usize; 4] = [usize::MAX, 1, 2, 3];
const AMOUNTS: [usize; 8] = [usize::MAX, 1, 2, 3, 7, 20, 100, 0];
const PIECES: [usize; 4] = [usize::MAX, 1, 3, 50];
const TICKS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_nanos(1),
    Duration::from_millis(1),
    Duration::from_secs(1),
];
const SPANS: [Span; 8] = [
    Span::UntilDeadline {
        less: Duration::ZERO,
    },
    Span::UntilDeadline {
        less: Duration::from_nanos(1),
    },
    Span::UntilDeadline {
        less: Duration::from_millis(1),
    },
    Span::Of(Duration::from_nanos(1)),
    Span::Of(Duration::from_millis(1)),
    Span::Of(Duration::from_millis(100)),
    Span::Of(Duration::from_secs(1)),
    Span::Of(Duration::from_secs(3600)),
];

impl<'a> Operation<'a> {
    /// The next operation, and whether everybody comes to rest after it; `None` once there is none.
    /// `method` is that of the request which the server answers, if it does.
    pub(super) fn next(input: &mut Input<'a>, method: &str) -> Option<(Self, bool)> {
        let code = input.next()?;
        let rests = code & 0x80 == 0;
        let operation = match code % 32 {
            0..=4 => Self::Send(Message::of(input)),
            5 | 6 => Self::Upload(input.pick(&UPLOADS)),
            7..=9 => Self::Answer(Answer::of(input, method)),
            10..=14 => Self::Deliver(input.pick(&AMOUNTS)),
            15 => Self::Deliver(usize::from(input.byte())),
            16 | 17 => Self::Raw(input.piece()),
            18 => Self::Mangle {
                at: usize::from(input.byte()),
                kind: input.byte(),
                byte: input.byte(),
            },
            19 => Self::Room {
                room: input.pick(&AMOUNTS),
                at_most: input.pick(&PIECES),
            },
            20 => Self::Stick(input.byte() % 2 == 0),
            21 => Self::End(input.pick(&[End::Eof, End::Error])),
            22 => Self::Break,
            23 | 24 => Self::Take(input.pick(&[usize::MAX, 0, 1, 2])),
            25 => Self::Drop,
            26 | 27 => Self::Advance(input.pick(&SPANS)),
            28 if input.byte() % 2 == 0 => Self::Suspend(Duration::from_secs(3600)),
            28 => Self::Tick(input.pick(&TICKS)),
            29 => Self::Retire,
            30 => Self::Move,
            31 if input.byte() % 2 == 0 => Self::DropSender,
            _ => Self::Poll,
        };
        Some((operation, rests))
    }
}
