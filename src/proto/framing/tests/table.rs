//! Every case of the table, in every order and splitting in which it may pass.

use super::cases::{self, Case};
use super::follower::{Follower, Outcome};

/// One piece that passes, as it is accepted by the transport or read from it.
#[derive(Clone, Copy)]
enum Piece<'a> {
    Written(&'a [u8]),
    Read(&'a [u8]),
}
use Piece::{Read, Written};

type Schedule<'a> = Vec<Piece<'a>>;

/// Follows a case, and holds what is said after each piece against the table.
fn run(case: &Case, schedule: &[Piece<'_>], how: &str) {
    let name = &case.name;
    let mut follower = Follower::new();
    let (mut written, mut read) = (0, 0);
    for piece in schedule {
        let (begins, answers) = match piece {
            Written(b"") | Read(b"") => continue,
            Written(_) => (written == 0, false),
            Read(_) => (false, read == 0),
        };
        let progress = match piece {
            Written(bytes) => {
                written += bytes.len();
                follower.on_written(bytes)
            }
            Read(bytes) => {
                read += bytes.len();
                follower.on_read(bytes)
            }
        };

        let behind = read > case.response.len();
        let decided = is_decided(case, written, read);
        let outcome = follower.outcome();
        if behind {
            assert_eq!(
                outcome,
                case.outcome_in_the_end(),
                "{name}, {how}: behind it"
            );
        } else if decided {
            assert_eq!(
                outcome, case.outcome,
                "{name}, {how}: upon the byte that decides"
            );
        } else {
            assert!(
                matches!(outcome, Outcome::Open | Outcome::UntilEof),
                "{name}, {how}: {outcome:?} after {written} bytes out and {read} in, too early"
            );
        }
        if !behind && !matches!(outcome, Outcome::Opaque(_)) {
            assert_eq!(progress.begun, begins, "{name}, {how}: begun at {written}");
            assert_eq!(
                progress.ended,
                outcome == Outcome::Idle,
                "{name}, {how}: ended"
            );
            assert!(progress.answered || !answers, "{name}, {how}: answered");
        }
    }
    assert_eq!(
        follower.outcome(),
        case.outcome_in_the_end(),
        "{name}, {how}: in the end"
    );
    if follower.outcome() == Outcome::Idle {
        assert_eq!(follower.ended(), 1, "{name}, {how}: one exchange");
    }
}

/// Whether the byte that decides has passed.
fn is_decided(case: &Case, written: usize, read: usize) -> bool {
    let request = written == case.request.wire.len();
    let response = read >= case.response.len();
    match case.outcome {
        Outcome::Opaque(_) if !case.response.is_empty() => response,
        _ => request && response,
    }
}

fn pieces(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(1)
}

/// Where a text is split: everywhere, or where it is long, at both ends and here and there.
fn offsets(length: usize) -> Vec<usize> {
    if length <= 2048 {
        return (0..=length).collect();
    }
    let few = 3;
    (0..few)
        .chain((few..length - few).step_by(length / 5))
        .chain(length - few..=length)
        .collect()
}

/// Where the request line ends, from which on a response can be understood.
fn end_of_request_line(wire: &[u8]) -> usize {
    let begin = wire.iter().position(|b| !b"\r\n".contains(b));
    let begin = begin.unwrap_or(wire.len());
    let line = wire[begin..].iter().position(|&b| b == b'\n');
    line.map_or(wire.len(), |line| begin + line + 1)
}

/// Everything the server sends.
fn answer(case: &Case) -> Vec<u8> {
    [&case.response[..], &case.behind[..]].concat()
}

#[test]
fn the_table_names_every_case_once() {
    let cases = cases::all();
    let mut names: Vec<_> = cases.iter().map(|case| &case.name).collect();
    names.sort();
    names.dedup();

    assert_eq!(names.len(), cases.len());
}

#[test]
fn a_split_of_the_request_changes_nothing() {
    for case in cases::all() {
        let (wire, answer) = (case.request.wire, answer(&case));
        for at in offsets(wire.len()) {
            let schedule = [Written(&wire[..at]), Written(&wire[at..]), Read(&answer)];
            run(&case, &schedule, &format!("request split at {at}"));
        }
    }
}

#[test]
fn a_split_of_the_response_changes_nothing() {
    for case in cases::all() {
        let answer = answer(&case);
        let end = case.response.len();
        for at in offsets(answer.len()).into_iter().chain([end]) {
            let schedule = [
                Written(case.request.wire),
                Read(&answer[..at]),
                Read(&answer[at..]),
            ];
            run(&case, &schedule, &format!("response split at {at}"));
        }
    }
}

#[test]
fn byte_by_byte_the_last_byte_decides_and_none_before() {
    for case in cases::all() {
        let answer = answer(&case);
        let schedule: Schedule<'_> = pieces(case.request.wire)
            .map(Written)
            .chain(pieces(&answer).map(Read))
            .collect();
        run(&case, &schedule, "byte by byte");
    }
}

#[test]
fn a_response_may_begin_before_its_request_has_ended() {
    for case in cases::all() {
        let (wire, answer) = (case.request.wire, answer(&case));
        let line = end_of_request_line(wire);
        let head = wire.windows(4).position(|end| end == b"\r\n\r\n");
        let head = head.map_or(line, |head| head + 4);
        for at in offsets(answer.len()) {
            for begun in [line, head] {
                let schedule = [
                    Written(&wire[..begun]),
                    Read(&answer[..at]),
                    Written(&wire[begun..]),
                    Read(&answer[at..]),
                ];
                run(&case, &schedule, &format!("{at} answered after {begun}"));
            }
        }
    }
}

#[test]
fn a_response_may_be_complete_before_its_request_is() {
    for case in cases::all() {
        let (wire, answer) = (case.request.wire, answer(&case));
        for begun in end_of_request_line(wire)..=wire.len() {
            let whole = [
                Written(&wire[..begun]),
                Read(&answer),
                Written(&wire[begun..]),
            ];
            run(&case, &whole, &format!("all answered after {begun}"));
            if case.is_large() {
                continue;
            }
            let bytes: Schedule<'_> = pieces(&wire[..begun])
                .map(Written)
                .chain(pieces(&answer).map(Read))
                .chain(pieces(&wire[begun..]).map(Written))
                .collect();
            run(
                &case,
                &bytes,
                &format!("all answered after {begun}, byte by byte"),
            );
        }
    }
}

#[test]
fn bytes_may_alternate_between_both_directions() {
    for case in cases::all().iter().filter(|case| !case.is_large()) {
        let (wire, answer) = (case.request.wire, answer(case));
        let line = end_of_request_line(wire);
        let (mut written, mut read) = (pieces(&wire[line..]), pieces(&answer));
        let mut schedule = vec![Written(&wire[..line])];
        for _ in 0..wire.len() + answer.len() {
            schedule.extend(read.next().map(Read));
            schedule.extend(written.next().map(Written));
        }
        run(case, &schedule, "alternating");
    }
}
