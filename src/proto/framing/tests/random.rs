//! Exchanges made up at random, and bytes that are none.

use std::fmt::Write as _;

use hyper::client::conn::http1::Builder;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::cases::{GET, HEAD, Hyper, SIZED};
use super::differential::lenient;
use super::follower::{Follower, Outcome};
use super::rig::{Rig, Upload, Writes};

fn config(cases: u32) -> ProptestConfig {
    // A failure is to be turned into a case of the table, not into a file beside the sources.
    ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// A well-formed exchange.
#[derive(Clone, Debug)]
struct Exchange {
    request: Vec<u8>,
    /// Where the request line ends.
    line: usize,
    response: Vec<u8>,
}

/// A piece of an exchange, in the order in which the pieces pass.
#[derive(Clone, Debug)]
enum Piece {
    Written(Vec<u8>),
    Read(Vec<u8>),
}

/// How an exchange is cut, and which direction comes next.
#[derive(Clone, Debug)]
struct Cuts {
    request: Vec<Index>,
    response: Vec<Index>,
    written_next: Vec<bool>,
}

impl Exchange {
    /// The pieces of this exchange: in whichever order, but none of the response before the request
    /// line, and the last byte of each direction on its own.
    fn pieces(&self, cuts: &Cuts) -> Vec<Piece> {
        let mut written = cut(&self.request, &cuts.request).into_iter().peekable();
        let mut read = cut(&self.response, &cuts.response).into_iter().peekable();
        let mut turns = cuts.written_next.iter().copied().cycle();
        let mut pieces = Vec::new();
        let mut out = 0;
        while written.peek().is_some() || read.peek().is_some() {
            let may_read = out >= self.line && read.peek().is_some();
            let write = written.peek().is_some() && (!may_read || turns.next().unwrap_or(true));
            if write {
                let piece = written.next().unwrap();
                out += piece.len();
                pieces.push(Piece::Written(piece.to_vec()));
            } else {
                pieces.push(Piece::Read(read.next().unwrap().to_vec()));
            }
        }
        pieces
    }
}

fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut offsets: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
    offsets.extend([0, bytes.len() - 1, bytes.len()]);
    offsets.sort_unstable();
    offsets.dedup();
    offsets
        .windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}

fn any_cuts() -> impl Strategy<Value = Cuts> {
    let cuts = || prop::collection::vec(any::<Index>(), 0..8);
    (cuts(), cuts(), prop::collection::vec(any::<bool>(), 1..16)).prop_map(
        |(request, response, written_next)| Cuts {
            request,
            response,
            written_next,
        },
    )
}

/// Fields that do not matter here.
fn any_fields() -> impl Strategy<Value = String> {
    let name = select(vec![
        "Host",
        "Connection",
        "Content-Type",
        "Content-Lengthy",
        "TE",
        "c",
        "T",
        "X",
    ]);
    let value = "[!-~]([ -~]{0,20}[!-~])?";
    prop::collection::vec((name, value, select(vec!["\r\n", "\n"])), 0..6).prop_map(|fields| {
        fields
            .into_iter()
            .map(|(name, value, end)| format!("{name}: {value}{end}"))
            .collect()
    })
}

/// What follows a head, and the fields that say so.
#[derive(Clone, Debug)]
struct Body {
    fields: String,
    bytes: Vec<u8>,
}

/// Data that looks like framing.
fn data(length: usize) -> Vec<u8> {
    b"\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
        .iter()
        .copied()
        .cycle()
        .take(length)
        .collect()
}

fn sized() -> impl Strategy<Value = Body> {
    let forms = select(vec![
        "Content-Length: {}\r\n",
        "content-length:{}\r\n",
        "CONTENT-LENGTH: \t{} \r\n",
        "Content-Length: {}, {}\r\n",
        "Content-Length: {}\r\nX: y\r\nContent-Length: 0{}\r\n",
    ]);
    (prop_oneof![Just(0), 1..300_usize], forms).prop_map(|(length, form)| Body {
        fields: form.replace("{}", &length.to_string()),
        bytes: data(length),
    })
}

fn in_chunks() -> impl Strategy<Value = Body> {
    let fields = select(vec![
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding:Chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
    ]);
    let extension = || select(vec!["", "", " ", ";a", "; a=\"b;c\"", "\t;"]);
    let chunk = (1..300_usize, any::<bool>(), 0..3_usize, extension());
    let trailer = select(vec![
        "X: y\r\n",
        "Content-Length: 5\r\n",
        "Long: 0123456789\r\n",
    ]);
    (
        fields,
        prop::collection::vec(chunk, 0..5),
        extension(),
        prop::collection::vec(trailer, 0..3),
    )
        .prop_map(|(fields, chunks, extension, trailers)| {
            let mut bytes = Vec::new();
            for (length, upper, zeros, extension) in chunks {
                let size = if upper {
                    format!("{length:X}")
                } else {
                    format!("{length:x}")
                };
                let line = format!("{}{size}{extension}\r\n", "0".repeat(zeros));
                bytes.extend_from_slice(line.as_bytes());
                bytes.extend(data(length));
                bytes.extend_from_slice(b"\r\n");
            }
            let end = format!("0{extension}\r\n{}\r\n", trailers.concat());
            bytes.extend_from_slice(end.as_bytes());
            Body {
                fields: fields.to_owned(),
                bytes,
            }
        })
}

fn no_body() -> impl Strategy<Value = Body> {
    Just(Body {
        fields: String::new(),
        bytes: Vec::new(),
    })
}

/// What a response without a body may say of the one it would have had.
fn left_out() -> impl Strategy<Value = Body> {
    prop_oneof![no_body(), sized(), in_chunks()].prop_map(|body| Body {
        bytes: Vec::new(),
        ..body
    })
}

fn any_interim() -> impl Strategy<Value = String> {
    let one = (select(vec![100, 102, 103, 199]), any_fields())
        .prop_map(|(status, fields)| format!("HTTP/1.1 {status} X\r\n{fields}\r\n"));
    prop::collection::vec(one, 0..3).prop_map(|all| all.concat())
}

/// A method, a status, and what follows the head.
fn any_final() -> impl Strategy<Value = (&'static str, u16, Body)> {
    let methods = || select(vec!["GET", "POST", "OPTIONS", "head", "X"]);
    let statuses = || select(vec![200, 201, 205, 301, 404, 407, 500, 999]);
    prop_oneof![
        (methods(), statuses(), prop_oneof![sized(), in_chunks()]),
        (methods(), select(vec![204, 304]), left_out()),
        (Just("HEAD"), statuses(), left_out()),
        (
            Just("CONNECT"),
            select(vec![300, 407, 502]),
            prop_oneof![sized(), in_chunks()]
        ),
    ]
}

fn any_exchange() -> impl Strategy<Value = Exchange> {
    let upload = prop_oneof![no_body(), sized(), in_chunks()];
    (
        upload,
        any_fields(),
        any_interim(),
        any_final(),
        any_fields(),
    )
        .prop_map(
            |(upload, request_fields, interim, (method, status, body), response_fields)| {
                let line = format!("{method} /x?y HTTP/1.1\r\n");
                let mut request =
                    format!("{line}{request_fields}{}\r\n", upload.fields).into_bytes();
                request.extend(upload.bytes);
                let mut head = interim;
                write!(
                    head,
                    "HTTP/1.1 {status} X\r\n{response_fields}{}\r\n",
                    body.fields
                )
                .unwrap();
                let mut response = head.into_bytes();
                response.extend(body.bytes);
                Exchange {
                    request,
                    line: line.len(),
                    response,
                }
            },
        )
}

fn any_request() -> impl Strategy<Value = Vec<u8>> {
    any_exchange().prop_map(|exchange| exchange.request)
}

/// Pieces of texts that could belong together.
fn soup(tokens: Vec<&'static [u8]>) -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        8 => select(tokens).prop_map(<[u8]>::to_vec),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

const COMMON: [&[u8]; 35] = [
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b",",
    b":",
    b";",
    b"0",
    b"1",
    b"5",
    b"a",
    b"F",
    b"00",
    b"hello",
    b"x",
    b"5\r\nhello\r\n",
    b"0\r\n\r\n",
    b"Content-Length: ",
    b"Content-Length: 5\r\n",
    b"Content-Length: 0\r\n",
    b"content-length:",
    b"Transfer-Encoding: ",
    b"Transfer-Encoding: chunked\r\n",
    b"chunked",
    b"gzip",
    b"X: y\r\n",
    b"\x01",
    b"\x0c",
    b"\xff",
];

fn request_soup() -> impl Strategy<Value = Vec<u8>> {
    let mut tokens = COMMON.to_vec();
    tokens.extend([
        &b"GET / HTTP/1.1\r\n"[..],
        b"HEAD / HTTP/1.1\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"CONNECT a HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"GET",
        b" / HTTP/1.0",
    ]);
    soup(tokens)
}

fn response_soup() -> impl Strategy<Value = Vec<u8>> {
    let mut tokens = COMMON.to_vec();
    tokens.extend([
        &b"HTTP/1.1 200 OK\r\n"[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 X\r\n\r\n",
        b"HTTP/1.1 204 X\r\n",
        b"HTTP/1.1 101 X\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.",
        b"Connection: keep-alive\r\n",
    ]);
    soup(tokens)
}

/// A response that begins as one, most of the time.
fn response_like() -> impl Strategy<Value = Vec<u8>> {
    let begin = select(vec![
        &b"HTTP/1.1 200 OK\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
        b"HTTP/1.1 100 X\r\n\r\n",
        b"",
    ]);
    (begin, response_soup()).prop_map(|(begin, soup)| [begin, &soup].concat())
}

/// A well-formed response with some of its bytes replaced, put in or taken out.
fn damaged_response() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => select(b"\r\n \t,:;0159aFxg-+\0\x01\x0b\x0c\x7f\xff".to_vec()),
        1 => any::<u8>(),
    ];
    let change = (any::<Index>(), 0..3_u8, byte);
    (any_exchange(), prop::collection::vec(change, 0..4)).prop_map(|(exchange, changes)| {
        let mut response = exchange.response;
        for (at, kind, byte) in changes {
            let at = at.index(response.len());
            match kind {
                0 => response[at] = byte,
                1 => response.insert(at, byte),
                _ => {
                    response.remove(at);
                }
            }
        }
        response
    })
}

fn feed(follower: &mut Follower, pieces: &[Piece]) {
    for piece in pieces {
        match piece {
            Piece::Written(bytes) => follower.on_written(bytes),
            Piece::Read(bytes) => follower.on_read(bytes),
        };
    }
}

proptest! {
    #![proptest_config(config(512))]

    #[test]
    fn exchanges_end_with_their_last_byte_and_not_before(
        exchanges in prop::collection::vec((any_exchange(), any_cuts(), any::<bool>()), 1..4),
    ) {
        let mut follower = Follower::new();
        // Of an exchange that was answered early: its last piece, to be written with the next.
        let mut held: Vec<u8> = Vec::new();
        let count = exchanges.len();
        for (n, (exchange, cuts, join)) in exchanges.into_iter().enumerate() {
            let pieces = exchange.pieces(&cuts);
            let last = pieces.len() - 1;
            for (at, piece) in pieces.into_iter().enumerate() {
                let progress = match piece {
                    Piece::Written(bytes) if at == last && join && n + 1 < count => {
                        held = bytes;
                        break;
                    }
                    Piece::Written(bytes) => {
                        let joined = !held.is_empty();
                        let bytes = [std::mem::take(&mut held), bytes].concat();
                        let progress = follower.on_written(&bytes);
                        prop_assert_eq!(progress.begun, at == 0);
                        prop_assert_eq!(progress.ended, at == last || joined);
                        prop_assert!(!joined || at == 0);
                        progress
                    }
                    Piece::Read(bytes) => {
                        let progress = follower.on_read(&bytes);
                        prop_assert_eq!(progress.ended, at == last);
                        progress
                    }
                };
                let outcome = if at == last { Outcome::Idle } else { Outcome::Open };
                prop_assert_eq!(follower.outcome(), outcome, "exchange {}, piece {}", n, at);
                prop_assert_eq!(follower.ended(), n + usize::from(progress.ended && at == last));
            }
        }
    }

    #[test]
    fn no_bytes_in_no_order_make_it_panic_or_keep_much(
        pieces in prop::collection::vec(
            prop_oneof![
                request_soup().prop_map(Piece::Written),
                response_soup().prop_map(Piece::Read),
                prop::collection::vec(any::<u8>(), 0..200).prop_map(Piece::Written),
                prop::collection::vec(any::<u8>(), 0..200).prop_map(Piece::Read),
            ],
            0..20,
        ),
    ) {
        // The follower looks at what is kept.
        feed(&mut Follower::new(), &pieces);
        // `Exchange` asks no more once it was told so, but nothing would break.
        let mut tracker = crate::proto::framing::Tracker::new();
        for piece in &pieces {
            let _ = match piece {
                Piece::Written(bytes) => tracker.on_written(bytes),
                Piece::Read(bytes) => tracker.on_read(bytes),
            };
        }
    }

    #[test]
    fn however_bytes_are_split_the_outcome_is_the_same(
        request in prop_oneof![request_soup(), any_request()],
        response in prop_oneof![response_like(), damaged_response()],
        cuts in any_cuts(),
    ) {
        let mut whole = Follower::new();
        whole.on_written(&request);
        whole.on_read(&response);

        let mut by_bytes = Follower::new();
        request.chunks(1).for_each(|byte| { by_bytes.on_written(byte); });
        response.chunks(1).for_each(|byte| { by_bytes.on_read(byte); });

        let mut in_pieces = Follower::new();
        let request = [&request[..], b"x"].concat();
        let response = [&response[..], b"x"].concat();
        let (request, response) = (cut(&request, &cuts.request), cut(&response, &cuts.response));
        // `cut` leaves the last byte on its own.
        request[..request.len() - 1].iter().for_each(|piece| { in_pieces.on_written(piece); });
        response[..response.len() - 1].iter().for_each(|piece| { in_pieces.on_read(piece); });

        prop_assert_eq!(whole.outcome(), by_bytes.outcome());
        prop_assert_eq!(whole.outcome(), in_pieces.outcome());
    }

    #[test]
    fn hyper_does_not_wait_for_more_of_what_the_tracker_takes_for_the_end(
        response in prop_oneof![response_like(), damaged_response()],
        request in select(vec![GET, HEAD, SIZED]),
        cuts in any_cuts(),
        tolerant in any::<bool>(),
    ) {
        let builder = if tolerant { lenient() } else { Builder::new() };
        let mut rig = Rig::new(&builder, Writes { at_most: usize::MAX, vectored: false });
        rig.send(&request.message.unwrap(), Upload::AtOnce);
        if response.is_empty() {
            return Ok(());
        }
        for piece in cut(&response, &cuts.response) {
            rig.deliver(piece);
            let outcome = rig.follow(Follower::outcome);
            if outcome == Outcome::Idle {
                prop_assert_ne!(rig.hyper(), Hyper::Waiting, "{}", response.escape_ascii());
            }
            if rig.hyper() == Hyper::Ready {
                let known = matches!(outcome, Outcome::Idle | Outcome::Opaque(_));
                prop_assert!(known, "hyper would take another request, but {:?}", outcome);
            }
        }
    }
}
