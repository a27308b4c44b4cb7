//! An HTTP/1.1 origin in the same process, reached over [`Link`]s.
//!
//! hyper serves it, so its idle timeout is a real server's: it starts when the response has been
//! written into the link, and its end closes the connection without a word. The origin records what
//! it was asked, so that a test can tell a request that was lost from one that was served twice.
//!
//! What hyper does, as measured; a test may meet it:
//!
//! 1. The idle timeout is `header_read_timeout`. It starts when the link has accepted the last byte
//!    of the response or, if that is later, when the request's body has been read to its end.
//! 2. It also closes a connection that was never used, counted from its accepting, and one whose
//!    next request has begun but whose head is not complete in time.
//! 3. A request that arrives in the very instant of the timeout is served: data goes before timers.
//! 4. It closes without a 408, by dropping the connection: the client sees FIN.
//!
//! A connection is accepted in the instant in which its client is connected, not half a round trip
//! later as over TCP; the idle timeout of one that was never used is early by that much.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::sync::watch;

pub use super::connector::{LinkConnector, LinkInfo};
use super::link::{Link, LinkEnd};
use super::stream::Stream;

/// The body of the origin's responses.
pub type Body = BoxBody<Bytes, Infallible>;

/// A body of known length.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).boxed()
}

/// An origin. Clones are the same origin.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

impl Server {
    /// An origin that never closes, gives no hint, and answers `200` with the body `ok`.
    pub fn builder() -> ServerBuilder {
        ServerBuilder {
            idle_timeout: None,
            hint: None,
            is_hint_on_request: false,
            is_recording: true,
            handler: None,
            tls: None,
        }
    }

    /// A connector whose connections, whatever the address, are links to this origin.
    pub fn connector(&self, link: Link) -> LinkConnector {
        LinkConnector::new(self.clone(), link)
    }

    /// How many connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.inner.accepted.load(Ordering::SeqCst)
    }

    /// How many connections are open, as the origin sees it.
    pub fn open(&self) -> usize {
        // Read first, so that a connection which ends in between is not subtracted too often.
        let ended = *self.inner.ended.borrow();
        self.connections() - ended
    }

    /// The requests whose heads have arrived, in order. Empty if the origin does not record.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.inner.lock().requests.clone()
    }

    /// How many requests with this `x-id` have arrived. 0 if the origin does not record.
    pub fn times_seen(&self, id: &str) -> usize {
        self.inner.lock().ids.get(id).copied().unwrap_or_default()
    }

    /// Waits until `n` connections in all have ended, as the origin sees it. Cancel safe.
    pub async fn closed(&self, n: usize) {
        let mut ended = self.inner.ended.subscribe();
        let waited = ended.wait_for(|&ended| ended >= n).await;
        // The sender is in `self`.
        debug_assert!(waited.is_ok(), "the origin is gone");
    }

    /// Serves HTTP/1.1 on one end of a link. Needs a runtime.
    pub fn accept(&self, end: LinkEnd) -> LinkInfo {
        let connection = self.inner.accepted.fetch_add(1, Ordering::SeqCst);
        let info = LinkInfo { connection };
        let io = Stream::new(end, Open(self.clone()));
        let server = self.clone();
        tokio::spawn(async move {
            match &server.inner.options.tls {
                None => server.serve(info, io).await,
                Some(tls) => {
                    if let Some(stream) = tls.accept(Box::new(io)).await {
                        server.serve(info, stream).await;
                    }
                }
            }
        });
        info
    }

    /// Serves HTTP/1.1 until the connection ends.
    async fn serve<T>(&self, info: LinkInfo, io: T)
    where
        T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let service = service_fn(move |request| {
            let server = self.clone();
            async move { Ok::<_, Infallible>(server.answer(info, request).await) }
        });
        // `None` has to be said: with a timer, the default is 30 s.
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.inner.options.idle_timeout)
            .keep_alive(true)
            .serve_connection(io, service)
            .with_upgrades();
        // Its errors are the idle timeout, and clients that close; tests look at `closed` instead.
        drop(serving.await);
    }

    async fn answer(&self, info: LinkInfo, mut request: Request<Incoming>) -> Response<Body> {
        let options = &self.inner.options;
        if options.is_recording {
            self.inner.record(info, &request);
        }
        let hint = options.hint_for(&request);
        let mut response = match &options.handler {
            Some(handler) => {
                request.extensions_mut().insert(info);
                handler(request).await
            }
            None => ok(request).await,
        };
        if let Some(hint) = hint {
            response.headers_mut().insert(KEEP_ALIVE, hint);
        }
        response
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("connections", &self.connections())
            .field("open", &self.open())
            .finish_non_exhaustive()
    }
}

/// Configures a [`Server`].
pub struct ServerBuilder {
    idle_timeout: Option<Duration>,
    hint: Option<HeaderValue>,
    is_hint_on_request: bool,
    is_recording: bool,
    handler: Option<Handler>,
    tls: Option<Box<dyn Handshake>>,
}

impl ServerBuilder {
    /// Closes connections this long after a response was written. Default: never.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Sends `Keep-Alive: <hint>` with each response. Default: none.
    ///
    /// # Panics
    ///
    /// If the hint cannot be the value of a header.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = HeaderValue::try_from(hint.into()).expect("a hint is a header value");
        self.hint = Some(hint);
        self
    }

    /// Sends the hint only if the request has `Connection: keep-alive`, as Apache and Tomcat do.
    pub fn hint_if_asked(mut self) -> Self {
        self.is_hint_on_request = true;
        self
    }

    /// Whether to keep a record of each request. Default: yes; a bench wants none.
    pub fn record(mut self, is_recording: bool) -> Self {
        self.is_recording = is_recording;
        self
    }

    /// Answers the requests. Default: read the body to its end, then `200` with the body `ok`.
    ///
    /// The request's extensions have its connection's [`LinkInfo`]. The hint is added afterwards.
    pub fn handler<F, R>(mut self, handler: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Send + Sync + 'static,
        R: Future<Output = Response<Body>> + Send + 'static,
    {
        self.handler = Some(Box::new(move |request| Box::pin(handler(request))));
        self
    }

    /// Speaks TLS. Default: plain.
    pub fn tls(mut self, handshake: impl Handshake + 'static) -> Self {
        self.tls = Some(Box::new(handshake));
        self
    }

    /// Starts the origin. It needs no runtime before its first connection.
    pub fn build(self) -> Server {
        let inner = Arc::new(Inner {
            options: self,
            accepted: AtomicUsize::new(0),
            ended: watch::Sender::new(0),
            seen: Mutex::default(),
        });
        Server { inner }
    }

    fn hint_for(&self, request: &Request<Incoming>) -> Option<HeaderValue> {
        let hint = self.hint.as_ref()?;
        let is_wanted = !self.is_hint_on_request || asks_for_keep_alive(request.headers());
        is_wanted.then(|| hint.clone())
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("idle_timeout", &self.idle_timeout)
            .field("hint", &self.hint)
            .finish_non_exhaustive()
    }
}

/// The bytes of a connection.
pub type Bytestream = Box<dyn Io>;

/// What reads and writes them.
pub trait Io: hyper::rt::Read + hyper::rt::Write + Send + Unpin {}

impl<T: hyper::rt::Read + hyper::rt::Write + Send + Unpin> Io for T {}

/// What comes before HTTP on each connection: that of TLS, which not everybody who includes this needs.
pub trait Handshake: Send + Sync {
    /// The server's side of it; nothing if it failed.
    fn accept(&self, io: Bytestream) -> Pin<Box<dyn Future<Output = Option<Bytestream>> + Send>>;
}

/// One request, as it arrived.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// The connection it came on, see [`LinkInfo::connection`].
    pub connection: usize,
    /// Its method.
    pub method: Method,
    /// Its path, without the query.
    pub path: String,
    /// Its `x-id`.
    pub id: Option<String>,
    /// All its headers.
    pub headers: HeaderMap,
}

type Answer = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
type Handler = Box<dyn Fn(Request<Incoming>) -> Answer + Send + Sync>;

struct Inner {
    options: ServerBuilder,
    accepted: AtomicUsize,
    ended: watch::Sender<usize>,
    seen: Mutex<Seen>,
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn record(&self, info: LinkInfo, request: &Request<Incoming>) {
        let id = request.headers().get("x-id");
        let id = id.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
        let request = SeenRequest {
            connection: info.connection,
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            id: id.clone(),
            headers: request.headers().clone(),
        };

        let mut seen = self.lock();
        seen.requests.push(request);
        if let Some(id) = id {
            *seen.ids.entry(id).or_default() += 1;
        }
    }
}

/// An open connection. It is dropped with the connection, also after an upgrade or a panic.
#[derive(Debug)]
pub(super) struct Open(Server);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.inner.ended.send_modify(|ended| *ended += 1);
    }
}

#[derive(Default)]
struct Seen {
    requests: Vec<SeenRequest>,
    ids: HashMap<String, usize>,
}

async fn ok(request: Request<Incoming>) -> Response<Body> {
    let mut body = request.into_body();
    // A body that fails ends here too; hyper then closes the connection.
    while let Some(Ok(_)) = body.frame().await {}
    Response::new(full("ok"))
}

fn asks_for_keep_alive(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(CONNECTION).into_iter();
    let mut tokens = fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|f| f.split(','));
    tokens.any(|token| token.trim().eq_ignore_ascii_case("keep-alive"))
}

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
