//! hyper's own client beside the tracker: they must not differ about where an exchange ends.
//!
//! 1. hyper does what the table says.
//! 2. Completeness: when hyper would take another request, the tracker says that the exchange has ended, but for
//!    the cases of the table that say why not.
//! 3. EOF as soon as the tracker says that an exchange has ended takes nothing from its caller.
//!
//! Soundness, that hyper does not wait for anything when the tracker says that no exchange is open, is what
//! `tests/differential.rs` holds over the same table, through the connector.

use hyper::client::conn::http1::Builder;

use super::cases::{self, Case, Hyper, Request};
use super::follower::{Follower, Outcome};
use super::rig::{Received, Rig, Upload, Writes};

const PLAIN: Writes = Writes {
    at_most: usize::MAX,
    vectored: false,
};
const VECTORED: Writes = Writes {
    at_most: usize::MAX,
    vectored: true,
};
const BYTES: Writes = Writes {
    at_most: 1,
    vectored: false,
};

/// How the bytes of the server come.
#[derive(Clone, Copy, Debug)]
enum Delivery {
    Whole,
    Bytes,
}

impl Delivery {
    fn pieces(self, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
        let size = match self {
            Self::Whole => bytes.len().max(1),
            // hyper parses a head from its beginning with every piece, so a long one comes in few.
            Self::Bytes => 1 + bytes.len() / 4096 * 64,
        };
        bytes.chunks(size)
    }
}

#[derive(Clone, Copy, Debug)]
struct Mode {
    delivery: Delivery,
    upload: Upload,
    writes: Writes,
}

const MODES: [Mode; 5] = [
    Mode {
        delivery: Delivery::Whole,
        upload: Upload::AtOnce,
        writes: PLAIN,
    },
    Mode {
        delivery: Delivery::Whole,
        upload: Upload::Late,
        writes: VECTORED,
    },
    Mode {
        delivery: Delivery::Bytes,
        upload: Upload::AtOnce,
        writes: BYTES,
    },
    Mode {
        delivery: Delivery::Bytes,
        upload: Upload::AtOnce,
        writes: VECTORED,
    },
    Mode {
        delivery: Delivery::Bytes,
        upload: Upload::Late,
        writes: PLAIN,
    },
];

/// hyper with everything on that makes it take more than it does by default.
pub(super) fn lenient() -> Builder {
    let mut builder = Builder::new();
    builder
        .http09_responses(true)
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .ignore_invalid_headers_in_responses(true)
        .max_headers(10_000)
        .max_buf_size(4 * 1024 * 1024);
    builder
}

/// The cases that hyper can be brought to, with the request to hand it.
fn cases() -> impl Iterator<Item = Case> {
    cases::all()
        .into_iter()
        .filter(|case| case.hyper != Hyper::Never)
}

fn begin(builder: &Builder, request: &Request, mode: Mode) -> Rig {
    let mut rig = Rig::new(builder, mode.writes);
    if let Some(message) = &request.message {
        rig.send(message, mode.upload);
    }
    rig
}

/// The outcome, as far as the tracker could see it: what hyper does not read, it does not either.
fn outcome(rig: &Rig) -> Outcome {
    rig.follow(Follower::outcome)
}

fn assert_complete(rig: &Rig, case: &Case, context: &str) {
    if rig.hyper() == Hyper::Ready && case.tolerated.is_none() {
        assert_eq!(
            outcome(rig),
            Outcome::Idle,
            "{context}: hyper would take another request"
        );
    }
}

/// Runs a case, and looks after each piece.
fn run(builder: &Builder, case: &Case, mode: Mode, look: impl Fn(&Rig)) -> Rig {
    let mut rig = begin(builder, &case.request, mode);
    look(&rig);
    let answer = [&case.response[..], &case.behind[..]].concat();
    for piece in mode.delivery.pieces(&answer) {
        rig.deliver(piece);
        look(&rig);
    }
    rig.upload();
    look(&rig);
    rig
}

/// Runs a case up to where the tracker says that the exchange has ended, and ends the connection
/// there.
fn run_to_eof(case: &Case, mode: Mode) -> Rig {
    let mut rig = begin(&Builder::new(), &case.request, mode);
    let mut pieces = mode.delivery.pieces(&case.response).peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() && mode.upload == Upload::AtOnce {
            rig.deliver_and_eof(piece);
            return rig;
        }
        rig.deliver(piece);
    }
    rig.upload();
    if rig.has_read_all() {
        assert_eq!(outcome(&rig), Outcome::Idle, "{}, {mode:?}", case.name);
    }
    rig.eof();
    rig
}

fn summary(received: Option<&Received>) -> Option<(u16, &[u8])> {
    let (status, body) = received?.as_ref().ok()?;
    Some((*status, body))
}

#[test]
fn hyper_writes_the_requests_of_the_table() {
    for case in cases() {
        for mode in MODES {
            let mut rig = begin(&Builder::new(), &case.request, mode);
            rig.upload();

            let (written, wire) = (rig.written(), case.request.wire);
            assert_eq!(
                written.escape_ascii().to_string(),
                wire.escape_ascii().to_string(),
                "{}, {mode:?}",
                case.name
            );
        }
    }
}

#[test]
fn hyper_does_what_the_table_says() {
    for case in cases() {
        for mode in MODES {
            let rig = run(&Builder::new(), &case, mode, |_| {});

            assert_eq!(rig.hyper(), case.hyper, "{}, {mode:?}", case.name);
            if rig.has_read_all() {
                assert_eq!(
                    outcome(&rig),
                    case.outcome_in_the_end(),
                    "{}, {mode:?}",
                    case.name
                );
            }
            if let (Outcome::Idle, Some(Ok((status, _)))) = (outcome(&rig), rig.received()) {
                assert_eq!(rig.follow(Follower::status), *status, "{}", case.name);
            }
        }
    }
}

#[test]
fn the_tracker_sees_an_end_when_hyper_would_take_another_request() {
    for case in cases() {
        for mode in MODES {
            let context = format!("{}, {mode:?}", case.name);
            run(&Builder::new(), &case, mode, |rig| {
                assert_complete(rig, &case, &context)
            });
        }
    }
}

#[test]
fn eof_at_the_end_of_an_exchange_takes_nothing_from_its_caller() {
    for case in cases().filter(|case| case.outcome == Outcome::Idle) {
        for mode in MODES {
            let left_open = Case {
                behind: Vec::new(),
                ..case.clone()
            };
            let open = run(&Builder::new(), &left_open, mode, |_| {});
            let closed = run_to_eof(&case, mode);

            let (open, at_eof) = (summary(open.received()), summary(closed.received()));
            assert_eq!(at_eof, open, "{}, {mode:?}", case.name);
            assert_eq!(closed.hyper(), Hyper::Closed, "{}, {mode:?}", case.name);
        }
    }
}
