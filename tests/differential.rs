//! hyper's client with this crate beside hyper's client without: over the fuzzer's seeds, and over
//! chance.
//!
//! The rules and how they are held stand in `differential/mod.rs`. The fuzzer runs the same function,
//! from `tests/fuzz`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "differential/mod.rs"]
mod differential;
#[path = "differential/table.rs"]
mod table;

use std::path::Path;

use differential::{
    ClientsTally, Fault, Tally, run, run_clients, run_clients_on, run_clients_with, run_with,
};
use proptest::prelude::*;
use proptest::sample::select;

/// The first byte of each: a policy, plain writes, hyper as it comes.
const DEFAULT_POLICY: u8 = 0;
const NO_REUSE: u8 = 4;
const NO_LIMIT: u8 = 7;

// The same byte with these: vectored writes, and a hyper that takes more than it does by default.
const PLAIN: u8 = 0;
const VECTORED: u8 = 8;
const STRICT: u8 = 0;
const LENIENT: u8 = 16;

// Operations, by their codes; with this added, nobody is polled before the next.
const AT_ONCE: u8 = 0x80;
const SEND: u8 = 0;
const UPLOADING: u8 = 5;
const ANSWER: u8 = 7;
const DELIVER: u8 = 10;
const DELIVER_UP_TO: u8 = 15;
const RAW: u8 = 16;
const ROOM: u8 = 19;
const STICK: u8 = 20;
const END: u8 = 21;
const TAKE: u8 = 23;
const ADVANCE: u8 = 26;
const RETIRE: u8 = 29;
const MOVE: u8 = 30;

/// How much is delivered, or has room.
const ALL_AT_ONCE: u8 = 0;

const GET: &[u8] = &[SEND, 0, 0, 0];
const GET_AT_ONCE: &[u8] = &[SEND | AT_ONCE, 0, 0, 0];
const HEAD: &[u8] = &[SEND, 1, 0, 0];
/// With a body of two frames whose length is not known beforehand.
const PUT: &[u8] = &[SEND, 3, 0, 2, 0, 3];
/// With a body of two frames.
const POST: &[u8] = &[SEND, 2, 0, 1, 0, 0];
const UPLOAD: &[u8] = &[UPLOADING, 0];
const OK: &[u8] = &[ANSWER, 0, 0, 0, 0, 0, DELIVER, 0];
const IN_CHUNKS: &[u8] = &[ANSWER, 0, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, DELIVER, 0];
const INTERIM_AND_IN_CHUNKS: &[u8] =
    &[ANSWER, 0, 1, 0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1, DELIVER, 0];
const NOT_MODIFIED: &[u8] = &[ANSWER, 2, 0, 0, 0, 0, DELIVER, 0];
/// Less than a head takes.
const SOME_ROOM: &[u8] = &[ROOM, 5, 0];
/// What makes [`SOME_ROOM`] enough for a head, and for less than all of the body behind it.
const MORE_ROOM: &[u8] = &[ROOM, 5, 0, ROOM, 4, 0, ROOM, 4, 0];
const ALL_ROOM: &[u8] = &[ROOM, 0, 0];
const TAKE_NOTHING: &[u8] = &[TAKE, 1];
const UNTIL_THE_DEADLINE: &[u8] = &[ADVANCE, 0];
const UNTIL_THE_DEADLINE_AT_ONCE: &[u8] = &[ADVANCE | AT_ONCE, 0];
const NEARLY_UNTIL_THE_DEADLINE: &[u8] = &[ADVANCE, 1];

fn after(policy: u8, operations: &[&[u8]]) -> Vec<u8> {
    [&[policy], &operations.concat()[..]].concat()
}

/// What the fuzzer starts from.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/differential");
    let files = folder.read_dir().unwrap();
    files
        .map(|file| std::fs::read(file.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn the_rules_hold_over_the_seeds() {
    let sum = seeds().iter().fold(Tally::default(), |sum, seed| {
        println!("{}", seed.escape_ascii());
        sum + run(seed)
    });

    let Tally {
        reused,
        idle,
        held_up,
        retired,
        unsent,
        opaque,
    } = sum;
    for count in [reused, idle, held_up, retired, unsent, opaque] {
        assert!(count > 0, "the seeds bring about everything: {sum:?}");
    }
}

/// Each row by which framing is tested, on a connection with this crate and on one without.
fn run_table(tolerance: u8) {
    for row in table::rows() {
        for (writes, operations) in &row.ways {
            println!("{}, {writes}", row.name);
            let tally = run(&after(DEFAULT_POLICY | writes | tolerance, &[operations]));

            assert!(tally.opaque == 0 || row.may_be_opaque);
        }
    }
}

#[test]
fn the_rules_hold_over_the_table_of_framing() {
    run_table(STRICT);
}

#[test]
fn the_rules_hold_over_the_table_of_framing_where_hyper_tolerates_everything() {
    run_table(LENIENT);
}

#[test]
fn a_connection_is_idle_between_exchanges_and_reused() {
    let exchanges = [
        [GET, OK, UPLOAD],
        [PUT, INTERIM_AND_IN_CHUNKS, UPLOAD],
        [HEAD, OK, UPLOAD],
        [POST, OK, UPLOAD],
        [GET, NOT_MODIFIED, UPLOAD],
        [PUT, UPLOAD, OK],
        [POST, UPLOAD, IN_CHUNKS],
        [GET, OK, UPLOAD],
    ];
    for writes in [PLAIN, VECTORED] {
        let tally = run(&after(DEFAULT_POLICY | writes, &exchanges.concat()));

        assert_eq!(tally.reused, 7);
        assert!(tally.idle >= 9, "before, between and behind: {tally:?}");
        assert_eq!(tally.opaque, 0);
    }
}

#[test]
fn a_connection_is_idle_while_its_caller_has_not_taken_what_was_read() {
    let operations = [GET, TAKE_NOTHING, IN_CHUNKS];

    assert!(run(&after(DEFAULT_POLICY, &operations)).held_up > 0);
}

#[test]
fn a_connection_closes_at_its_deadline_and_not_before() {
    for (advance, unsent) in [(UNTIL_THE_DEADLINE, 0), (UNTIL_THE_DEADLINE_AT_ONCE, 1)] {
        let tally = run(&after(DEFAULT_POLICY, &[GET, OK, advance, GET]));

        assert_eq!((tally.reused, tally.unsent), (0, unsent));
    }

    let operations = [GET, OK, NEARLY_UNTIL_THE_DEADLINE, GET];
    assert_eq!(run(&after(DEFAULT_POLICY, &operations)).reused, 1);
}

#[test]
fn a_connection_closes_at_its_deadline_if_it_was_answered_before_the_request_was_out() {
    // No idle read before the request, so that no timer is set.
    let post = [&[SEND | AT_ONCE], &POST[1..]].concat();
    let operations = [&post, OK, UPLOAD, UNTIL_THE_DEADLINE];
    let tally = run(&after(DEFAULT_POLICY, &operations));

    assert_eq!((tally.retired, tally.opaque), (1, 0));
}

#[test]
fn a_connection_closes_in_time_whichever_task_drives_it() {
    for why in [UNTIL_THE_DEADLINE, &[RETIRE]] {
        let tally = run(&after(DEFAULT_POLICY, &[GET, OK, &[MOVE], why, GET]));

        assert_eq!((tally.retired, tally.reused), (1, 0));
    }
}

#[test]
fn the_server_closes_what_was_retired_and_could_not_be_flushed_so_far() {
    for end in [0, 1] {
        let end = [END, end];
        let operations = [&[STICK, 0], GET, OK, &[RETIRE | AT_ONCE], &end];
        let tally = run(&after(DEFAULT_POLICY, &operations));

        assert_eq!((tally.idle, tally.retired), (2, 0));
    }
}

#[test]
fn a_connection_is_not_idle_while_two_requests_share_a_write() {
    for more in [&[], MORE_ROOM] {
        let first = [SOME_ROOM, POST, UPLOAD, more, OK];
        let operations = [&first[..], &[GET, ALL_ROOM, OK, GET, OK]].concat();

        assert_eq!(run(&after(DEFAULT_POLICY, &operations)).reused, 2);
    }
}

#[test]
fn the_rules_hold_wherever_answers_are_split() {
    for answer in [OK, IN_CHUNKS] {
        let (answer, _) = answer.split_at(answer.len() - 2);
        for piece in [1, 2, 3, 4] {
            let pieces = [DELIVER, piece].repeat(120);
            let operations = [GET, answer, &pieces, GET, answer, &pieces];

            assert_eq!(run(&after(DEFAULT_POLICY, &operations)).reused, 1);
        }
    }
}

#[test]
fn a_connection_closes_after_its_first_exchange_where_reuse_is_off() {
    let operations = [GET, TAKE_NOTHING, IN_CHUNKS, &[TAKE, 0], GET];
    let tally = run(&after(NO_REUSE, &operations));

    assert_eq!((tally.retired, tally.reused), (1, 0));
}

#[test]
fn a_connection_closes_when_it_is_retired_and_idle() {
    for policy in [DEFAULT_POLICY, NO_LIMIT] {
        let at_once = [RETIRE | AT_ONCE];
        let tally = run(&after(policy, &[GET, OK, &at_once, GET_AT_ONCE]));
        assert_eq!(tally.unsent, 1);

        let tally = run(&after(policy, &[GET, &[RETIRE], OK]));
        assert_eq!((tally.retired, tally.unsent), (1, 0));
    }
}

#[test]
fn a_connection_is_not_followed_where_the_server_speaks_unasked() {
    let operations = [GET, OK, &[RAW, 1, b'x', DELIVER, 0]];

    assert_eq!(run(&after(DEFAULT_POLICY, &operations)).opaque, 1);
}

/// That it would be noticed, were the two not alike.
mod a_transport_that {
    use super::*;

    /// Whether a few exchanges over it, with this fault under this crate alone, break a rule.
    fn is_noticed(fault: Fault) -> bool {
        let operations = [GET, OK, GET, TAKE_NOTHING, IN_CHUNKS, &[TAKE, 0], GET, OK];
        let bytes = after(DEFAULT_POLICY, &operations);
        run(&bytes);
        std::panic::catch_unwind(|| run_with(fault, &bytes)).is_err()
    }

    #[test]
    fn alters_what_is_read_is_noticed() {
        assert!(is_noticed(Fault::AltersWhatIsRead));
    }

    #[test]
    fn alters_what_is_written_is_noticed() {
        assert!(is_noticed(Fault::AltersWhatIsWritten));
        assert!(is_noticed(Fault::LosesWhatIsWritten));
    }

    #[test]
    fn ends_too_early_is_noticed() {
        for bytes in 0..60 {
            assert!(is_noticed(Fault::EndsAfter(bytes)), "after {bytes} bytes");
        }
    }

    #[test]
    fn wakes_nobody_is_noticed() {
        assert!(is_noticed(Fault::Sleeps));
    }
}

/// This crate's client beside hyper-util's, over the same.
mod clients {
    use super::*;

    #[test]
    fn do_the_same_over_the_seeds() {
        for seed in seeds() {
            println!("{}", seed.escape_ascii());
            run_clients(&seed);
        }
    }

    #[test]
    fn do_the_same_over_the_table_of_framing() {
        for tolerance in [STRICT, LENIENT] {
            for row in table::rows() {
                for (writes, operations) in &row.ways {
                    println!("{}, {writes}", row.name);
                    run_clients(&after(DEFAULT_POLICY | writes | tolerance, &[operations]));
                }
            }
        }
    }

    #[test]
    fn reuse_the_same_connections() {
        let operations = [GET, OK, GET, IN_CHUNKS, POST, UPLOAD, OK, GET, GET, OK, GET];

        let tally = run_clients(&after(DEFAULT_POLICY, &operations));

        let ClientsTally {
            connections,
            reused,
            answered,
            ..
        } = tally;
        // The fourth is not answered before the fifth is made.
        assert_eq!((connections, reused, answered), (2, 4, 4), "{tally:?}");
    }

    /// An answer that is there before the request is out may be one to anything.
    #[test]
    fn differ_in_that_a_connection_that_is_not_followed_serves_no_other_request() {
        let (answer, _) = OK.split_at(OK.len() - 2);
        for (room, closed) in [(&[][..], 0), (&[ROOM, 7, 0], 1)] {
            let at_once = [DELIVER | AT_ONCE, 0];
            let operations = [room, GET, answer, &at_once, ALL_ROOM];
            let bytes = after(DEFAULT_POLICY, &operations);

            // Nothing follows that would have both let go of it.
            let tally = run_clients_on(&bytes);

            assert_eq!((tally.answered, tally.closed), (1, closed), "{tally:?}");
        }
    }

    #[test]
    fn fail_alike() {
        for end in [&[END, 0][..], &[END, 1]] {
            for until in [&[GET][..], &[GET, OK, GET], &[GET, OK], &[]] {
                let operations = [&until.concat(), end, GET];

                run_clients(&after(DEFAULT_POLICY, &operations));
            }
        }
        let tally = run_clients(&after(DEFAULT_POLICY, &[GET, OK, GET, &[END, 0]]));
        assert_eq!((tally.answered, tally.failed), (1, 1), "{tally:?}");
    }

    #[test]
    fn are_told_apart_where_one_transport_has_a_fault() {
        let operations = [GET, OK, GET, IN_CHUNKS, GET, OK];
        let bytes = after(DEFAULT_POLICY, &operations);
        run_clients(&bytes);
        for fault in [
            Fault::AltersWhatIsRead,
            Fault::AltersWhatIsWritten,
            Fault::LosesWhatIsWritten,
            Fault::EndsAfter(50),
            Fault::Sleeps,
        ] {
            let differs = std::panic::catch_unwind(|| run_clients_with(fault, &bytes));
            assert!(differs.is_err(), "{fault:?}");
        }
    }
}

/// An exchange, more or less, or anything else that may happen.
fn any_operation() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |most| prop::collection::vec(any::<u8>(), 0..most);
    let request = prop_oneof![
        bytes(6).prop_map(|request| [&[SEND], &request[..]].concat()),
        select(vec![GET, GET_AT_ONCE, POST]).prop_map(<[u8]>::to_vec),
    ];
    let exchange = (request, bytes(12), 0..4_usize, any::<u8>()).prop_map(
        |(request, answer, pieces, piece)| {
            let pieces = [DELIVER, piece].repeat(pieces);
            [&request, UPLOAD, &[ANSWER], &answer, &pieces, &[DELIVER, 0]].concat()
        },
    );
    prop_oneof![
        3 => exchange,
        2 => Just([GET, OK].concat()),
        4 => bytes(8),
        1 => Just([GET_AT_ONCE, UNTIL_THE_DEADLINE].concat()),
        1 => Just([UNTIL_THE_DEADLINE_AT_ONCE, GET].concat()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000,
        // A failure is to become a seed, not a file beside the sources.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_rules_hold_over_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        run(&bytes);
    }

    #[test]
    fn the_rules_hold_over_any_operations(
        policy in any::<u8>(),
        operations in prop::collection::vec(any_operation(), 0..20),
    ) {
        run(&[&[policy], &operations.concat()[..]].concat());
    }

    #[test]
    fn clients_do_the_same_over_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        run_clients(&bytes);
    }

    #[test]
    fn clients_do_the_same_over_any_operations(
        policy in any::<u8>(),
        operations in prop::collection::vec(any_operation(), 0..20),
    ) {
        run_clients(&[&[policy], &operations.concat()[..]].concat());
    }
}
