//! Entry points for the fuzzer, which are run as unit tests too.
//!
//! Each takes any bytes, makes of them what it needs, and fails by panicking.

#![allow(
    unreachable_pub,
    reason = "the fuzzer reaches it, by a way that is there for it alone"
)]

use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::Moment;
use super::deadline::{self, Allowance, Facts, Verdict};
use super::end::Cause;
use super::exchange::Exchange;
use super::keep_alive::{self, KeepAliveHint};
use crate::policy::{KeepAlivePolicy, SafetyMargin};

/// The `Keep-Alive` field: one value a line.
pub fn keep_alive(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append("keep-alive", value);
        }
    }
    let Some(hint) = keep_alive::parse(&headers).and_then(|parsed| parsed.hint) else {
        return;
    };
    assert_ne!(hint, KeepAliveHint::new(), "a hint says something");

    let mut again = HeaderMap::new();
    let text = hint.to_string().parse().expect("a hint is a header value");
    again.insert("keep-alive", text);
    assert_eq!(KeepAliveHint::from_headers(&again), Some(hint));
}

/// The deadline, for any policy and any facts.
pub fn deadline(data: &[u8]) {
    let mut data = Bytes(data);
    let policy = policy(&mut data);
    let facts = Facts {
        used: data.flag(),
        requests_left: data.flag().then(|| data.number()),
        hint: data.flag().then(|| data.duration()),
        skew: data.duration(),
        rtt: data.duration(),
    };
    deadline::never_allows_reuse(&policy);
    let allowance = deadline::allowance(&policy, &facts);

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

    let mut now = Moment::epoch();
    let mut retired = false;
    for _ in 0..8 {
        let verdict = deadline::verdict(allowance, &Moment::epoch(), &now);
        let retires = matches!(verdict, Verdict::Retire(_));
        assert!(retires || !retired, "what was retired is reused");
        retired = retires;
        if let Some(later) = now.checked_add(data.duration()) {
            now = later;
        }
    }
}

/// The life of a connection: anything written, read and asked, in any order.
pub fn exchange(data: &[u8]) {
    let mut data = Bytes(data);
    let policy = policy(&mut data);
    let mut now = Moment::epoch();
    let mut exchange = Exchange::new(data.duration(), now);
    let mut retired = false;
    while let Some(operation) = data.byte() {
        let window = policy.response_window;
        match operation % 8 {
            0 | 1 => {
                if data.flag() {
                    exchange.on_sending(now);
                }
                let happened = exchange.on_written(data.piece());
                exchange.at(happened, window, now);
            }
            2 | 3 => {
                let happened = exchange.on_read(data.piece(), window);
                exchange.at(happened, window, now);
            }
            4 => {
                if let Some(later) = now.checked_add(data.duration()) {
                    now = later;
                }
            }
            5 => {
                let hint = KeepAliveHint::new().with_timeout(data.duration());
                exchange.on_hint(hint.with_max(data.number()), data.number(), &policy);
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
            }
        }
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

/// Takes what is asked for off the front; zeros where there is no more.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    fn flag(&mut self) -> bool {
        self.byte().is_some_and(|byte| byte & 1 == 1)
    }

    /// Small, large and extreme ones alike.
    fn number(&mut self) -> u64 {
        let width = self.byte().unwrap_or_default() % 9;
        (0..width).fold(0, |number, _| {
            number << 8 | u64::from(self.byte().unwrap_or_default())
        })
    }

    fn duration(&mut self) -> Duration {
        let seconds = self.number();
        let nanoseconds = self.number() % 1_000_000_000;
        Duration::new(seconds, nanoseconds as u32)
    }

    /// So many of the next bytes as the first of them says.
    fn piece(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or_default()).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }
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
