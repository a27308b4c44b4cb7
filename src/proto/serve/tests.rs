use std::time::Duration;

use super::*;

const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn seconds(seconds: u64) -> Span {
    Span::new(Duration::from_secs(seconds))
}

/// A moment so many seconds after the connection was accepted.
fn at(time: u64) -> Moment {
    Moment {
        monotonic: 7,
        wall: 9,
    }
    .saturating_add(seconds(time))
}

fn policy() -> ServerPolicy {
    ServerPolicy::new(Duration::from_secs(5))
}

fn new() -> Served {
    Served::new(at(0), Jitter::LATEST)
}

/// Idle since `time`.
fn idle_at(time: u64) -> Served {
    let mut served = new();
    assert_eq!(served.on_read(GET, at(time)), None);
    assert_eq!(served.on_written([OK], at(time)), None);
    served
}

/// Asserts that the connection ends so many seconds after it was accepted, and not before.
#[track_caller]
fn assert_ends(served: &Served, policy: &ServerPolicy, time: u64, cause: ServerCloseCause) {
    let until = at(time).monotonic;
    let just_before = Moment {
        monotonic: until.saturating_sub(1),
        wall: at(time).wall.saturating_sub(1),
    };
    let limit = served.limit(policy, false).unwrap();
    assert_eq!(limit.verdict(&just_before), Verdict::Stay { until });
    assert_eq!(limit.verdict(&at(time)), Verdict::Close(cause));
}

#[track_caller]
fn assert_stays(served: &Served, policy: &ServerPolicy) {
    assert_eq!(served.limit(policy, true), None);
}

#[test]
fn an_idle_connection_ends_when_its_client_was_told_and_the_grace_has_passed() {
    let served = idle_at(3);
    assert_ends(&served, &policy(), 3 + 5 + 2, ServerCloseCause::IdleTimeout);
    let no_grace = policy().grace(Duration::ZERO);
    assert_ends(&served, &no_grace, 3 + 5, ServerCloseCause::IdleTimeout);
}

#[test]
fn what_a_response_says_counts_and_only_the_last_one() {
    let mut served = idle_at(0);
    let said = b"HTTP/1.1 204 No Content\r\nkeep-alive: timeout=20\r\n\r\n";
    served.on_read(GET, at(1));
    served.on_written([&said[..]], at(1));
    assert_ends(
        &served,
        &policy(),
        1 + 20 + 2,
        ServerCloseCause::IdleTimeout,
    );

    served.on_read(GET, at(2));
    served.on_written([OK], at(2));
    assert_ends(&served, &policy(), 2 + 5 + 2, ServerCloseCause::IdleTimeout);
}

#[test]
fn a_timeout_without_end_is_kept_for_an_hour() {
    let mut served = new();
    served.on_read(GET, at(0));
    served.on_written(
        [&b"HTTP/1.1 204 No Content\r\nkeep-alive: timeout=4294967295\r\n\r\n"[..]],
        at(0),
    );
    assert_ends(&served, &policy(), 3_602, ServerCloseCause::IdleTimeout);
    // The server's own may be longer.
    let longer = policy().timeout(Duration::from_secs(10_000));
    assert_ends(&served, &longer, 10_002, ServerCloseCause::IdleTimeout);
}

#[test]
fn a_new_connection_may_be_silent_as_long_as_an_idle_one_or_as_set() {
    assert_ends(&new(), &policy(), 7, ServerCloseCause::FirstHead);
    let policy = policy().first_head(Duration::from_secs(3));
    assert_ends(&new(), &policy, 3, ServerCloseCause::FirstHead);
}

#[test]
fn a_head_that_takes_too_long_ends_its_connection_counted_from_its_first_byte() {
    for mut served in [new(), idle_at(0)] {
        served.on_read(b"GET / HT", at(1));
        served.on_read(b"TP/1.1\r\nhost", at(20));
        assert_ends(&served, &policy(), 31, ServerCloseCause::SlowHead);
        assert_stays(&served, &policy().slow_head(None));
    }
}

#[test]
fn nothing_ends_while_a_request_or_a_response_is_open() {
    let mut served = new();
    let (head, body) = POST.split_at(POST.len() - 1);
    served.on_read(head, at(0));
    assert_stays(&served, &policy());
    served.on_read(body, at(0));
    assert_stays(&served, &policy());
    let (begin, end) = OK.split_at(OK.len() - 1);
    served.on_written([begin], at(0));
    assert_stays(&served, &policy());
    served.on_written([end], at(4));
    assert_ends(&served, &policy(), 11, ServerCloseCause::IdleTimeout);
}

#[test]
fn nor_while_the_response_came_before_the_end_of_its_request() {
    let mut served = new();
    let (head, body) = POST.split_at(POST.len() - 1);
    served.on_read(head, at(0));
    served.on_written([OK], at(0));
    assert_stays(&served, &policy());
    served.on_read(body, at(9));
    assert_ends(&served, &policy(), 16, ServerCloseCause::IdleTimeout);
}

#[test]
fn nor_while_pipelined_requests_wait_for_their_answers() {
    let mut served = new();
    let three = [POST, GET, GET].concat();
    served.on_read(&three, at(0));
    for _ in 0..2 {
        served.on_written([OK], at(1));
        assert_stays(&served, &policy());
    }
    served.on_written([OK], at(2));
    assert_ends(&served, &policy(), 9, ServerCloseCause::IdleTimeout);
}

#[test]
fn the_head_of_a_pipelined_request_is_timed_from_when_the_one_before_was_answered() {
    let mut served = new();
    served.on_read(&[GET, b"GET / HT"].concat(), at(0));
    assert_stays(&served, &policy());
    served.on_written([OK], at(50));
    assert_ends(&served, &policy(), 80, ServerCloseCause::SlowHead);
}

#[test]
fn a_response_to_head_among_pipelined_requests_has_no_body() {
    let mut served = new();
    served.on_read(b"GET / HTTP/1.1\r\n\r\nHEAD / HTTP/1.1\r\n\r\n", at(0));
    served.on_written([OK], at(0));
    assert_stays(&served, &policy());
    let head_of_response = &OK[..OK.len() - 2];
    served.on_written([head_of_response], at(0));
    assert_ends(&served, &policy(), 7, ServerCloseCause::IdleTimeout);
}

#[test]
fn as_many_requests_may_be_pipelined_as_are_followed() {
    let mut served = new();
    let most = 32 * 1024;
    served.on_read(&GET.repeat(1 + most), at(0));
    for _ in 0..=most {
        assert_stays(&served, &policy());
        assert_eq!(served.on_written([OK], at(0)), None);
    }
    assert_ends(&served, &policy(), 7, ServerCloseCause::IdleTimeout);
    assert_eq!(
        served.on_read(&GET.repeat(2 + most), at(0)),
        Some(OpaqueReason::Unrecognized)
    );
}

#[test]
fn what_is_not_http1_any_more_is_left_alone() {
    let upgraded = |served: &mut Served| {
        served.on_read(GET, at(0));
        served.on_written([&b"HTTP/1.1 101 Switching Protocols\r\n\r\n"[..]], at(0))
    };
    let tunnel = |served: &mut Served| {
        served.on_read(b"CONNECT a:1 HTTP/1.1\r\n\r\n", at(0));
        served.on_written([&b"HTTP/1.1 200 OK\r\n\r\n"[..]], at(0))
    };
    let http2 = |served: &mut Served| {
        let reason = served.on_read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", at(0));
        served.on_written([&b"settings"[..]], at(0));
        reason
    };
    type Bytes<'a> = &'a dyn Fn(&mut Served) -> Option<OpaqueReason>;
    let cases: [(Bytes<'_>, OpaqueReason); 3] = [
        (&upgraded, OpaqueReason::Upgrade),
        (&tunnel, OpaqueReason::Tunnel),
        (&http2, OpaqueReason::Http2),
    ];
    for (bytes, reason) in cases {
        let mut served = new();
        assert_eq!(bytes(&mut served), Some(reason));
        let policy = policy()
            .max_connection_age(Duration::from_secs(1))
            .age_grace(Duration::ZERO);
        assert_stays(&served, &policy);
        assert_eq!(served.mode(), Mode::Opaque);
        assert_eq!(served.spare_since(&policy), None);
    }
}

#[test]
fn what_is_not_understood_is_left_alone_until_its_place_is_needed() {
    let mut served = new();
    let reason = served.on_read(b"\x16\x03\x01", at(1));
    assert_eq!(reason, Some(OpaqueReason::Unrecognized));
    for time in [2, 3] {
        served.on_read(b"x", at(time));
    }
    served.on_written([&b"y"[..]], at(4));
    assert_eq!(served.limit(&policy(), false), None);
    assert_eq!(served.idle_since(), None);
    // After as long as an idle one is kept.
    assert_eq!(served.spare_since(&policy()), Some(at(11)));
    let limit = served.limit(&policy(), true).unwrap();
    assert!(matches!(limit.verdict(&at(10)), Verdict::Stay { .. }));
    assert_eq!(
        limit.verdict(&at(11)),
        Verdict::Close(ServerCloseCause::Cap)
    );
}

#[test]
fn a_preface_of_http2_is_a_head_until_the_server_answers() {
    let mut served = new();
    served.on_read(b"PRI * HT", at(1));
    assert_ends(&served, &policy(), 31, ServerCloseCause::SlowHead);
    let reason = served.on_read(b"TP/2.0\r\n", at(2));
    assert_eq!(reason, Some(OpaqueReason::Http2));
    served.on_read(b"\r\n", at(3));
    assert_ends(&served, &policy(), 31, ServerCloseCause::SlowHead);
    served.on_read(b"SM\r\n\r\n", at(4));
    served.on_written([&b"settings"[..]], at(4));
    assert_stays(&served, &policy());
}

#[test]
fn an_empty_line_behind_a_request_begins_no_other() {
    let mut served = idle_at(0);
    for (time, bytes) in [(1, &b"\r"[..]), (2, b"\n"), (3, b"\r\n")] {
        served.on_read(bytes, at(time));
        assert_ends(&served, &policy(), 7, ServerCloseCause::IdleTimeout);
    }
    served.on_read(b"G", at(4));
    assert_ends(&served, &policy(), 34, ServerCloseCause::SlowHead);
    served.on_read(&GET[1..], at(5));
    served.on_written([OK], at(6));
    assert_ends(&served, &policy(), 13, ServerCloseCause::IdleTimeout);
}

#[test]
fn what_waits_in_the_transport_is_not_written_yet() {
    let mut served = idle_at(0);
    served.on_flush(false, at(0));
    assert_stays(&served, &policy());
    assert_eq!(served.idle_since(), None);
    served.on_flush(true, at(60));
    assert_ends(&served, &policy(), 67, ServerCloseCause::IdleTimeout);
}

#[test]
fn a_wall_clock_that_is_set_ends_nothing() {
    let served = idle_at(0);
    let set = Moment {
        wall: at(1_000_000).wall,
        ..at(3)
    };
    let until = at(7).monotonic;
    let limit = served.limit(&policy(), false).unwrap();
    assert_eq!(limit.verdict(&set), Verdict::Stay { until });
    let set = Moment {
        wall: at(0).wall - 1_000_000,
        ..at(7)
    };
    let limit = served.limit(&policy(), false).unwrap();
    assert_eq!(
        limit.verdict(&set),
        Verdict::Close(ServerCloseCause::IdleTimeout)
    );
}

#[test]
fn only_an_idle_connection_makes_room() {
    let surplus = |served: &Served| served.limit(&policy(), true).unwrap().verdict(&at(0));
    // The first request of a new connection is on its way.
    assert!(matches!(surplus(&new()), Verdict::Stay { .. }));
    let limit = new().limit(&policy(), true).unwrap();
    assert_eq!(limit.verdict(&at(1)), Verdict::Close(ServerCloseCause::Cap));
    assert_eq!(surplus(&idle_at(0)), Verdict::Close(ServerCloseCause::Cap));
    let mut served = idle_at(0);
    served.on_read(b"G", at(0));
    assert!(matches!(surplus(&served), Verdict::Stay { .. }));
}

#[test]
fn age_ends_what_is_under_way_after_its_own_grace_and_never_an_idle_connection() {
    let policy = policy()
        .timeout(Duration::from_secs(100))
        .max_connection_age(Duration::from_secs(10))
        .age_grace(Duration::from_secs(3));
    let mut busy = new();
    busy.on_read(GET, at(1));
    assert_ends(&busy, &policy, 13, ServerCloseCause::Age);
    assert_ends(&idle_at(1), &policy, 103, ServerCloseCause::IdleTimeout);
}

#[test]
fn the_last_response_says_close() {
    let answer = |is_draining, number| Answer {
        is_draining,
        on: Some(On {
            number,
            accepted: at(0),
            jitter: Jitter::LATEST,
        }),
    };
    let stay = |max| Advice::Stay { max };
    let policy = policy();
    let limited = policy.max_requests(3);
    let aged = policy.max_connection_age(Duration::from_secs(10));
    for (policy, answer, time, expected) in [
        (policy, answer(false, 1_000), 1_000, stay(None)),
        (
            policy,
            answer(true, 1),
            0,
            Advice::Close(LastResponse::Drain),
        ),
        (limited, answer(false, 1), 0, stay(Some(2))),
        (limited, answer(false, 2), 0, stay(Some(1))),
        (
            limited,
            answer(false, 3),
            0,
            Advice::Close(LastResponse::Requests),
        ),
        (
            limited,
            answer(false, 4),
            0,
            Advice::Close(LastResponse::Requests),
        ),
        (aged, answer(false, 1), 9, stay(None)),
        (aged, answer(false, 1), 10, Advice::Close(LastResponse::Age)),
    ] {
        assert_eq!(
            advise(&policy, &answer, Some(&at(time))),
            expected,
            "{answer:?}"
        );
    }
    // Nothing is known of the connection.
    let answer = Answer {
        is_draining: false,
        on: None,
    };
    assert_eq!(advise(&limited, &answer, Some(&at(100))), stay(None));
}

#[test]
fn jitter_shortens_the_age() {
    let policy = policy()
        .max_connection_age(Duration::from_secs(1_000))
        .age_jitter(0.5);
    let ages: Vec<_> = (0..100)
        .map(|id| longest_age(&policy, Jitter::of(id, 1)).unwrap())
        .collect();
    assert!(ages.iter().all(|age| *age <= seconds(1_000)));
    assert!(ages.iter().all(|age| *age >= seconds(500)));
    assert!(ages.iter().any(|age| *age < seconds(600)));
    assert!(ages.iter().any(|age| *age > seconds(900)));
    assert_eq!(
        longest_age(&policy.age_jitter(0.0), Jitter::of(1, 1)),
        Some(seconds(1_000))
    );
}

#[test]
fn a_server_that_closes_an_idle_connection_is_found_out() {
    assert_eq!(idle_at(0).dropped(&at(30)), ServerCloseCause::Server);
    assert_eq!(new().dropped(&at(30)), ServerCloseCause::Server);
    // Right behind its response, it had a reason that the bytes do not show.
    assert_eq!(idle_at(1).dropped(&at(1)), ServerCloseCause::Other);

    let mut said = new();
    said.on_read(GET, at(0));
    said.on_written(
        [&b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n"[..]],
        at(0),
    );
    assert_eq!(said.dropped(&at(30)), ServerCloseCause::Said);

    let mut busy = new();
    busy.on_read(GET, at(0));
    assert_eq!(busy.dropped(&at(30)), ServerCloseCause::Other);
}
