//! A client over servers in memory.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroUsize;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use shuttle::future::block_on;
use tower_service::Service;

use crate::stubs::Tasks;
use crate::{Client, ClientError, KeepAlive};

/// What a server does with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Answer {
    Whole,
    /// The head, and later the body.
    InTwo,
    /// With `Connection: close`.
    Last,
    /// And closes the connection, without saying so.
    ThenClose,
    /// Closes the connection.
    Close,
    Never,
}

/// The two ends of a connection.
#[derive(Debug, Default)]
struct Wire {
    /// By the client.
    sent: Vec<u8>,
    is_left_by_client: bool,
    server: Option<Waker>,
    /// By the server.
    answered: VecDeque<u8>,
    is_closed: bool,
    client: Option<Waker>,
}

impl Wire {
    fn wake_client(wire: &Mutex<Self>, change: impl FnOnce(&mut Self)) {
        let mut locked = wire.lock().unwrap();
        change(&mut locked);
        let client = locked.client.take();
        drop(locked);
        if let Some(client) = client {
            client.wake();
        }
    }

    fn wake_server(wire: &Mutex<Self>, change: impl FnOnce(&mut Self)) {
        let mut locked = wire.lock().unwrap();
        change(&mut locked);
        let server = locked.server.take();
        drop(locked);
        if let Some(server) = server {
            server.wake();
        }
    }
}

/// The client's end.
#[derive(Debug)]
pub struct Io(Arc<Mutex<Wire>>);

impl Drop for Io {
    fn drop(&mut self) {
        Wire::wake_server(&self.0, |wire| wire.is_left_by_client = true);
    }
}

impl Connection for Io {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Io {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.0.lock().unwrap();
        if !wire.answered.is_empty() {
            let bytes: Vec<u8> = wire.answered.drain(..).collect();
            buf.put_slice(&bytes);
        } else if !wire.is_closed {
            wire.client = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Io {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Wire::wake_server(&self.0, |wire| wire.sent.extend(bytes));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Connects to servers that answer as they are told.
#[derive(Clone, Debug)]
pub struct Servers {
    answer: fn(&str) -> Answer,
    tasks: Tasks,
    /// The paths of all requests that were received.
    paths: Arc<Mutex<Vec<String>>>,
    /// How many connections can be opened. Another one is waited for.
    max: Arc<Mutex<usize>>,
    /// How many connections were opened.
    opened: Arc<Mutex<usize>>,
}

impl Servers {
    pub fn paths(&self) -> Vec<String> {
        self.paths.lock().unwrap().clone()
    }

    pub fn opened(&self) -> usize {
        *self.opened.lock().unwrap()
    }

    async fn serve(self, wire: Arc<Mutex<Wire>>) {
        loop {
            let path = poll_fn(|cx| {
                let mut wire = wire.lock().unwrap();
                if wire.sent.ends_with(b"\r\n\r\n") {
                    let head = String::from_utf8(wire.sent.drain(..).collect()).unwrap();
                    return Poll::Ready(head.split(' ').nth(1).map(str::to_owned));
                }
                if wire.is_left_by_client {
                    return Poll::Ready(None);
                }
                wire.server = Some(cx.waker().clone());
                Poll::Pending
            });
            let Some(path) = path.await else { return };
            self.paths.lock().unwrap().push(path.clone());
            let answer = (self.answer)(&path);
            let close = match answer {
                Answer::Last => "connection: close\r\n",
                _ => "",
            };
            let length = path.len();
            let head = format!("HTTP/1.1 200 OK\r\n{close}content-length: {length}\r\n\r\n");
            let is_closed = matches!(answer, Answer::Last | Answer::ThenClose | Answer::Close);
            let write = |bytes: String| {
                Wire::wake_client(&wire, |wire| wire.answered.extend(bytes.into_bytes()));
            };
            match answer {
                Answer::Close | Answer::Never => {}
                Answer::InTwo => {
                    write(head);
                    shuttle::future::yield_now().await;
                    write(path);
                }
                _ => write(head + &path),
            }
            if is_closed {
                Wire::wake_client(&wire, |wire| wire.is_closed = true);
            }
        }
    }
}

impl Service<Uri> for Servers {
    type Response = Io;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Io, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            shuttle::future::yield_now().await;
            while this.opened() == *this.max.lock().unwrap() {
                shuttle::future::yield_now().await;
            }
            *this.opened.lock().unwrap() += 1;
            let wire = Arc::<Mutex<Wire>>::default();
            let tasks = this.tasks.clone();
            tasks.spawn(this.serve(Arc::clone(&wire)));
            Ok(Io(wire))
        })
    }
}

/// A client, its servers, and all tasks.
#[derive(Clone)]
pub struct World {
    client: Client<Servers, Empty<Bytes>>,
    pub servers: Servers,
    tasks: Tasks,
}

impl World {
    /// With so many connections at most.
    pub fn new(connections: usize, answer: fn(&str) -> Answer) -> Self {
        Self::with_servers(connections, usize::MAX, answer)
    }

    /// The same, where no connection can be opened after the first ones, until the end.
    pub fn with_servers(connections: usize, max: usize, answer: fn(&str) -> Answer) -> Self {
        let keep_alive = KeepAlive::default();
        let tasks = keep_alive.executor().0.clone();
        let servers = Servers {
            answer,
            tasks: tasks.clone(),
            paths: Arc::default(),
            max: Arc::new(Mutex::new(max)),
            opened: Arc::default(),
        };
        let client = keep_alive.client_over(servers.clone()).pool(|pool| {
            pool.max_connections_per_origin(NonZeroUsize::new(connections).unwrap());
        });
        Self {
            client: client.build().0,
            servers,
            tasks,
        }
    }

    /// A request that is not sent before it is polled.
    pub fn request(
        &self,
        path: &str,
    ) -> impl Future<Output = Result<Response<Incoming>, ClientError>> + Send + use<> {
        let uri = format!("http://server.test{path}");
        let request = Request::get(uri).body(Empty::new()).unwrap();
        self.client.clone().call(request)
    }

    /// Makes a request, and reads the response; says whether it was answered.
    pub fn exchange(&self, path: &str) -> bool {
        match block_on(self.request(path)) {
            Ok(response) => read(response, path),
            Err(_) => false,
        }
    }

    /// How many connections are being opened.
    pub fn connecting(&self) -> usize {
        let stats = self.client.stats();
        stats.iter().map(|stats| stats.connecting).sum()
    }

    /// Whether there is nothing but idle connections.
    pub fn is_at_rest(&self) -> bool {
        let stats = self.client.stats();
        let at_rest =
            |stats: &crate::PoolStats| (stats.busy, stats.connecting, stats.waiting) == (0, 0, 0);
        stats.iter().all(at_rest)
    }

    /// Drops the client, and waits until all connections have ended.
    pub fn end(self) {
        let tasks = self.tasks.clone();
        drop(self);
        tasks.join();
    }

    /// Waits until there is nothing but idle connections; then drops the client, and waits until those have ended.
    pub fn rest_and_end(self) {
        *self.servers.max.lock().unwrap() = usize::MAX;
        while !self.is_at_rest() {
            shuttle::thread::yield_now();
        }
        self.end();
    }
}

/// Reads a response; says whether it was whole.
pub fn read(response: Response<Incoming>, path: &str) -> bool {
    match block_on(response.into_body().collect()) {
        Ok(body) => {
            assert_eq!(body.to_bytes(), path, "the response to another request");
            true
        }
        Err(_) => false,
    }
}

/// A future that is dropped when it was polled so many times.
pub fn polled<F: Future>(future: F, mut times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    block_on(poll_fn(|cx| {
        if times == 0 {
            return Poll::Ready(None);
        }
        times -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if times == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }))
}

/// Polls a future whose wakes go nowhere.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
