#![expect(
    clippy::arithmetic_side_effects,
    reason = "what overflows here fails the test, and ought to"
)]

use proptest::prelude::*;

use super::*;
use crate::error::PolicyError;

const HOUR: Duration = Duration::from_secs(3_600);
const NANO: Duration = Duration::from_nanos(1);

/// A connection that was used, to a server that says nothing, on a network without latency.
const SILENT: Facts = Facts {
    used: true,
    requests_left: None,
    hint: None,
    skew: Duration::ZERO,
    rtt: Duration::ZERO,
    jitter: Jitter::LATEST,
};

/// One that was not used yet.
const UNUSED: Facts = Facts {
    used: false,
    ..SILENT
};

/// What a policy makes of what is known.
type Row = (KeepAlivePolicy, Facts, Allowance);

fn policy() -> KeepAlivePolicy {
    KeepAlivePolicy::default()
}

fn fixed(millis: u64) -> KeepAlivePolicy {
    policy().safety_margin(ms(millis))
}

fn adaptive(floor: u64) -> KeepAlivePolicy {
    policy().safety_margin(SafetyMargin::Adaptive { floor: ms(floor) })
}

fn hint(seconds: u64) -> Facts {
    Facts {
        hint: Some(secs(seconds)),
        ..SILENT
    }
}

fn skew(millis: u64) -> Facts {
    Facts {
        skew: ms(millis),
        ..SILENT
    }
}

fn rtt(millis: u64) -> Facts {
    Facts {
        rtt: ms(millis),
        ..SILENT
    }
}

fn requests_left(requests: u64) -> Facts {
    Facts {
        requests_left: Some(requests),
        ..SILENT
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn idle(millis: u64) -> Allowance {
    Allowance::Idle(ms(millis))
}

fn never(reason: Reason) -> Allowance {
    Allowance::Never(reason)
}

fn until(moment: Moment) -> Verdict {
    Verdict::Reuse {
        until: Some(moment.monotonic),
    }
}

#[track_caller]
fn assert_rows(rows: &[Row]) {
    for (policy, facts, expected) in rows {
        assert_eq!(allowance(policy, facts), *expected, "{policy:?}, {facts:?}");
    }
}

#[test]
fn by_default_a_second_or_a_quarter_of_the_timeout_is_kept_whichever_is_less() {
    assert_rows(&[
        (policy(), SILENT, idle(4_000)),
        (policy(), hint(1), idle(750)),
        (policy(), hint(2), idle(1_500)),
        (policy(), hint(3), idle(2_250)),
        (policy(), hint(4), idle(3_000)),
        (policy(), hint(5), idle(4_000)),
        (policy(), hint(6), idle(5_000)),
        (policy(), hint(60), idle(59_000)),
        (policy().max_idle(ms(100)), SILENT, idle(75)),
        (policy().max_idle(secs(60)), SILENT, idle(59_000)),
    ]);
}

#[test]
fn a_hint_wins_over_max_idle_in_both_directions_up_to_the_ceiling() {
    let ceiling = policy().hint_ceiling(secs(10));
    assert_rows(&[
        (policy().max_idle(secs(60)), hint(5), idle(4_000)),
        (policy().max_idle(secs(1)), hint(60), idle(59_000)),
        (policy(), hint(599), idle(598_000)),
        (policy(), hint(600), idle(599_000)),
        (policy(), hint(601), idle(599_000)),
        (policy(), hint(u64::MAX), idle(599_000)),
        (ceiling, hint(9), idle(8_000)),
        (ceiling, hint(11), idle(9_000)),
        // Only what a server says is cut off, not what the user says of it.
        (ceiling.max_idle(secs(60)), SILENT, idle(59_000)),
        (ceiling.max_idle(secs(60)), hint(60), idle(9_000)),
        (policy().hint_ceiling(ms(200)), hint(1), idle(150)),
    ]);
}

#[test]
fn a_hint_of_zero_forbids_reuse_whatever_the_margin() {
    assert_rows(&[
        (policy(), hint(0), never(Reason::NoIdleAllowed)),
        (fixed(0), hint(0), never(Reason::NoIdleAllowed)),
        (adaptive(0), hint(0), never(Reason::NoIdleAllowed)),
    ]);
}

#[test]
fn hints_that_are_not_honoured_count_for_nothing() {
    let deaf = policy().hints(false);
    assert_rows(&[
        (deaf, hint(0), idle(4_000)),
        (deaf, hint(2), idle(4_000)),
        (deaf, hint(60), idle(4_000)),
        (deaf.hint_ceiling(secs(1)), hint(60), idle(4_000)),
        (deaf.max_idle(secs(60)), hint(5), idle(59_000)),
    ]);
}

#[test]
fn a_fixed_margin_is_kept_as_it_is_and_may_leave_nothing() {
    assert_rows(&[
        (fixed(0), SILENT, idle(5_000)),
        (fixed(1), SILENT, idle(4_999)),
        (fixed(1_000), hint(2), idle(1_000)),
        (fixed(3_000), SILENT, idle(2_000)),
        (fixed(4_999), SILENT, idle(1)),
        (fixed(5_000), SILENT, never(Reason::NoIdleAllowed)),
        (fixed(5_001), SILENT, never(Reason::NoIdleAllowed)),
        (fixed(5_000), hint(6), idle(1_000)),
        (fixed(1_000), hint(1), never(Reason::NoIdleAllowed)),
        (fixed(0), hint(1), idle(1_000)),
    ]);
}

#[test]
fn an_adaptive_margin_is_its_floor_and_two_round_trips() {
    let usual = policy().safety_margin(SafetyMargin::adaptive());
    assert_rows(&[
        (usual, SILENT, idle(4_900)),
        (usual, rtt(20), idle(4_860)),
        (usual, rtt(400), idle(4_100)),
        (adaptive(0), SILENT, idle(5_000)),
        (adaptive(0), rtt(20), idle(4_960)),
        (adaptive(500), rtt(1_000), idle(2_500)),
        (adaptive(1_000), rtt(2_000), never(Reason::NoIdleAllowed)),
        (adaptive(5_000), SILENT, never(Reason::NoIdleAllowed)),
    ]);
}

#[test]
fn at_least_two_round_trips_are_kept_whatever_the_margin() {
    let short = Facts {
        rtt: ms(200),
        ..hint(1)
    };
    assert_rows(&[
        (policy(), rtt(499), idle(4_000)),
        (policy(), rtt(500), idle(4_000)),
        (policy(), rtt(501), idle(3_998)),
        (policy(), rtt(2_000), idle(1_000)),
        (policy(), rtt(2_500), never(Reason::NoIdleAllowed)),
        (policy(), short, idle(600)),
        (fixed(0), rtt(20), idle(4_960)),
        (fixed(40), rtt(20), idle(4_960)),
        (fixed(41), rtt(20), idle(4_959)),
        (fixed(0), rtt(2_500), never(Reason::NoIdleAllowed)),
    ]);
}

#[test]
fn skew_is_kept_on_top_of_every_margin() {
    let both = Facts {
        rtt: ms(1_000),
        ..skew(300)
    };
    let hinted = Facts {
        skew: ms(300),
        ..hint(2)
    };
    assert_rows(&[
        (policy(), skew(300), idle(3_700)),
        (policy(), hinted, idle(1_200)),
        (policy(), both, idle(2_700)),
        (fixed(0), skew(300), idle(4_700)),
        (fixed(1_000), skew(300), idle(3_700)),
        (fixed(0), both, idle(2_700)),
        (adaptive(100), skew(300), idle(4_600)),
        (adaptive(100), both, idle(2_600)),
        (policy(), skew(3_999), idle(1)),
    ]);
}

#[test]
fn skew_may_leave_nothing() {
    assert_rows(&[
        (policy(), skew(4_000), never(Reason::NoIdleAllowed)),
        (policy(), skew(3_600_000), never(Reason::NoIdleAllowed)),
        (fixed(0), skew(5_000), never(Reason::NoIdleAllowed)),
        (adaptive(0), skew(5_000), never(Reason::NoIdleAllowed)),
    ]);
}

#[test]
fn a_connection_serves_as_many_requests_as_the_server_said() {
    let exhausted = Facts {
        requests_left: Some(0),
        ..hint(60)
    };
    assert_rows(&[
        (policy(), requests_left(0), never(Reason::RequestLimit)),
        (policy(), requests_left(1), idle(4_000)),
        (policy(), requests_left(u64::MAX), idle(4_000)),
        (policy(), exhausted, never(Reason::RequestLimit)),
    ]);
}

#[test]
fn without_reuse_a_used_connection_is_never_good_again() {
    let once = policy().reuse(false);
    assert_rows(&[
        (once, SILENT, never(Reason::ReuseDisabled)),
        (once, hint(60), never(Reason::ReuseDisabled)),
        (once, requests_left(5), never(Reason::ReuseDisabled)),
        (once, UNUSED, idle(4_000)),
    ]);
}

#[test]
fn of_several_reasons_the_one_that_stands_longest_is_named() {
    let exhausted = requests_left(0);
    let nothing_left = Facts {
        hint: Some(Duration::ZERO),
        ..exhausted
    };
    let once = policy().reuse(false);
    assert_rows(&[
        (once, nothing_left, never(Reason::ReuseDisabled)),
        (policy(), nothing_left, never(Reason::RequestLimit)),
        (fixed(5_000), exhausted, never(Reason::RequestLimit)),
    ]);
}

#[test]
fn an_unused_connection_may_idle_for_the_timeout_less_the_margin_whatever_the_round_trip() {
    let distant = Facts {
        rtt: Duration::MAX,
        ..UNUSED
    };
    let adaptive = policy().safety_margin(SafetyMargin::adaptive());
    assert_rows(&[
        (policy(), UNUSED, idle(4_000)),
        (policy(), distant, idle(4_000)),
        (policy().max_idle(secs(60)), UNUSED, idle(59_000)),
        (adaptive, distant, idle(4_900)),
        (fixed(3_999), distant, idle(1_001)),
        (fixed(4_999), UNUSED, idle(1)),
        // What is left then is the first use.
        (fixed(5_000), UNUSED, idle(0)),
        (fixed(u64::MAX), UNUSED, idle(0)),
    ]);
}

#[test]
fn an_unused_connection_is_good_for_a_second_after_it_was_first_read_from() {
    let (first, until) = (Moment::at(7_000), Moment::at(8_000));
    let reuse = Verdict::Reuse {
        until: Some(until.monotonic),
    };
    for now in [7_000, 7_001, 7_999] {
        assert_eq!(first_use(&first, &Moment::at(now)), reuse, "{now}");
    }
    for now in [until, until.after(HOUR), first.wall_forward(secs(1))] {
        let verdict = first_use(&first, &now);
        assert_eq!(verdict, Verdict::Retire(Reason::IdleDeadline));
    }
}

#[test]
fn of_two_verdicts_the_later_one_stands_where_one_is_enough() {
    let until = |millis| Verdict::Reuse {
        until: Some(Moment::at(millis).monotonic),
    };
    let ever = Verdict::Reuse { until: None };
    let retire = Verdict::Retire(Reason::IdleDeadline);
    for (one, other, expected) in [
        (until(1), until(2), until(2)),
        (until(1), ever, ever),
        (until(1), retire, until(1)),
        (retire, Verdict::Retire(Reason::MaxLifetime), retire),
    ] {
        assert_eq!(one.or(other), expected);
        if expected != retire {
            assert_eq!(other.or(one), expected);
        }
    }
}

#[test]
fn nothing_that_is_known_refuses_an_unused_connection() {
    let all = Facts {
        requests_left: Some(0),
        hint: Some(Duration::ZERO),
        skew: Duration::MAX,
        rtt: Duration::MAX,
        ..UNUSED
    };
    let deaf = fixed(u64::MAX).reuse(false).hints(false);
    assert_rows(&[(deaf, all, idle(0))]);
}

#[test]
fn durations_without_end_overflow_nothing() {
    let endless = policy().max_idle(Duration::MAX).hint_ceiling(Duration::MAX);
    let second_less = Allowance::Idle(Duration::MAX - secs(1));
    let said = Facts {
        hint: Some(Duration::MAX),
        ..SILENT
    };
    let slow = Facts {
        skew: Duration::MAX,
        ..said
    };
    let distant = Facts {
        rtt: Duration::MAX,
        ..said
    };
    let greedy = endless.safety_margin(Duration::MAX);
    let floor = Duration::MAX;
    let greedy_adaptive = endless.safety_margin(SafetyMargin::Adaptive { floor });
    assert_rows(&[
        (endless, SILENT, second_less),
        (endless, said, second_less),
        (
            endless.safety_margin(Duration::ZERO),
            said,
            Allowance::Idle(Duration::MAX),
        ),
        (endless, slow, never(Reason::NoIdleAllowed)),
        (endless, distant, never(Reason::NoIdleAllowed)),
        (greedy, SILENT, never(Reason::NoIdleAllowed)),
        (greedy, slow, never(Reason::NoIdleAllowed)),
        (greedy_adaptive, distant, never(Reason::NoIdleAllowed)),
        (greedy, UNUSED, idle(0)),
    ]);
}

#[test]
fn the_deadline_is_counted_from_when_the_connection_became_idle() {
    let since = Moment::at(1_000);

    for elapsed in [0, 1, 2_000, 3_999] {
        assert_eq!(
            verdict(idle(4_000), &since, &Moment::at(1_000 + elapsed)),
            until(Moment::at(5_000)),
            "after {elapsed} ms"
        );
    }
    for elapsed in [4_000, 4_001, 3_600_000] {
        assert_eq!(
            verdict(idle(4_000), &since, &Moment::at(1_000 + elapsed)),
            Verdict::Retire(Reason::IdleDeadline),
            "after {elapsed} ms"
        );
    }
}

#[test]
fn what_is_never_allowed_is_retired_at_once_for_its_own_reason() {
    for reason in [
        Reason::NoIdleAllowed,
        Reason::RequestLimit,
        Reason::ReuseDisabled,
    ] {
        let now = Moment::epoch();
        assert_eq!(verdict(never(reason), &now, &now), Verdict::Retire(reason));
    }
}

#[test]
fn an_allowance_beyond_what_the_clock_can_tell_has_no_deadline() {
    let endless = Allowance::Idle(Duration::MAX);
    let now = Moment::at(0).after(1_000 * HOUR);

    let verdict = verdict(endless, &Moment::at(0), &now);

    assert_eq!(verdict, Verdict::Reuse { until: None });
}

#[test]
fn a_sleep_that_the_monotonic_clock_did_not_see_counts() {
    let since = Moment::at(0);
    let allowed = idle(4_000);

    let hour = verdict(allowed, &since, &Moment::at(10).wall_forward(HOUR));
    assert_eq!(hour, Verdict::Retire(Reason::IdleDeadline));

    // What is left is told by the monotonic clock, as that is what timers go by.
    let second = verdict(allowed, &since, &Moment::at(10).wall_forward(secs(1)));
    assert_eq!(second, until(Moment::at(3_000)));

    let exactly = verdict(allowed, &since, &Moment::at(0).wall_forward(secs(4)));
    assert_eq!(exactly, Verdict::Retire(Reason::IdleDeadline));
}

/// Too careful, as nothing tells it from a sleep: the price is one connection.
#[test]
fn a_wall_clock_set_forward_retires() {
    let now = Moment::at(10).wall_forward(HOUR);

    let verdict = verdict(idle(4_000), &Moment::at(0), &now);

    assert_eq!(verdict, Verdict::Retire(Reason::IdleDeadline));
}

#[test]
fn a_wall_clock_set_back_counts_as_nothing() {
    let since = Moment::at(0);

    let early = verdict(idle(4_000), &since, &Moment::at(3_999).wall_back(HOUR));
    assert_eq!(early, until(Moment::at(4_000)));

    let late = verdict(idle(4_000), &since, &Moment::at(4_000).wall_back(HOUR));
    assert_eq!(late, Verdict::Retire(Reason::IdleDeadline));
}

#[test]
fn a_monotonic_clock_that_went_back_counts_as_nothing() {
    let since = Moment::at(1_000);
    let now = Moment::at(0).wall_forward(secs(1));

    assert_eq!(verdict(idle(4_000), &since, &now), until(Moment::at(4_000)));
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
        (adaptive(4_999).hints(false), false),
        (adaptive(5_000).hints(false), true),
        (adaptive(600_000), true),
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
        adaptive(0),
        policy().safety_margin(SafetyMargin::Adaptive {
            floor: Duration::MAX,
        }),
        policy().response_window(0),
        policy().response_window(u64::MAX),
        policy().hints(false),
        policy().reuse(false),
    ] {
        assert_eq!(policy.check(), Ok(()), "{policy:?}");
    }
}

/// For how long a connection is allowed to idle, never being nothing at all.
fn length(policy: &KeepAlivePolicy, facts: &Facts) -> Duration {
    match allowance(policy, facts) {
        Allowance::Idle(idle) => idle,
        Allowance::Never(_) => Duration::ZERO,
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
        any_duration().prop_map(|floor| SafetyMargin::Adaptive { floor }),
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
        prop::option::weighted(0.2, 0..3_u64),
        prop::option::of(any_duration()),
        any_duration(),
        any_duration(),
    )
        .prop_map(|(used, requests_left, hint, skew, rtt)| Facts {
            used,
            requests_left,
            hint,
            skew,
            rtt,
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

fn any_allowance() -> impl Strategy<Value = Allowance> {
    prop_oneof![
        9 => any_duration().prop_map(Allowance::Idle),
        1 => Just(Allowance::Never(Reason::NoIdleAllowed)),
    ]
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
        let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).expect("it has 94 bits");
        let expected = match facts.hint {
            Some(hint) if policy.hints => nanos(hint).min(nanos(policy.hint_ceiling)),
            _ => nanos(policy.max_idle),
        };
        let round_trips = 2 * nanos(facts.rtt);
        let safety = match policy.safety_margin {
            SafetyMargin::Default => 1_000_000_000.min(expected / 4),
            SafetyMargin::Fixed(margin) => nanos(margin),
            SafetyMargin::Adaptive { floor } if facts.used => nanos(floor) + round_trips,
            SafetyMargin::Adaptive { floor } => nanos(floor),
        };
        let left = expected - safety.max(round_trips) - nanos(facts.skew);

        let found = allowance(&policy, &facts);

        if !facts.used {
            prop_assert_eq!(found, Allowance::Idle(duration(expected - safety)));
        } else if policy.reuse && facts.requests_left != Some(0) && left > 0 {
            prop_assert_eq!(nanos(length(&policy, &facts)), left);
        } else {
            prop_assert!(matches!(found, Allowance::Never(_)), "{:?}", found);
        }
    }

    #[test]
    fn a_larger_margin_skew_or_round_trip_never_allows_more(
        policy in any_policy(),
        facts in any_facts(),
        more in any_duration(),
    ) {
        let before = length(&policy, &facts);
        let wider = match policy.safety_margin {
            SafetyMargin::Default => SafetyMargin::Default,
            SafetyMargin::Fixed(margin) => SafetyMargin::Fixed(margin.saturating_add(more)),
            SafetyMargin::Adaptive { floor } => SafetyMargin::Adaptive {
                floor: floor.saturating_add(more),
            },
        };
        let slower = Facts {
            skew: facts.skew.saturating_add(more),
            ..facts
        };
        let farther = Facts {
            rtt: facts.rtt.saturating_add(more),
            ..facts
        };

        prop_assert!(length(&policy.safety_margin(wider), &facts) <= before);
        prop_assert!(length(&policy, &slower) <= before);
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
        allowance in any_allowance(),
        since in any_moment(),
        now in any_moment(),
        later in any_time(),
        asleep in any_time(),
    ) {
        let then = now.after(later).wall_forward(asleep);

        if !is_reuse(verdict(allowance, &since, &now)) {
            prop_assert!(!is_reuse(verdict(allowance, &since, &then)));
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
        let Verdict::Reuse { until } = verdict(Allowance::Idle(idle), &since, &first) else {
            panic!("retired before its time");
        };
        let until = until.expect("an instant that the clock can tell");
        let at = |monotonic| Moment { monotonic, ..first };

        prop_assert_eq!(until, since.after(idle).monotonic);
        prop_assert_eq!(
            verdict(Allowance::Idle(idle), &since, &at(until.earlier(NANO))),
            Verdict::Reuse { until: Some(until) }
        );
        prop_assert_eq!(
            verdict(Allowance::Idle(idle), &since, &at(until)),
            Verdict::Retire(Reason::IdleDeadline)
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
        let at = |elapsed| verdict(
            Allowance::Idle(idle),
            &since,
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

    fn wear_at(policy: &KeepAlivePolicy, requests: u64, now: &Moment) -> Verdict {
        let connected = Moment::epoch();
        wear(policy, Jitter::LATEST, requests, &connected, now)
    }

    #[test]
    fn without_an_end_nothing_wears_out() {
        let verdict = wear_at(&policy(), u64::MAX, &Moment::at(u64::from(u32::MAX)));
        assert_eq!(verdict, Verdict::Reuse { until: None });
    }

    #[test]
    fn a_connection_is_used_for_its_lifetime_and_no_longer() {
        let policy = policy().max_lifetime(secs(10));

        let end = until(Moment::at(10_000));
        assert_eq!(wear_at(&policy, 0, &Moment::epoch()), end);
        assert_eq!(wear_at(&policy, 7, &Moment::at(9_999)), end);
        for over in [10_000, 10_001, 1_000_000] {
            let verdict = wear_at(&policy, 7, &Moment::at(over));
            assert_eq!(verdict, Verdict::Retire(Reason::MaxLifetime));
        }
    }

    #[test]
    fn the_time_that_only_the_wall_clock_saw_is_a_part_of_it() {
        let policy = policy().max_lifetime(secs(10));
        let suspended = Moment {
            monotonic: Moment::at(1).monotonic,
            wall: Moment::at(10_000).wall,
        };
        let verdict = wear_at(&policy, 1, &suspended);
        assert_eq!(verdict, Verdict::Retire(Reason::MaxLifetime));
    }

    #[test]
    fn a_connection_serves_as_many_requests_as_policy_says() {
        let policy = policy().max_requests(3);
        for (requests, verdict) in [
            (0, Verdict::Reuse { until: None }),
            (2, Verdict::Reuse { until: None }),
            (3, Verdict::Retire(Reason::MaxRequests)),
            (4, Verdict::Retire(Reason::MaxRequests)),
        ] {
            assert_eq!(wear_at(&policy, requests, &Moment::epoch()), verdict);
        }
    }

    #[test]
    fn of_two_verdicts_the_one_that_ends_first_holds() {
        let [early, late] = [1, 2].map(|millis| until(Moment::at(millis)));
        let endless = Verdict::Reuse { until: None };
        let retired = Verdict::Retire(Reason::ByHand);
        for (one, other, both) in [
            (early, late, early),
            (endless, late, late),
            (endless, endless, endless),
            (endless, retired, retired),
            (retired, Verdict::Retire(Reason::MaxLifetime), retired),
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

            let Allowance::Idle(full) = allowance(&plain, &SILENT) else { unreachable!() };
            let Allowance::Idle(less) = allowance(&policy, &Facts { jitter, ..SILENT }) else {
                return Err(TestCaseError::fail("something is left of what was something"));
            };
            prop_assert!(less <= full);
            prop_assert!(less.as_secs_f64() >= full.as_secs_f64() * (1.0 - fraction) - 1e-9);
            let life = super::lifetime(&policy, jitter).unwrap();
            prop_assert!(life <= ms(lifetime) && !life.is_zero());
        }
    }
}
