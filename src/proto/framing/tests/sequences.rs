//! Several exchanges on one connection, and what is said of them piece by piece.

use hyper::client::conn::http1::Builder;

use super::cases::{GET, HEAD, Hyper, Request, SIZED, STREAMED};
use super::follower::{Follower, Outcome};
use super::rig::{Rig, Upload, Writes};
use crate::proto::framing::head::{MAX_HEAD, MAX_LINE};
use crate::proto::framing::{OpaqueReason, Progress, Tracker};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const OK_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
const NOT_MODIFIED: &[u8] = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const CHUNKED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\
    Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n";
const CONNECT: &[u8] = b"CONNECT a:80 HTTP/1.1\r\n\r\n";
const REFUSED: &[u8] = b"HTTP/1.1 407 No\r\nContent-Length: 5\r\n\r\nhello";

const NOTHING: Progress = Progress {
    ended: false,
    begun: false,
    answered: false,
    head: false,
    hint: None,
};
const ENDED: Progress = Progress {
    ended: true,
    ..NOTHING
};
const BEGUN: Progress = Progress {
    begun: true,
    ..NOTHING
};
const ANSWERED: Progress = Progress {
    answered: true,
    ..NOTHING
};
const WHOLE: Progress = Progress {
    head: true,
    ..ANSWERED
};

#[test]
fn exchanges_follow_one_another_and_forget_the_one_before() {
    let exchanges = [
        (GET.wire, OK),
        (HEAD.wire, OK_HEAD),
        (GET.wire, OK),
        (CONNECT, REFUSED),
        (SIZED.wire, OK),
        (STREAMED.wire, CHUNKED),
        (GET.wire, NOT_MODIFIED),
        (GET.wire, CHUNKED),
        (HEAD.wire, NOT_MODIFIED),
        (SIZED.wire, NOT_MODIFIED),
    ];
    for (first, second) in exchanges
        .iter()
        .flat_map(|first| exchanges.iter().map(move |second| (first, second)))
    {
        let mut follower = Follower::new();
        for (n, (request, response)) in [first, second, first].into_iter().enumerate() {
            follower.on_written(request);
            assert_eq!(follower.outcome(), Outcome::Open);
            follower.on_read(response);
            assert_eq!(
                follower.outcome(),
                Outcome::Idle,
                "{n} of {first:?} and {second:?}"
            );
            assert_eq!(follower.ended(), n + 1);
        }
    }
}

#[test]
fn a_piece_may_end_a_request_that_was_answered_early_and_begin_the_next() {
    let joined = [b" world", GET.wire].concat();
    for at in 0..=joined.len() {
        let mut tracker = Tracker::new();
        let begun = SIZED.wire.strip_suffix(b" world").unwrap();
        assert_eq!(tracker.on_written(begun), Ok(BEGUN));
        assert_eq!(tracker.on_read(OK), Ok(WHOLE));

        let (first, second) = joined.split_at(at);
        let progress = [tracker.on_written(first), tracker.on_written(second)];

        let both = Progress {
            ended: true,
            begun: true,
            ..NOTHING
        };
        let expected = match at {
            0..6 => [NOTHING, both],
            6 => [ENDED, BEGUN],
            7.. => [both, NOTHING],
        };
        assert_eq!(progress, expected.map(Ok), "split at {at}");
        let ended = Progress {
            ended: true,
            ..WHOLE
        };
        assert_eq!(tracker.on_read(OK), Ok(ended), "split at {at}");
    }
}

#[test]
fn three_exchanges_may_be_written_in_two_pieces_that_join_them() {
    let mut follower = Follower::new();
    let (head, body) = STREAMED.wire.split_at(60);

    follower.on_written(head);
    follower.on_read(CHUNKED);
    assert_eq!(
        follower.outcome(),
        Outcome::Open,
        "answered, but not written yet"
    );
    follower.on_written(&[body, head].concat());
    assert_eq!(follower.ended(), 1);
    follower.on_read(CHUNKED);
    assert_eq!(
        follower.outcome(),
        Outcome::Open,
        "answered, but not written yet"
    );
    follower.on_written(&[body, HEAD.wire].concat());
    assert_eq!(follower.ended(), 2);
    assert_eq!(follower.outcome(), Outcome::Open);
    follower.on_read(OK_HEAD);

    assert_eq!(follower.ended(), 3);
    assert_eq!(follower.outcome(), Outcome::Idle);
}

#[test]
fn a_response_to_what_is_not_known_yet_is_opaque_unless_it_has_no_body_in_any_case() {
    for (response, outcome) in [
        (OK, Outcome::Opaque(OpaqueReason::Unrecognized)),
        (OK_HEAD, Outcome::Opaque(OpaqueReason::Unrecognized)),
        (CONTINUE, Outcome::Open),
        (NOT_MODIFIED, Outcome::Open),
        (
            b"HTTP/1.1 101 X\r\n\r\n",
            Outcome::Opaque(OpaqueReason::Upgrade),
        ),
    ] {
        let mut follower = Follower::new();
        follower.on_written(b"GET / HTTP/1.1");
        follower.on_read(response);

        assert_eq!(follower.outcome(), outcome, "{}", response.escape_ascii());
    }
}

#[test]
fn what_is_no_request_is_known_from_its_first_byte_however_it_comes() {
    for wire in [
        &b" / HTTP/1.1\r\n\r\n"[..],
        b"\t/ HTTP/1.1\r\n\r\n",
        b": / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01 / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\n",
        b"\x00\x00\x06\x04\x00\x00\x00\x00\x00",
    ] {
        for at in 1..=wire.len() {
            let mut follower = Follower::new();
            follower.on_written(&wire[..at]);
            let opaque = Outcome::Opaque(OpaqueReason::Unrecognized);
            assert_eq!(follower.outcome(), opaque, "{}", wire[..at].escape_ascii());
        }
    }
}

#[test]
fn a_field_is_no_start_line_however_it_comes() {
    let wire = b"Content-Length: 5\r\n\r\n";
    for at in 0..=wire.len() {
        let mut asking = Follower::new();
        asking.on_written(&wire[..at]);
        asking.on_written(&wire[at..]);
        let opaque = Outcome::Opaque(OpaqueReason::Unrecognized);
        assert_eq!(asking.outcome(), opaque, "request, split at {at}");

        let mut answered = Follower::new();
        answered.on_written(GET.wire);
        answered.on_read(&wire[..at]);
        answered.on_read(&wire[at..]);
        assert_eq!(answered.outcome(), opaque, "response, split at {at}");
    }
}

#[test]
fn every_head_is_an_answer_and_nothing_else_is() {
    let mut tracker = Tracker::new();
    assert_eq!(tracker.on_written(GET.wire), Ok(BEGUN));
    assert_eq!(tracker.status(), 0);

    assert_eq!(tracker.on_read(b"H"), Ok(ANSWERED));
    assert_eq!(tracker.on_read(&CONTINUE[1..]), Ok(NOTHING));
    assert_eq!(tracker.status(), 100);
    assert_eq!(tracker.on_read(b"HTTP/1.1 103 X\r\n\r\n"), Ok(ANSWERED));
    assert_eq!(tracker.status(), 103);
    assert_eq!(
        tracker.on_read(b"HTTP/1.1 404 X\r\nContent-Length: 3\r\n"),
        Ok(ANSWERED)
    );
    assert_eq!(tracker.status(), 103, "the head has not ended");
    let head = Progress {
        head: true,
        ..NOTHING
    };
    assert_eq!(tracker.on_read(b"\r\na"), Ok(head));
    assert_eq!(tracker.status(), 404);
    assert_eq!(tracker.on_read(b"b"), Ok(NOTHING));
    assert_eq!(tracker.on_read(b"c"), Ok(ENDED));
    assert_eq!(tracker.status(), 404);

    assert_eq!(tracker.on_written(GET.wire), Ok(BEGUN));
    assert_eq!(
        tracker.status(),
        404,
        "no head of the second response has come"
    );
    let all = Progress {
        ended: true,
        ..WHOLE
    };
    assert_eq!(tracker.on_read(&[CONTINUE, OK].concat()), Ok(all));
    assert_eq!(tracker.status(), 200);
}

#[test]
fn no_bytes_bring_about_nothing() {
    let answer = [CONTINUE, CHUNKED].concat();
    let mut tracker = Tracker::new();
    let check = |tracker: &mut Tracker| {
        assert_eq!(tracker.on_written(b""), Ok(NOTHING));
        assert_eq!(tracker.on_read(b""), Ok(NOTHING));
    };

    check(&mut tracker);
    for byte in STREAMED.wire.chunks(1) {
        tracker.on_written(byte).unwrap();
        check(&mut tracker);
    }
    for byte in answer.chunks(1) {
        tracker.on_read(byte).unwrap();
        check(&mut tracker);
    }
}

#[test]
fn only_a_response_without_an_end_lasts_until_eof() {
    let mut tracker = Tracker::new();
    assert!(!tracker.is_until_eof());
    tracker.on_written(GET.wire).unwrap();
    assert!(!tracker.is_until_eof());
    tracker.on_read(b"HTTP/1.1 200 OK\r\n\r").unwrap();
    assert!(!tracker.is_until_eof());
    tracker.on_read(b"\n").unwrap();
    assert!(tracker.is_until_eof());
    tracker.on_read(&[0; 10_000]).unwrap();
    assert!(tracker.is_until_eof());
}

#[test]
fn of_an_endless_line_no_more_is_kept_than_is_looked_at() {
    let mut tracker = Tracker::new();
    tracker.on_written(b"GET / HTTP/1.1\r\nX: ").unwrap();
    tracker.on_read(b"HTTP/1.1 200 OK\r\nX: ").unwrap();

    let mut most = 0;
    for _ in 0..MAX_HEAD / 100 - 1 {
        tracker.on_written(&[b'x'; 100]).unwrap();
        tracker.on_read(&[b'x'; 100]).unwrap();
        most = most.max(tracker.kept());
    }

    assert!(
        (MAX_LINE..=4 * MAX_LINE).contains(&most),
        "{most} bytes kept"
    );
    assert_eq!(
        tracker.on_written(&[b'x'; 200]),
        Err(OpaqueReason::OversizeHead)
    );
    assert_eq!(
        tracker.on_read(&[b'x'; 200]),
        Err(OpaqueReason::OversizeHead)
    );
}

#[test]
fn nothing_is_kept_of_lines_that_come_whole_nor_of_bodies_nor_between_exchanges() {
    let mut tracker = Tracker::new();
    for _ in 0..3 {
        for line in STREAMED.wire.split_inclusive(|&b| b == b'\n') {
            tracker.on_written(line).unwrap();
            assert_eq!(tracker.kept(), 0);
        }
        for line in CHUNKED.split_inclusive(|&b| b == b'\n') {
            tracker.on_read(line).unwrap();
            assert_eq!(tracker.kept(), 0);
        }
        for byte in GET.wire.chunks(1) {
            tracker.on_written(byte).unwrap();
        }
        for byte in OK.chunks(1) {
            tracker.on_read(byte).unwrap();
        }
        assert_eq!(tracker.kept(), 0);
    }
    assert!(size_of::<Tracker>() <= 256, "one for each connection");
}

#[test]
fn a_head_may_be_as_long_as_the_bound_in_each_direction_and_in_each_exchange() {
    let fill = |head: &str| {
        let line = format!("X: {}\r\n\r\n", "x".repeat(MAX_HEAD - head.len() - 7));
        [head, &line].concat().into_bytes()
    };
    let request = fill("GET / HTTP/1.1\r\n");
    let interim = fill("HTTP/1.1 103 X\r\n");
    let response = fill("HTTP/1.1 204 X\r\n");
    assert_eq!(request.len(), MAX_HEAD);

    let mut follower = Follower::new();
    for n in 1..=2 {
        follower.on_written(&request);
        follower.on_read(&interim);
        follower.on_read(&interim);
        follower.on_read(&response);
        assert_eq!(follower.outcome(), Outcome::Idle);
        assert_eq!(follower.ended(), n);
    }
    follower.on_written(&[&request[..4], b"/", &request[4..]].concat());
    assert_eq!(
        follower.outcome(),
        Outcome::Opaque(OpaqueReason::OversizeHead)
    );
}

const WRITES: Writes = Writes {
    at_most: usize::MAX,
    vectored: false,
};

/// One exchange of hyper's, answered byte by byte.
fn exchange(rig: &mut Rig, request: &Request, upload: Upload, response: &[u8]) {
    rig.send(&request.message.unwrap(), upload);
    for byte in response.chunks(1) {
        assert_eq!(rig.hyper(), Hyper::Waiting);
        assert_eq!(rig.follow(Follower::outcome), Outcome::Open);
        rig.deliver(byte);
    }
    rig.upload();
}

#[test]
fn after_a_response_of_http_1_0_hyper_speaks_it_and_leaves_out_a_body_of_unknown_length() {
    let mut rig = Rig::new(&Builder::new(), WRITES);
    let response = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n";
    exchange(&mut rig, &GET, Upload::AtOnce, response);
    exchange(&mut rig, &STREAMED, Upload::AtOnce, response);

    let second = b"PUT / HTTP/1.0\r\nhost: a\r\nconnection: keep-alive\r\n\r\n";
    assert_eq!(rig.written(), [GET.wire, second].concat());
    assert_eq!(rig.hyper(), Hyper::Ready);
    assert_eq!(rig.follow(Follower::outcome), Outcome::Idle);
    assert_eq!(rig.follow(Follower::ended), 2);
}

#[test]
fn a_final_response_may_say_that_its_connection_ends() {
    for (fields, is_closing) in [
        ("", false),
        ("Connection: close\r\n", true),
        ("CONNECTION:\tx, CLOSE \r\n", true),
        ("Connection: keep-alive\r\nConnection: close\r\n", true),
        ("Connection: closed\r\n", false),
        ("Connection : close\r\n", false),
        ("X-Connection: close\r\n", false),
    ] {
        let mut tracker = Tracker::new();
        tracker.on_written(GET.wire).unwrap();
        let head = format!("HTTP/1.1 200 X\r\n{fields}Content-Length: 0\r\n\r\n");
        for piece in head.as_bytes().chunks(7) {
            tracker.on_read(piece).unwrap();
        }
        assert_eq!(tracker.is_closing(), is_closing, "{fields:?}");

        tracker.on_written(GET.wire).unwrap();
        tracker.on_read(OK).unwrap();
        assert!(!tracker.is_closing(), "the next does not");
    }
}
