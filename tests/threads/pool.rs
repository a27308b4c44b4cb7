//! This crate's own client under all that can happen at once, on several threads: each request is answered, fails, or is
//! given up on by its caller.
//!
//! Connections are pipes in memory. Servers close them at any point, deadlines pass, connections are retired, and callers
//! drop the futures of requests at any point. At the end nothing is left in the pool but idle connections.
//!
//! No timing decides: a request counts as lost if nothing at all has happened for [`WATCHDOG`] while it waits.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use http_keepalive::{
    Client, ClientError, ConnectionHandle, KeepAlive, KeepAlivePolicy, KeepAliveService, Learn,
    PoolSettings,
};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rand::{Rng, SeedableRng};
use rand_xorshift::XorShiftRng;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tower::{Service, ServiceExt};

use super::clock::ManualClock;

/// How long nothing at all may happen.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Requests to such paths are never answered, but dropped.
const NEVER: &str = "/never/";

/// How many share a client.
const USERS: usize = 24;

/// How many requests there are in a test, about. `REQUESTS` sets another number.
fn requests() -> usize {
    std::env::var("REQUESTS").map_or(18_000, |requests| requests.parse().unwrap())
}

/// A pipe to a server.
struct Pipe {
    io: TokioIo<DuplexStream>,
    _counted: Counted,
}

impl Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

/// Connects to servers in memory, each of which serves one connection. Some connections cannot be opened.
#[derive(Clone)]
struct Servers {
    /// How many have a connection.
    open: Arc<AtomicUsize>,
    /// How many connections the client has.
    pipes: Arc<AtomicUsize>,
    /// How many it had at once, at most.
    most: Arc<AtomicUsize>,
    random: Arc<Mutex<XorShiftRng>>,
}

/// Counts a connection for as long as one end has it.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    /// Counts it, and says how many there are.
    fn new(count: &Arc<AtomicUsize>) -> (Self, usize) {
        let others = count.fetch_add(1, Ordering::SeqCst);
        (Self(Arc::clone(count)), others + 1)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Servers {
    fn new(seed: u64) -> Self {
        Self {
            open: Arc::default(),
            pipes: Arc::default(),
            most: Arc::default(),
            random: Arc::new(Mutex::new(XorShiftRng::seed_from_u64(seed))),
        }
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Service<Uri> for Servers {
    type Response = Pipe;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Pipe>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let mut random = XorShiftRng::from_rng(&mut *self.random.lock().unwrap());
        let this = self.clone();
        Box::pin(async move {
            yields(random.random_range(0..8)).await;
            if random.random_ratio(1, 50) {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (counted, _) = Counted::new(&this.open);
            let (_counted, at_once) = Counted::new(&this.pipes);
            this.most.fetch_max(at_once, Ordering::SeqCst);
            // Less than a request with a body.
            let (client, server) = tokio::io::duplex(256);
            tokio::spawn(async move {
                drop(serve(server, random).await);
                drop(counted);
            });
            let io = TokioIo::new(client);
            Ok(Pipe { io, _counted })
        })
    }
}

/// Answers each request with its path, or closes the connection, at any point.
async fn serve(mut stream: DuplexStream, mut random: XorShiftRng) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        };
        let path = head.split(' ').nth(1).unwrap();
        if path.starts_with(NEVER) {
            // Until the client closes the connection.
            stream.read_to_end(&mut bytes).await?;
            return Ok(());
        }
        let length = head.lines().find_map(|line| {
            let length = line.strip_prefix("content-length: ")?;
            length.parse::<usize>().ok()
        });
        let response = format!(
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}",
            path.len()
        );
        let what = random.random_range(0..100);
        if what == 0 {
            return Ok(());
        }
        if what == 1 {
            // The body of the request is not read.
            return stream.write_all(response.as_bytes()).await;
        }
        let length = length.unwrap_or_default();
        while bytes.len() < length {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
        }
        bytes.drain(..length);
        match what {
            2 => return Ok(()),
            3..6 => {
                // It ends in the middle of the head, or of the body.
                let part = random.random_range(0..response.len());
                return stream.write_all(&response.as_bytes()[..part]).await;
            }
            6..9 => {
                let last = response.replacen("\r\n", "\r\nconnection: close\r\n", 1);
                return stream.write_all(last.as_bytes()).await;
            }
            9..12 => return stream.write_all(response.as_bytes()).await,
            12..20 => {
                let (first, second) = response.split_at(random.random_range(0..response.len()));
                stream.write_all(first.as_bytes()).await?;
                yields(random.random_range(0..5)).await;
                stream.write_all(second.as_bytes()).await?;
            }
            20..26 => {
                stream.write_all(response.as_bytes()).await?;
                // The next request may be on its way.
                yields(random.random_range(0..12)).await;
                return Ok(());
            }
            _ => stream.write_all(response.as_bytes()).await?,
        }
    }
}

async fn yields(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

/// What became of requests.
#[derive(Default)]
struct Tally {
    answered: AtomicUsize,
    /// Their callers dropped them.
    dropped: AtomicUsize,
    failed: Mutex<BTreeMap<String, usize>>,
    /// That were begun, and have not ended.
    under_way: AtomicUsize,
    /// Whatever has happened.
    events: AtomicUsize,
}

impl Tally {
    fn failed(&self, cause: String) {
        *self.failed.lock().unwrap().entry(cause).or_default() += 1;
    }

    fn ended(&self) -> usize {
        let failed: usize = self.failed.lock().unwrap().values().sum();
        let ended = [&self.answered, &self.dropped];
        let ended = ended.map(|count| count.load(Ordering::SeqCst));
        ended.iter().sum::<usize>() + failed
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "answered {}, dropped {}, without an answer {}, failed {:?}",
            self.answered.load(Ordering::SeqCst),
            self.dropped.load(Ordering::SeqCst),
            self.under_way.load(Ordering::SeqCst),
            self.failed.lock().unwrap(),
        )
    }
}

/// The kind of error of this crate's own client; of another, whatever it says.
fn cause_of(error: &(dyn Error + 'static)) -> String {
    match error.downcast_ref::<ClientError>() {
        Some(error) => format!("{:?}", error.kind()),
        None => error.to_string(),
    }
}

/// A future that is dropped once it was polled so many times, or as it is about to be polled once more.
async fn polled<F: Future>(future: F, mut times: usize, is_woken: bool) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        if times == 0 {
            return Poll::Ready(None);
        }
        times -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if times == 0 && !is_woken => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// A client, and what is known of it.
struct World<S> {
    client: S,
    keep_alive: KeepAlive,
    clock: ManualClock,
    tally: Arc<Tally>,
}

impl<S> World<S>
where
    S: Service<
            Request<Full<Bytes>>,
            Response = Response<Incoming>,
            Error: Error + Send + 'static,
            Future: Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    /// Makes so many requests, one after the other.
    async fn user(self: Arc<Self>, user: usize, requests: usize) {
        let mut random = XorShiftRng::seed_from_u64(user as u64);
        for n in 0..requests {
            let what = random.random_range(0..100);
            let path = match what {
                8 | 9 => format!("{NEVER}{user}/{n}"),
                _ => format!("/{user}/{n}"),
            };
            let tally = &self.tally;
            tally.under_way.fetch_add(1, Ordering::SeqCst);
            let request = self.client.clone().oneshot(request(&path, &mut random));
            match what {
                0..8 => {
                    let times = random.random_range(0..4);
                    match polled(request, times, random.random()).await {
                        Some(sent) => self.sent(sent, &path, &mut random).await,
                        None => _ = tally.dropped.fetch_add(1, Ordering::SeqCst),
                    }
                }
                8..14 => {
                    // Another thread drops it.
                    let spawned = tokio::spawn(request);
                    yields(random.random_range(0..6)).await;
                    spawned.abort();
                    match spawned.await {
                        Ok(sent) => self.sent(sent, &path, &mut random).await,
                        Err(_) => _ = tally.dropped.fetch_add(1, Ordering::SeqCst),
                    }
                }
                _ => self.sent(request.await, &path, &mut random).await,
            }
            tally.under_way.fetch_sub(1, Ordering::SeqCst);
            tally.events.fetch_add(1, Ordering::SeqCst);
            if random.random_ratio(1, 20) {
                self.clock.advance(STEP);
            }
        }
    }

    async fn sent(
        &self,
        sent: Result<Response<Incoming>, S::Error>,
        path: &str,
        random: &mut XorShiftRng,
    ) {
        let response = match sent {
            Ok(response) => response,
            Err(error) => return self.tally.failed(cause_of(&error)),
        };
        let handle: Option<ConnectionHandle> = response.extensions().get().cloned();
        let what = random.random_range(0..100);
        if what < 5 {
            // The body is not read.
            self.tally.answered.fetch_add(1, Ordering::SeqCst);
            return;
        }
        match response.into_body().collect().await {
            Ok(body) => {
                assert_eq!(body.to_bytes(), path, "the response to another request");
                self.tally.answered.fetch_add(1, Ordering::SeqCst);
            }
            Err(_) => self.tally.failed("body".to_owned()),
        }
        match (what, handle) {
            (5..10, Some(handle)) => handle.retire(),
            (10, Some(handle)) => self.keep_alive.retire_idle(handle.origin().unwrap()),
            (11, _) => self.keep_alive.retire_all(),
            _ => {}
        }
    }
}

/// A GET, or a POST that has a body of more than a pipe takes at once.
fn request(path: &str, random: &mut XorShiftRng) -> Request<Full<Bytes>> {
    let uri = format!("http://server.test{path}");
    if random.random_ratio(1, 10) {
        let body = Full::from(vec![b'x'; 400]);
        Request::post(uri).body(body).unwrap()
    } else {
        Request::get(uri).body(Full::default()).unwrap()
    }
}

const MAX_IDLE: Duration = Duration::from_millis(8);

/// A part of the time after which a connection is not used any more.
const STEP: Duration = Duration::from_millis(2);

const THREADS: [usize; 3] = [2, 4, 8];

type Own = KeepAliveService<Client<Servers, Full<Bytes>>>;

/// Runs `future` on so many threads. Panics if nothing has happened for [`WATCHDOG`].
fn watched<F>(threads: usize, tally: &Arc<Tally>, future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .unwrap();
    let (done, is_done) = channel();
    let running = runtime.spawn(async move {
        future.await;
        done.send(()).unwrap();
    });
    let mut seen = 0;
    loop {
        match is_done.recv_timeout(WATCHDOG) {
            Err(RecvTimeoutError::Timeout) => {
                let events = tally.events.load(Ordering::SeqCst);
                if events == seen {
                    stop(runtime, &format!("nothing happens any more: {tally}"));
                }
                seen = events;
            }
            Ok(()) => return,
            // The future has panicked.
            Err(RecvTimeoutError::Disconnected) => {
                return runtime.block_on(running).unwrap();
            }
        }
    }
}

/// Panics, and waits for no thread of the runtime, which may be stuck.
fn stop(runtime: Runtime, why: &str) -> ! {
    runtime.shutdown_background();
    panic!("{why}");
}

/// What the pool of a test may hold.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Unlimited,
    /// Fewer connections than users.
    Connections(usize),
    /// The same, and requests that do not wait for ever.
    ConnectionsAndTime(usize),
}

impl Limit {
    fn set(self, pool: &mut PoolSettings) {
        let (Self::Connections(max) | Self::ConnectionsAndTime(max)) = self else {
            return;
        };
        pool.max_connections_per_origin(NonZeroUsize::new(max).unwrap());
        if matches!(self, Self::ConnectionsAndTime(_)) {
            pool.max_idle(1).queue_timeout(STEP * 3);
        }
    }
}

/// All users make their requests, so many together, about. Then nothing is in the pool but idle connections, and after their
/// deadlines nothing.
fn stress(threads: usize, limit: Limit, requests: usize) {
    let clock = ManualClock::new();
    // Else the client learns that these servers take few requests.
    let policy = KeepAlivePolicy::default()
        .max_idle(MAX_IDLE)
        .learn(Learn::Off);
    let keep_alive = super::keep_alive(&clock, policy);
    let servers = Servers::new(threads as u64);
    let client: Own = keep_alive
        .client_over(servers.clone())
        .pool(|pool| limit.set(pool))
        .build();
    let tally = Arc::<Tally>::default();
    let world = Arc::new(World {
        client,
        keep_alive: keep_alive.clone(),
        clock,
        tally: Arc::clone(&tally),
    });
    let each = requests / USERS;
    let (users, left) = (Arc::clone(&world), servers.clone());
    watched(threads, &tally, async move {
        super::all(USERS, |user| Arc::clone(&users).user(user, each)).await;
        at_rest(&users.client).await;
        // The servers see that their connections are closed. One that was never used may be used for a while after its task has
        // first read from it, which may be after the clock was set forward for the first time.
        while left.open() > 0 || left.pipes.load(Ordering::SeqCst) > 0 {
            users.clock.advance(Duration::from_secs(3_600));
            yield_now().await;
        }
        while users.client.get_ref().stats()[0].idle > 0 {
            yield_now().await;
        }
        at_rest(&users.client).await;
    });
    let stats = keep_alive.stats();
    let at_once = servers.most.load(Ordering::SeqCst);
    println!(
        "{threads} threads, {limit:?}: {} requests, {tally}; connections {}, at once {at_once}, exchanges {}, reused {}, {:?}",
        USERS * each,
        stats.opened,
        stats.exchanges,
        stats.reused,
        stats.retired,
    );
    assert_eq!(tally.ended(), USERS * each);
    assert!(tally.answered.load(Ordering::SeqCst) > USERS * each / 4);
    assert!(stats.reused > 0);
    assert!(stats.retired.requested > 0);
    match limit {
        Limit::Unlimited => assert!(stats.retired.idle_deadline > 0),
        // Hardly any is ever idle.
        Limit::Connections(max) | Limit::ConnectionsAndTime(max) => assert!(at_once <= max),
    }
}

/// Waits until the pool has only idle connections.
async fn at_rest(client: &Own) {
    loop {
        let stats = client.get_ref().stats();
        let stats = stats.first().unwrap();
        if (stats.busy, stats.connecting, stats.waiting) == (0, 0, 0) {
            return;
        }
        yield_now().await;
    }
}

#[test]
fn each_request_of_many_threads_is_answered_or_fails_and_nothing_is_left() {
    for threads in THREADS {
        stress(threads, Limit::Unlimited, requests() / 9);
    }
}

/// So most requests wait for a connection.
#[test]
fn each_request_that_waits_in_the_queue_is_answered_or_fails_and_nothing_is_left() {
    for threads in THREADS {
        stress(threads, Limit::Connections(3), requests() / 9);
        stress(threads, Limit::ConnectionsAndTime(2), requests() / 9);
    }
}
