//! A server that plans for each idle time how it ends, and counts what clients do to it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::Connected;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::select;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tower::Service;

use super::RTT;
use super::plan::{Farewell, Plan};
use crate::support::link::{Line, Link, LinkEnd};
use crate::support::wire::{Wire, WireConnector, wires};

/// What happened on one connection.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// When requests came.
    pub requests: Vec<Instant>,
    /// Bytes that were no request.
    pub strays: usize,
    pub ended: Option<Instant>,
    /// After how long the server ended it while it was idle.
    pub closed_after: Option<Duration>,
    /// Since when it is idle, if it is.
    idle_since: Option<Instant>,
}

/// A request, and where it came in.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// The request on that connection, counted from one.
    pub request: u32,
    /// Whether it is one of those that the server may hang up on.
    pub is_bad: bool,
}

/// The path of a request that is bad.
pub const BAD: &str = "http://server.test/bad";

/// What a server is besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traits {
    pub hint: Option<&'static str>,
    /// How long an answer takes.
    pub delay: Duration,
    /// How many connections it serves at once; the others wait.
    pub workers: Option<usize>,
    /// How many connections it keeps: one more, and it closes the one that has been idle for longest.
    pub places: Option<usize>,
    /// Whether it is an HTTP forward proxy.
    pub is_proxy: bool,
}

/// A server, a round trip away. Clones are the same server.
#[derive(Clone)]
pub struct Origin {
    inner: Arc<Inner>,
    connector: Connector,
}

type Script = Box<dyn FnMut(Turn) -> Plan + Send>;

struct Inner {
    traits: Traits,
    workers: Semaphore,
    plan: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
    lines: Mutex<Vec<Line>>,
    /// The connection that is to go.
    evicted: watch::Sender<Option<usize>>,
    most_open: AtomicUsize,
    deploy: Notify,
}

impl Origin {
    /// Answers each request at once, and says nothing of its timeout.
    pub fn new(plan: impl FnMut() -> Plan + Send + 'static) -> Self {
        Self::with(Traits::default(), plan)
    }

    pub fn with(traits: Traits, mut plan: impl FnMut() -> Plan + Send + 'static) -> Self {
        Self::scripted(traits, move |_| plan())
    }

    /// Decides with each request how it is answered, and what becomes of the connection after that.
    pub fn scripted(traits: Traits, script: impl FnMut(Turn) -> Plan + Send + 'static) -> Self {
        Self::start(traits, Box::new(script))
    }

    fn start(traits: Traits, script: Script) -> Self {
        let connected = if traits.is_proxy {
            || Connected::new().proxy(true)
        } else {
            Connected::new
        };
        let (wires, mut far_ends) = wires(Link::new().latency(RTT / 2), connected);
        let inner = Arc::new(Inner {
            traits,
            workers: Semaphore::new(traits.workers.unwrap_or(Semaphore::MAX_PERMITS)),
            plan: Mutex::new(script),
            seen: Mutex::default(),
            lines: Mutex::default(),
            evicted: watch::Sender::new(None),
            most_open: AtomicUsize::new(0),
            deploy: Notify::new(),
        });
        let server = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Some(end) = far_ends.accept().await {
                let number = server.open(end.line());
                tokio::spawn(Arc::clone(&server).serve(number, end));
            }
        });
        Self {
            inner,
            connector: Connector { wires },
        }
    }

    pub fn connector(&self) -> Connector {
        self.connector.clone()
    }

    /// What happens with idle times that begin from now on.
    pub fn set(&self, mut plan: impl FnMut() -> Plan + Send + 'static) {
        *self.inner.plan.lock().unwrap() = Box::new(move |_| plan());
    }

    /// Nothing that the server sends is found before that time: the client's thread does something else.
    pub fn stall_until(&self, until: Instant) {
        for line in &*self.inner.lines.lock().unwrap() {
            line.hold_until(until);
        }
    }

    /// Closes all connections that are idle now, whatever was planned.
    pub fn deploy(&self) {
        self.inner.deploy.notify_waiters();
    }

    /// What happened on each connection, in the order in which they were accepted.
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen().clone()
    }

    /// How many idle connections the server gave up, as far as that has reached the clients.
    pub fn closes(&self) -> usize {
        self.closed_after().len()
    }

    /// After how long each of them was.
    pub fn closed_after(&self) -> Vec<Duration> {
        let seen = self.inner.seen();
        let is_seen = |ended: Option<Instant>| ended.is_some_and(|at| at.elapsed() >= RTT / 2);
        let seen = seen.iter().filter(|it| is_seen(it.ended));
        seen.filter_map(|it| it.closed_after).collect()
    }

    /// How many connections were open at once, at most.
    pub fn most_open(&self) -> usize {
        self.inner.most_open.load(Ordering::Relaxed)
    }

    pub fn connections(&self) -> usize {
        self.inner.seen().len()
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        let seen = self.inner.seen();
        seen.iter().filter(|it| it.ended.is_none()).count()
    }
}

impl Inner {
    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap()
    }

    fn open(&self, line: Line) -> usize {
        self.lines.lock().unwrap().push(line);
        let mut seen = self.seen();
        let is_full = |places| seen.iter().filter(|it| it.ended.is_none()).count() >= places;
        if self.traits.places.is_some_and(is_full) {
            let idle = seen.iter().enumerate().filter(|(_, it)| it.ended.is_none());
            let idle = idle.filter_map(|(number, it)| Some((it.idle_since?, number)));
            self.evicted
                .send_replace(idle.min().map(|(_, number)| number));
        }
        seen.push(Seen::default());
        let open = seen.iter().filter(|it| it.ended.is_none()).count();
        self.most_open.fetch_max(open, Ordering::Relaxed);
        seen.len() - 1
    }

    fn plan(&self, turn: Turn) -> Plan {
        (self.plan.lock().unwrap())(turn)
    }

    async fn serve(self: Arc<Self>, number: usize, mut end: LinkEnd) {
        let worker = self.workers.acquire().await;
        let mut evicted = self.evicted.subscribe();
        // The first request of a connection is on its way.
        let mut plan = Plan::never();
        let mut requests = 0;
        let mut idle_since = Instant::now();
        loop {
            let request = read_request(&mut end);
            let came = async {
                match plan.after {
                    Some(after) => timeout(after, request).await.ok(),
                    None => Some(request.await),
                }
            };
            let came = select! {
                biased;
                came = came => came,
                () = self.deploy.notified() => {
                    self.seen()[number].closed_after = Some(idle_since.elapsed());
                    return self.seen()[number].ended = Some(Instant::now());
                }
                _ = evicted.wait_for(|evicted| *evicted == Some(number)) => {
                    self.seen()[number].closed_after = Some(idle_since.elapsed());
                    return self.seen()[number].ended = Some(Instant::now());
                }
            };
            self.seen()[number].idle_since = None;
            match came {
                None => {
                    if !self.give_up(number, plan, &mut end).await {
                        let is_reset = matches!(plan.farewell, Farewell::Reset | Farewell::Silence);
                        return if is_reset { end.reset() } else { drop(end) };
                    }
                    plan = Plan::never();
                }
                Some(Err(strays)) => {
                    self.seen()[number].strays += strays;
                    return self.seen()[number].ended = Some(Instant::now());
                }
                Some(Ok(is_bad)) => {
                    requests += 1;
                    self.seen()[number].requests.push(Instant::now());
                    let delay = self.traits.delay;
                    if !delay.is_zero() {
                        sleep(delay).await;
                    }
                    plan = self.plan(Turn {
                        request: requests,
                        is_bad,
                    });
                    if !plan.answers {
                        break;
                    }
                    let response = self.response(requests, number, &plan);
                    // A client that is gone shows when it is read from.
                    drop(end.write_all(response.as_bytes()).await);
                    idle_since = Instant::now();
                    self.seen()[number].idle_since = Some(idle_since);
                }
            }
        }
        drop(worker);
        self.seen()[number].ended = Some(Instant::now());
    }

    /// Ends an idle connection. Returns whether it goes on nevertheless.
    async fn give_up(&self, number: usize, plan: Plan, end: &mut LinkEnd) -> bool {
        if let Farewell::Bytes(bytes) | Farewell::OnlyBytes(bytes) = plan.farewell {
            // A client that is gone shows when it is read from.
            drop(end.write_all(bytes).await);
        }
        if matches!(plan.farewell, Farewell::OnlyBytes(_)) {
            return true;
        }
        if let Farewell::Silence | Farewell::BlackHole = plan.farewell {
            let strays = usize::from(end.read_u8().await.is_ok());
            self.seen()[number].strays += strays;
            while matches!(plan.farewell, Farewell::BlackHole) && end.read_u8().await.is_ok() {}
        } else {
            self.seen()[number].closed_after = plan.after;
        }
        self.seen()[number].ended = Some(Instant::now());
        false
    }

    fn response(&self, requests: u32, number: usize, plan: &Plan) -> String {
        let hint = self
            .traits
            .hint
            .map(|hint| format!("keep-alive: {hint}\r\n"));
        let waits = plan
            .after
            .map_or(u64::MAX, |after| after.as_millis() as u64);
        format!(
            "HTTP/1.1 200 OK\r\n{}content-length: 2\r\nx-connection: {number}\r\n\
             x-number: {requests}\r\nx-waits: {waits}\r\n\r\nok",
            hint.unwrap_or_default()
        )
    }
}

/// The head, and a body of five bytes if it is a POST: whether it is bad; else how many bytes came before FIN.
async fn read_request(end: &mut LinkEnd) -> Result<bool, usize> {
    let mut bytes = Vec::new();
    let is_whole = |bytes: &[u8]| match bytes.strip_suffix(b"hello") {
        Some(head) => head.ends_with(b"\r\n\r\n"),
        None => bytes.starts_with(b"GET") && bytes.ends_with(b"\r\n\r\n"),
    };
    while !is_whole(&bytes) {
        match end.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => return Err(bytes.len()),
        }
    }
    Ok(bytes.starts_with(b"POST /bad"))
}

/// Connects to an [`Origin`], in a round trip; ignores the address.
#[derive(Clone, Debug)]
pub struct Connector {
    wires: WireConnector,
}

impl Service<Uri> for Connector {
    type Response = Wire;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let mut wires = self.wires.clone();
        Box::pin(async move {
            sleep(RTT).await;
            wires.call(uri).await
        })
    }
}
