//! Many exchanges with a server that closes, restarts and crashes at random, and that counts what it executes.
//!
//! In virtual time. Eight users make exchanges one after another, half of them POST, through one client. Every now and
//! then, never within [`QUIET`] of the last time, the server
//!
//! * closes the connections that have been idle for some time, as at its timeout, by FIN or RST,
//! * restarts: it closes all idle connections, and ends the others after their response,
//! * crashes: it closes all connections, whatever it has read or executed.
//!
//! It accepts connections all the time. So a request that is sent again finds it up, and an idempotent one fails only if
//! it was on a new connection, or its response had begun, as the server crashed.
//!
//! `EXCHANGES` is how many there are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use http_keepalive::{Attempts, KeepAlivePolicy, Learn, Provenance, ReplayPolicy, RequestOutcome};
use hyper::body::Incoming;
use hyper_util::client::legacy::Error;
use hyper_util::client::legacy::connect::Connected;
use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, sleep_until};
use tower::retry::{Policy, Retry};

use super::blind::Blind;
use crate::support::client::{HttpClient, exchange, guarded_legacy, keep_alive};
use crate::support::link::{Link, LinkEnd};
use crate::support::wire::{FarEnds, WireConnector, wires};

const USERS: u64 = 8;

/// From one end to the other.
const ONE_WAY: Duration = Duration::from_millis(10);

/// How long the server does nothing between two events, at least: a request that is sent again is answered by then.
const QUIET: Duration = Duration::from_millis(120);

/// How long the server works for an answer, at most.
const WORK: u64 = 15;

/// What happens at the server.
#[derive(Clone, Copy, Debug)]
struct Event {
    /// Which idle connections are closed: those that have been idle for as long.
    idle_for: Duration,
    /// Whether the others end after their response.
    is_restart: bool,
    /// Whether the others end at once.
    is_crash: bool,
    resets: bool,
}

impl Event {
    fn random(random: &mut XorShiftRng) -> Self {
        let kind = random.random_range(0..10);
        let idle = Duration::from_millis(random.random_range(1..300));
        Self {
            idle_for: if kind < 6 { idle } else { Duration::ZERO },
            is_restart: kind == 6 || kind == 7,
            is_crash: kind > 7,
            resets: random.random_bool(0.5),
        }
    }
}

/// How often the server executed each request.
#[derive(Clone, Debug, Default)]
struct Ledger(Arc<Mutex<HashMap<String, u32>>>);

impl Ledger {
    fn on_executed(&self, id: &str) {
        *self.0.lock().unwrap().entry(id.to_owned()).or_default() += 1;
    }

    fn count(&self, id: &str) -> u32 {
        self.0.lock().unwrap().get(id).copied().unwrap_or_default()
    }
}

async fn serve(mut ends: FarEnds, ledger: Ledger, seed: u64) {
    let mut random = XorShiftRng::seed_from_u64(seed);
    let (events, _) = broadcast::channel(16);
    loop {
        let next = Instant::now() + QUIET + Duration::from_millis(random.random_range(0..100));
        while let Ok(end) = tokio::time::timeout_at(next, ends.accept()).await {
            let Some(end) = end else { return };
            let seed = random.random();
            tokio::spawn(serve_one(end, ledger.clone(), events.subscribe(), seed));
        }
        // Nobody may be there to be told.
        let _ = events.send(Event::random(&mut random));
    }
}

/// Serves a connection until it ends.
async fn serve_one(
    mut end: LinkEnd,
    ledger: Ledger,
    mut events: broadcast::Receiver<Event>,
    seed: u64,
) {
    let mut random = XorShiftRng::seed_from_u64(seed);
    let mut idle_since = Instant::now();
    let mut is_last = false;
    while !is_last {
        let mut head = Vec::new();
        // Idle, or within a request.
        let event = loop {
            tokio::select! {
                biased;
                event = events.recv() => {
                    let event: Event = event.unwrap();
                    let closes = head.is_empty() && idle_since.elapsed() >= event.idle_for;
                    if closes || event.is_crash {
                        break Some(event);
                    }
                    is_last |= event.is_restart;
                }
                read = end.read_u8() => match read {
                    Err(_) => return,
                    Ok(byte) => {
                        head.push(byte);
                        if head.ends_with(b"\r\n\r\n") {
                            break None;
                        }
                    }
                }
            }
        };
        if let Some(event) = event {
            return close(end, event);
        }
        // Before it has answered, after that, or not at all.
        let id = String::from_utf8(head).unwrap();
        let id = id.lines().find_map(|line| line.strip_prefix("x-id: "));
        let before = Instant::now() + Duration::from_millis(random.random_range(0..=WORK));
        if let Some(event) = work(before, &mut events, &mut is_last).await {
            return close(end, event);
        }
        ledger.on_executed(id.unwrap());
        let after = Instant::now() + Duration::from_millis(random.random_range(0..=WORK));
        if let Some(event) = work(after, &mut events, &mut is_last).await {
            return close(end, event);
        }
        if end.write_all(b"HTTP/1.1 200 OK\r\n").await.is_err() {
            return;
        }
        // Now and then the rest takes longer.
        if random.random_ratio(1, 10) {
            let rest = Instant::now() + Duration::from_millis(random.random_range(0..=WORK));
            if let Some(event) = work(rest, &mut events, &mut is_last).await {
                return close(end, event);
            }
        }
        if end.write_all(b"content-length: 0\r\n\r\n").await.is_err() {
            return;
        }
        idle_since = Instant::now();
    }
}

/// Works until then. Returns the event that ends the connection, if one does.
async fn work(
    until: Instant,
    events: &mut broadcast::Receiver<Event>,
    is_last: &mut bool,
) -> Option<Event> {
    loop {
        tokio::select! {
            biased;
            event = events.recv() => {
                let event = event.unwrap();
                if event.is_crash {
                    return Some(event);
                }
                *is_last |= event.is_restart;
            }
            () = sleep_until(until) => return None,
        }
    }
}

fn close(end: LinkEnd, event: Event) {
    if event.resets {
        end.reset();
    }
}

/// What became of all exchanges.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    exchanges: u32,
    /// Answered after more than one attempt.
    repeated: u32,
    /// Not idempotent, and executed more than once.
    duplicates: u32,
    /// Not idempotent, executed, and failed: what must not be sent again.
    executed_and_failed: u32,
    /// Idempotent, and failed after the server had closed an idle connection.
    stale: u32,
    /// Idempotent, and failed otherwise.
    otherwise: u32,
}

impl Counts {
    fn add(self, other: Self) -> Self {
        Self {
            exchanges: self.exchanges + other.exchanges,
            repeated: self.repeated + other.repeated,
            duplicates: self.duplicates + other.duplicates,
            executed_and_failed: self.executed_and_failed + other.executed_and_failed,
            stale: self.stale + other.stale,
            otherwise: self.otherwise + other.otherwise,
        }
    }
}

async fn user(client: impl HttpClient, ledger: Ledger, user: u64, exchanges: u64) -> Counts {
    let mut random = XorShiftRng::seed_from_u64(user + 1);
    let mut counts = Counts::default();
    for number in 0..exchanges {
        sleep(Duration::from_millis(random.random_range(0..150))).await;
        let id = format!("{user}-{number}");
        let is_idempotent = random.random_bool(0.5);
        let (method, key) = match (is_idempotent, random.random_ratio(1, 4)) {
            (false, _) => ("POST", None),
            (true, true) => ("POST", Some("1")),
            (true, false) => ("GET", None),
        };
        let mut request = Request::builder().method(method).uri("http://server.test/");
        request = request.header("x-id", &id);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::default()).unwrap();

        let answer = exchange(&client, request).await;

        counts.exchanges += 1;
        let executions = ledger.count(&id);
        if let Ok(answer) = &answer {
            assert!(executions > 0, "it was answered, so it was executed");
            counts.repeated += u32::from(Attempts::of_response(answer).count() > 1);
        }
        if !is_idempotent {
            counts.duplicates += u32::from(executions > 1);
            counts.executed_and_failed += u32::from(answer.is_err() && executions > 0);
        } else if let Err(error) = answer {
            let provenance = Provenance::of_error(&*error).unwrap();
            match provenance.outcome() {
                RequestOutcome::Stale | RequestOutcome::Unsent => counts.stale += 1,
                _ => counts.otherwise += 1,
            }
        }
    }
    counts
}

/// Makes all exchanges, with this policy around the client.
fn run<P>(policy: P, exchanges: u64) -> Counts
where
    P: Policy<Request<Full<Bytes>>, Response<Incoming>, Error> + Clone,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (connector, ends): (WireConnector, FarEnds) =
            wires(Link::new().latency(ONE_WAY), Connected::new);
        let ledger = Ledger::default();
        tokio::spawn(serve(ends, ledger.clone(), 1));
        // What this crate does else is to leave something to repeat.
        let keep = KeepAlivePolicy::default()
            .max_idle(Duration::from_secs(60))
            .learn(Learn::Off);
        let client = Retry::new(policy, guarded_legacy(&keep_alive(keep), connector));
        let users = (0..USERS)
            .map(|number| user(client.clone(), ledger.clone(), number, exchanges / USERS));
        let counts = join_all(users).await;
        counts.into_iter().fold(Counts::default(), Counts::add)
    })
}

/// Of a budget that allows all.
fn policy() -> ReplayPolicy {
    let span = Duration::from_secs(1);
    let builder = ReplayPolicy::builder().budget(span, 1_000_000, 0.0);
    builder.build().unwrap()
}

fn exchanges() -> u64 {
    let number = std::env::var("EXCHANGES").ok();
    number.map_or(2_000, |number| {
        number.parse().expect("EXCHANGES is a number")
    })
}

#[test]
fn nothing_is_executed_twice_that_is_not_idempotent_and_what_is_succeeds() {
    let counts = run(policy(), exchanges());

    println!("with the policy: {counts:?}");
    assert_eq!(counts.duplicates, 0);
    assert_eq!(counts.stale, 0);
    // Else there was nothing to do, or to leave alone.
    assert!(counts.repeated > counts.exchanges / 200, "{counts:?}");
    assert!(counts.executed_and_failed > 0, "{counts:?}");
    assert!(counts.otherwise < counts.exchanges / 100, "{counts:?}");
}

#[test]
fn a_blind_retry_executes_requests_twice() {
    let counts = run(Blind::default(), exchanges());

    println!("with a blind retry: {counts:?}");
    assert!(counts.duplicates > 0, "{counts:?}");
}
