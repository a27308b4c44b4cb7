#![expect(
    clippy::arithmetic_side_effects,
    reason = "what overflows here fails the test, and ought to"
)]

use proptest::prelude::*;

use super::*;
use crate::error::PolicyError;

const HOUR: Duration = Duration::from_secs(3_600);
const NANO: Duration = Duration::from_nanos(1);

/// A connection that was used, to a server that says nothing and answers at once, on a network without latency.
const SILENT: Facts = Facts {
    used: true,
    hint: None,
    elapsed: Span::ZERO,
    held: Span::ZERO,
    rtt: Span::ZERO,
    jitter: Jitter::LATEST,
};

/// One that was not used yet.
const UNUSED: Facts = Facts {
    used: false,
    ..SILENT
};

/// A policy, facts, and the allowed idle time.
type Row = (KeepAlivePolicy, Facts, Duration);

fn policy() -> KeepAlivePolicy {
    KeepAlivePolicy::default()
}

fn fixed(millis: u64) -> KeepAlivePolicy {
    policy().safety_margin(ms(millis))
}

fn hint(seconds: u64) -> Facts {
    Facts {
        hint: Some(secs(seconds)),
        ..SILENT
    }
}

/// After an exchange that took so long that its end alone counts.
fn slow(facts: Facts) -> Facts {
    Facts {
        elapsed: Span::new(Duration::MAX),
        ..facts
    }
}

fn took(millis: u64) -> Facts {
    Facts {
        elapsed: Span::new(ms(millis)),
        ..SILENT
    }
}

fn held(millis: u64) -> Facts {
    Facts {
        held: Span::new(ms(millis)),
        ..slow(SILENT)
    }
}

fn rtt(millis: u64) -> Facts {
    Facts {
        rtt: Span::new(ms(millis)),
        ..slow(SILENT)
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Whether a connection that is idle since then, and may be for so long, may be used at `now`.
fn idle_verdict(allowance: Span, since: &Moment, now: &Moment) -> Verdict {
    Deadline::At(since.saturating_add(allowance)).verdict(now)
}

/// No reuse at all.
const NEVER: Duration = Duration::ZERO;

/// The allowed idle time if nothing was learned.
fn length(policy: &KeepAlivePolicy, facts: &Facts) -> Duration {
    allowance(policy, facts, &Findings::default()).duration()
}

const ENDLESS: Verdict = Verdict::Reuse {
    until: Moment::LATEST,
};

fn until(moment: Moment) -> Verdict {
    Verdict::Reuse { until: moment }
}

#[track_caller]
fn assert_rows(rows: &[Row]) {
    for (policy, facts, expected) in rows {
        assert_eq!(length(policy, facts), *expected, "{policy:?}, {facts:?}");
    }
}

#[test]
fn by_default_a_tenth_of_the_timeout_is_kept_within_bounds_and_at_most_a_quarter() {
    assert_rows(&[
        (policy(), SILENT, ms(4_500)),
        (policy(), hint(1), ms(900)),
        (policy(), hint(2), ms(1_800)),
        (policy(), hint(9), ms(8_100)),
        (policy(), hint(10), ms(9_000)),
        (policy(), hint(11), ms(10_000)),
        (policy(), hint(60), ms(59_000)),
        (policy().max_idle(ms(100)), SILENT, ms(75)),
        (policy().max_idle(ms(400)), SILENT, ms(300)),
        (policy().max_idle(ms(500)), SILENT, ms(400)),
        (policy().max_idle(secs(60)), SILENT, ms(59_000)),
    ]);
}

#[test]
fn after_a_slow_exchange_a_second_or_a_quarter_of_the_timeout_is_kept_whichever_is_less() {
    assert_rows(&[
        (policy(), slow(SILENT), ms(4_000)),
        (policy(), slow(hint(1)), ms(750)),
        (policy(), slow(hint(2)), ms(1_500)),
        (policy(), slow(hint(4)), ms(3_000)),
        (policy(), slow(hint(6)), ms(5_000)),
        (policy(), slow(hint(60)), ms(59_000)),
        (fixed(0), slow(SILENT), ms(4_000)),
        (fixed(100), slow(SILENT), ms(4_000)),
        (fixed(2_000), slow(SILENT), ms(3_000)),
    ]);
}

#[test]
fn the_timeout_counts_from_when_the_request_was_sent_or_else_from_the_end_of_its_response() {
    assert_rows(&[
        (policy(), took(1), ms(4_499)),
        (policy(), took(499), ms(4_001)),
        (policy(), took(500), ms(4_000)),
        (policy(), took(501), ms(4_000)),
        (policy(), took(3_600_000), ms(4_000)),
        (fixed(100), took(899), ms(4_001)),
        (fixed(100), took(901), ms(4_000)),
    ]);
    for (facts, expected) in [
        (took(500), DeadlineBound::Certain),
        (took(501), DeadlineBound::Likely),
    ] {
        let bound = bound(&policy(), &facts, &Findings::default());
        assert_eq!(bound, expected);
    }
}

#[test]
fn a_hint_wins_over_max_idle_in_both_directions_up_to_the_ceiling() {
    let ceiling = policy().hint_ceiling(secs(10));
    assert_rows(&[
        (policy().max_idle(secs(60)), hint(5), ms(4_500)),
        (policy().max_idle(secs(1)), hint(60), ms(59_000)),
        (policy(), hint(599), ms(598_000)),
        (policy(), hint(600), ms(599_000)),
        (policy(), hint(601), ms(599_000)),
        (policy(), hint(u64::MAX), ms(599_000)),
        (ceiling, hint(9), ms(8_100)),
        (ceiling, hint(11), ms(9_000)),
        // Only what a server says is cut off, not what the user says of it.
        (ceiling.max_idle(secs(60)), SILENT, ms(59_000)),
        (ceiling.max_idle(secs(60)), hint(60), ms(9_000)),
        (policy().hint_ceiling(ms(200)), hint(1), ms(150)),
    ]);
}

#[test]
fn a_hint_of_zero_forbids_reuse_whatever_the_margin() {
    assert_rows(&[(policy(), hint(0), NEVER), (fixed(0), hint(0), NEVER)]);
}

#[test]
fn hints_that_are_not_honoured_count_for_nothing() {
    let deaf = policy().hints(false);
    assert_rows(&[
        (deaf, hint(0), ms(4_500)),
        (deaf, hint(2), ms(4_500)),
        (deaf, hint(60), ms(4_500)),
        (deaf.hint_ceiling(secs(1)), hint(60), ms(4_500)),
        (deaf.max_idle(secs(60)), hint(5), ms(59_000)),
    ]);
}

#[test]
fn a_fixed_margin_is_kept_as_it_is_and_may_leave_nothing() {
    assert_rows(&[
        (fixed(0), SILENT, ms(5_000)),
        (fixed(1), SILENT, ms(4_999)),
        (fixed(1_000), hint(2), ms(1_000)),
        (fixed(3_000), SILENT, ms(2_000)),
        (fixed(4_999), SILENT, ms(1)),
        (fixed(5_000), SILENT, NEVER),
        (fixed(5_001), SILENT, NEVER),
        (fixed(5_000), hint(6), ms(1_000)),
        (fixed(1_000), hint(1), NEVER),
        (fixed(0), hint(1), ms(1_000)),
    ]);
}

#[test]
fn after_a_slow_exchange_at_least_two_round_trips_are_kept_whatever_the_margin() {
    let short = Facts {
        rtt: Span::new(ms(200)),
        ..slow(hint(1))
    };
    assert_rows(&[
        (policy(), rtt(499), ms(4_000)),
        (policy(), rtt(500), ms(4_000)),
        (policy(), rtt(501), ms(3_998)),
        (policy(), rtt(2_000), ms(1_000)),
        (policy(), rtt(2_500), NEVER),
        (policy(), short, ms(600)),
        (fixed(0), rtt(600), ms(3_800)),
        (fixed(1_200), rtt(600), ms(3_800)),
        (fixed(1_201), rtt(600), ms(3_799)),
        (fixed(0), rtt(2_500), NEVER),
    ]);
}

#[test]
fn after_a_slow_exchange_skew_and_delay_are_kept_on_top_of_every_margin() {
    let both = Facts {
        rtt: Span::new(ms(1_000)),
        ..held(300)
    };
    let hinted = Facts {
        held: Span::new(ms(300)),
        ..slow(hint(2))
    };
    assert_rows(&[
        (policy(), held(300), ms(3_700)),
        (policy(), hinted, ms(1_200)),
        (policy(), both, ms(2_700)),
        (fixed(0), held(300), ms(3_700)),
        (fixed(2_000), held(300), ms(2_700)),
        (fixed(0), both, ms(2_700)),
        (policy(), held(3_999), ms(1)),
        (policy(), held(4_000), NEVER),
        (policy(), held(3_600_000), NEVER),
        (fixed(0), held(4_000), NEVER),
    ]);
}

#[test]
fn after_a_quick_exchange_neither_round_trip_nor_skew_nor_delay_counts() {
    let uncertain = Facts {
        rtt: Span::new(HOUR),
        held: Span::new(HOUR),
        ..took(20)
    };
    assert_rows(&[
        (policy(), uncertain, ms(4_480)),
        (fixed(100), uncertain, ms(4_880)),
        (fixed(0), uncertain, ms(4_980)),
    ]);
}

/// A policy's table of examples.
#[test]
fn the_examples_of_the_documentation_are_right() {
    let seconds = |cell: &str| {
        let number = cell.strip_suffix(" s").unwrap_or_else(|| panic!("{cell}"));
        Duration::from_secs_f64(number.parse().unwrap())
    };
    let mut rows = 0;
    let lines = include_str!("../../policy/settings.rs").lines();
    for line in lines.skip_while(|line| !line.starts_with("/// | timeout | margin |")) {
        if !line.starts_with("/// |") {
            break;
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, timeout, margin, rtt, elapsed, held, idle, by, _, _] = cells[..] else {
            panic!("{line}");
        };
        if !timeout.ends_with('s') {
            continue;
        }
        let mut policy = policy().max_idle(seconds(timeout));
        if margin != "default" {
            policy = policy.safety_margin(seconds(margin));
        }
        let facts = Facts {
            rtt: Span::new(seconds(rtt)),
            elapsed: Span::new(seconds(elapsed)),
            held: Span::new(seconds(held)),
            ..SILENT
        };
        assert_eq!(length(&policy, &facts), seconds(idle), "{line}");
        let bound = bound(&policy, &facts, &Findings::default());
        assert_eq!(format!("{bound:?}").to_lowercase(), by, "{line}");
        rows += 1;
    }
    assert_eq!(rows, 8, "the table is there");
}

/// A connection that has served so many requests, of which the server takes `allowed` in all.
fn served(requests: u64, allowed: Option<u64>) -> Service {
    Service {
        requests,
        requests_allowed: allowed,
    }
}

#[test]
fn a_connection_serves_as_many_requests_as_the_server_takes() {
    for (requests, allowed, expected) in [
        (1, None, None),
        (1, Some(2), None),
        (2, Some(2), Some(RetireReason::RequestLimit)),
        (3, Some(2), Some(RetireReason::RequestLimit)),
        (1, Some(u64::MAX), None),
        (1, Some(0), Some(RetireReason::RequestLimit)),
    ] {
        assert_eq!(
            last_request(&policy(), &served(requests, allowed)),
            expected
        );
    }
}

#[test]
fn without_reuse_a_connection_serves_one_request() {
    let once = policy().reuse(false);
    assert_eq!(last_request(&once, &served(0, None)), None);
    assert_eq!(
        last_request(&once, &served(1, None)),
        Some(RetireReason::ReuseDisabled)
    );
}

#[test]
fn of_several_reasons_the_one_that_stands_longest_is_named() {
    let all = policy().max_requests(1).safety_margin(HOUR);
    for (policy, allowed, expected) in [
        (all.reuse(false), Some(1), RetireReason::ReuseDisabled),
        (all, Some(1), RetireReason::RequestLimit),
        (all, None, RetireReason::MaxRequests),
        (all.max_requests(None), None, RetireReason::NoIdleAllowed),
    ] {
        let deadline = deadline(
            &policy,
            &SILENT,
            &Findings::default(),
            &served(1, allowed),
            &Moment::epoch(),
        );
        assert_eq!(deadline, Deadline::Never(expected));
        let verdict = deadline.verdict(&Moment::epoch());
        assert_eq!(verdict, Verdict::Retire(expected));
    }
}

#[test]
fn no_limit_refuses_the_request_that_a_connection_was_opened_for() {
    let strict = policy().reuse(false).max_requests(1);
    assert_eq!(last_request(&strict, &served(0, Some(0))), None);
}

#[test]
fn an_unused_connection_may_idle_for_the_timeout_less_the_margin_whatever_the_round_trip() {
    let distant = Facts {
        rtt: Span::new(Duration::MAX),
        ..UNUSED
    };
    assert_rows(&[
        (policy(), UNUSED, ms(4_500)),
        (policy(), distant, ms(4_500)),
        (policy().max_idle(secs(60)), UNUSED, ms(59_000)),
        (fixed(3_999), distant, ms(1_001)),
        (fixed(4_999), UNUSED, ms(1)),
        // What is left then is the first use.
        (fixed(5_000), UNUSED, ms(0)),
        (fixed(u64::MAX), UNUSED, ms(0)),
    ]);
}

#[test]
fn an_unused_connection_is_good_for_a_second_after_it_was_first_read_from() {
    let (connected, after) = (Moment::at(2_000), Some(Span::new(secs(5))));
    let (first, until) = (Moment::at(7_000), Moment::at(8_000));
    let reuse = Verdict::Reuse { until };
    for now in [7_000, 7_001, 7_999] {
        assert_eq!(
            first_use_verdict(&connected, after, &Moment::at(now)),
            reuse,
            "{now}"
        );
    }
    for now in [until, until.after(HOUR), first.wall_forward(secs(1))] {
        let verdict = first_use_verdict(&connected, after, &now);
        assert_eq!(verdict, Verdict::Retire(RetireReason::IdleDeadline));
    }
}

#[test]
fn of_two_verdicts_the_later_one_stands_where_one_is_enough() {
    let until = |millis| Verdict::Reuse {
        until: Moment::at(millis),
    };
    let ever = ENDLESS;
    let retire = Verdict::Retire(RetireReason::IdleDeadline);
    for (one, other, expected) in [
        (until(1), until(2), until(2)),
        (until(1), ever, ever),
        (until(1), retire, until(1)),
        (retire, Verdict::Retire(RetireReason::MaxLifetime), retire),
    ] {
        assert_eq!(one.or(other), expected);
        if expected != retire {
            assert_eq!(other.or(one), expected);
        }
    }
}

#[test]
fn durations_without_end_overflow_nothing() {
    let endless = policy().max_idle(Duration::MAX).hint_ceiling(Duration::MAX);
    let longest = Span::new(Duration::MAX).duration();
    let second_less = longest - secs(1);
    let said = Facts {
        hint: Some(Duration::MAX),
        ..SILENT
    };
    let late = Facts {
        held: Span::new(Duration::MAX),
        ..slow(said)
    };
    let distant = Facts {
        rtt: Span::new(Duration::MAX),
        ..slow(said)
    };
    let greedy = endless.safety_margin(Duration::MAX);
    assert_rows(&[
        (endless, SILENT, second_less),
        (endless, said, second_less),
        (endless.safety_margin(Duration::ZERO), said, longest),
        (endless, late, NEVER),
        (endless, distant, NEVER),
        (greedy, SILENT, NEVER),
        (greedy, late, NEVER),
        (greedy, distant, NEVER),
        (greedy, UNUSED, ms(0)),
    ]);
}

#[test]
fn the_deadline_is_counted_from_when_the_connection_became_idle() {
    let since = Moment::at(1_000);

    for elapsed in [0, 1, 2_000, 3_999] {
        assert_eq!(
            idle_verdict(Span::new(ms(4_000)), &since, &Moment::at(1_000 + elapsed)),
            until(Moment::at(5_000)),
            "after {elapsed} ms"
        );
    }
    for elapsed in [4_000, 4_001, 3_600_000] {
        assert_eq!(
            idle_verdict(Span::new(ms(4_000)), &since, &Moment::at(1_000 + elapsed)),
            Verdict::Retire(RetireReason::IdleDeadline),
            "after {elapsed} ms"
        );
    }
}

#[test]
fn an_allowance_beyond_what_the_clock_can_tell_has_no_deadline() {
    let endless = Span::new(Duration::MAX);
    let now = Moment::at(0).after(1_000 * HOUR);

    let verdict = idle_verdict(endless, &Moment::at(0), &now);

    assert_eq!(verdict, ENDLESS);
}

#[test]
fn a_sleep_that_the_monotonic_clock_did_not_see_counts() {
    let since = Moment::at(0);
    let allowed = Span::new(ms(4_000));

    let hour = idle_verdict(allowed, &since, &Moment::at(10).wall_forward(HOUR));
    assert_eq!(hour, Verdict::Retire(RetireReason::IdleDeadline));

    // By the monotonic clock, a second less is left: that is what timers go by.
    let now = Moment::at(10).wall_forward(secs(1));
    let second = idle_verdict(allowed, &since, &now);
    assert_eq!(second, until(Moment::at(4_000)));
    let ends = now.monotonic_at(&Moment::at(4_000));
    assert_eq!(ends, Some(Moment::at(3_000).monotonic));

    let exactly = idle_verdict(allowed, &since, &Moment::at(0).wall_forward(secs(4)));
    assert_eq!(exactly, Verdict::Retire(RetireReason::IdleDeadline));
}

/// Too careful, as nothing tells it from a sleep: the price is one connection.
#[test]
fn a_wall_clock_set_forward_retires() {
    let now = Moment::at(10).wall_forward(HOUR);

    let verdict = idle_verdict(Span::new(ms(4_000)), &Moment::at(0), &now);

    assert_eq!(verdict, Verdict::Retire(RetireReason::IdleDeadline));
}

#[test]
fn a_wall_clock_set_back_counts_as_nothing() {
    let since = Moment::at(0);

    let early = idle_verdict(
        Span::new(ms(4_000)),
        &since,
        &Moment::at(3_999).wall_back(HOUR),
    );
    assert_eq!(early, until(Moment::at(4_000)));

    let late = idle_verdict(
        Span::new(ms(4_000)),
        &since,
        &Moment::at(4_000).wall_back(HOUR),
    );
    assert_eq!(late, Verdict::Retire(RetireReason::IdleDeadline));
}

#[test]
fn a_monotonic_clock_that_went_back_counts_as_nothing() {
    let since = Moment::at(1_000);
    let now = Moment::at(0).wall_forward(secs(1));

    assert_eq!(
        idle_verdict(Span::new(ms(4_000)), &since, &now),
        until(Moment::at(5_000))
    );
    let ends = now.monotonic_at(&Moment::at(5_000));
    assert_eq!(ends, Some(Moment::at(4_000).monotonic));
}

#[test]
fn a_policy_never_allows_reuse_only_if_it_does_so_for_no_server() {
    let rows = [
        (policy(), false),
        (policy().max_idle(NANO), false),
        (fixed(5_000), false),
        (fixed(599_999), false),
        (fixed(600_000), true),
        (fixed(600_000).max_idle(ms(600_001)), false),
        (fixed(u64::MAX), true),
        (policy().safety_margin(Duration::MAX), true),
        (fixed(4_999).hints(false), false),
        (fixed(5_000).hints(false), true),
        (fixed(5_000).hints(false).hint_ceiling(HOUR), true),
        (fixed(5_000).hint_ceiling(secs(5)), true),
        (fixed(5_000).hint_ceiling(ms(5_001)), false),
        // A ceiling below `max_idle` bounds what servers say, not what is expected of silent ones.
        (
            fixed(10_000).max_idle(secs(60)).hint_ceiling(secs(1)),
            false,
        ),
        (fixed(60_000).max_idle(secs(60)).hint_ceiling(secs(1)), true),
        // Meant so, and said so: nothing to warn of.
        (policy().reuse(false), false),
        (fixed(600_000).reuse(false), false),
    ];
    for (policy, expected) in rows {
        assert_eq!(never_allows_reuse(&policy), expected, "{policy:?}");
    }
}

#[test]
fn a_policy_error_names_the_setting_what_was_expected_and_what_to_do_instead() {
    let error = |policy: KeepAlivePolicy| policy.check().expect_err("a setting of zero is refused");
    let assert_says = |error: &PolicyError, parts: [&str; 3]| {
        for part in parts {
            assert!(error.to_string().contains(part), "{error} lacks {part}");
            assert!(
                format!("{error:?}").contains(part),
                "{error:?} lacks {part}"
            );
        }
    };

    let max_idle = error(policy().max_idle(Duration::ZERO));
    let ceiling = error(policy().hint_ceiling(Duration::ZERO));

    assert_says(
        &max_idle,
        [
            "`max_idle` is zero",
            "expected a duration above zero",
            "`reuse(false)`",
        ],
    );
    assert_says(
        &ceiling,
        [
            "`hint_ceiling` is zero",
            "expected a duration above zero",
            "`hints(false)`",
        ],
    );
    assert_ne!(max_idle, ceiling);
}

#[test]
fn a_policy_may_hold_every_other_value() {
    for policy in [
        policy(),
        policy().max_idle(Duration::MAX),
        policy().max_idle(NANO),
        policy().hint_ceiling(Duration::MAX),
        policy().hint_ceiling(NANO),
        fixed(0),
        policy().safety_margin(Duration::MAX),
        policy().response_window(0),
        policy().response_window(u64::MAX),
        policy().hints(false),
        policy().reuse(false),
    ] {
        assert_eq!(policy.check(), Ok(()), "{policy:?}");
    }
}

/// Of any size, with those preferred that meet each other in the rule.
fn any_duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => (0..6_000_u64).prop_map(ms),
        2 => (0..2_000_u64).prop_map(Duration::from_nanos),
        2 => (0..700_u64).prop_map(secs),
        1 => any::<Duration>(),
        1 => prop::sample::select(vec![Duration::ZERO, NANO, Duration::MAX - NANO, Duration::MAX]),
    ]
}

fn any_margin() -> impl Strategy<Value = SafetyMargin> {
    prop_oneof![
        Just(SafetyMargin::Default),
        any_duration().prop_map(SafetyMargin::Fixed),
    ]
}

fn any_policy() -> impl Strategy<Value = KeepAlivePolicy> {
    (
        any_duration(),
        any_margin(),
        any_duration(),
        any::<bool>(),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(max_idle, margin, ceiling, hints, reuse)| {
            policy()
                .max_idle(max_idle)
                .safety_margin(margin)
                .hint_ceiling(ceiling)
                .hints(hints)
                .reuse(reuse)
        })
}

fn any_facts() -> impl Strategy<Value = Facts> {
    (
        prop::bool::weighted(0.8),
        prop::option::of(any_duration()),
        any_duration(),
        any_duration(),
        any_duration(),
    )
        .prop_map(|(used, hint, elapsed, held, rtt)| Facts {
            used,
            hint,
            elapsed: Span::new(elapsed),
            held: Span::new(held),
            rtt: Span::new(rtt),
            jitter: Jitter::LATEST,
        })
}

/// So many nanoseconds, or none.
fn duration(nanos: i128) -> Duration {
    const SECOND: i128 = 1_000_000_000;
    let nanos = nanos.max(0);
    let (seconds, nanos) = (nanos / SECOND, nanos % SECOND);
    Duration::new(seconds.try_into().unwrap(), nanos.try_into().unwrap())
}

/// As long as tests can count.
fn any_time() -> impl Strategy<Value = Duration> {
    any_duration().prop_map(|time| time.min(1_000 * HOUR))
}

/// Any moment within reach of the clocks, these apart by any sleep, set forward or set back.
fn any_moment() -> impl Strategy<Value = Moment> {
    (any_time(), any_time(), any::<bool>()).prop_map(|(time, apart, forward)| {
        let moment = Moment::epoch().after(time);
        if forward {
            moment.wall_forward(apart)
        } else {
            moment.wall_back(apart)
        }
    })
}

fn is_reuse(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Reuse { .. })
}

proptest! {
    // A failure is to be turned into a row of a table, not into a file beside the sources.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_rule_is_that_of_exact_arithmetic(policy in any_policy(), facts in any_facts()) {
        // A duration of more than 584 years counts as 584 years.
        let nanos = |duration: Duration| i128::from(Span::new(duration).nanoseconds());
        let expected = match facts.hint {
            Some(hint) if policy.hints => nanos(hint).min(nanos(policy.hint_ceiling)),
            _ => nanos(policy.max_idle),
        };
        let margin = match policy.safety_margin {
            SafetyMargin::Default => (expected / 10)
                .clamp(100_000_000, 1_000_000_000)
                .min(expected / 4),
            SafetyMargin::Fixed(margin) => nanos(margin),
        };
        let least = 1_000_000_000.min(expected / 4);
        let kept = margin.max(least).max(2 * nanos(facts.rtt.duration()));
        let certain = expected - margin - nanos(facts.elapsed.duration());
        let likely = expected - kept - nanos(facts.held.duration());

        let left = if facts.used { certain.max(likely) } else { expected - margin };

        prop_assert_eq!(length(&policy, &facts), duration(left));
        prop_assert!(length(&policy, &facts) <= duration(expected - margin));
    }

    #[test]
    fn what_is_certain_depends_on_neither_round_trip_nor_skew(
        policy in any_policy(),
        facts in any_facts(),
        rtt in any_duration(),
        held in any_duration(),
    ) {
        let other = Facts {
            rtt: Span::new(rtt),
            held: Span::new(held),
            ..facts
        };
        let [one, other] = [facts, other].map(|facts| bounds(&policy, &facts, &Findings::default()));
        prop_assert_eq!(one.0, other.0);
    }

    #[test]
    fn a_larger_margin_or_whatever_is_less_certain_never_allows_more(
        policy in any_policy(),
        facts in any_facts(),
        more in any_duration(),
    ) {
        let before = length(&policy, &facts);
        let wider = match policy.safety_margin {
            SafetyMargin::Default => SafetyMargin::Default,
            SafetyMargin::Fixed(margin) => SafetyMargin::Fixed(margin.saturating_add(more)),
        };
        let slower = Facts {
            elapsed: facts.elapsed.saturating_add(Span::new(more)),
            ..facts
        };
        let later = Facts {
            held: facts.held.saturating_add(Span::new(more)),
            ..facts
        };
        let farther = Facts {
            rtt: facts.rtt.saturating_add(Span::new(more)),
            ..facts
        };

        prop_assert!(length(&policy.safety_margin(wider), &facts) <= before);
        prop_assert!(length(&policy, &slower) <= before);
        prop_assert!(length(&policy, &later) <= before);
        prop_assert!(length(&policy, &farther) <= before);
    }

    #[test]
    fn a_longer_timeout_never_allows_less(
        policy in any_policy(),
        facts in any_facts(),
        more in any_duration(),
    ) {
        let before = length(&policy, &facts);
        let patient = policy.max_idle(policy.max_idle.saturating_add(more));
        let trusting = policy.hint_ceiling(policy.hint_ceiling.saturating_add(more));
        let promised = Facts {
            hint: facts.hint.map(|hint| hint.saturating_add(more)),
            ..facts
        };

        prop_assert!(length(&patient, &facts) >= before);
        prop_assert!(length(&trusting, &facts) >= before);
        prop_assert!(length(&policy, &promised) >= before);
    }

    #[test]
    fn a_policy_is_warned_of_if_and_only_if_no_hint_allows_reuse(
        policy in any_policy(),
        hints in prop::collection::vec(prop::option::of(any_duration()), 1..8),
    ) {
        let longest = [None, Some(Duration::MAX)];
        let allows = |hint: Option<Duration>| !length(&policy, &Facts { hint, ..SILENT }).is_zero();

        let warned = never_allows_reuse(&policy);

        prop_assert_eq!(warned, policy.reuse && !longest.into_iter().any(allows));
        prop_assert!(!(warned && hints.into_iter().any(allows)));
    }

    #[test]
    fn a_later_moment_never_turns_back_what_was_retired(
        allowance in any_duration(),
        since in any_moment(),
        now in any_moment(),
        later in any_time(),
        asleep in any_time(),
    ) {
        let then = now.after(later).wall_forward(asleep);

        if !is_reuse(idle_verdict(Span::new(allowance), &since, &now)) {
            prop_assert!(!is_reuse(idle_verdict(Span::new(allowance), &since, &then)));
        }
    }

    #[test]
    fn the_deadline_is_the_first_instant_at_which_it_is_retired(
        idle in any_time(),
        since in any_moment(),
        elapsed in any_time(),
        // Nothing, or as much as no test has the wall clock be apart.
        back in prop::sample::select(vec![Duration::ZERO, 5_000 * HOUR]),
    ) {
        let idle = idle.max(NANO);
        let first = since.after(elapsed.min(idle - NANO)).wall_back(back);
        let Verdict::Reuse { until } = idle_verdict(Span::new(idle), &since, &first) else {
            panic!("retired before its time");
        };
        let at = |monotonic| Moment { monotonic, ..first };

        prop_assert_eq!(until, since.after(idle));
        let until = until.monotonic;
        prop_assert_eq!(
            idle_verdict(Span::new(idle), &since, &at(until - 1)),
            Verdict::Reuse { until: since.after(idle) }
        );
        prop_assert_eq!(
            idle_verdict(Span::new(idle), &since, &at(until)),
            Verdict::Retire(RetireReason::IdleDeadline)
        );
    }

    #[test]
    fn the_deadline_does_not_move_as_time_goes_by(
        idle in any_time(),
        since in any_moment(),
        asleep in any_time(),
        first in any_time(),
        second in any_time(),
    ) {
        // Once both clocks have moved on together, since the same sleep.
        let at = |elapsed| idle_verdict(Span::new(idle), &since,
            &since.after(elapsed).wall_forward(asleep),
        );

        if let (before @ Verdict::Reuse { .. }, after @ Verdict::Reuse { .. }) =
            (at(first), at(second))
        {
            prop_assert_eq!(before, after);
        }
    }
}

mod lifetimes {
    use super::*;

    fn verdict_at(policy: &KeepAlivePolicy, now: &Moment) -> Verdict {
        lifetime_verdict(policy, &Moment::epoch(), Jitter::LATEST, now)
    }

    #[test]
    fn without_a_limit_a_connection_serves_for_ever() {
        let verdict = verdict_at(&policy(), &Moment::at(u64::from(u32::MAX)));
        assert_eq!(verdict, ENDLESS);
    }

    #[test]
    fn a_connection_is_used_for_its_lifetime_and_no_longer() {
        let policy = policy().max_lifetime(secs(10));

        let end = until(Moment::at(10_000));
        assert_eq!(verdict_at(&policy, &Moment::epoch()), end);
        assert_eq!(verdict_at(&policy, &Moment::at(9_999)), end);
        for over in [10_000, 10_001, 1_000_000] {
            let verdict = verdict_at(&policy, &Moment::at(over));
            assert_eq!(verdict, Verdict::Retire(RetireReason::MaxLifetime));
        }
    }

    #[test]
    fn the_time_that_only_the_wall_clock_saw_is_a_part_of_it() {
        let policy = policy().max_lifetime(secs(10));
        let suspended = Moment {
            monotonic: Moment::at(1).monotonic,
            wall: Moment::at(10_000).wall,
        };
        let verdict = verdict_at(&policy, &suspended);
        assert_eq!(verdict, Verdict::Retire(RetireReason::MaxLifetime));
    }

    #[test]
    fn a_connection_serves_as_many_requests_as_policy_says() {
        let policy = policy().max_requests(3);
        for (requests, expected) in [
            (0, None),
            (2, None),
            (3, Some(RetireReason::MaxRequests)),
            (4, Some(RetireReason::MaxRequests)),
        ] {
            assert_eq!(last_request(&policy, &served(requests, None)), expected);
        }
    }

    #[test]
    fn of_two_verdicts_the_one_that_ends_first_holds() {
        let [early, late] = [1, 2].map(|millis| until(Moment::at(millis)));
        let endless = ENDLESS;
        let retired = Verdict::Retire(RetireReason::Requested);
        for (one, other, both) in [
            (early, late, early),
            (endless, late, late),
            (endless, endless, endless),
            (endless, retired, retired),
            (retired, Verdict::Retire(RetireReason::MaxLifetime), retired),
        ] {
            assert_eq!(one.and(other), both);
        }
        assert_eq!(late.and(early), early);
        assert_eq!(late.and(endless), late);
        assert_eq!(retired.and(endless), retired);
    }

    #[test]
    fn a_value_that_makes_no_sense_is_refused_with_what_was_expected() {
        for (policy, word) in [
            (policy().max_lifetime(Duration::ZERO), "`max_lifetime`"),
            (policy().max_requests(0), "`max_requests`"),
            (policy().lifetime_jitter(1.5), "`lifetime_jitter`"),
            (policy().idle_jitter(f64::NAN), "`idle_jitter`"),
        ] {
            let text = policy.check().unwrap_err().to_string();
            assert!(text.contains(word) && text.contains("expected"), "{text}");
        }
        let odd = policy()
            .max_lifetime(NANO)
            .max_requests(1)
            .lifetime_jitter(1.0)
            .idle_jitter(1.0);
        assert_eq!(odd.check(), Ok(()));
        assert_eq!(odd.max_lifetime(None).max_requests(None).check(), Ok(()));
    }

    proptest! {
        #[test]
        fn jitter_only_ever_shortens(
            connection: u64,
            idle in 1..100_000_u64,
            lifetime in 1..100_000_u64,
            fraction in 0.0..=1.0,
        ) {
            let jitter = Jitter::of(connection, 0);
            let plain = policy().max_idle(ms(idle)).max_lifetime(ms(lifetime));
            let policy = plain.idle_jitter(fraction).lifetime_jitter(fraction);

            let full = length(&plain, &SILENT);
            let less = length(&policy, &Facts { jitter, ..SILENT });
            prop_assert!(less <= full);
            prop_assert!(full.is_zero() || !less.is_zero());
            prop_assert!(less.as_secs_f64() >= full.as_secs_f64() * (1.0 - fraction) - 1e-9);
            let epoch = Moment::epoch();
            let Verdict::Reuse { until } = lifetime_verdict(&policy, &epoch, jitter, &epoch) else {
                return Err(TestCaseError::fail("nothing is left of what was something"));
            };
            let life = until.monotonic;
            prop_assert!(0 < life && life <= ms(lifetime).as_nanos() as i64);
        }
    }
}

#[test]
fn what_was_learned_shortens_and_in_full_lengthens_for_a_server_that_names_no_timeout() {
    let findings = |bound: Option<u64>, kept: Option<u64>| Findings {
        bound: bound.map(|seconds| Span::new(secs(seconds))),
        kept: kept.map(|seconds| Span::new(secs(seconds))),
        requests: None,
    };
    let full = policy()
        .safety_margin(NEVER)
        .learn(Learn::Full)
        .learn_ceiling(secs(100));
    let shorten = full.learn(Learn::Shorten);
    let off = full.learn(Learn::Off);
    for (policy, facts, findings, expected) in [
        (full, SILENT, findings(None, None), 5),
        (full, SILENT, findings(Some(60), Some(59)), 59),
        (full, SILENT, findings(Some(3), Some(59)), 3),
        (full, SILENT, findings(Some(600), Some(599)), 100),
        (full, SILENT, findings(Some(60), None), 5),
        (full, SILENT, findings(Some(3), Some(2)), 3),
        (full, hint(10), findings(Some(60), Some(59)), 10),
        (full, hint(90), findings(Some(60), Some(59)), 60),
        (
            full.hints(false),
            hint(10),
            findings(Some(60), Some(59)),
            59,
        ),
        (shorten, SILENT, findings(Some(60), Some(59)), 5),
        (shorten, SILENT, findings(Some(3), Some(2)), 3),
        (shorten, hint(90), findings(Some(60), Some(59)), 60),
        (off, SILENT, findings(Some(3), Some(2)), 5),
        (off, hint(90), findings(Some(60), Some(59)), 90),
    ] {
        let allowed = allowance(&policy, &facts, &findings).duration();
        assert_eq!(
            allowed,
            secs(expected),
            "{policy:?}, {facts:?}, {findings:?}"
        );
    }
}
