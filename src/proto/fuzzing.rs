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
use super::connection::{Cause, Known, Lifecycle};
use super::deadline::{self, Facts, Verdict};
use super::hint::{self, KeepAliveHint, Parsed};
use super::jitter::Jitter;
use super::learn::Findings;
#[cfg(feature = "server")]
use super::serve::{Served, ServerCloseCause, Verdict as ServerVerdict};
use super::skew::Quickest;
use super::time::{Moment, Span};
#[cfg(feature = "server")]
use crate::policy::ServerPolicy;
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
    let parsed = hint::parse(&headers);
    assert_eq!(parsed, parsed_from_wire(&headers), "the connector's way");
    let Some(hint) = parsed.and_then(|parsed| parsed.hint) else {
        return;
    };
    assert_ne!(hint, KeepAliveHint::new(), "a hint says something");

    let mut again = HeaderMap::new();
    let text = hint.to_string().parse().expect("a hint is a header value");
    again.insert("keep-alive", text);
    assert_eq!(KeepAliveHint::from_headers(&again), Some(hint));
}

/// The fields as a connection finds them in the head of a response.
fn parsed_from_wire(headers: &HeaderMap) -> Option<Parsed> {
    let policy = KeepAlivePolicy::default();
    let mut lifecycle = Lifecycle::new(Span::ZERO, Moment::epoch());
    let known = Known {
        policy: &policy,
        quickest: None,
    };
    let _ = lifecycle.on_written([&b"GET / HTTP/1.1\r\n\r\n"[..]], &known, Moment::epoch());
    let mut head = b"HTTP/1.1 204 No Content\r\n".to_vec();
    for value in headers.get_all("keep-alive") {
        head.extend(b"keep-alive: ");
        head.extend(value.as_bytes());
        head.extend(b"\r\n");
    }
    head.extend(b"\r\n");
    let outcome = lifecycle.on_read(&head, true, &known, Moment::epoch());
    assert_eq!(outcome.opaque, None);
    outcome.hint
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
        let number = value.parse().unwrap_or(u32::MAX);
        let said = KeepAliveHint::new();
        if is_timeout {
            hint = tighter(hint, said.with_timeout(Duration::from_secs(number.into())));
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
        hint: data.flag().then(|| data.duration()),
        elapsed: Span::new(data.duration()),
        held: Span::new(data.duration()),
        rtt: Span::new(data.duration()),
        jitter: Jitter::LATEST,
    };
    deadline::never_allows_reuse(&policy);
    deadline::is_clamped(&policy, facts.hint);
    let idle = |facts: &Facts| deadline::allowance(&policy, facts, &Findings::default());
    let allowance = idle(&facts);
    assert_is_kept(&policy, &facts, allowance);

    let more = Facts {
        elapsed: facts.elapsed.saturating_add(Span::new(data.duration())),
        held: facts.held.saturating_add(Span::new(data.duration())),
        rtt: facts.rtt.saturating_add(Span::new(data.duration())),
        ..facts
    };
    assert!(
        idle(&more) <= allowance,
        "what is less certain lasts longer"
    );

    let is_first_use = data.byte() == Some(0);
    let mut now = Moment::epoch();
    let mut retired = false;
    for _ in 0..8 {
        let verdict = if is_first_use {
            deadline::first_use_verdict(&Moment::epoch(), Some(Span::ZERO), &now)
        } else {
            deadline::Deadline::At(Moment::epoch().saturating_add(allowance)).verdict(&now)
        };
        let retires = matches!(verdict, Verdict::Retire(_));
        assert!(retires || !retired, "what was retired is reused");
        retired = retires;
        if let Verdict::Reuse { until } = verdict {
            assert!(now.until(&until).is_some(), "reused until what has passed");
        }
        now = later(now, &mut data);
    }
    let end = Moment::epoch().saturating_add(allowance);
    let verdict = deadline::Deadline::At(end).verdict(&end);
    assert!(matches!(verdict, Verdict::Retire(_)), "reused too late");
}

/// A connection that was used is given up before what is expected of its server, counted from when the request
/// was sent, or by two round trips, skew and delay before that.
fn assert_is_kept(policy: &KeepAlivePolicy, facts: &Facts, allowance: Span) {
    let expected = match facts.hint {
        Some(hint) if policy.hints => hint.min(policy.hint_ceiling),
        _ => policy.max_idle,
    };
    let nanoseconds = |span: Span| u128::from(span.nanoseconds());
    let kept: u128 = [facts.rtt, facts.rtt, facts.held]
        .map(nanoseconds)
        .iter()
        .sum();
    let least = if facts.used {
        kept.min(nanoseconds(facts.elapsed))
    } else {
        0
    };
    let left = nanoseconds(Span::new(expected)).saturating_sub(least);
    assert!(nanoseconds(allowance) <= left);
}

/// Both clocks go on, or one of them.
fn later(now: Moment, data: &mut Bytes<'_>) -> Moment {
    let kind = data.byte().unwrap_or_default() % 4;
    let later = now.saturating_add(Span::new(data.duration()));
    if later == Moment::LATEST {
        return now;
    }
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
    let connecting = Span::new(data.duration());
    let mut now = Moment::epoch();
    let quickest = data.flag().then(|| Quickest {
        answer: Span::new(data.duration()),
        at: now.monotonic,
    });
    let known = Known {
        policy: &policy,
        quickest,
    };
    let mut whole = Lifecycle::new(connecting, now);
    // The same life, in which bytes come one by one.
    let mut split = Lifecycle::new(connecting, now);
    let mut retired = false;
    while let Some(operation) = data.byte() {
        let was_opaque = whole.opaque();
        match operation % 8 {
            0 | 1 => {
                let is_blocked = data.flag();
                let piece = data.piece();
                for (life, length) in [(&mut whole, usize::MAX), (&mut split, 1)] {
                    if is_blocked {
                        life.on_sending(now);
                    }
                    let _ = life.on_written(piece.chunks(length), &known, now);
                }
            }
            2 | 3 => {
                let was_awaited = data.flag();
                let piece = data.piece();
                for (life, length) in [(&mut whole, usize::MAX), (&mut split, 1)] {
                    for piece in piece.chunks(length) {
                        let _ = life.on_read(piece, was_awaited, &known, now);
                    }
                }
            }
            4 => now = later(now, &mut data),
            5 => {
                let request = data.number();
                whole.on_probe_answered(request, &policy);
                split.on_probe_answered(request, &policy);
            }
            6 if data.flag() => {
                whole.retire();
                retired = true;
            }
            6 => {
                whole.on_end(Cause::Eof, now);
                split.on_end(Cause::Eof, now);
            }
            _ => {
                let looked = whole.verdict(&policy, &now);
                let verdict = whole.on_idle_read(&policy, now);
                assert_eq!(verdict.is_some(), whole.is_idle());
                let kind = |verdict| matches!(verdict, Some(Verdict::Retire(_)));
                assert_eq!(kind(looked), kind(verdict), "to look is not to ask");
                assert!(!retired || !matches!(verdict, Some(Verdict::Reuse { .. })));
                retired |= kind(verdict);
                if let Some(Verdict::Reuse { until }) = verdict {
                    assert!(now.until(&until).is_some(), "reused until what has passed");
                }
            }
        }
        assert_eq!(whole.mode(), split.mode(), "split or whole");
        assert_eq!(whole.opaque(), split.opaque(), "split or whole");
        if whole.opaque().is_none() {
            let facts = |life: &Lifecycle| {
                let request = life.request();
                (
                    request.number(),
                    request.idle_before(),
                    life.rtt(),
                    life.hint(),
                )
            };
            assert_eq!(facts(&whole), facts(&split), "split or whole");
        }
        assert!(was_opaque.is_none() || was_opaque == whole.opaque());
    }
}

/// The life of a connection to a server: anything read, written and asked, in any order.
#[cfg(feature = "server")]
pub fn serve(data: &[u8]) {
    let mut data = Bytes::new(data);
    let policy = ServerPolicy::new(data.duration())
        .grace(data.duration())
        .first_head(data.flag().then(|| data.duration()))
        .slow_head(data.flag().then(|| data.duration()))
        .max_connection_age(data.flag().then(|| data.duration()))
        .age_grace(data.flag().then(|| data.duration()));
    let mut now = Moment::epoch();
    let mut whole = Served::new(now, Jitter::LATEST);
    // The same life, in which bytes come one by one.
    let mut split = Served::new(now, Jitter::LATEST);
    while let Some(operation) = data.byte() {
        match operation % 8 {
            0..=2 => {
                let piece = data.piece();
                whole.on_read(piece, now);
                for byte in piece.chunks(1) {
                    split.on_read(byte, now);
                }
            }
            3 | 4 => {
                let piece = data.piece();
                whole.on_written([piece], now);
                split.on_written(piece.chunks(1), now);
            }
            5 => now = later(now, &mut data),
            6 => {
                let is_flushed = data.flag();
                for life in [&mut whole, &mut split] {
                    if life.is_flushing() || !is_flushed {
                        life.on_flush(is_flushed, now);
                    }
                }
            }
            _ => {
                let is_surplus = data.flag();
                let limit = whole.limit(&policy, is_surplus);
                assert_eq!(limit, split.limit(&policy, is_surplus));
                let Some(limit) = limit else { continue };
                let verdict = limit.verdict(&now);
                match verdict {
                    ServerVerdict::Stay { until } => assert!(until > now.monotonic),
                    ServerVerdict::Close(ServerCloseCause::SlowHead | ServerCloseCause::Age) => {
                        assert_eq!(whole.idle_since(), None, "no idle connection ends so");
                    }
                    ServerVerdict::Close(_) => assert!(whole.spare_since(&policy).is_some()),
                }
            }
        }
        assert_eq!(whole.mode(), split.mode(), "split or whole");
        assert_eq!(whole.idle_since(), split.idle_since(), "split or whole");
        let spare = |life: &Served| life.spare_since(&policy);
        assert_eq!(spare(&whole), spare(&split), "split or whole");
    }
}

fn policy(data: &mut Bytes<'_>) -> KeepAlivePolicy {
    let margin = match data.byte() {
        Some(0) => SafetyMargin::Fixed(data.duration()),
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

    #[cfg(feature = "server")]
    #[test]
    fn serve_holds_over_its_seeds() {
        over_corpus("serve", serve);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn all_hold_over_any_bytes(data in prop::collection::vec(any::<u8>(), 0..200)) {
            keep_alive(&data);
            deadline(&data);
            exchange(&data);
            #[cfg(feature = "server")]
            serve(&data);
        }
    }
}
