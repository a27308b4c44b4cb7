//! Entry points for the fuzzer, which are run as unit tests too.
//!
//! Each takes any bytes, makes of them what it needs, and fails by panicking.

#![allow(
    unreachable_pub,
    reason = "the fuzzer reaches it, by a way that is there for it alone"
)]

mod bytes;

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use self::bytes::Bytes;
use super::deadline::{self, Allowance, Facts, Verdict};
use super::end::Cause;
use super::exchange::Exchange;
use super::jitter::Jitter;
use super::keep_alive::{self, KeepAliveHint};
use super::{Epoch, Moment, Span};
use crate::policy::{KeepAlivePolicy, SafetyMargin};

/// The `Keep-Alive` field: one value a line.
pub fn keep_alive(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut least = KeepAliveHint::new();
    for line in data.split(|&byte| byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else {
            continue;
        };
        let mut alone = HeaderMap::new();
        alone.append("keep-alive", value.clone());
        let hint = KeepAliveHint::from_headers(&alone).unwrap_or_default();
        if !line.contains(&b'"') {
            assert_eq!(hint, hint_without_quotes(line));
        }
        least = tighter(least, hint);
        headers.append("keep-alive", value);
    }
    let all = KeepAliveHint::from_headers(&headers).unwrap_or_default();
    assert_eq!(all, least, "the smallest counts");
    let Some(hint) = keep_alive::parse(&headers).and_then(|parsed| parsed.hint) else {
        return;
    };
    assert_ne!(hint, KeepAliveHint::new(), "a hint says something");

    let mut again = HeaderMap::new();
    let text = hint.to_string().parse().expect("a hint is a header value");
    again.insert("keep-alive", text);
    assert_eq!(KeepAliveHint::from_headers(&again), Some(hint));
}

/// What a value says that has no quoted-string in it, found in another way.
fn hint_without_quotes(value: &[u8]) -> KeepAliveHint {
    let blanks = [' ', '\t'];
    let mut hint = KeepAliveHint::new();
    for element in String::from_utf8_lossy(value).split(',') {
        let (name, value) = element.split_once('=').unwrap_or_default();
        let (name, mut value) = (name.trim_matches(blanks), value.trim_matches(blanks));
        let is_timeout = name.eq_ignore_ascii_case("timeout");
        if is_timeout {
            value = value.strip_suffix(['s', 'S']).unwrap_or(value);
        }
        if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let number = value.parse().unwrap_or(u64::MAX);
        let said = KeepAliveHint::new();
        if is_timeout {
            hint = tighter(hint, said.with_timeout(Duration::from_secs(number)));
        } else if name.eq_ignore_ascii_case("max") {
            hint = tighter(hint, said.with_max(number));
        }
    }
    hint
}

/// Of both hints the smaller parameters.
fn tighter(one: KeepAliveHint, other: KeepAliveHint) -> KeepAliveHint {
    let mut hint = one.or(other);
    if let (Some(one), Some(other)) = (one.timeout(), other.timeout()) {
        hint = hint.with_timeout(one.min(other));
    }
    if let (Some(one), Some(other)) = (one.max(), other.max()) {
        hint = hint.with_max(one.min(other));
    }
    hint
}

/// The deadline, for any policy and any facts.
pub fn deadline(data: &[u8]) {
    let mut data = Bytes::new(data);
    let policy = policy(&mut data);
    let facts = Facts {
        used: data.flag(),
        requests_left: data.flag().then(|| data.number()),
        hint: data.flag().then(|| data.duration()),
        skew: data.duration(),
        rtt: data.duration(),
        jitter: Jitter::LATEST,
    };
    deadline::never_allows_reuse(&policy);
    deadline::is_clamped(&policy, facts.hint);
    let allowance = deadline::allowance(&policy, &facts);
    assert_is_kept(&policy, &facts, allowance);

    let more = Facts {
        skew: facts.skew.saturating_add(data.duration()),
        rtt: facts.rtt.saturating_add(data.duration()),
        ..facts
    };
    let less = deadline::allowance(&policy, &more);
    assert!(
        idle(less) <= idle(allowance),
        "what is less certain lasts longer"
    );

    let is_first_use = data.byte() == Some(0);
    let mut now = Moment::epoch();
    let mut retired = false;
    for _ in 0..8 {
        let verdict = if is_first_use {
            deadline::first_use(&Moment::epoch(), &now)
        } else {
            deadline::verdict(allowance, &Moment::epoch(), &now)
        };
        let retires = matches!(verdict, Verdict::Retire(_));
        assert!(retires || !retired, "what was retired is reused");
        retired = retires;
        if let Verdict::Reuse { until: Some(until) } = verdict {
            assert!(until > now.monotonic, "reused until what has passed");
        }
        now = later(now, &mut data);
    }
    if let Some(end) = Moment::epoch().checked_add(idle(allowance)) {
        let verdict = deadline::verdict(allowance, &Moment::epoch(), &end);
        assert!(matches!(verdict, Verdict::Retire(_)), "reused too late");
    }
}

/// A connection that was used is given up before what is expected of its server, by two round trips
/// and the skew at least.
fn assert_is_kept(policy: &KeepAlivePolicy, facts: &Facts, allowance: Allowance) {
    let expected = match facts.hint {
        Some(hint) if policy.hints => hint.min(policy.hint_ceiling),
        _ => policy.max_idle,
    };
    let least = match (facts.used, facts.rtt.checked_mul(2)) {
        (false, _) => Some(Duration::ZERO),
        (true, round_trips) => round_trips.and_then(|margin| margin.checked_add(facts.skew)),
    };
    if let (Allowance::Idle(idle), Some(least)) = (allowance, least) {
        let reserved = idle.checked_add(least);
        assert!(reserved.is_some_and(|reserved| reserved <= expected));
    }
    assert!(least.is_some() || matches!(allowance, Allowance::Never(_)));
}

/// Both clocks go on, or one of them.
fn later(now: Moment, data: &mut Bytes<'_>) -> Moment {
    let kind = data.byte().unwrap_or_default() % 4;
    let Some(later) = now.checked_add(data.duration()) else {
        return now;
    };
    match kind {
        0 => Moment {
            monotonic: now.monotonic,
            ..later
        },
        1 => Moment {
            wall: now.wall,
            ..later
        },
        _ => later,
    }
}

/// The life of a connection: anything written, read and asked, in any order.
pub fn exchange(data: &[u8]) {
    let mut data = Bytes::new(data);
    let policy = policy(&mut data);
    let window = policy.response_window;
    let connecting = data.duration();
    let epoch = &Epoch::of_tests();
    let mut now = Moment::epoch();
    let mut exchange = Exchange::new(connecting, now);
    // The same life, in which bytes come one by one.
    let mut by_bytes = Exchange::new(connecting, now);
    let mut retired = false;
    while let Some(operation) = data.byte() {
        let proves_end = operation % 8 < 2 && by_bytes.is_idle();
        if exchange.is_deferring() && !proves_end {
            let _ = exchange.follow_deferred(window, epoch);
        }
        if operation % 8 > 1 {
            exchange.settle_time(epoch);
        }
        let was_opaque = exchange.opaque();
        match operation % 8 {
            0 | 1 => {
                let sets_out = data.flag() || exchange.is_deferring();
                let piece = data.piece();
                if !exchange.on_next_request(piece, &now.read(), epoch) {
                    exchange.settle_time(epoch);
                    if sets_out {
                        exchange.on_sending(epoch, now);
                    }
                    let happened = exchange.on_written(piece);
                    exchange.at(happened, window, now);
                }
                if sets_out {
                    by_bytes.on_sending(epoch, now);
                }
                for byte in piece.chunks(1) {
                    let happened = by_bytes.on_written(byte);
                    by_bytes.at(happened, window, now);
                }
            }
            2 | 3 => {
                let piece = data.piece();
                if exchange.may_defer(piece, &policy, Span::MAX) && data.flag() {
                    exchange.defer(piece, now.read());
                } else {
                    let happened = exchange.on_read(piece, window);
                    exchange.at(happened, window, now);
                }
                for byte in piece.chunks(1) {
                    let happened = by_bytes.on_read(byte, window);
                    by_bytes.at(happened, window, now);
                }
            }
            4 => now = later(now, &mut data),
            5 => {
                let hint = KeepAliveHint::new().with_timeout(data.duration());
                let (hint, request) = (hint.with_max(data.number()), data.number());
                exchange.on_hint(hint, request, &policy);
            }
            6 if data.flag() => {
                exchange.retire();
                retired = true;
            }
            6 => {
                exchange.on_end(Cause::Eof, &policy);
            }
            _ => {
                let looked = exchange.look(&policy, &now);
                let verdict = exchange.verdict(&policy, &now);
                assert_eq!(verdict.is_some(), exchange.is_idle());
                let kind = |verdict| matches!(verdict, Some(Verdict::Retire(_)));
                assert_eq!(kind(looked), kind(verdict), "to look is not to ask");
                assert!(!retired || !matches!(verdict, Some(Verdict::Reuse { .. })));
                retired |= kind(verdict);
                if let Some(Verdict::Reuse { until: Some(until) }) = verdict {
                    assert!(until > now.monotonic, "reused until what has passed");
                }
            }
        }
        let standing = |exchange: &Exchange| (exchange.is_idle(), exchange.opaque());
        if !exchange.is_deferring() {
            assert_eq!(standing(&exchange), standing(&by_bytes), "split or whole");
            if exchange.opaque().is_none() {
                let times = |exchange: &Exchange| {
                    let request = exchange.request();
                    (request.number, request.idle_before(), exchange.rtt())
                };
                assert_eq!(times(&exchange), times(&by_bytes), "split or whole");
            }
        }
        assert!(was_opaque.is_none() || was_opaque == exchange.opaque());
    }
}

fn idle(allowance: Allowance) -> Duration {
    match allowance {
        Allowance::Idle(idle) => idle,
        Allowance::Never(_) => Duration::ZERO,
    }
}

fn policy(data: &mut Bytes<'_>) -> KeepAlivePolicy {
    let margin = match data.byte() {
        Some(0) => SafetyMargin::Fixed(data.duration()),
        Some(1) => SafetyMargin::Adaptive {
            floor: data.duration(),
        },
        _ => SafetyMargin::Default,
    };
    KeepAlivePolicy::default()
        .max_idle(data.duration())
        .hint_ceiling(data.duration())
        .safety_margin(margin)
        .hints(data.flag())
        .reuse(data.flag())
        .response_window(data.number())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every file of the target's corpus.
    fn over_corpus(target: &str, entry: fn(&[u8])) {
        let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz/seeds");
        let seeds = std::fs::read_dir(format!("{corpus}/{target}")).unwrap();
        let seeds: Vec<_> = seeds.map(|seed| seed.unwrap().path()).collect();
        assert!(!seeds.is_empty(), "{target} has no seeds");
        for seed in seeds {
            entry(&std::fs::read(seed).unwrap());
        }
    }

    #[test]
    fn keep_alive_holds_over_its_seeds() {
        over_corpus("keep_alive", keep_alive);
    }

    #[test]
    fn deadline_holds_over_its_seeds() {
        over_corpus("deadline", deadline);
    }

    #[test]
    fn exchange_holds_over_its_seeds() {
        over_corpus("exchange", exchange);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn all_hold_over_any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
            keep_alive(&data);
            deadline(&data);
            exchange(&data);
        }
    }
}
