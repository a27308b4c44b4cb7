//! The table of exchanges by which framing is tested, as operations.

#![allow(
    clippy::arithmetic_side_effects,
    dead_code,
    reason = "what others use of the table"
)]

#[path = "../../src/proto/framing/tests/cases.rs"]
mod cases;

use http_keepalive::OpaqueReason;

use self::cases::{Case, Hyper, Message, Payload};
use super::{ALL_AT_ONCE, DELIVER, DELIVER_UP_TO, PLAIN, RAW, ROOM, SEND, UPLOAD, VECTORED};

// What the table says of the tracker, in its own terms.
const MAX_HEAD: usize = 512 * 1024;
const MAX_LINE: usize = 1024;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Idle,
    Open,
    UntilEof,
    Opaque(OpaqueReason),
}

/// A row of the table.
pub(super) struct Row {
    pub(super) name: String,
    /// The ways in which it may happen: whether writes are vectored, and the operations.
    pub(super) ways: Vec<(u8, Vec<u8>)>,
    /// Whether the connection may become opaque.
    pub(super) may_be_opaque: bool,
}

/// All rows that hyper can be brought to.
pub(super) fn rows() -> impl Iterator<Item = Row> {
    let cases = cases::all().into_iter();
    cases
        .filter(|case| case.hyper != Hyper::Never)
        .map(|case| Row {
            ways: ways(&case),
            may_be_opaque: matches!(case.outcome_in_the_end(), Outcome::Opaque(_)),
            name: case.name,
        })
}

fn ways(case: &Case) -> Vec<(u8, Vec<u8>)> {
    let send = case.request.message.map_or_else(Vec::new, send);
    let answer = [&case.response[..], &case.behind[..]].concat();
    let raw: Vec<u8> = answer
        .chunks(255)
        .flat_map(|piece| [&[RAW, piece.len() as u8], piece].concat())
        .collect();
    let whole = [DELIVER, ALL_AT_ONCE];
    let mut ways = vec![
        (PLAIN, [&send[..], UPLOAD, &raw, &whole].concat()),
        (VECTORED, [&send[..], &raw, &whole, UPLOAD].concat()),
    ];
    // hyper parses a head from its beginning with every piece, so a long one comes in few.
    let size = match answer.len() {
        ..=2_048 => Some(1),
        2_049..=16_384 => Some(255),
        _ => None,
    };
    if let Some(size) = size {
        let count = answer.len().div_ceil(size.into());
        let pieces = [DELIVER_UP_TO, size].repeat(count);
        let byte_by_byte = [ROOM, ALL_AT_ONCE, 1];
        ways.extend([
            (
                PLAIN,
                [&byte_by_byte, &send[..], UPLOAD, &raw, &pieces].concat(),
            ),
            (VECTORED, [&send[..], &raw, &pieces, UPLOAD].concat()),
        ]);
    }
    ways
}

/// Has a caller send a request like that.
fn send(message: Message) -> Vec<u8> {
    let method = match message.method {
        "GET" => 0,
        "HEAD" => 1,
        "POST" => 2,
        "PUT" => 3,
        "CONNECT" => 4,
        "head" => 6,
        other => panic!("{other} is not known"),
    };
    let version = match message.version {
        http::Version::HTTP_10 => 3,
        _ => 0,
    };
    let fields = message.fields.iter().filter(|(name, _)| *name != "host");
    let fields = match fields.copied().collect::<Vec<_>>()[..] {
        [] => u8::from(message.fields.is_empty()),
        [("expect", "100-continue")] => 2,
        [("connection", "close")] => 3,
        [("connection", "upgrade"), ("upgrade", "websocket")] => 5,
        [("transfer-encoding", "chunked")] => 6,
        [("trailer", "x-sum")] => 7,
        [("content-length", "5")] => 8,
        [("transfer-encoding", "gzip")] => 9,
        ref others => panic!("{others:?} are not known"),
    };
    // Frames of five bytes, and of another or none.
    let lengths = |frames: &[&str]| [0, if frames.len() > 1 { 3 } else { 2 }];
    let payload = match message.payload {
        Payload::None => vec![0],
        Payload::Sized(frames) => [&[1][..], &lengths(frames)].concat(),
        Payload::Streamed(frames) => [&[2][..], &lengths(frames)].concat(),
        Payload::Trailers(frames, _) => [&[3][..], &lengths(frames)].concat(),
    };
    [&[SEND, version * 8 + method, fields][..], &payload].concat()
}
