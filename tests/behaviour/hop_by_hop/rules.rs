//! What is taken off a head and what stays, field by field: the rules of RFC 9110 §7.6.1 and of RFC 9112
//! §6, as a table.
//!
//! `any_head.rs` has what holds for any head; the fuzzer runs the same function, from `tests/fuzz`.

use std::path::Path;

use super::any_head;
use bytes::Bytes;
use http::header::{CONNECTION, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Version};
use http_keepalive::{strip_request_hop_by_hop, strip_response_hop_by_hop};
use proptest::prelude::*;
use proptest::sample::select;

/// Messages by method or status, and version.
type Messages = &'static [&'static str];

const BOTH: Messages = &["POST 1.1", "200 1.1"];
const ALL: Messages = &[
    "GET 1.1", "POST 1.1", "POST 1.0", "POST 2", "200 1.1", "200 1.0", "200 2", "101 1.1",
    "304 1.1",
];

/// The section of the RFC, the messages, their fields, and which are left.
type Case = (&'static str, Messages, &'static str, &'static str);

/// Fields are separated by ` | `.
const CASES: &[Case] = &[
    // What is known to be of one connection.
    ("RFC 9110 §7.6.1", ALL, "connection: close", ""),
    (
        "RFC 9110 §7.6.1",
        ALL,
        "connection: close, x-hop | x-hop: 1 | x-hop: 2 | x-end: 3",
        "x-end: 3",
    ),
    (
        "RFC 9110 §7.6.1",
        ALL,
        "connection: close,X-One ,\t x-two | connection: X-THREE | x-one: 1 | x-two: 2 | x-three: 3",
        "",
    ),
    (
        "RFC 9110 §7.6.1",
        ALL,
        "keep-alive: timeout=5 | keep-alive: max=3",
        "",
    ),
    ("RFC 9110 §7.6.1", ALL, "proxy-connection: keep-alive", ""),
    (
        "RFC 9110 §7.6.1",
        ALL,
        "connection: , ,, x y, \"x-kept\", x-gone, | x-gone: 1 | x-kept: 2",
        "x-kept: 2",
    ),
    ("RFC 7540 §3.2.1", ALL, "http2-settings: AAMAAABk", ""),
    // What Connection has no power over.
    (
        "RFC 9110 §7.6.1",
        BOTH,
        "connection: host, content-length | host: server.test | content-length: 5",
        "content-length: 5 | host: server.test",
    ),
    (
        "RFC 9110 §7.6.1",
        BOTH,
        "connection: via, forwarded | via: 1.1 outer | forwarded: for=192.0.2.1",
        "forwarded: for=192.0.2.1 | via: 1.1 outer",
    ),
    (
        "RFC 9110 §7.6.1",
        BOTH,
        "connection: x-forwarded-for, x-forwarded-host, x-forwarded-proto | x-forwarded-for: 192.0.2.1 | x-forwarded-host: front.test | x-forwarded-proto: https",
        "x-forwarded-for: 192.0.2.1 | x-forwarded-host: front.test | x-forwarded-proto: https",
    ),
    // What is for all recipients, or for whichever of them asked for it.
    (
        "RFC 9110 §11.7.2",
        ALL,
        "proxy-authorization: Basic eDp5",
        "proxy-authorization: Basic eDp5",
    ),
    (
        "RFC 9110 §11.7.1",
        ALL,
        "proxy-authenticate: Basic",
        "proxy-authenticate: Basic",
    ),
    (
        "RFC 9110 §11.7.3",
        ALL,
        "proxy-authentication-info: a=b",
        "proxy-authentication-info: a=b",
    ),
    (
        "RFC 9110 §10.1.1",
        ALL,
        "expect: 100-continue",
        "expect: 100-continue",
    ),
    (
        "RFC 9110 §11.6.2",
        ALL,
        "authorization: Basic eDp5 | date: now | x-end: 1 | x-end: 2",
        "authorization: Basic eDp5 | date: now | x-end: 1 | x-end: 2",
    ),
    // TE.
    (
        "RFC 9110 §10.1.4",
        &["POST 1.1", "POST 1.0", "200 1.1", "200 2"],
        "te: trailers",
        "",
    ),
    (
        "RFC 9113 §8.2.2",
        &["POST 2", "POST 3"],
        "te: trailers",
        "te: trailers",
    ),
    ("RFC 9113 §8.2.2", &["POST 2"], "te: trailers, deflate", ""),
    (
        "RFC 9113 §8.2.2",
        &["POST 2"],
        "te: trailers | te: deflate",
        "",
    ),
    (
        "RFC 9113 §8.2.2",
        &["POST 2"],
        "te: deflate | te: trailers",
        "",
    ),
    // Named as it has to be in HTTP/1, by whoever turned the message into one of HTTP/2.
    (
        "RFC 9113 §8.2.2",
        &["POST 2"],
        "connection: te | te: trailers",
        "te: trailers",
    ),
    // Trailer.
    (
        "RFC 9110 §6.6.2",
        ALL,
        "trailer: digest,  X-End ,, not a name",
        "trailer: digest,  X-End ,, not a name",
    ),
    (
        "RFC 9110 §6.6.2",
        ALL,
        "trailer: digest | trailer: x-end",
        "trailer: digest | trailer: x-end",
    ),
    (
        "RFC 9110 §6.6.2",
        ALL,
        "connection: x-other | trailer: digest | trailer: x-end",
        "trailer: digest | trailer: x-end",
    ),
    (
        "RFC 9110 §6.6.2",
        ALL,
        "connection: X-Hop | trailer: x-hop, Digest ,,not a name | trailer: X-HOP | trailer: x-end",
        "trailer: Digest ,,not a name,x-end",
    ),
    (
        "RFC 9110 §6.6.2",
        ALL,
        "connection: x-hop | trailer: x-hop",
        "",
    ),
    (
        "RFC 9110 §6.6.2",
        ALL,
        "connection: x-hop | trailer: x-hop, , ",
        "",
    ),
    (
        "RFC 9110 §6.6.2",
        ALL,
        "trailer: Keep-Alive, digest, connection, te, Upgrade, Proxy-Connection",
        "trailer: digest",
    ),
    (
        "RFC 9110 §6.6.2",
        ALL,
        "connection: trailer | trailer: digest",
        "",
    ),
    (
        "RFC 9110 §6.6.2",
        ALL,
        "connection: host | trailer: host",
        "trailer: host",
    ),
    // Upgrade.
    (
        "RFC 9110 §7.8",
        &["GET 1.1"],
        "connection: keep-alive, Upgrade | upgrade: websocket | sec-websocket-version: 13",
        "connection: upgrade | sec-websocket-version: 13 | upgrade: websocket",
    ),
    (
        "RFC 9110 §7.8",
        &["GET 1.1"],
        "connection: upgrade | upgrade: a | upgrade: b",
        "connection: upgrade | upgrade: a | upgrade: b",
    ),
    (
        "RFC 9110 §7.8",
        &["GET 1.1"],
        "connection: keep-alive | upgrade: websocket",
        "",
    ),
    ("RFC 9110 §7.8", &["GET 1.1"], "connection: upgrade", ""),
    (
        "RFC 9110 §7.8",
        &["GET 1.0", "200 1.1", "204 1.1"],
        "connection: upgrade | upgrade: websocket",
        "",
    ),
    (
        "RFC 9110 §7.8",
        &["101 1.1", "101 1.0", "426 1.1"],
        "connection: Upgrade, close | upgrade: websocket",
        "connection: upgrade | upgrade: websocket",
    ),
    (
        "RFC 9110 §7.8",
        &["101 1.1", "426 1.1"],
        "upgrade: websocket",
        "connection: upgrade | upgrade: websocket",
    ),
    (
        "RFC 9113 §8.6",
        &["GET 2", "101 2", "426 2"],
        "connection: upgrade | upgrade: websocket",
        "",
    ),
    (
        "RFC 9110 §7.8",
        &["GET 1.1", "101 1.1"],
        "connection: upgrade, http2-settings | upgrade: h2c | http2-settings: AAMAAABk",
        "",
    ),
    (
        "RFC 9110 §7.8",
        &["GET 1.1", "101 1.1"],
        "connection: upgrade | upgrade: websocket, H2C",
        "",
    ),
    (
        "RFC 9110 §7.8",
        &["GET 1.1", "101 1.1"],
        "connection: upgrade | upgrade: websocket | upgrade: HTTP/2.0",
        "",
    ),
    (
        "RFC 9110 §7.8",
        &["GET 1.1", "101 1.1"],
        "connection: upgrade | upgrade: http/2.0",
        "",
    ),
    (
        "RFC 9110 §7.8",
        &["GET 1.1", "101 1.1"],
        "connection: upgrade | upgrade: HTTP /2.0",
        "",
    ),
    // Transfer-Encoding: hyper takes chunked off, and puts it on again.
    ("RFC 9112 §6.1", BOTH, "transfer-encoding: chunked", ""),
    ("RFC 9112 §6.1", BOTH, "transfer-encoding: Chunked", ""),
    ("RFC 9112 §6.1", BOTH, "transfer-encoding: , chunked ,", ""),
    (
        "RFC 9112 §6.1",
        BOTH,
        "transfer-encoding: chunked, chunked",
        "",
    ),
    (
        "RFC 9112 §6.1",
        BOTH,
        "transfer-encoding: chunked | transfer-encoding: chunked",
        "",
    ),
    ("RFC 9112 §7", BOTH, "transfer-encoding: identity", ""),
    (
        "RFC 9112 §7",
        BOTH,
        "transfer-encoding: identity, chunked",
        "",
    ),
    (
        "RFC 9112 §6.1",
        BOTH,
        "connection: transfer-encoding | transfer-encoding: gzip, chunked",
        "transfer-encoding: gzip, chunked",
    ),
    (
        "RFC 9112 §6.1",
        BOTH,
        "transfer-encoding: gzip | transfer-encoding: chunked",
        "transfer-encoding: gzip | transfer-encoding: chunked",
    ),
    (
        "RFC 9112 §6.1",
        BOTH,
        "transfer-encoding: chunked | transfer-encoding: gzip",
        "transfer-encoding: chunked | transfer-encoding: gzip",
    ),
    (
        "RFC 9112 §6.1",
        BOTH,
        "transfer-encoding: chunked, gzip",
        "transfer-encoding: chunked, gzip",
    ),
    (
        "RFC 9112 §6.1",
        BOTH,
        "transfer-encoding: xchunked",
        "transfer-encoding: xchunked",
    ),
    (
        "RFC 9112 §6.1",
        BOTH,
        "transfer-encoding: chunkedx",
        "transfer-encoding: chunkedx",
    ),
    // hyper's client sends no body of unknown length with these methods, unless it is there.
    (
        "RFC 9112 §6.1",
        &["GET 1.1", "HEAD 1.1", "CONNECT 1.1"],
        "transfer-encoding: chunked",
        "transfer-encoding: chunked",
    ),
    (
        "RFC 9112 §6.1",
        &["GET 1.1", "HEAD 1.1", "CONNECT 1.1"],
        "transfer-encoding: identity | transfer-encoding: Chunked",
        "transfer-encoding: chunked",
    ),
    (
        "RFC 9112 §6.1",
        &[
            "PUT 1.1",
            "PATCH 1.1",
            "DELETE 1.1",
            "OPTIONS 1.1",
            "TRACE 1.1",
        ],
        "transfer-encoding: chunked",
        "",
    ),
    // Both lengths: the first one says where the body ended.
    (
        "RFC 9112 §6.3",
        BOTH,
        "transfer-encoding: chunked | content-length: 5",
        "",
    ),
    (
        "RFC 9112 §6.3",
        BOTH,
        "content-length: 5 | transfer-encoding: gzip, chunked",
        "transfer-encoding: gzip, chunked",
    ),
    (
        "RFC 9112 §6.3",
        BOTH,
        "content-length: 5 | transfer-encoding: gzip",
        "transfer-encoding: gzip",
    ),
    (
        "RFC 9112 §6.3",
        BOTH,
        "content-length: 5 | transfer-encoding: identity",
        "",
    ),
    (
        "RFC 9112 §6.3",
        BOTH,
        "connection: content-length, transfer-encoding | content-length: 5 | content-length: 6 | transfer-encoding: chunked",
        "",
    ),
    (
        "RFC 9112 §6.3",
        &["GET 1.1"],
        "content-length: 5 | transfer-encoding: chunked",
        "transfer-encoding: chunked",
    ),
    (
        "RFC 9112 §6.3",
        &["304 1.1"],
        "content-length: 5 | transfer-encoding: chunked",
        "",
    ),
    // In HTTP/2 frames say where it ended.
    (
        "RFC 9113 §8.2.2",
        &["GET 2", "POST 2", "200 2", "POST 3", "200 3"],
        "content-length: 5 | transfer-encoding: gzip, chunked",
        "content-length: 5",
    ),
    // One length.
    (
        "RFC 9110 §8.6",
        ALL_WITH_BODY,
        "content-length: 5",
        "content-length: 5",
    ),
    (
        "RFC 9110 §8.6",
        ALL_WITH_BODY,
        "content-length: 0",
        "content-length: 0",
    ),
    (
        "RFC 9110 §8.6",
        ALL_WITH_BODY,
        "content-length: 05",
        "content-length: 05",
    ),
    (
        "RFC 9110 §8.6",
        ALL_WITH_BODY,
        "content-length: 18446744073709551615",
        "content-length: 18446744073709551615",
    ),
    (
        "RFC 9110 §8.6",
        ALL_WITH_BODY,
        "content-length: 5, 5",
        "content-length: 5",
    ),
    (
        "RFC 9110 §8.6",
        ALL_WITH_BODY,
        "content-length: 5 | content-length: 05,5",
        "content-length: 5",
    ),
    ("RFC 9110 §8.6", ALL_WITH_BODY, "content-length: 5, 6", ""),
    (
        "RFC 9110 §8.6",
        ALL_WITH_BODY,
        "content-length: 5 | content-length: 6",
        "",
    ),
    (
        "RFC 9110 §8.6",
        ALL_WITH_BODY,
        "content-length: 5 | content-length: x",
        "",
    ),
    ("RFC 9110 §8.6", ALL_WITH_BODY, "content-length: +5", ""),
    ("RFC 9110 §8.6", ALL_WITH_BODY, "content-length: -5", ""),
    ("RFC 9110 §8.6", ALL_WITH_BODY, "content-length: 5,", ""),
    (
        "RFC 9110 §8.6",
        ALL_WITH_BODY,
        "content-length: 99999999999999999999",
        "",
    ),
    // Responses without a body, whatever they say of its length.
    (
        "RFC 9110 §8.6",
        &["101 1.1", "103 1.1", "204 1.1", "204 2"],
        "content-length: 5",
        "",
    ),
    (
        "RFC 9112 §6.1",
        &["101 1.1", "103 1.1", "204 1.1"],
        "transfer-encoding: gzip, chunked",
        "",
    ),
    // It has one, of length 0 (RFC 9110 §15.3.6).
    (
        "RFC 9110 §8.6",
        &["205 1.1"],
        "content-length: 0",
        "content-length: 0",
    ),
];

const ALL_WITH_BODY: Messages = &[
    "GET 1.1", "POST 1.1", "POST 1.0", "POST 2", "200 1.1", "200 1.0", "200 2", "304 1.1",
];

#[test]
fn each_rule_of_the_table_is_kept() {
    let mut wrong = Vec::new();
    for (section, messages, fields, expected) in CASES {
        for message in *messages {
            let once = strip(message, &parse(fields));
            let twice = strip(message, &once);
            let left = show(&once);
            if left != *expected || show(&twice) != left {
                wrong.push(format!(
                    "{section}, {message}: {fields:?}: {left:?}, {expected:?}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn parse(fields: &str) -> HeaderMap {
    let fields = fields.split(" | ").filter(|field| !field.is_empty());
    let mut headers = HeaderMap::new();
    for field in fields {
        let (name, value) = field.split_once(": ").unwrap();
        headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    headers
}

/// By name; those of one name in their order.
fn show(headers: &HeaderMap) -> String {
    let mut fields: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name, value.to_str().unwrap()))
        .collect();
    fields.sort_by_key(|(name, _)| name.as_str());
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{name}: {value}"));
    fields.collect::<Vec<_>>().join(" | ")
}

fn strip(message: &str, headers: &HeaderMap) -> HeaderMap {
    let (start, version) = message.split_once(' ').unwrap();
    let version = match version {
        "1.0" => Version::HTTP_10,
        "1.1" => Version::HTTP_11,
        "2" => Version::HTTP_2,
        _ => Version::HTTP_3,
    };
    if let Ok(status) = start.parse::<u16>() {
        let response = Response::builder().status(status).version(version);
        let mut response = response.body(()).unwrap();
        *response.headers_mut() = headers.clone();
        strip_response_hop_by_hop(&mut response);
        response.into_parts().0.headers
    } else {
        let request = Request::builder().method(start).version(version);
        let mut request = request.body(()).unwrap();
        *request.headers_mut() = headers.clone();
        strip_request_hop_by_hop(&mut request);
        request.into_parts().0.headers
    }
}

/// Of the 400 KiB that hyper accepts of a head.
const LARGE: usize = 64 << 10;

fn list(size: usize, names: impl Iterator<Item = String>) -> HeaderValue {
    let mut list = String::new();
    for name in names {
        if list.len() + name.len() >= size {
            break;
        }
        list.push_str(&name);
        list.push(',');
    }
    HeaderValue::from_maybe_shared(Bytes::from(list)).unwrap()
}

fn distinct_names(size: usize) -> HeaderValue {
    list(size, (0..size).map(|n| format!("{n:x}")))
}

/// Lists that are long: of one name, of many, and of long ones.
fn long_lists() -> Vec<(&'static str, HeaderValue)> {
    let repeated = |name: &str| list(LARGE, std::iter::repeat_n(name.to_owned(), LARGE));
    vec![
        ("no names", repeated("")),
        ("one name, a", repeated("a")),
        ("one name, b", repeated("b")),
        (
            "blanks",
            HeaderValue::from_maybe_shared(Bytes::from(vec![b' '; LARGE])).unwrap(),
        ),
        ("distinct names", distinct_names(LARGE)),
        (
            "distinct names, the other way round",
            list(LARGE, (0..LARGE).rev().map(|n| format!("{n:x}"))),
        ),
        ("names that stay", repeated("x-forwarded-proto")),
        (
            "long names",
            list(LARGE, (0..3).map(|n| format!("{n}").repeat(20_000))),
        ),
    ]
}

/// No list of names is kept name by name. That their names are not compared each with each other takes no memory, and
/// is shown by `benches/cost/benches/hop_by_hop.rs`.
#[test]
fn a_list_of_many_names_takes_few_allocations_and_memory_that_is_linear_in_its_size() {
    for (connection, named) in long_lists() {
        for (trailer, announced) in long_lists() {
            let mut headers = HeaderMap::new();
            headers.insert(CONNECTION, named.clone());
            headers.insert(TRAILER, announced.clone());
            headers.insert(TRANSFER_ENCODING, named.clone());
            headers.insert(UPGRADE, named.clone());
            let counted = allocation_counter::measure(|| {
                strip("200 1.1", &headers);
            });
            let case = format!("{connection}, {trailer}: {counted:?}");
            assert!(counted.count_total < 100, "{case}");
            assert!(counted.bytes_max < 60 * LARGE as u64, "{case}");
        }
    }
}

#[test]
fn as_many_trailers_as_were_announced_stay_one_field() {
    let mut headers = HeaderMap::new();
    headers.insert(CONNECTION, HeaderValue::from_static("x"));
    let (_, names) = long_lists().swap_remove(2);
    headers.append(TRAILER, HeaderValue::from_static("x"));
    headers.append(TRAILER, names.clone());

    let left = strip("200 1.1", &headers);

    assert_eq!(
        left.get_all(TRAILER).into_iter().collect::<Vec<_>>(),
        [names]
    );
}

/// What the fuzzer starts from.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/hop_by_hop");
    let files = folder.read_dir().unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn the_rules_hold_over_the_seeds() {
    let seeds = seeds();
    assert!(!seeds.is_empty());
    for seed in seeds {
        println!("{}", seed.escape_ascii());
        any_head::run(&seed);
    }
}

#[test]
fn the_rules_hold_over_the_table() {
    for (_, _, fields, _) in CASES {
        for message in 0..any_head::MESSAGES {
            let lines = fields.replace(" | ", "\n");
            any_head::run(&[&[message], lines.as_bytes()].concat());
        }
    }
}

/// Pieces of heads: names that have rules, values that name them, and what lies between.
const PIECES: [&str; 30] = [
    "\nconnection:",
    "\nkeep-alive:",
    "\nte:",
    "\ntrailer:",
    "\ntransfer-encoding:",
    "\nupgrade:",
    "\ncontent-length:",
    "\nhost:",
    "\nx-hop:",
    "\nproxy-connection:",
    "\nhttp2-settings:",
    ",",
    ", ",
    " ",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "content-length",
    "host",
    "x-hop",
    "X-Hop",
    "chunked",
    "identity",
    "gzip",
    "trailers",
    "5",
    "h2c",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn the_rules_hold_over_any_head(
        message in any::<u8>(),
        pieces in prop::collection::vec(select(&PIECES[..]), 0..40),
    ) {
        any_head::run(&[&[message], pieces.concat().as_bytes()].concat());
    }

    #[test]
    fn the_rules_hold_over_any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
        any_head::run(&data);
    }
}
