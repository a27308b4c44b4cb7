//! The table: what passes on a connection, what the tracker makes of it, and what hyper does.
//!
//! `tests/differential.rs` includes this file, and runs the same cases through the connector.

use http::Version;

use super::{MAX_HEAD, MAX_LINE, OpaqueReason, Outcome};

/// What hyper's client does once everything was delivered and the transport stays open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hyper {
    /// It would take another request.
    Ready,
    /// It has closed the connection, or left it to what HTTP was upgraded to.
    Closed,
    /// It reads on.
    Waiting,
    /// It does not send such a request.
    Never,
}
use Hyper::{Closed, Never, Ready, Waiting};

/// The body of a request, in the frames in which the caller hands it to hyper.
#[derive(Clone, Copy, Debug)]
pub(super) enum Payload {
    None,
    /// Of a length that hyper knows beforehand.
    Sized(&'static [&'static str]),
    Streamed(&'static [&'static str]),
    Trailers(&'static [&'static str], (&'static str, &'static str)),
}

/// A request as it is handed to hyper.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) method: &'static str,
    pub(super) target: &'static str,
    pub(super) version: Version,
    pub(super) fields: &'static [(&'static str, &'static str)],
    pub(super) payload: Payload,
}

impl Message {
    const fn new(
        method: &'static str,
        fields: &'static [(&'static str, &'static str)],
        payload: Payload,
    ) -> Self {
        Self {
            method,
            target: "/",
            version: Version::HTTP_11,
            fields,
            payload,
        }
    }
}

/// A request as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) wire: &'static [u8],
    /// What makes hyper write just that, if anything does.
    pub(super) message: Option<Message>,
}

impl Request {
    const fn raw(wire: &'static [u8]) -> Self {
        Self {
            wire,
            message: None,
        }
    }

    const fn of(message: Message, wire: &'static [u8]) -> Self {
        Self {
            wire,
            message: Some(message),
        }
    }
}

const NOTHING: Request = Request::raw(b"");
pub(super) const GET: Request = Request::of(
    Message::new("GET", &[("host", "a")], Payload::None),
    b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
);
pub(super) const HEAD: Request = Request::of(
    Message::new("HEAD", &[("host", "a")], Payload::None),
    b"HEAD / HTTP/1.1\r\nhost: a\r\n\r\n",
);
pub(super) const SIZED: Request = Request::of(
    Message::new(
        "POST",
        &[("host", "a")],
        Payload::Sized(&["hello", " world"]),
    ),
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nhello world",
);
pub(super) const STREAMED: Request = Request::of(
    Message::new(
        "PUT",
        &[("host", "a")],
        Payload::Streamed(&["hello", " big and wide world"]),
    ),
    b"PUT / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
      5\r\nhello\r\n13\r\n big and wide world\r\n0\r\n\r\n",
);
const TRAILERS: Request = Request::of(
    Message::new(
        "POST",
        &[("host", "a"), ("trailer", "x-sum")],
        Payload::Trailers(&["hello"], ("x-sum", "1")),
    ),
    b"POST / HTTP/1.1\r\nhost: a\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
      5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
);
const CONNECT: Request = Request::of(
    Message {
        target: "a:80",
        ..Message::new("CONNECT", &[("host", "a:80")], Payload::None)
    },
    b"CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n",
);
const UPGRADE: Request = Request::of(
    Message::new(
        "GET",
        &[
            ("host", "a"),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
        ],
        Payload::None,
    ),
    b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
);
const EXPECT: Request = Request::of(
    Message::new(
        "POST",
        &[("host", "a"), ("expect", "100-continue")],
        Payload::Sized(&["hello"]),
    ),
    b"POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\nhello",
);

const OK_EMPTY: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const OK_SIZED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const OK_CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";

/// One exchange, or what is none.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) request: Request,
    /// The last byte of this is the one that decides; where it is empty, the request's.
    pub(super) response: Vec<u8>,
    /// What the server sends after that.
    pub(super) behind: Vec<u8>,
    /// What the tracker says upon the byte that decides, and not before.
    pub(super) outcome: Outcome,
    pub(super) hyper: Hyper,
    /// Why the tracker may know less than hyper, which takes another request.
    pub(super) tolerated: Option<&'static str>,
}

impl Case {
    fn new(
        outcome: Outcome,
        name: impl Into<String>,
        request: Request,
        response: impl AsRef<[u8]>,
        hyper: Hyper,
    ) -> Self {
        Self {
            name: name.into(),
            request,
            response: response.as_ref().to_vec(),
            behind: Vec::new(),
            outcome,
            hyper,
            tolerated: None,
        }
    }

    fn then(self, behind: impl AsRef<[u8]>) -> Self {
        Self {
            behind: behind.as_ref().to_vec(),
            ..self
        }
    }

    fn tolerated(self, why: &'static str) -> Self {
        Self {
            tolerated: Some(why),
            ..self
        }
    }

    /// What is to be known after everything has passed.
    pub(super) fn outcome_in_the_end(&self) -> Outcome {
        match self.outcome {
            Outcome::Idle if !self.behind.is_empty() => Outcome::Opaque(OpaqueReason::Unsolicited),
            outcome => outcome,
        }
    }

    /// Too long to be split everywhere.
    pub(super) fn is_large(&self) -> bool {
        self.response.len() > 2048 || self.request.wire.len() > 2048
    }
}

/// The exchange ends with the last byte.
fn ends(
    name: impl Into<String>,
    request: Request,
    response: impl AsRef<[u8]>,
    hyper: Hyper,
) -> Case {
    Case::new(Outcome::Idle, name, request, response, hyper)
}

/// The exchange goes on after the last byte.
fn open(
    name: impl Into<String>,
    request: Request,
    response: impl AsRef<[u8]>,
    hyper: Hyper,
) -> Case {
    Case::new(Outcome::Open, name, request, response, hyper)
}

/// The exchange goes on until EOF, which is known with the last byte of the head.
fn until_eof(
    name: impl Into<String>,
    request: Request,
    response: impl AsRef<[u8]>,
    hyper: Hyper,
) -> Case {
    Case::new(Outcome::UntilEof, name, request, response, hyper)
}

/// Nothing is known from the last byte on.
fn opaque(
    reason: OpaqueReason,
    name: impl Into<String>,
    request: Request,
    response: impl AsRef<[u8]>,
    hyper: Hyper,
) -> Case {
    Case::new(Outcome::Opaque(reason), name, request, response, hyper)
}

fn unrecognized(
    name: impl Into<String>,
    request: Request,
    response: impl AsRef<[u8]>,
    hyper: Hyper,
) -> Case {
    opaque(OpaqueReason::Unrecognized, name, request, response, hyper)
}

/// A request that is too long to be written down.
fn leak(wire: String) -> &'static [u8] {
    wire.leak().as_bytes()
}

pub(super) fn all() -> Vec<Case> {
    [
        requests(),
        raw_requests(),
        lengths(),
        length_values(),
        bodiless(),
        chunked(),
        broken_chunks(),
        trailers(),
        codings(),
        interim(),
        status_lines(),
        heads(),
        long_heads(),
        persistence(),
        ends_of_http(),
        not_http(),
        unsolicited(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn requests() -> Vec<Case> {
    let mut cases = vec![ends(
        "a HEAD, whose response has a length",
        HEAD,
        OK_SIZED.strip_suffix("hello").unwrap(),
        Ready,
    )];
    for (name, request) in [
        ("a GET", GET),
        ("a body of a length", SIZED),
        ("a body in chunks", STREAMED),
        ("a body in chunks with trailers", TRAILERS),
        ("a body that expects 100-continue", EXPECT),
        ("a GET that asks for an upgrade it does not get", UPGRADE),
        ("a CONNECT that is refused", CONNECT),
        (
            "a POST without a body, of which hyper writes no length",
            Request::of(
                Message::new("POST", &[], Payload::None),
                b"POST / HTTP/1.1\r\n\r\n",
            ),
        ),
        (
            "a request of HTTP/1.0",
            Request::of(
                Message {
                    version: Version::HTTP_10,
                    ..Message::new("POST", &[], Payload::Sized(&["hello"]))
                },
                b"POST / HTTP/1.0\r\ncontent-length: 5\r\n\r\nhello",
            ),
        ),
        (
            "a body of unknown length in HTTP/1.0, which hyper leaves out",
            Request::of(
                Message {
                    version: Version::HTTP_10,
                    ..Message::new("POST", &[], Payload::Streamed(&["hello"]))
                },
                b"POST / HTTP/1.0\r\n\r\n",
            ),
        ),
        (
            "a body of unknown length in a GET, which hyper leaves out",
            Request::of(
                Message::new("GET", &[], Payload::Streamed(&["hello"])),
                b"GET / HTTP/1.1\r\n\r\n",
            ),
        ),
        (
            "a body in chunks in a GET, because its caller said so",
            Request::of(
                Message::new(
                    "GET",
                    &[("transfer-encoding", "chunked")],
                    Payload::Streamed(&["hello"]),
                ),
                b"GET / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            ),
        ),
        (
            "a transfer coding without chunked, to which hyper adds it",
            Request::of(
                Message::new(
                    "POST",
                    &[("transfer-encoding", "gzip")],
                    Payload::Sized(&["hello"]),
                ),
                b"POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n\
                  5\r\nhello\r\n0\r\n\r\n",
            ),
        ),
        (
            "a length set by the caller, which cuts the body",
            Request::of(
                Message::new(
                    "POST",
                    &[("content-length", "5")],
                    Payload::Sized(&["hello world"]),
                ),
                b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello",
            ),
        ),
        (
            "a method in lower case, which is another one",
            Request::of(
                Message::new("head", &[], Payload::None),
                b"head / HTTP/1.1\r\n\r\n",
            ),
        ),
    ] {
        let response = match request.message {
            Some(Message {
                method: "CONNECT", ..
            }) => OK_SIZED.replace("200 OK", "407 No"),
            _ => OK_SIZED.to_owned(),
        };
        cases.push(ends(name, request, response, Ready));
    }
    cases.push(
        open(
            "a length set by the caller of a request without a body, of which hyper writes none",
            Request::of(
                Message::new("GET", &[("content-length", "5")], Payload::None),
                b"GET / HTTP/1.1\r\ncontent-length: 5\r\n\r\n",
            ),
            OK_SIZED,
            Ready,
        )
        .tolerated("what hyper wrote is not what it counts: the server waits for the body too"),
    );
    cases.push(ends(
        "a request that asks to close, which the tracker does not care about",
        Request::of(
            Message::new("GET", &[("connection", "close")], Payload::None),
            b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
        ),
        OK_SIZED,
        Closed,
    ));
    cases
}

/// Requests that hyper does not write.
fn raw_requests() -> Vec<Case> {
    let mut cases = vec![unrecognized(
        "request: a method longer than is looked at",
        Request::raw(leak(format!("{} / HTTP/1.1\r\n", "X".repeat(MAX_LINE)))),
        "",
        Never,
    )];
    for (name, wire) in [
        (
            "two equal lengths",
            &b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi"[..],
        ),
        (
            "a list of equal lengths",
            b"POST / HTTP/1.1\r\nContent-Length: 2, 2\r\n\r\nhi",
        ),
        (
            "a length of zero",
            b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        ),
        (
            "a length with chunked",
            b"POST / HTTP/1.1\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n\
              0\r\n\r\n",
        ),
        (
            "two lines of transfer codings",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n\
              0\r\n\r\n",
        ),
        (
            "chunk extensions and trailers",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
              2;a=\"b;\"\r\nhi\r\n0;c\r\nX: y\r\n\r\n",
        ),
        (
            "a target longer than is looked at",
            leak(format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(MAX_LINE))),
        ),
        ("an empty line first", b"\r\nGET / HTTP/1.1\r\n\r\n"),
        ("a bare line feed first", b"\nGET / HTTP/1.1\r\n\r\n"),
        (
            "bare line feeds",
            b"POST / HTTP/1.1\nContent-Length: 2\n\nhi",
        ),
        ("a request of HTTP/1.0", b"GET / HTTP/1.0\r\n\r\n"),
        ("an asterisk", b"OPTIONS * HTTP/1.1\r\n\r\n"),
        ("an absolute target", b"GET http://a/ HTTP/1.1\r\n\r\n"),
        (
            "a method that begins like the preface",
            b"PRI / HTTP/1.1\r\n\r\n",
        ),
        (
            "a method of all token bytes",
            b"!#$%&'*+-.^_`|~ / HTTP/1.1\r\n\r\n",
        ),
        (
            "a length that is no field",
            b"GET / HTTP/1.1\r\nX: Content-Length: 9\r\nXContent-Length: 9\r\n\
              Content-LengthX: 9\r\nContent: 9\r\nT: 9\r\n\r\n",
        ),
        ("a HEAD in mixed case", b"Head / HTTP/1.1\r\n\r\n"),
    ] {
        cases.push(ends(
            format!("request: {name}"),
            Request::raw(wire),
            OK_SIZED,
            Never,
        ));
    }
    for (name, wire) in [
        (
            "gzip without chunked",
            &b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"[..],
        ),
        (
            "chunked, gzip",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        ),
        (
            "gzip with a length",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\nContent-Length: 5\r\n\r\n",
        ),
        (
            "two lengths that differ",
            b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        ),
        (
            "a length that is none",
            b"POST / HTTP/1.1\r\nContent-Length: two\r\n\r\n",
        ),
        ("a folded line", b"GET / HTTP/1.1\r\nX: a\r\n b\r\n"),
        (
            "a line that begins with a tab",
            b"GET / HTTP/1.1\r\n\tX: a\r\n",
        ),
        (
            "a blank before the colon of a length",
            b"POST / HTTP/1.1\r\nContent-Length : 5\r\n",
        ),
        (
            "a blank before the colon of a coding",
            b"POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n",
        ),
        ("HTTP/0.9", b"GET /\r\n"),
        ("HTTP/1.2", b"GET / HTTP/1.2\r\n"),
        ("HTTP/2 without its preface", b"GET / HTTP/2.0\r\n"),
        ("a version in lower case", b"GET / http/1.1\r\n"),
        ("a method alone", b"GET\r\n"),
        ("a version alone", b"GET HTTP/1.1x\r\n"),
        (
            "a byte that is no token's in the method",
            b"G\x16T / HTTP/1.1\r\n",
        ),
        ("a blank first", b" "),
        ("TLS", b"\x16"),
        (
            "a chunk without a size",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r",
        ),
        (
            "a second request before the first was answered",
            b"GET / HTTP/1.1\r\n\r\nG",
        ),
        (
            "a second request behind a body",
            b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nhiP",
        ),
    ] {
        cases.push(unrecognized(
            format!("request: {name}"),
            Request::raw(wire),
            "",
            Never,
        ));
    }
    cases.push(opaque(
        OpaqueReason::Http2,
        "request: the preface of HTTP/2",
        Request::raw(b"PRI * HTTP/2.0\r\n"),
        "",
        Never,
    ));
    cases.push(open(
        "request: a body that is not out, though its response is complete",
        Request::raw(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nhi"),
        OK_SIZED,
        Never,
    ));
    cases
}

fn lengths() -> Vec<Case> {
    let mut cases = vec![
        ends("a response of a length", GET, OK_SIZED, Ready),
        ends("a response of length zero", GET, OK_EMPTY, Ready),
        open(
            "a body of which a byte is missing",
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
            Waiting,
        ),
        open(
            "a body of which nothing has come",
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
            Waiting,
        ),
        open(
            "a head that has not ended",
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n",
            Waiting,
        ),
        open(
            "a head whose last line has not ended",
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r",
            Waiting,
        ),
        open(
            "a status line that has not ended",
            GET,
            "HTTP/1.1 20",
            Waiting,
        ),
        open("no response yet", GET, "", Waiting),
        open("no response to a body yet", STREAMED, "", Waiting),
        until_eof(
            "a response without a length",
            GET,
            "HTTP/1.1 200 OK\r\n\r\n",
            Waiting,
        )
        .then("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        until_eof(
            "an error without a length",
            SIZED,
            "HTTP/1.1 500 No\r\nX: y\r\n\r\n",
            Waiting,
        )
        .then("body"),
        ends(
            "names of fields that only look like a length",
            GET,
            "HTTP/1.1 200 OK\r\nContent: 9\r\nX-Content-Length: 9\r\nContent-Length-X: 9\r\n\
             Content-Lengths: 9\r\nC: 9\r\nX: Content-Length: 9\r\nContent-Length: 2\r\n\r\nhi",
            Ready,
        ),
        ends(
            "a body that looks like a response",
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n\
             HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Ready,
        ),
        unrecognized(
            "a blank before the colon of a length",
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length : 5\r\n",
            Closed,
        )
        .then("\r\nhello"),
        unrecognized(
            "a tab before the colon of a length",
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length\t: 5\r\n",
            Closed,
        )
        .then("\r\nhello"),
        until_eof(
            "a length without a colon, which is no field at all",
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n",
            Closed,
        ),
    ];
    for status in [201, 205, 206, 300, 400, 404, 408, 500, 503, 599, 600, 999] {
        let response = OK_SIZED.replace("200", &status.to_string());
        cases.push(ends(
            format!("a length with status {status}"),
            GET,
            response,
            Ready,
        ));
    }
    cases
}

/// What stands in one or several `Content-Length` fields.
fn length_values() -> Vec<Case> {
    let head = |values: &[&[u8]]| {
        let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
        for value in values {
            head.extend_from_slice(b"Content-Length:");
            head.extend_from_slice(value);
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        head
    };
    let name = |values: &[&[u8]]| {
        let values: Vec<_> = values
            .iter()
            .map(|value| value.escape_ascii().to_string())
            .collect();
        format!("lengths: {}", values.join(" | "))
    };

    let five: &[&[&[u8]]] = &[
        &[b"5"],
        &[b" 5"],
        &[b"  \t5 \t "],
        &[b" 0005"],
        &[b" 00000000000000000000000000000005"],
        &[b" 5", b" 5"],
        &[b" 5", b" 05", b"5"],
        &[b" 5, 5"],
        &[b" 5,5"],
        &[b" 5\t,\t5"],
        &[b" 5, 5", b" 5"],
    ];
    let invalid: &[&[&[u8]]] = &[
        &[b""],
        &[b" "],
        &[b" -5"],
        &[b" +5"],
        &[b" 5.0"],
        &[b" 5 5"],
        &[b" 0x5"],
        &[b" 5a"],
        &[b" five"],
        &[b" \"5\""],
        &[b" 5;"],
        &[b" 5,"],
        &[b" ,5"],
        &[b" 5,,5"],
        &[b" 5, 6"],
        &[b" 5", b" 6"],
        &[b" 6", b" 5", b" 6"],
        &[b" 5", b""],
        &[b"", b" 5"],
        &[b" 5", b" x", b" 5"],
        &[b" 18446744073709551616"],
        &[b" 99999999999999999999999999999999"],
        &[b" 5\xff"],
        &[b" \xd9\xa5"],
    ];
    let mut cases = Vec::new();
    for values in five {
        let response = [head(values), b"hello".to_vec()].concat();
        cases.push(ends(name(values), GET, response, Ready));
    }
    for values in invalid {
        cases.push(unrecognized(name(values), GET, head(values), Closed).then("hello"));
    }
    // With `ignore_invalid_headers_in_responses` hyper takes such a line for absent.
    for value in [
        &b" 5\x01"[..],
        b" \x005",
        b" 5\x7f",
        b"\x0c5",
        b" 5\x0c",
        b"\x0b5",
        b" 5\r",
    ] {
        let line = [b"HTTP/1.1 200 OK\r\nContent-Length:", value, b"\r\n"].concat();
        cases.push(unrecognized(name(&[value]), GET, line, Closed).then("\r\nhello"));
    }
    // hyper keeps the two highest numbers for itself.
    for (value, hyper) in [
        (&b" 18446744073709551613"[..], Waiting),
        (b" 18446744073709551614", Closed),
        (b" 18446744073709551615", Closed),
    ] {
        cases.push(open(name(&[value]), GET, head(&[value]), hyper).then("hello"));
    }
    cases
}

fn bodiless() -> Vec<Case> {
    let mut cases = Vec::new();
    for fields in [
        "",
        "Content-Length: 5\r\n",
        "Content-Length: 0\r\n",
        "Content-Length: five\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
    ] {
        for (request, status) in [
            (GET, 204),
            (GET, 304),
            (SIZED, 204),
            (STREAMED, 304),
            (HEAD, 200),
            (HEAD, 204),
            (HEAD, 304),
            (HEAD, 404),
            (HEAD, 500),
        ] {
            let response = format!("HTTP/1.1 {status} X\r\n{fields}\r\n");
            let method = request.message.unwrap().method;
            let name = format!("{status} to {method} with {fields:?}");
            cases.push(ends(name, request, response, Ready));
        }
    }
    cases.push(ends(
        "304 as a server sends it",
        GET,
        "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 1024\r\n\r\n",
        Ready,
    ));
    cases.push(
        ends(
            "a body behind a 204",
            GET,
            "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
            Closed,
        )
        .then("hello"),
    );
    cases.push(
        ends(
            "a body behind a 304",
            GET,
            "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
            Closed,
        )
        .then("0\r\n\r\n"),
    );
    cases.push(
        ends(
            "a body behind the response to HEAD",
            HEAD,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            Closed,
        )
        .then("hello"),
    );
    cases
}

fn chunked() -> Vec<Case> {
    let mut cases = vec![
        ends("a response in chunks", GET, OK_CHUNKED, Ready),
        ends(
            "a response in chunks to a body in chunks",
            STREAMED,
            OK_CHUNKED,
            Ready,
        ),
    ];
    for (name, body) in [
        ("no chunk but the last", "0\r\n\r\n"),
        (
            "several chunks",
            "1\r\na\r\n2\r\nbc\r\n3\r\ndef\r\n0\r\n\r\n",
        ),
        ("a last chunk of several zeros", "000\r\n\r\n"),
        ("a size in lower case", "a\r\n0123456789\r\n0\r\n\r\n"),
        ("a size in upper case", "A\r\n0123456789\r\n0\r\n\r\n"),
        (
            "a size of two digits in lower case",
            "1f\r\n0123456789012345678901234567890\r\n0\r\n\r\n",
        ),
        (
            "a size of two digits in upper case",
            "1F\r\n0123456789012345678901234567890\r\n0\r\n\r\n",
        ),
        (
            "a size of zeros before its digits",
            "00000000000000000000002\r\nhi\r\n0\r\n\r\n",
        ),
        ("a blank behind a size", "2 \r\nhi\r\n0 \t \r\n\r\n"),
        ("an extension", "2;a=b\r\nhi\r\n0;c\r\n\r\n"),
        (
            "an extension behind a blank",
            "2 ; a = b\r\nhi\r\n0\t;c\r\n\r\n",
        ),
        ("an empty extension", "2;\r\nhi\r\n0;\r\n\r\n"),
        ("a quoted extension", "2;a=\"b;c\\\"d\"\r\nhi\r\n0\r\n\r\n"),
        // Quotes protect nothing: a line ends with CR LF wherever it stands.
        (
            "a line end in a quoted extension",
            "2;a=\"\r\nhi\r\n0\r\n\r\n",
        ),
        (
            "an extension that looks like a size",
            "2;5\r\nhi\r\n0;0\r\n\r\n",
        ),
        (
            "chunk data that looks like an end",
            "7\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n",
        ),
        ("chunk data of line ends", "4\r\n\r\n\r\n\r\n0\r\n\r\n"),
    ] {
        cases.push(ends(
            format!("chunked: {name}"),
            GET,
            with_chunks(body),
            Ready,
        ));
    }
    for (name, body) in [
        ("no chunk yet", ""),
        ("a size that has not ended", "2"),
        ("a size line that has not ended", "2\r"),
        ("data that has not ended", "2\r\nh"),
        ("data without its line end", "2\r\nhi"),
        ("data with half of its line end", "2\r\nhi\r"),
        ("no last chunk", "2\r\nhi\r\n"),
        ("a last chunk without the line end behind it", "0\r\n"),
        (
            "a last chunk with half of the line end behind it",
            "0\r\n\r",
        ),
        ("a trailer that has not ended", "0\r\nX: y"),
        ("a trailer without the line end behind it", "0\r\nX: y\r\n"),
        ("the largest size", "FFFFFFFFFFFFFFFF\r\nhi"),
        ("the largest size behind zeros", "00FFFFFFFFFFFFFFFF\r\nhi"),
    ] {
        cases.push(open(
            format!("chunked: {name}"),
            GET,
            with_chunks(body),
            Waiting,
        ));
    }
    cases
}

fn broken_chunks() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, body) in [
        ("no size", "\r"),
        ("no size, and a bare line feed", "\n"),
        ("an extension without a size", ";"),
        ("a blank before the size", " "),
        ("a sign", "-"),
        ("a plus", "+"),
        ("a letter behind f", "g"),
        ("the prefix of a hexadecimal number", "0x"),
        ("digits behind a blank", "2 2"),
        ("a size of too many digits", "10000000000000000"),
        (
            "a size of too many digits behind zeros",
            "0010000000000000000",
        ),
        ("a bare line feed behind a size", "2\n"),
        ("a bare line feed behind a blank", "2 \n"),
        ("a bare line feed in an extension", "2;a\n"),
        ("a bare carriage return behind a size", "2\rh"),
        ("a bare carriage return in an extension", "2;a\rb"),
        ("a second carriage return behind a size", "2\r\r"),
        ("data without its line end", "2\r\nhi0"),
        ("data with a bare carriage return", "2\r\nhi\r0"),
        ("data with a bare line feed", "2\r\nhi\n"),
        ("data longer than its size", "2\r\nhix"),
        ("an empty line between chunks", "2\r\nhi\r\n\r"),
        ("a bare carriage return behind the last chunk", "0\r\n\rX"),
        ("a bare carriage return behind a trailer", "0\r\nX: y\rz"),
        (
            "a bare carriage return behind the trailers",
            "0\r\nX: y\r\n\rz",
        ),
    ] {
        cases.push(
            unrecognized(
                format!("broken chunks: {name}"),
                GET,
                with_chunks(body),
                Closed,
            )
            .then("\r\n0\r\n\r\n"),
        );
    }
    // hyper bounds what the tracker does not: it closes, where this one sees an end.
    let extension = format!("2;{}\r\nhi\r\n0\r\n\r\n", "x".repeat(17 * 1024));
    cases.push(ends(
        "an extension longer than hyper takes",
        GET,
        with_chunks(&extension),
        Closed,
    ));
    cases
}

fn trailers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, trailers, hyper) in [
        ("one", "X: y\r\n", Ready),
        ("several", "X: y\r\nZ:\r\nLonger-Name: a, b, c\r\n", Ready),
        (
            "fields that would matter in a head",
            "Content-Length: 9\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n",
            Ready,
        ),
        ("blanks", "X:   y  \r\n", Ready),
        // None of the two takes a bare line feed for an end here, but hyper parses the whole again.
        ("a bare line feed for an empty line", "\n\r\n", Ready),
        ("a bare line feed between two", "X: y\nZ: w\r\n", Closed),
        ("no field", "x\r\n", Closed),
        ("a name that is none", "a b: c\r\n", Closed),
        ("a folded line", "X: y\r\n z\r\n", Closed),
        ("an empty name", ": y\r\n", Closed),
    ] {
        let response = with_chunks(&format!("2\r\nhi\r\n0\r\n{trailers}\r\n"));
        cases.push(ends(format!("trailers: {name}"), GET, response, hyper));
    }
    for (name, trailers) in [
        ("more than hyper takes", "X: y\r\n".repeat(101)),
        (
            "longer than hyper takes",
            format!("X: {}\r\n", "y".repeat(17 * 1024)),
        ),
    ] {
        let response = with_chunks(&format!("0\r\n{trailers}\r\n"));
        cases.push(ends(format!("trailers: {name}"), GET, response, Closed));
    }
    cases
}

fn with_chunks(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

/// What stands in one or several `Transfer-Encoding` fields, with and without a length.
fn codings() -> Vec<Case> {
    let head = |fields: &[u8]| [b"HTTP/1.1 200 OK\r\n", fields, b"\r\n"].concat();
    let mut cases = Vec::new();
    for fields in [
        "Transfer-Encoding: chunked\r\n",
        "transfer-encoding:chunked\r\n",
        "TRANSFER-ENCODING: \t CHUNKED \t\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: gzip,chunked\r\n",
        "Transfer-Encoding: gzip ,\tChunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\nX: y\r\nTransfer-Encoding: deflate, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: a\r\nTransfer-Encoding: b\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encodings: gzip\r\nTE: gzip\r\nTransfer: x\r\n",
        "Content-Length: 99\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 99\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n",
    ] {
        let response = [head(fields.as_bytes()), b"2\r\nhi\r\n0\r\n\r\n".to_vec()].concat();
        cases.push(ends(format!("codings: {fields:?}"), GET, response, Ready));
    }
    for fields in [
        &b"Transfer-Encoding: gzip\r\n"[..],
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunkedx\r\n",
        b"Transfer-Encoding: chunked;q=1\r\n",
        b"Transfer-Encoding: chunked gzip\r\n",
        b"Transfer-Encoding: \"chunked\"\r\n",
        b"Transfer-Encoding: chunked,\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
        b"Transfer-Encoding:\r\n",
        b"Transfer-Encoding: \r\n",
        b"Transfer-Encoding: gzip\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nTransfer-Encoding: gzip\r\n",
        b"Content-Length: x\r\nTransfer-Encoding: gzip\r\n",
        b"Transfer-Encoding: \xff, chunked\r\n",
        b"Transfer-Encoding: chunked\xff\r\n",
    ] {
        let name = format!("codings: {}", fields.escape_ascii());
        cases.push(until_eof(name, GET, head(fields), Waiting).then("0\r\n\r\n"));
    }
    for fields in [
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\t: chunked\r\n",
        "Transfer-Encoding;: chunked\r\n",
        "Transfer-Encoding: gzip,\r\n chunked\r\n",
        "Transfer-Encoding:\r\n\tchunked\r\n",
        // With `ignore_invalid_headers_in_responses` hyper takes such a line for absent.
        "Transfer-Encoding: \x01, chunked\r\n",
        "Transfer-Encoding:\x0cchunked\r\n",
        "Transfer-Encoding: chunked\x7f\r\n",
        "Transfer-Encoding: chunked\r\r\n",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{fields}");
        let name = format!("codings: {}", fields.escape_debug());
        cases.push(unrecognized(name, GET, response, Closed).then("\r\n0\r\n\r\n"));
    }
    for fields in [
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n",
        "Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let response = format!("HTTP/1.0 200 OK\r\n{fields}\r\n");
        let name = format!("codings on HTTP/1.0: {fields:?}");
        cases.push(unrecognized(name, GET, response, Closed).then("0\r\n\r\n"));
    }
    cases.push(ends(
        "codings on HTTP/1.0 to HEAD, where they are not looked at",
        HEAD,
        "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
        Ready,
    ));
    cases
}

fn interim() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, interim) in [
        ("100", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("100 without a reason", "HTTP/1.1 100\r\n\r\n"),
        ("102", "HTTP/1.1 102 Processing\r\n\r\n"),
        (
            "103 with fields",
            "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n",
        ),
        ("199", "HTTP/1.1 199 X\r\n\r\n"),
        ("one of HTTP/1.0", "HTTP/1.0 100 Continue\r\n\r\n"),
        (
            "one with a length",
            "HTTP/1.1 100 Continue\r\nContent-Length: 9\r\n\r\n",
        ),
        (
            "one with a length that is none",
            "HTTP/1.1 100 Continue\r\nContent-Length: x\r\n\r\n",
        ),
        (
            "one with chunked",
            "HTTP/1.1 103 X\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
        ("one with bare line feeds", "HTTP/1.1 100 Continue\n\n"),
        (
            "one between empty lines",
            "\r\nHTTP/1.1 100 Continue\r\n\r\n\r\n\n",
        ),
        (
            "several",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n\
             HTTP/1.1 103 X\r\nA: b\r\n\r\nHTTP/1.1 103 X\r\n\r\n",
        ),
    ] {
        for request in [GET, HEAD, EXPECT, STREAMED] {
            let method = request.message.unwrap().method;
            let last = if method == "HEAD" {
                OK_SIZED.strip_suffix("hello").unwrap()
            } else {
                OK_CHUNKED
            };
            let response = format!("{interim}{last}");
            cases.push(ends(
                format!("interim: {name} to {method}"),
                request,
                response,
                Ready,
            ));
        }
        cases.push(open(format!("interim: only {name}"), GET, interim, Waiting));
    }
    cases.push(until_eof(
        "interim: one, then a response without a length",
        GET,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        Waiting,
    ));
    cases.push(unrecognized(
        "interim: a body behind one",
        GET,
        "HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\nh",
        Closed,
    ));
    cases.push(
        ends(
            "interim: one behind the final response",
            GET,
            OK_SIZED,
            Closed,
        )
        .then("HTTP/1.1 100 Continue\r\n\r\n"),
    );
    cases
}

fn status_lines() -> Vec<Case> {
    let mut cases = Vec::new();
    for line in [
        &b"HTTP/1.1 200\r\n"[..],
        b"HTTP/1.1 200 \r\n",
        b"HTTP/1.1 200  OK\r\n",
        b"HTTP/1.1 200 OK OK\r\n",
        b"HTTP/1.1 200 \xd6K\r\n",
        b"HTTP/1.1 200 a\tb\r\n",
        b"HTTP/1.1 200 OK\n",
        b"HTTP/1.1 200\n",
        b"\r\nHTTP/1.1 200 OK\r\n",
        b"\n\r\n\nHTTP/1.1 200 OK\r\n",
    ] {
        let response = [line, b"Content-Length: 5\r\n\r\nhello"].concat();
        cases.push(ends(
            format!("status line: {}", line.escape_ascii()),
            GET,
            response,
            Ready,
        ));
    }
    for line in [
        &b"HTTP/1.1 200 a\x01b\r\n"[..],
        b"HTTP/1.1 200 a\rb\r\n",
        b"HTTP/1.1 200 OK\r\r\n",
    ] {
        let response = [line, b"Content-Length: 5\r\n\r\nhello"].concat();
        cases.push(ends(
            format!("status line: {}", line.escape_ascii()),
            GET,
            response,
            Closed,
        ));
    }
    for line in [
        "HTTP/1.1 000 X\r\n",
        "HTTP/1.1 099 X\r\n",
        "HTTP/1.1 20\r\n",
        "HTTP/1.1 20 OK\r\n",
        "HTTP/1.1 2000 OK\r\n",
        "HTTP/1.1 200OK\r\n",
        "HTTP/1.1 200\tOK\r\n",
        "HTTP/1.1 2x0 OK\r\n",
        "HTTP/1.1 -20 OK\r\n",
        "HTTP/1.1 OK\r\n",
        "HTTP/1.1  200 OK\r\n",
        "HTTP/1.1\t200 OK\r\n",
        "HTTP/1.1\r\n",
        "HTTP/1.1200 OK\r\n",
        "HTTP/1.10 200 OK\r\n",
        "HTTP/1.2 200 OK\r\n",
        "HTTP/1.x 200 OK\r\n",
        "\rHTTP/1.1 200 OK\r\n",
    ] {
        let name = format!("status line: {}", line.escape_debug());
        cases.push(unrecognized(name, GET, line, Closed).then("Content-Length: 5\r\n\r\nhello"));
    }
    cases
}

fn heads() -> Vec<Case> {
    let mut cases = vec![
        ends(
            "a head of bare line feeds",
            GET,
            "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
            Ready,
        ),
        ends(
            "a head of mixed line ends",
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\nhello",
            Ready,
        ),
        ends(
            "a head that ends with a bare line feed",
            GET,
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello",
            Ready,
        ),
        ends(
            "as many fields as hyper takes",
            GET,
            with_fields(&"X: y\r\n".repeat(99)),
            Ready,
        ),
        ends(
            "more fields than hyper takes",
            GET,
            with_fields(&"X: y\r\n".repeat(100)),
            Closed,
        ),
        ends("an empty value", GET, with_fields("X:\r\nY: \r\n"), Ready),
        ends(
            "a field that is none",
            GET,
            with_fields("nonsense\r\n"),
            Closed,
        ),
        ends("an empty name", GET, with_fields(": y\r\n"), Closed),
        ends(
            "a blank before another colon",
            GET,
            with_fields("X : y\r\n"),
            Closed,
        ),
        ends(
            "a bare carriage return",
            GET,
            with_fields("X: a\rb\r\n"),
            Closed,
        ),
        ends(
            "a second carriage return",
            GET,
            with_fields("X: a\r\r\n"),
            Closed,
        ),
        ends(
            "a line of a carriage return",
            GET,
            with_fields("\r\r\n"),
            Closed,
        ),
        ends("a NUL", GET, with_fields("X: a\0b\r\n"), Closed),
    ];
    for fold in [
        "X: a\r\n b\r\n",
        "X: a\r\n\tb\r\n",
        "X: a\n \n",
        " X: a\r\n",
        "Content-Length:\r\n 5\r\n",
    ] {
        let response = format!("HTTP/1.1 200 OK\r\n{fold}");
        let name = format!("folded: {}", fold.escape_debug());
        cases
            .push(unrecognized(name, GET, response, Closed).then("Content-Length: 5\r\n\r\nhello"));
    }
    cases
}

fn with_fields(fields: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello")
}

fn long_heads() -> Vec<Case> {
    let of = |length: usize| {
        let with = |filler: usize| with_fields(&format!("X: {}\r\n", "x".repeat(filler)));
        with(length - (with(0).len() - "hello".len()))
    };
    let padded = |length: usize| {
        let line = |blanks: usize| format!("Content-Length:{}5\r\n", " ".repeat(blanks));
        format!("HTTP/1.1 200 OK\r\n{}", line(length + 1 - line(0).len()))
    };
    vec![
        ends(
            "a long line that does not matter",
            GET,
            with_fields(&format!("X: {}\r\n", "x".repeat(3 * MAX_LINE))),
            Ready,
        ),
        ends(
            "a long reason",
            GET,
            OK_SIZED.replace("OK", &"x".repeat(3 * MAX_LINE)),
            Ready,
        ),
        ends(
            "a length in a line as long as is looked at",
            GET,
            format!("{}\r\nhello", padded(MAX_LINE)),
            Ready,
        ),
        unrecognized(
            "a length in a line longer than is looked at",
            GET,
            padded(MAX_LINE + 1),
            Ready,
        )
        .then("\r\nhello")
        .tolerated("a value that is not looked at to its end is not known"),
        ends("a head of 300 KiB", GET, of(300 * 1024), Ready),
        // hyper takes up to 408 KiB, or somewhat more where it happens to have the room.
        ends("a head as long as is followed", GET, of(MAX_HEAD), Closed),
        opaque(
            OpaqueReason::OversizeHead,
            "a head of one long line, longer than is followed",
            GET,
            &of(MAX_HEAD + 100)[..MAX_HEAD + 1],
            Closed,
        ),
        opaque(
            OpaqueReason::OversizeHead,
            "a head of empty lines, longer than is followed",
            GET,
            "\r\n".repeat(MAX_HEAD / 2) + "\r",
            Closed,
        ),
        opaque(
            OpaqueReason::OversizeHead,
            "a head of short lines, longer than is followed",
            GET,
            format!(
                "HTTP/1.1 200 O\r\n{}X",
                "X: abcdefghijk\r\n".repeat(MAX_HEAD / 16 - 1)
            ),
            Closed,
        ),
    ]
}

/// Whether the connection persists is hyper's business; where the exchange ends is not changed.
fn persistence() -> Vec<Case> {
    let mut cases = Vec::new();
    for (head, hyper) in [
        ("HTTP/1.0 200 OK\r\n", Closed),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", Ready),
        (
            "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nKeep-Alive: timeout=5\r\n",
            Ready,
        ),
        ("HTTP/1.0 200 OK\r\nConnection: close\r\n", Closed),
        (
            "HTTP/1.0 200 OK\r\nConnection: keep-alive, close\r\n",
            Closed,
        ),
        ("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n", Ready),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n", Closed),
        ("HTTP/1.1 200 OK\r\nConnection: CLOSE\r\n", Closed),
        ("HTTP/1.1 200 OK\r\nConnection: x, close\r\n", Closed),
        (
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nConnection: close\r\n",
            Closed,
        ),
        ("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=0\r\n", Ready),
    ] {
        for (request, rest) in [
            (GET, "Content-Length: 5\r\n\r\nhello"),
            (SIZED, "Content-Length: 0\r\n\r\n"),
            (HEAD, "\r\n"),
        ] {
            let response = format!("{head}{rest}");
            let method = request.message.unwrap().method;
            cases.push(ends(
                format!("{head:?} to {method}"),
                request,
                response,
                hyper,
            ));
        }
    }
    cases.push(ends(
        "204 of HTTP/1.0",
        GET,
        "HTTP/1.0 204 X\r\n\r\n",
        Closed,
    ));
    cases.push(
        until_eof(
            "a response of HTTP/1.0 without a length",
            GET,
            "HTTP/1.0 200 OK\r\n\r\n",
            Waiting,
        )
        .then("body"),
    );
    cases.push(
        until_eof(
            "a response of HTTP/1.0 that says keep-alive without a length",
            GET,
            "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n",
            Waiting,
        )
        .then("body"),
    );
    cases.push(
        until_eof(
            "a response of HTTP/1.1 that says close without a length",
            GET,
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
            Waiting,
        )
        .then("body"),
    );
    cases.push(ends(
        "an interim response that says close, which hyper does not heed",
        GET,
        format!("HTTP/1.1 100 X\r\nConnection: close\r\n\r\n{OK_SIZED}"),
        Ready,
    ));
    cases.push(ends(
        "an interim response of HTTP/1.0, which hyper does not heed",
        GET,
        format!("HTTP/1.0 100 X\r\n\r\n{OK_SIZED}"),
        Ready,
    ));
    cases
}

fn ends_of_http() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, request, response) in [
        (
            "an upgrade",
            UPGRADE,
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        ),
        (
            "an upgrade nobody asked for",
            GET,
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ),
        (
            "an upgrade with a length",
            UPGRADE,
            "HTTP/1.1 101 X\r\nContent-Length: 5\r\n\r\n",
        ),
        ("an upgrade to HEAD", HEAD, "HTTP/1.1 101 X\r\n\r\n"),
        (
            "an upgrade with a body in the request",
            SIZED,
            "HTTP/1.1 101 X\r\n\r\n",
        ),
        (
            "an upgrade after an interim response",
            UPGRADE,
            "HTTP/1.1 100 X\r\n\r\nHTTP/1.1 101 X\r\n\r\n",
        ),
        ("an upgrade to CONNECT", CONNECT, "HTTP/1.1 101 X\r\n\r\n"),
        ("an upgrade of HTTP/1.0", UPGRADE, "HTTP/1.0 101 X\r\n\r\n"),
    ] {
        // With a body in the request hyper writes that out first, and then it is done.
        cases.push(opaque(OpaqueReason::Upgrade, name, request, response, Closed).then("bytes"));
    }
    for response in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 201 OK\r\n\r\n",
        "HTTP/1.1 299 OK\r\n\r\n",
        "HTTP/1.0 200 Connection established\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let name = format!("a tunnel: {response:?}");
        cases.push(opaque(OpaqueReason::Tunnel, name, CONNECT, response, Closed).then("bytes"));
    }
    for response in [
        "HTTP/1.1 300 X\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 404 X\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 407 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 304 X\r\n\r\n",
        // RFC 9112 §6.3 makes every 2xx a tunnel; hyper takes 204 for an end first.
        "HTTP/1.1 204 X\r\n\r\n",
    ] {
        cases.push(ends(
            format!("no tunnel: {response:?}"),
            CONNECT,
            response,
            Ready,
        ));
    }
    cases.push(
        until_eof(
            "no tunnel, until EOF",
            CONNECT,
            "HTTP/1.1 403 X\r\n\r\n",
            Waiting,
        )
        .then("x"),
    );
    cases
}

fn not_http() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, response, behind) in [
        (
            "a TLS alert",
            &b"\x15"[..],
            &b"\x03\x01\x00\x02\x02\x28"[..],
        ),
        (
            "HTTP/2 settings",
            b"\x00",
            b"\x00\x06\x04\x00\x00\x00\x00\x00",
        ),
        ("HTTP/0.9", b"<", b"html>\r\n\r\n"),
        ("SSH", b"S", b"SH-2.0-OpenSSH_9.6\r\n"),
        ("ICY", b"I", b"CY 200 OK\r\n\r\n"),
        (
            "HTTP/2 as text",
            b"HTTP/2",
            b".0 200 OK\r\nContent-Length: 0\r\n\r\n",
        ),
        ("HTTP/0.9 as text", b"HTTP/0", b".9 200 OK\r\n\r\n"),
        ("lower case", b"h", b"ttp/1.1 200 OK\r\n\r\n"),
        ("a blank first", b" ", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("HTTPS", b"HTTPS", b"/1.1 200 OK\r\n\r\n"),
        (
            "an empty line before what is no response",
            b"\r\nx",
            b"\r\n\r\n",
        ),
        (
            "a carriage return alone first",
            b"\r\r",
            b"\nHTTP/1.1 200 OK\r\n\r\n",
        ),
    ] {
        cases.push(unrecognized(format!("not HTTP: {name}"), GET, response, Closed).then(behind));
    }
    cases
}

fn unsolicited() -> Vec<Case> {
    let mut cases = vec![
        opaque(
            OpaqueReason::Unsolicited,
            "408 on an unused connection",
            NOTHING,
            "H",
            Closed,
        )
        .then("TTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"),
        opaque(
            OpaqueReason::Unsolicited,
            "a line end on an unused connection",
            NOTHING,
            "\r",
            Closed,
        )
        .then("\n"),
        opaque(
            OpaqueReason::Unsolicited,
            "TLS on an unused connection",
            NOTHING,
            "\x15",
            Closed,
        ),
    ];
    for (name, behind) in [
        (
            "408",
            "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n",
        ),
        ("a second response", OK_SIZED),
        ("an empty line", "\r\n"),
        ("a line feed", "\n"),
        ("a byte", "x"),
        ("the end of a chunked body", "0\r\n\r\n"),
    ] {
        for (kind, request, response) in [
            ("a length", GET, OK_SIZED),
            ("chunks", GET, OK_CHUNKED),
            ("no body", GET, "HTTP/1.1 304 X\r\n\r\n"),
            ("chunks, to a body", STREAMED, OK_CHUNKED),
            ("a length, to a body", SIZED, OK_SIZED),
        ] {
            let name = format!("{name} behind a response of {kind}");
            cases.push(ends(name, request, response, Closed).then(behind));
        }
    }
    cases
}
