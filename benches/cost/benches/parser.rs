//! The parser and the tracker by themselves.
//!
//! ```text
//! cargo bench -p cost --bench parser
//! ```
//!
//! * `head/request`, `head/response`: following one head, that of a typical request and that of a
//!   response of ten headers and 30 bytes of body. The time is per head.
//! * `hint/…`: reading the `Keep-Alive` field out of the ten headers of a response, which one has and
//!   the other has not.
//! * `exchange`: all that is decided in one exchange: two heads followed, four times asked or told.
//! * `body/…`: following a body to its end, in reads of 64 KiB. `chunked-n` has chunks of `n` bytes,
//!   and counts these only, not the lines between them.

use std::hint::black_box;

use cost::canned::{Canned, TYPICAL};
use cost::parser::{Follower, Life, has_hint};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use http::{HeaderMap, HeaderName, HeaderValue};

const REQUEST: &[u8] = b"GET /path HTTP/1.1\r\nconnection: keep-alive\r\nhost: server.test\r\n\r\n";

const READ: usize = 64 << 10;

fn heads(c: &mut Criterion) {
    let mut group = c.benchmark_group("head");
    group.bench_function("request", |b| {
        let follow = |mut follower: Follower| follower.on_written(black_box(REQUEST));
        assert!(follow(Follower::default()));
        b.iter_batched(Follower::default, follow, BatchSize::SmallInput);
    });
    group.bench_function("response", |b| {
        let asked = || {
            let mut follower = Follower::default();
            follower.on_written(REQUEST);
            follower
        };
        let follow = |mut follower: Follower| follower.on_read(black_box(TYPICAL.as_bytes()));
        assert_eq!(follow(asked()), Some(true));
        b.iter_batched(asked, follow, BatchSize::SmallInput);
    });
    group.finish();

    c.bench_function("exchange", |b| {
        let mut life = Life::default();
        b.iter(|| assert!(life.exchange(black_box(REQUEST), black_box(TYPICAL.as_bytes()))));
    });
}

fn hints(c: &mut Criterion) {
    let fields = TYPICAL.lines().skip(1).take_while(|line| !line.is_empty());
    let with: HeaderMap = fields
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (
                HeaderName::try_from(name).unwrap(),
                HeaderValue::try_from(value).unwrap(),
            )
        })
        .collect();
    let mut without = with.clone();
    without.remove("keep-alive");
    assert!(has_hint(&with) && !has_hint(&without));

    let mut group = c.benchmark_group("hint");
    group.bench_function("present", |b| b.iter(|| has_hint(black_box(&with))));
    group.bench_function("absent", |b| b.iter(|| has_hint(black_box(&without))));
    group.finish();
}

fn bodies(c: &mut Criterion) {
    let mut group = c.benchmark_group("body");
    // About as many bytes on the wire each, so that a pass takes a while.
    for (name, canned) in [
        ("sized", Canned::sized(READ, 1024)),
        ("chunked-16384", Canned::chunked(16 << 10, 4096)),
        ("chunked-1024", Canned::chunked(1024, 4096)),
        ("chunked-16", Canned::chunked(16, 65536)),
        ("chunked-1", Canned::chunked(1, 65536)),
    ] {
        let payload = canned.payload();
        let wire = canned.bytes();
        group.throughput(Throughput::Bytes(payload));
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut follower = Follower::default();
                follower.on_written(REQUEST);
                let reads = black_box(&wire[..]).chunks(READ);
                let last = reads.map(|read| follower.on_read(read)).last();
                assert_eq!(last, Some(Some(true)));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, heads, hints, bodies);
criterion_main!(benches);
