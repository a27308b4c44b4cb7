//! Servers that do all they can to mislead a client.

use std::time::Duration;

use http_keepalive::{KeepAlivePolicy, Learn};
use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;
use tokio::time::sleep;

use super::load::Load;
use super::origin::Origin;
use super::plan::{Farewell, Plan, TIMED_OUT};
use super::{SECOND, full, keep_alive};
use crate::support::client::{guarded, plain};

const JUNK: &[u8] = b"\x00\xff\r\n\r\nHTTP/1.1 999";
const ANOTHER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";

/// How a server may treat idle connections.
#[derive(Clone, Copy, Debug)]
enum Malice {
    AtOnce,
    Never,
    AtRandom,
    /// Ends in all ways there are.
    Wild,
}

impl Malice {
    fn plan(self, random: &mut XorShiftRng) -> Plan {
        let after = match self {
            Self::AtOnce => return Plan::fin(Duration::from_millis(1)),
            Self::Never => return Plan::never(),
            // Whole seconds often, so that some seem to be confirmed.
            Self::AtRandom => SECOND * random.random_range(1..30),
            Self::Wild => Duration::from_millis(random.random_range(1..30_000)),
        };
        let farewell = match (self, random.random_range(0..6)) {
            (Self::Wild, 0) => Farewell::Reset,
            (Self::Wild, 1) => Farewell::Bytes(TIMED_OUT),
            (Self::Wild, 2) => Farewell::OnlyBytes(TIMED_OUT),
            (Self::Wild, 3) => Farewell::Bytes(JUNK),
            (Self::Wild, 4) => Farewell::OnlyBytes(ANOTHER),
            _ => Farewell::Fin,
        };
        Plan {
            farewell,
            ..Plan::fin(after)
        }
    }
}

const USERS: usize = 10;

/// One connection for each user, and a sentinel.
const MOST: usize = USERS + 1;

/// The server's chance, and the users'.
const SEEDS: [u64; 2] = [7, 8];

/// What comes of a load with clients of one kind, all seeds together.
#[derive(Debug, Default)]
struct Toll {
    failed: usize,
    reused: usize,
    /// How many sockets the server saw at once.
    most_open: usize,
}

impl Toll {
    async fn of(malice: Malice, policy: Option<KeepAlivePolicy>) -> Self {
        let mut toll = Self::default();
        for seed in SEEDS {
            let mut random = XorShiftRng::seed_from_u64(seed);
            let origin = Origin::new(move || malice.plan(&mut random));
            let load = Load {
                users: USERS as u64,
                lasts: 300 * SECOND,
                gaps: SECOND / 10..20 * SECOND,
                seed,
            };
            let asking = match policy.map(keep_alive) {
                None => load.run(&origin, || plain(origin.connector())).await,
                Some(keep_alive) => {
                    let client = || guarded(&keep_alive, origin.connector());
                    load.run(&origin, client).await
                }
            };
            toll.failed += asking.failed();
            toll.reused += asking.reused();
            toll.most_open = toll.most_open.max(origin.most_open());
            sleep(LATER).await;
            assert_eq!(origin.open(), 0, "nothing is kept for ever");
        }
        toll
    }
}

/// When sentinels are at their ceiling.
const LATER: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn hostile_servers_make_a_client_neither_fail_more_nor_keep_more() {
    for malice in [Malice::AtRandom, Malice::Wild] {
        let plain = Toll::of(malice, None).await;
        let off = Toll::of(malice, Some(full().learn(Learn::Off))).await;
        let shorten = Toll::of(malice, Some(full().learn(Learn::Shorten))).await;
        let full = Toll::of(malice, Some(full())).await;

        println!("{malice:?}: plain {plain:?}, off {off:?}, shorten {shorten:?}, full {full:?}");
        assert!(plain.failed > 0, "{malice:?}: {plain:?}");
        assert!(shorten.failed <= off.failed, "{malice:?}: {shorten:?}");
        assert!(full.failed <= plain.failed, "{malice:?}: {full:?}");
        for toll in [shorten, full] {
            assert!(toll.most_open <= MOST, "{malice:?}: {toll:?}");
        }
    }
}

/// What closes at once is not reused; what never closes is kept by its user.
#[tokio::test(start_paused = true)]
async fn servers_that_close_at_once_or_never_cost_nothing_but_connections() {
    for malice in [Malice::AtOnce, Malice::Never] {
        let toll = Toll::of(malice, Some(full())).await;

        println!("{malice:?}: {toll:?}");
        assert_eq!(toll.failed, 0, "{malice:?}: {toll:?}");
        assert!(toll.most_open <= MOST, "{malice:?}: {toll:?}");
        let is_never = matches!(malice, Malice::Never);
        assert_eq!(toll.reused > 0, is_never, "{malice:?}: {toll:?}");
    }
}
