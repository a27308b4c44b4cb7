//! What a server answers: well-formed, odd, or neither.

use std::fmt;

use super::input::Input;
use super::upload::data;

const STATUSES: [u16; 16] = [
    200, 204, 304, 200, 201, 205, 301, 404, 408, 413, 500, 599, 999, 101, 200, 407,
];

const INTERIM: [&str; 4] = [
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\ncontent-length: 3\r\n\r\n",
    "HTTP/1.1 102\r\n\r\n",
    "HTTP/1.0 199 X\r\ntransfer-encoding: chunked\r\n\r\n",
];

const PERSISTENCE: [&str; 4] = [
    "",
    "connection: keep-alive\r\n",
    "connection: close\r\n",
    "keep-alive: timeout=1, max=1\r\n",
];

const LENGTHS: [usize; 8] = [5, 0, 1, 2, 26, 300, 9000, 20_000];

const LENGTH_FIELDS: [&str; 5] = [
    "content-length: {}\r\n",
    "Content-Length:{}\r\nX: y\r\n",
    "CONTENT-LENGTH: \t{} \r\n",
    "content-length: {}, {}\r\n",
    "content-length: {}\r\ncontent-lengths: 7\r\ncontent-length: 00{}\r\n",
];

const CHUNKED_FIELDS: [&str; 5] = [
    "transfer-encoding: chunked\r\n",
    "TE: x\r\nTransfer-Encoding:Chunked\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n",
    "content-length: 7\r\ntransfer-encoding: chunked\r\n",
];

const EXTENSIONS: [&str; 6] = ["", " ", ";a", "; a=\"b;c\"", "\t;", ";0"];

const TRAILERS: [&str; 4] = [
    "",
    "x-sum: 1\r\n",
    "content-length: 5\r\ntransfer-encoding: gzip\r\n",
    "x-sum: 1\r\nconnection: close\r\n",
];

/// Fields that parsers disagree about, or that hyper refuses.
const ODD_FIELDS: [&str; 24] = [
    "content-length: 5, 6\r\n",
    "content-length: 5\r\ncontent-length: 6\r\n",
    "content-length: +5\r\n",
    "content-length: -5\r\n",
    "content-length:\r\n",
    "content-length: 5,\r\n",
    "content-length: 0x5\r\n",
    "content-length: 18446744073709551615\r\n",
    "content-length: 18446744073709551616\r\n",
    "content-length : 5\r\n",
    "content-length: 5\x0c\r\n",
    "content-length\r\n",
    "content-length: 5\r\n 0\r\n",
    " content-length: 5\r\n",
    "transfer-encoding : chunked\r\n",
    "transfer-encoding: chunked, gzip\r\n",
    "transfer-encoding: \x0bchunked\r\n",
    "transfer-encoding: chunked;q=1\r\n",
    "transfer-encoding: identity\r\n",
    "transfer-encoding:\r\n\tchunked\r\n",
    "transfer-encoding: chunked\r\ntransfer-encoding:\r\n",
    "transfer-encoding: chunked\r\r\n",
    "x: y\rcontent-length: 5\r\n",
    "content-length: 5\r\ncontent length: 6\r\n",
];

/// Heads that begin in other ways.
const ODD_STARTS: [&str; 12] = [
    "HTTP/1.1 200 OK\n",
    "\r\n\n\r\nHTTP/1.1 200 OK\r\n",
    "HTTP/1.1 200\r\n",
    "HTTP/1.1 200  O K\r\n",
    // From here on hyper refuses them, unless it is told otherwise.
    "HTTP/1.1  200 OK\r\n",
    " HTTP/1.1 200 OK\r\n",
    "HTTP/1.2 200 OK\r\n",
    "HTTP/2.0 200 OK\r\n",
    "http/1.1 200 OK\r\n",
    "HTTP/1.1 099 X\r\n",
    "HTTP/1.1 2000 X\r\n",
    "hello",
];
const STARTS_WELL_FORMED: u8 = 4;

/// What says where a response ends.
#[derive(Clone, Copy, Debug)]
enum Framing {
    Length,
    Chunked,
    UntilEof,
    Odd,
}
use Framing::{Chunked, Length, Odd, UntilEof};

const FRAMINGS: [Framing; 8] = [
    Length, Chunked, Length, Chunked, UntilEof, Odd, Length, Chunked,
];

/// A response, and whether all agree about where it ends.
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) is_well_formed: bool,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes[..self.bytes.len().min(400)].escape_ascii();
        let length = self.bytes.len();
        write!(
            f,
            "{length} bytes, well-formed: {}: {bytes}",
            self.is_well_formed
        )
    }
}

impl Answer {
    /// An answer to a request of that method.
    pub(super) fn of(input: &mut Input<'_>, method: &str) -> Self {
        let status = input.byte();
        let head = input.byte();
        let mut answer = Self {
            bytes: Vec::new(),
            is_well_formed: true,
        };
        // Two bits for interim responses, two for persistence, one each for HTTP/1.0, an odd start,
        // and line ends.
        for _ in 0..head % 4 {
            answer.push(input.pick(&INTERIM));
        }
        let persistence = PERSISTENCE[usize::from(head >> 2) % PERSISTENCE.len()];
        let http_10 = head & 16 != 0;
        let odd_start = head & 32 != 0;
        let bare = head & 64 != 0;
        let start = answer.bytes.len();

        let mut status = STATUSES[usize::from(status) % STATUSES.len()];
        if odd_start {
            status = 200;
            let start = input.byte() % ODD_STARTS.len() as u8;
            answer.push(ODD_STARTS[usize::from(start)]);
            answer.is_well_formed &= start < STARTS_WELL_FORMED;
        } else {
            let version = if http_10 { "1.0" } else { "1.1" };
            answer.push(&format!("HTTP/{version} {status} X\r\n"));
        }
        answer.push(persistence);
        let has_body = method != "HEAD" && !matches!(status, 204 | 304);
        let body = answer.fields(input, has_body, http_10);
        answer.push("\r\n");
        if bare {
            let head = answer.bytes.split_off(start);
            let bare = head.split(|&byte| byte == b'\r').map(<[u8]>::to_vec);
            answer.bytes.extend(bare.flatten());
        }
        answer.bytes.extend(body);
        answer
    }

    /// Adds the fields that say where the body ends; returns that.
    fn fields(&mut self, input: &mut Input<'_>, has_body: bool, http_10: bool) -> Vec<u8> {
        let body = match input.pick(&FRAMINGS) {
            Length => {
                let length = input.pick(&LENGTHS);
                let field = input.pick(&LENGTH_FIELDS);
                self.push(&field.replace("{}", &length.to_string()));
                data(length).to_vec()
            }
            Chunked => {
                self.push(input.pick(&CHUNKED_FIELDS));
                // HTTP/1.0 has no transfer codings.
                self.is_well_formed &= !http_10 || !has_body;
                chunks(input)
            }
            UntilEof => data(input.pick(&LENGTHS)).to_vec(),
            Odd => {
                self.is_well_formed = false;
                self.push(input.pick(&ODD_FIELDS));
                let body = if input.byte() % 2 == 0 {
                    data(5).to_vec()
                } else {
                    chunks(input)
                };
                return body;
            }
        };
        if has_body { body } else { Vec::new() }
    }

    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }
}

fn chunks(input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..input.byte() % 4 {
        let length = input.pick(&LENGTHS);
        if length > 0 {
            let line = format!("{length:x}{}\r\n", input.pick(&EXTENSIONS));
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend(data(length));
            bytes.extend_from_slice(b"\r\n");
        }
    }
    let last = format!("0{}\r\n", input.pick(&EXTENSIONS));
    bytes.extend_from_slice(last.as_bytes());
    bytes.extend_from_slice(input.pick(&TRAILERS).as_bytes());
    bytes.extend_from_slice(b"\r\n");
    bytes
}
