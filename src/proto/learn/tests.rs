//! What follows from which observations.

use proptest::prelude::*;

use super::*;

const AGE: Span = Span::new(Duration::from_secs(1_800));

/// Milliseconds all over.
fn evidence(at: u64, idle: u64, by_sentinel: bool) -> Evidence {
    Evidence {
        since: Moment::at(at.saturating_sub(idle)),
        at: Moment::at(at),
        idle: Span::new(Duration::from_millis(idle)),
        slack: Span::ZERO,
        by_sentinel,
    }
}

fn close(at: u64, idle: u64) -> UpperBound {
    UpperBound {
        evidence: evidence(at, idle, false),
        kind: Kind::Close,
    }
}

fn failure(at: u64, idle: u64) -> UpperBound {
    UpperBound {
        kind: Kind::Failure,
        ..close(at, idle)
    }
}

fn watched(at: u64, idle: u64) -> UpperBound {
    UpperBound {
        evidence: evidence(at, idle, true),
        kind: Kind::Close,
    }
}

/// What limits and survivals, one after the other, lead to.
#[derive(Clone, Copy)]
enum Seen {
    Bound(UpperBound),
    Survival(Evidence),
}

use Seen::{Bound as B, Survival as S};

fn history(seen: &[Seen]) -> History {
    let mut history = History::default();
    for seen in seen {
        match *seen {
            B(bound) => {
                history.on_bound(bound, AGE);
            }
            S(survival) => history.on_survival(survival, AGE),
        }
    }
    history
}

/// In milliseconds.
fn bound(seen: &[Seen]) -> Option<u128> {
    let bound = history(seen).findings().bound;
    bound.map(|bound| bound.duration().as_millis())
}

#[test]
fn the_bound_is_the_least_limit() {
    assert_eq!(bound(&[]), None);
    assert_eq!(bound(&[B(close(60_000, 60_000))]), Some(60_000));
    assert_eq!(
        bound(&[B(close(60_000, 60_000)), B(close(90_000, 30_000))]),
        Some(30_000)
    );
    assert_eq!(
        bound(&[B(failure(60_000, 20_000)), B(close(90_000, 25_000))]),
        Some(20_000),
        "20 s plus a quarter and the slop is not exceeded by 25 s"
    );
}

#[test]
fn a_survival_beyond_it_that_began_later_refutes_a_limit() {
    let early = B(close(100_000, 3_000));
    for (survival, refuted) in [
        (evidence(110_000, 10_000, false), true),
        (evidence(110_000, 10_000, true), true),
        (evidence(103_850, 3_850, true), false),
        (evidence(103_851, 3_851, true), true),
        (evidence(109_000, 10_000, true), false),
    ] {
        let left = bound(&[early, S(survival)]);
        assert_eq!(left.is_none(), refuted, "{survival:?}");
    }
}

#[test]
fn a_single_close_against_much_that_survived_binds_nobody() {
    let history = [
        S(evidence(100_000, 50_000, false)),
        S(evidence(101_000, 40_000, false)),
    ];
    let first = B(close(110_000, 10_000));
    let second = B(close(111_000, 10_050));

    assert_eq!(bound(&[history[0], first]), Some(10_000), "one is not much");
    assert_eq!(bound(&[history[0], history[1], first]), None);
    assert_eq!(
        bound(&[history[0], history[1], first, second]),
        Some(10_000),
        "it was none"
    );
    assert_eq!(
        bound(&[history[0], history[1], B(failure(110_000, 10_000))]),
        Some(10_000),
        "a request was lost"
    );
    assert_eq!(
        bound(&[history[0], history[1], first, B(close(112_000, 20_000))]),
        None,
        "two accidents"
    );
}

#[test]
fn a_timeout_is_confirmed_by_a_second_close_or_by_a_sentinel() {
    let spread = |seen: &[Seen]| {
        let spread = history(seen).findings().spread;
        spread.map(|spread| spread.duration().as_millis())
    };
    assert_eq!(spread(&[B(close(60_000, 60_000))]), None);
    assert_eq!(spread(&[B(failure(60_000, 60_000))]), None);
    assert_eq!(spread(&[B(watched(60_000, 60_000))]), Some(0));
    assert_eq!(
        spread(&[B(close(60_000, 60_000)), B(close(121_000, 60_030))]),
        Some(30)
    );
    assert_eq!(
        spread(&[B(close(60_000, 60_000)), B(close(121_000, 30_000))]),
        None
    );
    assert_eq!(
        spread(&[
            S(evidence(50_000, 50_000, true)),
            S(evidence(100_000, 50_000, true)),
            B(watched(130_000, 30_000))
        ]),
        None,
        "a sentinel too may meet with an accident"
    );
}

#[test]
fn sentinels_alone_show_how_long_a_server_waits() {
    let survived = |seen: &[Seen]| {
        let survived = history(seen).findings().survived;
        survived.map(|survived| survived.duration().as_millis())
    };
    assert_eq!(survived(&[S(evidence(50_000, 50_000, false))]), None);
    let one = [
        S(evidence(10_000, 10_000, true)),
        S(evidence(20_000, 20_000, true)),
    ];
    assert_eq!(survived(&one), Some(20_000));
    assert_eq!(
        history(&one).survivals().count(),
        1,
        "one sentinel is one, however often it is asked"
    );
}

#[test]
fn a_server_that_waits_longer_than_before_is_seen_to() {
    let mut seen = vec![
        B(close(10_000, 10_000)),
        B(close(20_100, 10_000)),
        B(watched(32_000, 10_000)),
    ];
    assert_eq!(bound(&seen), Some(10_000));
    seen.push(S(evidence(50_000, 13_000, true)));
    assert_eq!(bound(&seen), None);
}

#[test]
fn a_sentinel_is_wanted_as_long_as_something_binds_or_nothing_else_tells() {
    let wanted = |learn: Learn, hinted: bool, seen: &[Seen]| {
        let policy = KeepAlivePolicy::default().learn(learn);
        history(seen).wants_sentinel(&policy, hinted)
    };
    let confirmed = [B(close(10_000, 3_000)), B(close(20_000, 3_000))];
    let refuted = [&confirmed[..], &[S(evidence(30_000, 4_000, true))]].concat();
    for (seen, binds) in [
        (&confirmed[..0], false),
        (&confirmed[..1], true),
        (&confirmed, true),
        (&refuted, false),
    ] {
        for hinted in [false, true] {
            assert!(!wanted(Learn::Off, hinted, seen));
            assert_eq!(wanted(Learn::Shorten, hinted, seen), binds);
            assert_eq!(wanted(Learn::Full, hinted, seen), binds || !hinted);
        }
    }
}

#[test]
fn what_is_old_is_forgotten() {
    let mut history = history(&[B(close(60_000, 60_000)), S(evidence(60_000, 60_000, true))]);
    history.forget(&Moment::at(60_000 + 1_799_999), AGE);
    assert!(history.findings().bound.is_some());
    history.forget(&Moment::at(60_000 + 1_800_000), AGE);
    assert_eq!(history.findings(), Findings::default());
    assert_eq!(history.survivals().count(), 0);
}

#[test]
fn a_survival_is_worth_it_only_if_it_says_more_than_what_is_kept() {
    let worth = |seen: &[Seen]| history(seen).worth_more_than().duration().as_millis();
    assert_eq!(worth(&[]), 0);
    let full: Vec<_> = (1..=8)
        .map(|n| S(evidence(n * 100_000, n * 1_000, false)))
        .collect();
    assert_eq!(worth(&full[..7]), 0);
    assert_eq!(worth(&full), 1_000);
    let bound = B(failure(900_000, 400));
    assert_eq!(
        worth(&[&full[..], &[bound]].concat()),
        600,
        "it would be refuted"
    );
}

fn any_seen() -> impl Strategy<Value = (bool, u64, u64, u64, bool, bool)> {
    (
        any::<bool>(),
        0..=100_000_u64,
        any::<u64>(),
        any::<u64>(),
        any::<bool>(),
        any::<bool>(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a server does.
    #[test]
    fn the_bound_is_one_of_the_limits_and_nothing_panics(
        all in prop::collection::vec(any_seen(), 0..60),
        extreme in any::<bool>(),
    ) {
        let mut history = History::default();
        let mut now = 0_u64;
        let mut bounds = Vec::new();
        for (is_bound, later, idle, slack, failed, by_sentinel) in all {
            now = now.saturating_add(later);
            let idle = if extreme { idle } else { idle % 100_000 };
            let evidence = Evidence {
                slack: Span::new(Duration::from_nanos(slack)),
                ..evidence(now, idle, by_sentinel)
            };
            if is_bound {
                let kind = if failed { Kind::Failure } else { Kind::Close };
                bounds.push(evidence.idle);
                let bound = UpperBound { evidence, kind };
                let binds = history.on_bound(bound, AGE);
                prop_assert!(binds || !failed);
                // Another may tell the same more precisely.
                let max_timeout = Some(bound.max_timeout());
                prop_assert!(!binds || history.findings().bound <= max_timeout);
            } else {
                history.on_survival(evidence, AGE);
            }
            let findings = history.findings();
            prop_assert!(findings.bound.is_none_or(|bound| bounds.contains(&bound)));
            prop_assert!(findings.spread.is_none() || findings.bound.is_some());
            prop_assert!(history.bounds().count() <= KEPT);
            history.worth_more_than();
        }
        history.forget(&Moment::at(now.saturating_add(2_000_000)), AGE);
        prop_assert_eq!(history.findings(), Findings::default());
    }
}

/// Something forgets connections after six minutes without a word. A request finds out; who only listens
/// does not.
#[test]
fn what_failed_caps_what_a_sentinel_hears_nothing_of() {
    let minute = 60_000;
    let deaf = evidence(20 * minute, 10 * minute, true);
    let seen = [B(failure(6 * minute, 6 * minute)), S(deaf)];
    let findings = history(&seen).findings();
    assert_eq!(findings.bound, None, "the server waits longer");
    assert_eq!(findings.survived, Some(deaf.idle));
    assert_eq!(findings.failed, Some(failure(0, 6 * minute).evidence.idle));

    let answered = evidence(29 * minute, 7 * minute, false);
    let findings = history(&[&seen[..], &[S(answered)]].concat()).findings();
    assert_eq!(
        findings.failed, None,
        "a request that is answered shows otherwise"
    );

    let shorter = evidence(29 * minute, 5 * minute, false);
    let findings = history(&[&seen[..], &[S(shorter)]].concat()).findings();
    assert!(findings.failed.is_some());

    let mut old = history(&seen);
    old.forget(&Moment::at(40 * minute), AGE);
    assert_eq!(old.findings().failed, None);
}

#[test]
fn a_failure_is_no_survival() {
    let seen = [B(failure(10_000, 6_000)), B(failure(30_000, 9_000))];
    assert_eq!(bound(&seen), Some(6_000), "the later one refutes nothing");
}

/// A response drained slowly: the server began to count up to 20 s before.
#[test]
fn a_close_that_is_not_precise_gives_way_to_one_that_is() {
    let slack = Span::new(Duration::from_secs(20));
    let mut vague = watched(48_000, 48_000);
    vague.evidence.slack = slack;
    assert_eq!(bound(&[B(vague)]), Some(48_000), "for want of a better one");

    let precise = watched(120_000, 60_000);
    let known = history(&[B(vague), B(precise)]).findings();
    assert_eq!(known.bound, Some(precise.evidence.idle));
    assert_eq!(known.spread, Some(Span::ZERO));

    let sooner = watched(120_000, 40_000);
    assert_eq!(bound(&[B(vague), B(sooner)]), Some(40_000));
    let later = watched(120_000, 70_000);
    assert_eq!(
        bound(&[B(vague), B(later)]),
        Some(48_000),
        "that is another"
    );
}
