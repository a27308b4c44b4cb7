//! What it takes to strip the worst heads that hyper accepts, beside plain ones of the same size.
//!
//! ```text
//! cargo bench -p cost --bench hop_by_hop
//! ```
//!
//! hyper accepts 100 fields and 400 KiB by default. Each head is read by hyper's server, which hands it to a
//! service that strips it or does not. The plain head has as many fields of as many bytes, which nothing
//! names. The times are those of the whole: reading, stripping, answering; the last column has the time of
//! stripping alone, by the byte. `same hash` has fields whose names, like all names in `Connection`, have
//! the same place in the map.
//!
//! The second table shows that stripping takes time that is linear in the size of a head: of lists that are 16 times
//! as long, about 16 times as much. Were each name compared with each other, it would be 256 times as much.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use cost::{budget, pairs, runtime};
use http::{Request, Response};
use http_body_util::Empty;
use http_keepalive::strip_request_hop_by_hop;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::Runtime;

/// What hyper accepts in a head, nearly.
const SIZE: usize = 400 << 10;

/// Fields besides `Host`.
const FIELDS: usize = 99;

type Fields = Vec<(String, String)>;

fn main() {
    let mut table = pairs::table([
        "head",
        "plain",
        "stripped, of a plain head",
        "stripped, of itself unstripped",
        "stripping, by the byte",
    ]);
    for (name, fields) in heads() {
        let runtime = runtime();
        let plain = wire(&plain(&fields));
        let worst = wire(&fields);
        assert_eq!(plain.len(), worst.len());
        let rounds = pairs::rounds(
            budget(3),
            &mut [
                &mut || exchange(&runtime, &plain, true),
                &mut || exchange(&runtime, &worst, true),
                &mut || exchange(&runtime, &worst, false),
            ],
        );
        let stripped = rounds.median(1).saturating_sub(rounds.median(2));
        let unstripped = pairs::rounds(
            budget(1),
            &mut [&mut || exchange(&runtime, &worst, false), &mut || {
                exchange(&runtime, &worst, true)
            }],
        );
        table.add_row([
            name.to_string(),
            micros(rounds.median(0)),
            rounds.time_ratio(1).to_string(),
            unstripped.time_ratio(1).to_string(),
            format!(
                "{:.1} ns",
                stripped.as_secs_f64() * 1e9 / worst.len() as f64
            ),
        ]);
    }
    println!("{table}");
    println!("{}", growth());
}

/// The names of one list are looked up in the other. None of them is found, and each is looked for to the end.
fn growth() -> impl std::fmt::Display {
    let mut table = pairs::table([
        "connection and trailer, each of",
        "stripping",
        "of 16 times the size",
    ]);
    for size in [4 << 10, 16 << 10] {
        let strip = |size: usize| {
            let announced = distinct(size).replace(',', "z,");
            let request = Request::builder()
                .header("connection", distinct(size))
                .header("trailer", announced);
            let (head, ()) = request.body(()).unwrap().into_parts();
            move || strip_request_hop_by_hop(&mut Request::from_parts(head.clone(), ()))
        };
        let rounds = pairs::rounds(budget(1), &mut [&mut strip(size), &mut strip(16 * size)]);
        table.add_row([
            format!("{} KiB", size >> 10),
            micros(rounds.median(0)),
            rounds.time_ratio(1).to_string(),
        ]);
    }
    table
}

fn micros(time: Duration) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1e6)
}

/// Has hyper's server read a head, and answer it.
fn exchange(runtime: &Runtime, head: &Bytes, strips: bool) {
    runtime.block_on(async {
        let (mut client, server) = duplex(2 * SIZE);
        let service = service_fn(move |mut request: Request<Incoming>| async move {
            if strips {
                strip_request_hop_by_hop(&mut request);
            }
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        });
        let serving =
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(server), service));
        client.write_all(head).await.unwrap();
        let mut answer = [0; 256];
        let read = client.read(&mut answer).await.unwrap();
        assert!(answer[..read].starts_with(b"HTTP/1.1 200 OK"));
        drop(client);
        serving.await.unwrap().unwrap();
    });
}

fn wire(fields: &Fields) -> Bytes {
    let mut head = "GET / HTTP/1.1\r\nhost: a\r\n".to_owned();
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into()
}

/// As many fields of the same sizes, which are for all recipients.
fn plain(fields: &Fields) -> Fields {
    let mut number = 0;
    let fields = fields.iter().map(|(name, value)| {
        number += 1;
        // As many different names as before, if they have room for a number.
        let name = format!("x{number:0>width$}", width = name.len().max(2) - 1);
        (name, value.clone())
    });
    fields.collect()
}

fn heads() -> Vec<(&'static str, Fields)> {
    let field = |name: &str, value: String| (name.to_owned(), value);
    let repeated = |name: &str, size: usize| name.repeat(size / name.len());
    let many = |name: &str, value: &dyn Fn(usize) -> String| -> Fields {
        (0..FIELDS).map(|n| field(name, value(n))).collect()
    };
    let each = (SIZE / FIELDS) - 40;
    let large = SIZE - 1024;
    let half = large / 2;
    let (names, option) = colliding();
    let mut colliding: Fields = names.iter().map(|name| field(name, "1".into())).collect();
    let taken: usize = names.iter().map(|name| name.len() + 5).sum();
    colliding.push(field(
        "connection",
        repeated(&format!("{option},"), large - taken),
    ));
    vec![
        (
            "typical",
            vec![
                field("connection", "close".into()),
                field("accept", "*/*".into()),
            ],
        ),
        (
            "connection, one name",
            vec![field("connection", repeated("a,", large))],
        ),
        (
            "connection, distinct names",
            vec![field("connection", distinct(large))],
        ),
        (
            "connection, close",
            vec![field("connection", repeated("close,", large))],
        ),
        (
            "connection, keep-alive",
            vec![field("connection", repeated("keep-alive,", large))],
        ),
        (
            "connection, long names",
            vec![field(
                "connection",
                repeated(&format!("{},", "a".repeat(9_999)), large),
            )],
        ),
        (
            "connection, no names",
            vec![field("connection", ",".repeat(large))],
        ),
        (
            "connection, 99 fields",
            many("connection", &|_| repeated("a,", each)),
        ),
        (
            "connection and trailer, one name each",
            vec![
                field("connection", repeated("a,", half)),
                field("trailer", repeated("b,", half)),
            ],
        ),
        (
            "the same, a name removed",
            vec![
                field("connection", repeated("a,", half)),
                field("trailer", format!("a,{}", repeated("b,", half))),
            ],
        ),
        (
            "connection and trailer, distinct names",
            vec![
                field("connection", distinct(half)),
                field("trailer", format!("{},z-z", distinct(half))),
            ],
        ),
        (
            "trailer, no names",
            vec![field("trailer", ",".repeat(large))],
        ),
        (
            "upgrade, 99 fields",
            many("upgrade", &|_| repeated("a,", each)),
        ),
        (
            "transfer-encoding",
            vec![field(
                "transfer-encoding",
                format!("{}chunked", repeated("identity,", large)),
            )],
        ),
        (
            "content-length, 98 fields",
            std::iter::once(field("connection", repeated("a,", half)))
                .chain((1..FIELDS).map(|_| field("content-length", "0".into())))
                .collect(),
        ),
        ("99 names named", {
            let named: Fields = (1..FIELDS)
                .map(|n| field(&format!("y{n:02}"), repeated("a", each / 2)))
                .collect();
            let list: String = (1..FIELDS).map(|n| format!("y{n:02},")).collect();
            named
                .into_iter()
                .chain([field("connection", repeated(&list, half))])
                .collect()
        }),
        ("same hash", colliding),
    ]
}

/// A list of that size, in which no name stands twice.
fn distinct(size: usize) -> String {
    let mut list = String::new();
    let mut number = 0_u32;
    while list.len() + 8 < size {
        list.push_str(&base36(number));
        list.push(',');
        number += 1;
    }
    list
}

fn base36(mut number: u32) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = String::new();
    loop {
        text.push(char::from(DIGITS[number as usize % 36]));
        number /= 36;
        if number == 0 {
            return text;
        }
    }
}

/// Names that have the same place in a map of 100 fields, all but one of them for fields.
fn colliding() -> (Vec<String>, String) {
    let option = "a".to_owned();
    let place = hash(&option);
    let names = (0_u32..).map(|number| format!("y{}", base36(number)));
    let names = names.filter(|name| hash(name) == place).take(FIELDS - 1);
    (names.collect(), option)
}

/// The hash that `http` gives a name that it does not know: FNV-1a over its letters, of which a map takes
/// the lowest bits.
fn hash(name: &str) -> u64 {
    const MASK: u64 = (1 << 15) - 1;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    // Before the letters stands, as eight bytes, that it is not one of the known names.
    for byte in 1_u64.to_le_bytes().into_iter().chain(name.bytes()) {
        hash ^= u64::from(byte);
        hash = hash.wrapping_mul(0x0100_0000_01b3);
    }
    hash & MASK
}
