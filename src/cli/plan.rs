//! What is tried on an address, and in which order.

use std::time::Duration;

use super::args::Args;
use super::connection::{Answer, Failure, Probed};
use super::dial::Offer;
use super::report::{
    ActiveRequest, ActiveResult, Address, End, Hint, IdleEnd, Purpose, Requests, Response, Seconds,
    SlowReader, Tls,
};
use super::site::Site;
use crate::proto::deadline;

/// The time between the first two connections that are watched: a server that looks at its connections once a second
/// closes them in different seconds, and so not for one cause.
const STAGGER: Duration = Duration::from_millis(1500);

/// How many connections are watched until two closes agree.
const MAX_WATCHED: usize = 4;

/// For how long the first byte of a response is waited for on a new connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// The same on a connection that was idle, unless answers were slow before.
const ACTIVE_PATIENCE: Duration = Duration::from_secs(5);

/// How often the idle time after which connections are forgotten is enclosed in a quarter of what it was.
const ACTIVE_ROUNDS: usize = 3;

/// How many connections that takes: three to enclose it in a quarter.
const MAX_ACTIVE: usize = 3 * ACTIVE_ROUNDS;

/// How many connections to an address are opened at most.
pub(super) fn most_connections(args: &Args, is_tls: bool) -> usize {
    let of = |is_opened: bool, count: usize| if is_opened { count } else { 0 };
    let slow_reader = 1;
    MAX_WATCHED
        .saturating_add(slow_reader)
        .saturating_add(of(is_tls, 1))
        .saturating_add(of(args.requests.is_some(), 2))
        .saturating_add(of(args.active, MAX_ACTIVE))
}

/// The two requests: one without a `Connection` field, and one with it.
pub(super) struct Bytes {
    pub(super) plain: Vec<u8>,
    pub(super) asking: Vec<u8>,
}

/// Measures one address.
pub(super) async fn probe(
    site: &Site<'_>,
    args: &Args,
    requests: &Bytes,
    is_tls: bool,
    address: String,
) -> Address {
    let mut plan = Plan {
        site,
        args,
        requests,
        asks: false,
        found: Address {
            address,
            ..Address::default()
        },
    };
    if let Err(error) = plan.run(is_tls).await {
        plan.found.error = Some(error);
    }
    site.report(&mut plan.found);
    site.bar.finish();
    plan.found
}

struct Plan<'a> {
    site: &'a Site<'a>,
    args: &'a Args,
    requests: &'a Bytes,
    /// Whether requests ask to keep the connection: a server of HTTP/1.0 closes it otherwise.
    asks: bool,
    found: Address,
}

/// A connection that was watched.
struct WatchedConnection {
    answer: Answer,
    /// `None` if the server did not keep it.
    idle: Option<IdleEnd>,
    active: Option<ActiveRequest>,
}

impl Plan<'_> {
    /// An error is why no exchange was possible.
    async fn run(&mut self, is_tls: bool) -> Result<(), String> {
        if is_tls {
            self.offer_http2().await?;
        }
        self.watch().await?;
        if self.site.is_interrupted() {
            return Ok(());
        }
        self.site.report(&mut self.found);
        let timeout = self.found.timeout.map(|timeout| timeout.seconds.0);
        let (slow_reader, active, requests) = tokio::join!(
            self.read_late(timeout),
            self.use_idle(timeout),
            self.count_requests(),
        );
        self.found.slow_reader = slow_reader;
        self.found.active.extend(active);
        self.found.requests = requests;
        Ok(())
    }

    /// The request that is sent on connections that are to be kept.
    fn request(&self) -> &[u8] {
        if self.asks {
            &self.requests.asking
        } else {
            &self.requests.plain
        }
    }

    async fn offer_http2(&mut self) -> Result<(), String> {
        self.site.bar.say("connecting");
        let probed = Probed::open(self.site, Purpose::Alpn, Offer::Http2AndHttp1).await?;
        let tls = probed.tls();
        self.found.tls = Some(Tls {
            version: tls.and_then(|tls| tls.version.clone()),
            http2: tls.map(|tls| tls.is_http2),
            close_notify: None,
        });
        probed.close().await;
        Ok(())
    }

    /// Watches connections until two closes agree.
    async fn watch(&mut self) -> Result<(), String> {
        let second = async {
            tokio::select! {
                () = self.site.time.sleep(STAGGER) => {}
                () = self.site.interrupted() => {}
            }
            self.watch_one(Purpose::WatchAsked).await
        };
        let (first, second) = tokio::join!(self.watch_one(Purpose::Watch), second);
        let mut count = 2_usize;
        // One may have been the accident of the other.
        let mut error = None;
        for (watched, is_asked) in [(first, false), (second, true)] {
            match watched {
                Ok(watched) => self.add(watched, is_asked),
                Err(text) => error = error.or(Some(text)),
            }
        }
        if self.found.response.is_none() {
            return Err(error.unwrap_or_default());
        }
        while count < MAX_WATCHED && self.is_another_wanted() {
            count = count.saturating_add(1);
            match self.watch_one(Purpose::WatchAsked).await {
                Ok(watched) => self.add(watched, true),
                Err(_) => break,
            }
        }
        Ok(())
    }

    /// Whether closes were seen, and no two of them agree.
    fn is_another_wanted(&self) -> bool {
        let has_ended = self.found.idle.iter().any(|idle| idle.end != End::Open);
        has_ended && !self.site.is_known() && !self.site.is_interrupted()
    }

    fn add(&mut self, watched: WatchedConnection, is_asked: bool) {
        let WatchedConnection {
            answer,
            idle,
            active,
        } = watched;
        let hint = answer.hint.map(|hint| Hint {
            timeout: hint.timeout().map(Seconds),
            max: hint.max(),
            contradicted: false,
        });
        if is_asked {
            self.found.hint_if_asked = hint.or(self.found.hint_if_asked);
        } else {
            self.found.hint = hint;
        }
        let is_persistent = answer.is_persistent;
        if !is_asked && !is_persistent {
            self.asks = true;
        }
        let response = self.found.response.get_or_insert_with(|| Response {
            status: answer.status,
            server: answer.head.field("server"),
            via: answer.head.field("via"),
            location: answer.head.field("location"),
            persistent: false,
        });
        response.persistent |= is_persistent;
        self.found.idle.extend(idle);
        self.found.active.extend(active);
    }

    async fn watch_one(&self, purpose: Purpose) -> Result<WatchedConnection, String> {
        let site = self.site;
        let request = if purpose == Purpose::Watch {
            &self.requests.plain
        } else {
            &self.requests.asking
        };
        let mut probed = Probed::open(site, purpose, Offer::Http1).await?;
        let answer = match probed.exchange(request, Duration::ZERO, PATIENCE).await {
            Ok(answer) => answer,
            Err(failure) => {
                probed.close().await;
                return Err(text(&failure));
            }
        };
        if let Some(timeout) = answer.hint.and_then(|hint| hint.timeout()) {
            site.bar.found(format!("hint {}", brief(timeout)));
        }
        let mut watched = WatchedConnection {
            answer,
            idle: None,
            active: None,
        };
        if watched.answer.is_persistent {
            site.bar.say("watching idle connections");
            let idle = probed.watch(self.args.max_wait).await;
            if idle.end == End::Open && self.args.active && !site.is_interrupted() {
                watched.active = Some(self.use_now(&mut probed).await);
            }
            if idle.end != End::Open {
                site.bar
                    .found(format!("closed after {}", brief(idle.idle.0)));
            }
            watched.idle = Some(idle);
        }
        probed.close().await;
        Ok(watched)
    }

    /// For how long the first byte of a response is waited for on a connection that was idle: one that is slow is not
    /// dead.
    fn patience(&self) -> Duration {
        let slow = self.site.slowest().saturating_mul(3);
        slow.clamp(ACTIVE_PATIENCE, PATIENCE)
    }

    /// Sends a request on a connection that is idle.
    async fn use_now(&self, probed: &mut Probed<'_>) -> ActiveRequest {
        let idle = probed.idle();
        let request = self.request();
        let exchange = probed.exchange(request, Duration::ZERO, self.patience());
        let result = match exchange.await {
            Ok(answer) => ActiveResult::Answered {
                status: answer.status,
            },
            Err(Failure::Ended(end) | Failure::Cut(end)) => ActiveResult::Failed { end },
            Err(Failure::Silence | Failure::Interrupted) => ActiveResult::Silence,
            Err(Failure::Unusable(text)) => ActiveResult::Failed {
                end: End::Error { text },
            },
        };
        ActiveRequest {
            connection: probed.number(),
            idle: Seconds(idle),
            result,
        }
    }

    /// Opens a connection, and uses it again after an idle time; `None` if there was no first response.
    async fn use_after(&self, idle: Duration) -> Option<ActiveRequest> {
        let opened = Probed::open(self.site, Purpose::Active, Offer::Http1).await;
        let mut probed = opened.ok()?;
        let request = self.request();
        let first = probed.exchange(request, Duration::ZERO, PATIENCE).await;
        let is_persistent = first.is_ok_and(|answer| answer.is_persistent);
        let mut used = None;
        if is_persistent {
            let watched = probed.watch(idle).await;
            if !self.site.is_interrupted() {
                used = Some(if watched.end == End::Open {
                    self.use_now(&mut probed).await
                } else {
                    ActiveRequest {
                        connection: probed.number(),
                        idle: Seconds(idle),
                        result: ActiveResult::Closed,
                    }
                });
            }
        }
        probed.close().await;
        used
    }

    /// With `--active`: just before and just after the timeout; where none was found, between the idle times after
    /// which a request was answered, and was not.
    async fn use_idle(&self, timeout: Option<Duration>) -> Vec<ActiveRequest> {
        let is_kept = self
            .found
            .response
            .as_ref()
            .is_some_and(|answer| answer.persistent);
        if !self.args.active || !is_kept {
            return Vec::new();
        }
        self.site.bar.say("using idle connections");
        if let Some(timeout) = timeout {
            let margin = deadline::default_margin(timeout);
            let (before, after) = tokio::join!(
                self.use_after(timeout.saturating_sub(margin)),
                self.use_after(timeout.saturating_add(margin).min(self.args.max_wait)),
            );
            return before.into_iter().chain(after).collect();
        }
        let failed = self.found.active.iter().filter(|used| !is_answered(used));
        let Some(Seconds(mut too_long)) = failed.map(|used| used.idle).min() else {
            return Vec::new();
        };
        let (mut used, mut answered) = (Vec::new(), Duration::ZERO);
        for _ in 0..ACTIVE_ROUNDS {
            let quarter = too_long.saturating_sub(answered) / 4;
            let after = |quarters| {
                self.use_after(answered.saturating_add(quarter.saturating_mul(quarters)))
            };
            let (one, two, three) = tokio::join!(after(1), after(2), after(3));
            let round: Vec<_> = [one, two, three].into_iter().flatten().collect();
            if self.site.is_interrupted() || round.is_empty() {
                used.extend(round);
                break;
            }
            let (good, bad): (Vec<_>, Vec<_>) = round.iter().partition(|used| is_answered(used));
            too_long = bad
                .iter()
                .map(|used| used.idle.0)
                .fold(too_long, Duration::min);
            let good = good.iter().map(|used| used.idle.0);
            answered = good
                .filter(|idle| *idle < too_long)
                .fold(answered, Duration::max);
            used.extend(round);
        }
        used
    }

    /// Reads a response late, and sees when the connection ends: the server counts from when it wrote.
    async fn read_late(&self, timeout: Option<Duration>) -> Option<SlowReader> {
        let timeout = timeout?;
        let unread = timeout / 4 * 3;
        let opened = Probed::open(self.site, Purpose::SlowReader, Offer::Http1).await;
        let mut probed = opened.ok()?;
        self.site.bar.say("reading a response late");
        let request = self.request();
        let answer = probed.exchange(request, unread, PATIENCE).await;
        let is_persistent = answer.is_ok_and(|answer| answer.is_persistent);
        let mut slow_reader = None;
        if is_persistent {
            let longest = timeout.saturating_add(deadline::default_margin(timeout));
            let watched = probed.watch(longest.min(self.args.max_wait)).await;
            slow_reader = (watched.end != End::Open).then(|| SlowReader {
                unread: Seconds(unread),
                idle: watched.idle,
                cut_by: Seconds(timeout.saturating_sub(watched.idle.0)),
            });
        }
        probed.close().await;
        slow_reader
    }

    /// With `--requests`: as many as a connection takes, twice.
    async fn count_requests(&self) -> Option<Requests> {
        let mut found = None;
        if let Some(max) = self.args.requests {
            for _ in 0..2 {
                let Some((answered, announced)) = self.count_on_one(max).await else {
                    break;
                };
                let bar = &self.site.bar;
                bar.found(format!("{answered} requests on a connection"));
                let before = found.map_or(0, |found: Requests| found.answered);
                found = Some(Requests {
                    answered: answered.max(before),
                    limit: announced.then_some(answered),
                    announced,
                });
                if answered == max || announced || self.site.is_interrupted() {
                    break;
                }
            }
        }
        // Without a word it is one if the same happened twice.
        let learned = self.site.request_limit();
        match (&mut found, learned) {
            (Some(found), Some(limit)) => {
                found.limit.get_or_insert(limit);
            }
            (None, Some(limit)) => {
                found = Some(Requests {
                    answered: limit,
                    limit: Some(limit),
                    announced: false,
                });
            }
            _ => {}
        }
        found
    }

    /// How many requests are answered on one connection, at most `max`, and whether the last response said that it
    /// is the last; `None` if there was none.
    async fn count_on_one(&self, max: u32) -> Option<(u32, bool)> {
        let opened = Probed::open(self.site, Purpose::Requests, Offer::Http1).await;
        let mut probed = opened.ok()?;
        let mut answered = 0_u32;
        let mut announced = false;
        let begun = self.site.time.now();
        let is_time_left = || self.site.time.now().since(&begun).duration() < self.args.max_wait;
        while answered < max && !announced && is_time_left() {
            let request = self.request();
            let patience = if answered == 0 {
                PATIENCE
            } else {
                self.patience()
            };
            match probed.exchange(request, Duration::ZERO, patience).await {
                Ok(answer) => {
                    answered = answered.saturating_add(1);
                    announced = !answer.is_persistent;
                }
                Err(_) => break,
            }
        }
        probed.close().await;
        (answered > 0).then_some((answered, announced))
    }
}

fn is_answered(used: &ActiveRequest) -> bool {
    matches!(used.result, ActiveResult::Answered { .. })
}

/// To a tenth of a second.
fn brief(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Why there is no response, in a line.
fn text(failure: &Failure) -> String {
    match failure {
        Failure::Ended(end) => format!("the connection {} without a response", ended(end)),
        Failure::Cut(end) => format!(
            "the connection {} before the end of the response",
            ended(end)
        ),
        Failure::Silence => format!("no response within {PATIENCE:?}"),
        Failure::Unusable(text) => text.clone(),
        Failure::Interrupted => "interrupted".to_owned(),
    }
}

/// How the connection ended, as a verb.
fn ended(end: &End) -> String {
    match end {
        End::Fin => "was closed".to_owned(),
        End::Reset => "was reset".to_owned(),
        End::Error { text } => format!("failed ({text})"),
        // These ends are found on idle connections.
        End::Response { .. } | End::Bytes | End::Open => "ended".to_owned(),
    }
}
