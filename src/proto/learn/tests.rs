//! What follows from which observations. Milliseconds all over.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const AGE: Span = Span::new(Duration::from_secs(1_800));

fn span(millis: u64) -> Span {
    Span::new(Duration::from_millis(millis))
}

fn evidence(at: u64, idle: u64) -> Evidence {
    Evidence {
        since: Moment::at(at.saturating_sub(idle)),
        at: Moment::at(at),
        idle: span(idle),
    }
}

/// Found at `at`, after so long an idle time.
fn close(at: u64, idle: u64) -> Observation {
    Observation::Close {
        evidence: evidence(at, idle),
        open: Span::ZERO,
    }
}

/// The close of a connection that is looked at often.
fn tight(at: u64, idle: u64) -> Observation {
    Observation::Close {
        evidence: evidence(at, idle),
        open: span(idle.saturating_sub(idle.div_ceil(16))),
    }
}

fn failure(at: u64, idle: u64) -> Observation {
    failure_sent(at, at, idle)
}

/// Found at `at`, of a request that was sent at `sent`.
fn failure_sent(sent: u64, at: u64, idle: u64) -> Observation {
    Observation::Failure(Failure {
        evidence: evidence(at, idle),
        sent: Moment::at(sent),
        answered: Span::ZERO,
        is_doubted: false,
    })
}

/// An end right behind the third answer.
fn limit(at: u64) -> Observation {
    Observation::Limit {
        evidence: evidence(at, 0),
        requests: 3,
    }
}

fn answer(at: u64, idle: u64) -> Observation {
    Observation::Answer {
        evidence: evidence(at, idle),
        request: 2,
    }
}

fn open(at: u64, idle: u64) -> Observation {
    Observation::Open(evidence(at, idle))
}

fn given_up(at: u64, idle: u64) -> Observation {
    Observation::GivenUp(evidence(at, idle))
}

fn history(observations: &[Observation]) -> History {
    let mut history = History::default();
    for observation in observations {
        history.on_observation(*observation, AGE);
    }
    history
}

fn millis(span: Option<Span>) -> Option<u128> {
    span.map(|span| span.duration().as_millis())
}

fn bound(observations: &[Observation]) -> Option<u128> {
    millis(history(observations).findings().bound)
}

fn kept(observations: &[Observation]) -> Option<u128> {
    millis(history(observations).findings().kept)
}

#[test]
fn one_close_is_an_accident_and_two_that_agree_are_a_timer() {
    assert_eq!(bound(&[]), None);
    assert_eq!(bound(&[close(60_000, 10_000)]), None);
    for (second, expected) in [
        (close(80_000, 10_200), Some(10_000)),
        (close(80_000, 9_900), Some(9_900)),
        // A sixteenth of the shorter, and 100 ms.
        (close(80_000, 10_725), Some(10_000)),
        (close(80_000, 10_726), None),
        (close(80_000, 9_000), None),
        // A failure is another sign of the same timer.
        (failure(80_000, 10_300), Some(10_000)),
    ] {
        assert_eq!(
            bound(&[close(60_000, 10_000), second]),
            expected,
            "{second:?}"
        );
        let answered = [answer(40_000, 20_000), close(60_000, 10_000), second];
        assert_eq!(bound(&answered), None, "{second:?}");
        let third = close(100_000, 10_100);
        let bound = bound(&[&answered[..], &[third]].concat());
        assert_eq!(bound, expected, "{second:?}");
    }
}

#[test]
fn closes_in_one_instant_have_one_cause() {
    let deploy = [close(60_000, 10_000), close(60_040, 10_100)];
    assert_eq!(bound(&deploy), None, "they were idle for about as long");
    assert_eq!(
        bound(&[&deploy[..], &[close(90_000, 10_000)]].concat()),
        Some(10_000),
        "and a later one agrees: it was a timer"
    );
    let deploy = [close(60_000, 10_000), close(60_040, 3_000)];
    assert_eq!(
        bound(&[&deploy[..], &[close(90_000, 10_000)]].concat()),
        None,
        "they were not, so the instant was what they shared"
    );
}

#[test]
fn an_open_connection_refutes_earlier_closes_after_shorter_idle_times() {
    let timer = [close(95_000, 3_000), close(100_000, 3_000)];
    assert_eq!(bound(&timer), Some(3_000));
    for (seen, is_refuted) in [
        (open(110_000, 10_000), true),
        (answer(110_000, 10_000), true),
        (open(103_287, 3_287), false),
        (open(103_288, 3_288), true),
        // Whenever its idle time began.
        (open(101_000, 10_000), true),
    ] {
        let left = bound(&[timer[0], timer[1], seen]);
        assert_eq!(left.is_none(), is_refuted, "{seen:?}");
    }
    let between = open(105_000, 9_000);
    let later = close(110_000, 3_000);
    assert_eq!(bound(&[timer[0], between, later]), None, "two accidents");
}

#[test]
fn a_late_discovery_refutes_nothing() {
    let failed = failure(10_000, 2_000);
    let found_late = close(60_000, 30_000);
    assert_eq!(bound(&[failed, found_late]), Some(2_000));
    let timer = [close(20_000, 2_000), close(30_000, 2_000)];
    assert_eq!(bound(&[timer[0], timer[1], found_late]), Some(2_000));
}

#[test]
fn a_failure_binds_at_once_and_only_an_answer_after_as_long_refutes_it() {
    let failed = failure(10_000, 4_000);
    assert_eq!(bound(&[failed]), Some(4_000));
    for (seen, is_refuted) in [
        (open(40_000, 30_000), false),
        (close(40_000, 30_000), false),
        (answer(40_000, 3_999), false),
        (answer(40_000, 4_000), true),
        // Whenever its idle time began.
        (answer(11_000, 9_000), true),
    ] {
        assert_eq!(bound(&[failed, seen]).is_none(), is_refuted, "{seen:?}");
    }
}

#[test]
fn one_failure_against_answers_is_a_hang_up_of_that_request() {
    let answered = answer(10_000, 5_000);
    assert_eq!(bound(&[answered, failure(20_000, 5_020)]), None);
    assert_eq!(
        bound(&[answered, failure(20_000, 5_021)]),
        Some(5_021),
        "the answer was not after as long"
    );
    let hang_ups = [
        answered,
        failure(20_000, 900),
        answer(30_000, 900),
        failure(40_000, 350),
        answer(50_000, 350),
        failure(60_000, 900),
    ];
    assert_eq!(bound(&hang_ups), None);
}

/// Evictions, say: the connection that has been idle for longest goes when another one comes.
#[test]
fn where_connections_end_for_other_reasons_closes_show_nothing_and_failures_less() {
    let refuted = [close(10_000, 3_000), answer(20_000, 4_000)];
    let then = |more: &[Observation]| bound(&[&refuted[..], more].concat());
    let same: Vec<_> = (3..7).map(|n| close(n * 10_000, 2_000 + n)).collect();
    assert_eq!(then(&same[..3]), None);
    assert_eq!(then(&same), Some(2_003), "that is a timer all the same");
    assert_eq!(then(&[failure(30_000, 5_000)]), None);
    let seen = [
        close(10_000, 3_000),
        open(20_000, 4_000),
        failure(30_000, 5_000),
    ];
    assert_eq!(bound(&seen), Some(5_000), "that one is open says less");
    let two = [failure(30_000, 5_000), failure(40_000, 4_500)];
    assert_eq!(then(&two), Some(4_500), "no server loses two for nothing");
    let three = [two[0], two[1], failure(50_000, 4_200)];
    assert_eq!(millis(Some(SLOP)), then(&three));

    // The same where closes scatter below what was answered before.
    let answered = answer(10_000, 6_000);
    let scattered = [answered, close(20_000, 4_000), close(30_000, 2_000)];
    let again = close(40_000, 2_000);
    let more = [again, close(50_000, 2_000), close(60_000, 2_000)];
    assert_eq!(bound(&[&scattered[..], &more[..1]].concat()), None);
    assert_eq!(bound(&[&[answered], &more[..]].concat()), Some(2_000));
}

#[test]
fn a_timer_that_ends_connections_sooner_is_not_what_ended_one_later() {
    let failed = failure(10_000, 4_000);
    assert_eq!(bound(&[failed, close(20_000, 3_900)]), Some(3_900));
    let sooner = close(20_000, 2_000);
    assert_eq!(bound(&[failed, sooner]), None);
    assert_eq!(bound(&[failed, sooner, close(30_000, 2_000)]), Some(2_000));
    assert_eq!(
        millis(Some(SLOP)),
        bound(&[failed, sooner, failure(30_000, 3_000)])
    );
}

#[test]
fn after_two_failures_only_what_was_answered_since_is_trusted() {
    let answered = answer(10_000, 5_000);
    let two = [answered, failure(100_000, 40_000), failure(200_000, 20_000)];
    assert_eq!(millis(Some(SLOP)), bound(&two), "nothing was");
    let two = [two[0], two[1], answer(110_000, 2_500), two[2]];
    assert_eq!(bound(&two), Some(2_500));
    assert_eq!(
        bound(&[two[0], two[1], answer(150_000, 45_000), two[3]]),
        None,
        "an answer in between: each is a hang-up"
    );
    // Begun before the first was found, and found later.
    let first = failure(100_000, 40_000);
    let in_flight = [answered, first, failure_sent(99_900, 100_100, 20_000)];
    assert_eq!(
        bound(&in_flight),
        Some(20_000),
        "the second was under way when the first was found"
    );
}

#[test]
fn a_window_rises_only_on_tight_closes_that_agree() {
    assert_eq!(
        kept(&[open(600_000, 600_000)]),
        None,
        "a black hole is open"
    );
    assert_eq!(kept(&[tight(60_000, 60_000)]), None);
    assert_eq!(kept(&[close(60_000, 60_000), close(130_000, 60_000)]), None);
    assert_eq!(kept(&[tight(60_000, 60_000), close(130_000, 60_000)]), None);
    let timer = [tight(60_000, 60_000), tight(130_000, 60_040)];
    assert_eq!(kept(&timer), Some(56_250));
    assert_eq!(kept(&[tight(60_000, 60_000), tight(130_000, 30_000)]), None);
}

#[test]
fn what_a_caller_gave_up_limits_how_far_it_rises() {
    let timer = [tight(60_000, 60_000), tight(130_000, 60_000)];
    let with = |more: &[Observation]| kept(&[&timer[..], more].concat());
    assert_eq!(with(&[given_up(200_000, 20_000)]), Some(20_000));
    assert_eq!(
        with(&[given_up(200_000, 20_000), given_up(210_000, 30_000)]),
        Some(20_000)
    );
    assert_eq!(
        with(&[given_up(200_000, 20_000), answer(250_000, 20_001)]),
        Some(56_250)
    );
    assert_eq!(
        with(&[answer(190_000, 20_000), given_up(200_000, 20_000)]),
        Some(56_250),
        "such idle times are answered"
    );
    assert_eq!(
        bound(&[given_up(200_000, 20_000)]),
        None,
        "it is no failure"
    );
}

#[test]
fn all_of_it_is_forgotten() {
    let observations = [
        answer(60_000, 60_000),
        close(60_000, 20_000),
        close(60_500, 20_000),
        close(61_000, 20_000),
        failure(61_000, 30_000),
        given_up(61_000, 70_000),
        limit(60_500),
        limit(61_000),
    ];
    let mut history = history(&observations);
    history.forget(&Moment::at(60_000 + 1_799_999), AGE);
    assert!(history.findings().bound.is_some());
    assert!(history.findings().requests.is_some());
    history.forget(&Moment::at(61_000 + 1_800_000), AGE);
    assert_eq!(history.findings(), Findings::default());
    assert_eq!(history.answers().count(), 0);
    assert_eq!(history.given_up(), None);
}

#[test]
fn the_longest_answers_are_kept_and_later_a_recent_one_beside_them() {
    let longest = |observations: &[Observation]| {
        let history = history(observations);
        let idle = || history.answers().map(|answer| answer.idle);
        (idle().min(), idle().max())
    };
    let long: Vec<_> = (1..=8).map(|n| answer(n * 10_000, 900)).collect();
    let short = |from: u64| (0..8).map(move |n| answer(from + n * 1_000, 350));
    let soon: Vec<_> = long.iter().copied().chain(short(90_000)).collect();
    assert_eq!(longest(&soon), (Some(span(900)), Some(span(900))));
    let late: Vec<_> = long.iter().copied().chain(short(990_000)).collect();
    assert_eq!(longest(&late), (Some(span(350)), Some(span(900))));
}

#[test]
fn an_answer_is_worth_a_lock_only_if_it_may_change_something() {
    let worth = |observations: &[Observation]| {
        history(observations)
            .worth_more_than()
            .duration()
            .as_millis()
    };
    assert_eq!(worth(&[]), 0);
    let full: Vec<_> = (1..=8).map(|n| answer(n * 100_000, n * 1_000)).collect();
    assert_eq!(worth(&full[..7]), 0);
    assert_eq!(worth(&full), 1_000);
    let with = |more| worth(&[&full[..], &[more]].concat());
    assert_eq!(with(close(900_000, 400)), 525, "it would be refuted");
    assert_eq!(
        with(failure(900_000, 9_000)),
        0,
        "what is answered since counts"
    );
}

fn any_observation() -> impl Strategy<Value = (u8, u64, u64, u64)> {
    (0..6_u8, 0..=100_000_u64, any::<u64>(), any::<u64>())
}

fn observation(kind: u8, now: u64, idle: u64, open: u64) -> Observation {
    let evidence = evidence(now, idle);
    match kind {
        0 => answer(now, idle),
        1 => failure(now, idle),
        2 => Observation::GivenUp(evidence),
        3 => Observation::Open(evidence),
        4 => Observation::Limit {
            evidence,
            requests: u32::try_from(idle % 5).unwrap(),
        },
        _ => Observation::Close {
            evidence,
            open: span(open.min(idle)),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a server does.
    #[test]
    fn what_follows_is_what_was_seen_and_nothing_panics(
        all in prop::collection::vec(any_observation(), 0..60),
        is_extreme in any::<bool>(),
    ) {
        let mut history = History::default();
        let mut now = 0_u64;
        let (mut ends, mut answers, mut opens) = (Vec::new(), vec![SLOP], Vec::new());
        for (kind, later, idle, open) in all {
            now = now.saturating_add(later);
            let idle = if is_extreme { idle } else { idle % 100_000 };
            let observation = observation(kind, now, idle, open);
            match observation {
                Observation::Close { evidence, open } => {
                    ends.push(evidence.idle);
                    opens.push(open);
                }
                Observation::Failure(failure) => ends.push(failure.evidence.idle),
                Observation::Answer { evidence, .. } => answers.push(evidence.idle),
                Observation::GivenUp(evidence) => opens.push(evidence.idle),
                _ => {}
            }
            let retires = history.on_observation(observation, AGE).is_some();
            prop_assert!(!retires || matches!(kind, 1 | 5));
            let findings = history.findings();
            prop_assert!(findings.bound.is_none_or(|it| ends.contains(&it) || answers.contains(&it)));
            prop_assert!(findings.kept.is_none_or(|it| opens.contains(&it)));
            prop_assert!(history.closes().count() <= KEPT);
            prop_assert!(history.failures().count() <= KEPT);
            history.worth_more_than();
        }
        history.forget(&Moment::at(now.saturating_add(2_000_000)), AGE);
        prop_assert_eq!(history.findings(), Findings::default());
    }

    /// A server whose timeout stands, a client that looks as late as it likes, and any gaps: two requests are
    /// lost at most, where what is found late is found, and where answers come between.
    #[test]
    fn two_requests_at_most_are_lost_to_a_timeout_that_stands(
        timeout in 150..4_000_u64,
        gaps in prop::collection::vec((120..5_000_u64, any::<bool>()), 1..80),
    ) {
        let mut history = History::default();
        let (mut now, mut lost) = (0_u64, 0_u32);
        for (gap, is_found_late) in gaps {
            now = u64::saturating_add(now, gap);
            // Less than the least margin.
            let allowed = history
                .findings()
                .bound
                .map_or(5_000, |bound| bound.saturating_sub(TICK).duration().as_millis());
            if u128::from(gap) >= allowed {
                continue;
            }
            let observation = if gap < timeout {
                answer(now, gap)
            } else if is_found_late {
                close(now, gap)
            } else {
                lost = u32::saturating_add(lost, 1);
                failure(now, gap)
            };
            history.on_observation(observation, AGE);
        }
        prop_assert!(lost <= 2, "{lost}");
    }
}
