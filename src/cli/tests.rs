//! Whole measurements, in virtual time, of servers whose behaviour is known.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "the servers have clocks of their own"
)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::args::Args;
use super::dial::{Dial, Dialed, Dialing, Offer};
use super::plan::{self, Bytes};
use super::progress::Bar;
use super::report::{ActiveRequest, ActiveResult, Address, End, Hint, Purpose, Seconds};
use super::site::Site;
use super::target::Url;
use super::time::Time;

/// What a server does.
#[derive(Clone)]
struct Behaviour {
    /// For how long each connection is kept idle, by its number; the last holds for all others.
    timeouts: Vec<Duration>,
    /// Connections are looked at once in this time.
    tick: Duration,
    /// Its hint, with and without being asked.
    hints: [&'static str; 2],
    /// With what an idle connection ends, before it is closed.
    goodbye: &'static [u8],
    /// How many requests a connection takes, and whether the last response says so.
    limit: Option<(u32, bool)>,
    /// Requests after such an idle time are not answered.
    forgets: Duration,
    /// How long it works for an answer.
    answers_after: Duration,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            timeouts: vec![Duration::from_secs(5)],
            tick: Duration::ZERO,
            hints: [""; 2],
            goodbye: b"",
            limit: None,
            forgets: Duration::MAX,
            answers_after: Duration::ZERO,
        }
    }
}

struct Server {
    behaviour: Behaviour,
    started: Instant,
    connections: AtomicUsize,
}

impl Server {
    fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            started: Instant::now(),
            connections: AtomicUsize::new(0),
        }
    }
}

impl Dial for Server {
    fn dial(&self, _: Offer) -> Dialing<'_> {
        let number = self.connections.fetch_add(1, Ordering::Relaxed);
        let (here, there) = tokio::io::duplex(1 << 16);
        let timeouts = &self.behaviour.timeouts;
        let timeout = *timeouts.get(number).or_else(|| timeouts.last()).unwrap();
        let (behaviour, started) = (self.behaviour.clone(), self.started);
        tokio::spawn(async move { serve(there, &behaviour, timeout, started).await });
        Box::pin(async {
            Ok(Dialed {
                transport: Box::new(here),
                connecting: Duration::ZERO,
                tls: None,
            })
        })
    }
}

async fn serve(mut stream: DuplexStream, does: &Behaviour, timeout: Duration, started: Instant) {
    let mut answered = 0;
    let mut since = Instant::now();
    loop {
        let mut until = since + timeout;
        if !does.tick.is_zero() {
            let ticks = (until - started).as_nanos().div_ceil(does.tick.as_nanos());
            until = started + does.tick * u32::try_from(ticks).unwrap();
        }
        let Ok(request) = tokio::time::timeout_at(until, request(&mut stream)).await else {
            let _ = stream.write_all(does.goodbye).await;
            return;
        };
        let Some(request) = request else { return };
        if since.elapsed() > does.forgets && answered > 0 {
            // The path is dead.
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(does.answers_after).await;
        answered += 1;
        let is_last = does.limit.is_some_and(|(limit, _)| answered == limit);
        let is_announced = does.limit.is_some_and(|(_, announced)| announced);
        let hint = does.hints[usize::from(request.contains("connection: keep-alive"))];
        let mut head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n".to_owned();
        if !hint.is_empty() {
            head += &format!("keep-alive: {hint}\r\n");
        }
        if is_last && is_announced {
            head += "connection: close\r\n";
        }
        if stream
            .write_all(format!("{head}\r\nok").as_bytes())
            .await
            .is_err()
            || is_last
        {
            return;
        }
        since = Instant::now();
    }
}

/// The head of a request, if there is one.
async fn request(stream: &mut DuplexStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(head).unwrap())
}

/// Measures a server that is interrupted after some time.
async fn measure_until(server: &Server, arguments: &[&str], end: Duration) -> Address {
    let url = ["probe", "http://a/"];
    let args = Args::try_parse_from([&url[..], arguments].concat()).unwrap();
    let url = Url::parse("http://a/").unwrap();
    let requests = Bytes {
        plain: url.request(&args, false, false),
        asking: url.request(&args, false, true),
    };
    let permits = Semaphore::new(args.connections as usize);
    let (interrupt, interrupted) = watch::channel(false);
    tokio::spawn(async move {
        tokio::time::sleep(end).await;
        let _ = interrupt.send(true);
    });
    let time = Time::default();
    let site = Site::new(
        server,
        &time,
        &permits,
        interrupted,
        Bar::hidden(),
        args.at_least,
    );
    plan::probe(&site, &args, &requests, false, "a:80".to_owned()).await
}

async fn measure(behaviour: Behaviour, arguments: &[&str]) -> Address {
    let server = Server::new(behaviour);
    measure_until(&server, arguments, Duration::from_secs(86_400)).await
}

/// In milliseconds.
fn timeout(found: &Address) -> Option<u128> {
    found.timeout.map(|timeout| timeout.seconds.0.as_millis())
}

fn ends(found: &Address) -> Vec<(u128, End)> {
    let ends = found.idle.iter();
    ends.map(|idle| (idle.idle.0.as_millis(), idle.end.clone()))
        .collect()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_what_two_closes_agree_on() {
    let found = measure(Behaviour::default(), &[]).await;
    assert_eq!(ends(&found), [(5_000, End::Fin), (5_000, End::Fin)]);
    assert_eq!(timeout(&found), Some(5_000));
    assert!(found.timeout.unwrap().open.0 > seconds(4));
    assert!(!found.hint_contradicted);
    assert_eq!((found.hint, found.hint_if_asked), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_only_who_asks_gets_is_told_apart() {
    for (hints, contradicted) in [
        (["", "timeout=5, max=9"], false),
        (["", "timeout=6"], true),
        (["timeout=4", "timeout=4"], false),
    ] {
        let behaviour = Behaviour {
            hints,
            ..Behaviour::default()
        };
        let found = measure(behaviour, &[]).await;
        assert_eq!(found.hint.is_some(), !hints[0].is_empty());
        assert!(found.hint_if_asked.is_some());
        assert_eq!(found.hint_contradicted, contradicted, "{hints:?}");
        if hints[0].is_empty() && !contradicted {
            let hint = Hint {
                timeout: Some(Seconds(seconds(5))),
                max: Some(9),
                contradicted: false,
            };
            assert_eq!(found.hint_if_asked, Some(hint));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_looks_once_a_second_has_a_timer_from_its_soonest_close() {
    for phase in [0, 100, 300, 450, 600, 800, 950].map(Duration::from_millis) {
        let behaviour = Behaviour {
            tick: seconds(1),
            ..Behaviour::default()
        };
        let server = Server::new(behaviour);
        tokio::time::sleep(phase).await;
        let found = measure_until(&server, &["--at-least", "6.2"], seconds(86_400)).await;
        let closes = ends(&found).into_iter().map(|(idle, _)| idle);
        assert_eq!(timeout(&found), closes.min(), "{phase:?}: {found:?}");
        assert!((5_000..=6_000).contains(&timeout(&found).unwrap()));
        assert!(found.sooner_than_required);
    }
}

#[tokio::test(start_paused = true)]
async fn an_accident_contradicts_no_hint_and_two_closes_do() {
    for (timeouts, contradicted) in [
        (&[4_750, 5_000][..], false),
        (&[4_750, 4_700, 5_000], true),
        // Though it is no timer.
        (&[1_000, 3_000, 600, 4_000], true),
    ] {
        let behaviour = Behaviour {
            timeouts: timeouts
                .iter()
                .copied()
                .map(Duration::from_millis)
                .collect(),
            hints: ["timeout=5"; 2],
            ..Behaviour::default()
        };
        let found = measure(behaviour, &[]).await;
        assert_eq!(found.hint_contradicted, contradicted, "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_hint_that_is_not_kept_is_marked() {
    let behaviour = Behaviour {
        hints: ["timeout=2", "timeout=60"],
        ..Behaviour::default()
    };
    let found = measure(behaviour, &[]).await;
    assert!(!found.hint.unwrap().contradicted);
    assert!(found.hint_if_asked.unwrap().contradicted && found.hint_contradicted);
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_is_waited_for() {
    let behaviour = Behaviour {
        answers_after: seconds(6),
        ..Behaviour::default()
    };
    let found = measure(behaviour, &["--active", "--requests", "3"]).await;
    let answered = |used: &ActiveRequest| used.result == ActiveResult::Answered { status: 200 };
    assert!(found.active.iter().any(answered), "{:?}", found.active);
    assert_eq!(found.requests.unwrap().answered, 3);
}

#[tokio::test(start_paused = true)]
async fn an_interruption_leaves_the_requests_that_were_counted() {
    let server = Server::new(Behaviour {
        answers_after: seconds(1),
        ..Behaviour::default()
    });
    let found = measure_until(&server, &["--requests", "100"], seconds(20)).await;
    let answered = found.requests.unwrap().answered;
    assert!((5..15).contains(&answered), "{answered}");
}

#[tokio::test(start_paused = true)]
async fn requests_are_counted_for_as_long_as_a_connection_is_watched() {
    let server = Server::new(Behaviour {
        answers_after: seconds(1),
        ..Behaviour::default()
    });
    let arguments = ["--requests", "100000", "--max-wait", "40"];
    let found = measure_until(&server, &arguments, seconds(86_400)).await;
    assert_eq!(found.requests.unwrap().answered, 40);
    let reported = found
        .connections
        .iter()
        .map(|connection| connection.exchanges.len());
    assert_eq!(reported.max(), Some(32), "they are bounded");
}

#[tokio::test(start_paused = true)]
async fn an_accident_is_no_timer() {
    let accident = Behaviour {
        timeouts: vec![seconds(2), seconds(8)],
        ..Behaviour::default()
    };
    let found = measure(accident, &[]).await;
    assert_eq!(timeout(&found), Some(8_000));
    assert_eq!(found.idle.len(), 3, "one more than two");

    let scattered = [2, 40, 9, 21].map(seconds).to_vec();
    let evictions = Behaviour {
        timeouts: scattered,
        ..Behaviour::default()
    };
    let found = measure(evictions, &[]).await;
    assert_eq!(timeout(&found), None);
    assert_eq!(found.idle.len(), 4, "then it is enough");
    assert_eq!(found.slow_reader.map(|_| ()), None);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_keeps_connections_for_longer_is_watched_until_the_end() {
    let behaviour = Behaviour {
        timeouts: vec![seconds(600)],
        ..Behaviour::default()
    };
    let found = measure(behaviour, &["--max-wait", "20"]).await;
    assert_eq!(ends(&found), [(20_000, End::Open), (20_000, End::Open)]);
    assert_eq!(timeout(&found), None);
    assert_eq!(found.open_after, Some(Seconds(seconds(20))));
    assert_eq!(found.connections.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn bytes_that_nobody_asked_for_are_a_close() {
    for (goodbye, end) in [
        (
            &b"HTTP/1.1 408 Request Timeout\r\n\r\n"[..],
            End::Response { status: 408 },
        ),
        (b"bye\r\n", End::Bytes),
    ] {
        let behaviour = Behaviour {
            goodbye,
            ..Behaviour::default()
        };
        let found = measure(behaviour, &[]).await;
        assert_eq!(ends(&found), [(5_000, end.clone()), (5_000, end)]);
        assert_eq!(timeout(&found), Some(5_000));
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_requests_is_found() {
    for (limit, arguments, answered, known, announced) in [
        (None, &["--requests", "7"][..], 7, None, false),
        (Some((4, true)), &["--requests", "7"], 4, Some(4), true),
        (Some((4, false)), &["--requests", "7"], 4, Some(4), false),
        (Some((1, false)), &[], 1, Some(1), false),
    ] {
        let behaviour = Behaviour {
            limit,
            ..Behaviour::default()
        };
        let found = measure(behaviour, arguments).await;
        let requests = found.requests.unwrap();
        assert_eq!(
            (requests.answered, requests.limit, requests.announced),
            (answered, known, announced),
            "{limit:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_after_each_response_keeps_no_connection() {
    let behaviour = Behaviour {
        limit: Some((1, true)),
        ..Behaviour::default()
    };
    let found = measure(behaviour, &["--active"]).await;
    assert!(!found.response.unwrap().persistent);
    assert!(found.idle.is_empty() && found.active.is_empty());
}

#[tokio::test(start_paused = true)]
async fn requests_around_the_timeout_are_sent_where_that_is_asked_for() {
    let found = measure(Behaviour::default(), &["--active"]).await;
    let mut used = found.active;
    used.sort_by_key(|used| used.idle);
    assert_eq!(used.len(), 2);
    assert_eq!(used[0].idle, Seconds(Duration::from_millis(4_500)));
    assert_eq!(used[0].result, ActiveResult::Answered { status: 200 });
    assert_eq!(used[1].result, ActiveResult::Closed);

    let found = measure(Behaviour::default(), &[]).await;
    let is_used = |purpose| purpose == Purpose::Active;
    assert!(
        !found
            .connections
            .iter()
            .any(|connection| is_used(connection.purpose))
    );
}

#[tokio::test(start_paused = true)]
async fn what_forgets_connections_without_a_word_is_enclosed() {
    let behaviour = Behaviour {
        timeouts: vec![seconds(3_600)],
        forgets: seconds(37),
        ..Behaviour::default()
    };
    let found = measure(behaviour, &["--active", "--max-wait", "128"]).await;
    let (good, bad): (Vec<_>, Vec<_>) = found
        .active
        .iter()
        .partition(|used| used.result == ActiveResult::Answered { status: 200 });
    let answered = good.iter().map(|used| used.idle.0).max().unwrap();
    let silent = bad.iter().map(|used| used.idle.0).min().unwrap();
    assert_eq!((answered, silent), (seconds(36), seconds(38)));
    assert!(bad.iter().all(|used| used.result == ActiveResult::Silence));
    assert_eq!(timeout(&found), None, "no idle connection was closed");

    let passive = Behaviour {
        timeouts: vec![seconds(3_600)],
        forgets: seconds(37),
        ..Behaviour::default()
    };
    let found = measure(passive, &["--max-wait", "128"]).await;
    assert!(found.active.is_empty());
    assert!(ends(&found).iter().all(|(_, end)| *end == End::Open));
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_read_late_leaves_less_time() {
    let found = measure(Behaviour::default(), &[]).await;
    let late = found.slow_reader.unwrap();
    assert_eq!(late.unread.0, Duration::from_millis(3_750));
    assert_eq!(late.idle.0, Duration::from_millis(1_250));
    assert_eq!(late.cut_by.0, Duration::from_millis(3_750));
    assert_eq!(
        timeout(&found),
        Some(5_000),
        "it is no timer of another length"
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_connections_are_open_at_once_than_there_may_be() {
    for (arguments, most) in [
        // Of the four in the end, the one that counts requests takes no time.
        (&["--active", "--requests", "9"][..], 3),
        (&["--active", "--requests", "9", "--connections", "2"], 2),
        (&["--active", "--requests", "9", "--connections", "1"], 1),
    ] {
        let found = measure(Behaviour::default(), arguments).await;
        assert_eq!(timeout(&found), Some(5_000));
        let open_at = |at| {
            let open = found.connections.iter();
            open.filter(|open| (open.opened..open.ended).contains(&at))
                .count()
        };
        let opened = found.connections.iter().map(|open| open.opened);
        assert_eq!(opened.map(open_at).max(), Some(most), "{arguments:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_connections_are_opened_than_was_announced() {
    let forgetful = Behaviour {
        timeouts: vec![seconds(3_600)],
        forgets: seconds(1),
        ..Behaviour::default()
    };
    let scattered = Behaviour {
        timeouts: [2, 40, 9, 21].map(seconds).to_vec(),
        limit: Some((9, false)),
        ..Behaviour::default()
    };
    for behaviour in [Behaviour::default(), forgetful, scattered] {
        for arguments in [&["--active", "--requests", "20"][..], &[]] {
            let args = Args::try_parse_from([&["probe", "http://a/"], arguments].concat()).unwrap();
            let found = measure(behaviour.clone(), arguments).await;
            let opened = found.connections.len();
            assert!(opened <= plan::most_connections(&args, false), "{opened}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_interruption_leaves_what_is_known() {
    let server = Server::new(Behaviour {
        hints: ["timeout=5"; 2],
        ..Behaviour::default()
    });
    let begun = Instant::now();
    let found = measure_until(&server, &["--active", "--requests", "9"], seconds(4)).await;
    assert_eq!(begun.elapsed(), seconds(4));
    assert!(found.hint.is_some() && found.hint_if_asked.is_some());
    assert_eq!(found.error, None);
    assert!(found.open_after.unwrap().0 > seconds(3));
    assert_eq!(ends(&found), [(4_000, End::Open), (2_500, End::Open)]);
    assert_eq!(found.connections.len(), 2, "nothing more is begun");
}
