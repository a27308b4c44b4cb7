//! HTTP/1.1 keep-alive for hyper and tower: a client that never reuses a connection its server is
//! about to close.
//!
//! # The problem
//!
//! A server closes a connection that has been idle for some time, and seldom says how long. A client
//! that sends a request in the same moment loses it, though nothing is wrong with either side:
//!
//! ```text
//! server ── writes response ──────────── T ───────────▶ close()
//!                    ╲                                ╱     ╲
//!                     ╲                      request ╱       ╲ FIN
//! client               ▶ response               sent ╱         ▶ too late
//! ```
//!
//! On the client's clock the request is lost if it is sent in the round trip before the server's
//! timeout runs out; the slower the network, the wider that window. hyper reports
//! `IncompleteMessage` ("connection closed before message completed"), `ECONNRESET` or `EPIPE`; a
//! proxy answers 502. To send the request again is no cure, as the client cannot know whether the server
//! has acted on it.
//!
//! The server's timer starts when the response is *written*, not when the client has received it. If the
//! response waited in buffers, on a slow link or because its caller reads late, the window is earlier by
//! that time. Counted from the end of the response, no fixed margin is enough.
//!
//! # The cure
//!
//! * [`IdleAwareConnector`] wraps any connector for hyper. Its connections read the server's hint
//!   (`Keep-Alive: timeout=5, max=100`), and count from when the request was sent, before which no server starts
//!   its timer. A margin before the expected timeout they refuse to be reused, and close.
//! * [`KeepAliveLayer`] is a tower layer around the client. It adds `Connection: keep-alive` to requests,
//!   without which Apache httpd and Tomcat send no hint, until a server has answered on each connection.
//!
//! ```
//! use http_keepalive::{KeepAlive, KeepAlivePolicy};
//! use hyper_util::client::legacy::{Client, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use tower_layer::Layer;
//!
//! let keep_alive = KeepAlive::new(KeepAlivePolicy::default())?;
//! let connector = keep_alive.connector(HttpConnector::new());
//! let client = Client::builder(TokioExecutor::new()).build::<_, String>(connector);
//! let client = keep_alive.layer().layer(client);
//! # let _ = client;
//! # Ok::<(), http_keepalive::PolicyError>(())
//! ```
//!
//! Or both at once, with a pool of this crate's own, over any connector; [`guide::own_client`] says which to take when:
//!
//! ```
//! use http_keepalive::KeepAlive;
//! use hyper_util::client::legacy::connect::HttpConnector;
//!
//! let client = KeepAlive::default().client_over(HttpConnector::new()).build::<String>();
//! # let _ = client;
//! ```
//!
//! Both halves work alone. The connector without the layer applies the hints that servers send on their
//! own, and [`max_idle`](KeepAlivePolicy::max_idle) to the others. The layer without the connector adds
//! the field, and inserts a [`KeepAliveHint`] into the extensions of responses. Together, the
//! [`ConnectionHandle`] in those extensions has the hint.
//!
//! # How it works
//!
//! 1. The connector wraps the transport in an [`IdleAwareIo`], which follows HTTP/1 framing in both
//!    directions, passively. An exchange ends when its request is completely written *and* its response
//!    completely read (RFC 9112 §6.3). The hint is read from the response's head as it passes, before the
//!    body ends. Only an unfinished line of a head is kept, up to 1 KiB of it.
//! 2. hyper reads from an idle connection before it takes a request from the queue. If the connection may
//!    not be reused any more, that read fails, and hyper closes the connection. A request that was already
//!    queued comes back unsent, and hyper-util's client sends it on another connection. Nothing of it was
//!    written, so it is neither lost nor executed twice.
//! 3. A timer makes sure that this read happens at the deadline, so that the socket closes then, and not
//!    when the connection is needed next. Each connection has one timer, moved when it fires, not with
//!    every request.
//! 4. No server starts its idle timer before a request was *sent* to it. So it does not close before its timeout
//!    has passed since then, on whatever network; the connection is reused until a margin before that. After an
//!    exchange that took long, the end of its response counts instead, less an estimate of how long the network
//!    held it. [`KeepAlivePolicy`] has [the rule](KeepAlivePolicy#the-rule).
//! 5. Elapsed time is the larger of what the monotonic and the wall clock say, so that a laptop's
//!    sleep counts as idle.
//! 6. Connections that are not plain HTTP/1, or not understood, are only forwarded, for good: HTTP/2 (by
//!    ALPN or by its preface), upgraded connections, tunnels, heads over 512 KiB, malformed messages. While
//!    a message is under way nothing is done to a connection at all.
//!
//! # Servers that send no hint
//!
//! The crate observes, per origin, after which idle times connections end, and requests fail or are answered.
//! By default that only shortens what policy and hint allow ([`Learn::Shorten`]): a server that closes after
//! 2 s, or sooner than its hint, may cost a failed request or two, not many. [`Learn::Full`] also finds how long
//! a silent server waits, without risking a request: one connection per origin is left open when it is not used any
//! more, until the server closes it. See [`guide::learning`], and [`KeepAlive::origins`] for what was learned.
//!
//! # Order of composition
//!
//! * The connector goes *outside* of TLS: `keep_alive.connector(https_connector)`. Inside, it would only
//!   forward encrypted bytes. The same holds for tunnels through a proxy.
//! * The layer goes *directly around the client*. If layers further out send requests again, on redirects
//!   or retries, each of those requests passes through it. If a timeout further out drops a response
//!   future, hyper closes the connection, as without this crate.
//! * hyper-util's pool has a timeout too: its `pool_idle_timeout` (90 s unless set) closes
//!   connections that this crate would keep; to keep them longer, raise it or set it to `None`. Its
//!   `retry_canceled_requests` must stay on, as it is by default. In this crate's own client the deadlines of connections are
//!   the pool's.
//!
//! [`guide::client_stack`] has the order among tower-http's layers.
//!
//! # Defaults
//!
//! | what | default |
//! |---|---|
//! | expected timeout of a server that names none | 5 s |
//! | margin | a tenth of the timeout, within 100 ms and 1 s, but never more than a quarter of it |
//! | so after a quick exchange a connection to such a server is reusable for | 4.5 s since the request was sent |
//! | after one that took longer, as all of that origin do | 4 s since the response was read |
//! | with a hint of 1, 2, 5, 60 s | 0.9 s, 1.8 s, 4.5 s, 59 s, or 0.75 s, 1.5 s, 4 s, 59 s |
//! | upper bound of a hint's timeout | 600 s |
//! | how much of a response the network may hold | 8 MiB |
//! | observations of servers | shorten this, for 30 min |
//! | origins that are kept | 1024 |
//! | clock and timer | tokio's |
//! | connections left open as sentinels | at most 64 |
//! | the longest timeout that is learned | 600 s |
//! | lifetime of a connection, requests on it | no end |
//! | connections of the own client, idle ones, time in its queue | without a bound; see [`PoolSettings`] |
//!
//! [`KeepAlivePolicy`] and [`KeepAliveBuilder`] document each setting, and the rule that they go into.
//!
//! The [`guide`] has pages on servers and their timeouts, what is learned of them, error texts, requests
//! that are sent again, reverse proxies, tower-http's layers, other pools, reqwest,
//! [clients of others](guide::real_clients), [servers of your own](guide::server), machines and processes that sleep, on replacing `pool_idle_timeout` or
//! retries, on [seeing what connections do](guide::observing), on [what was measured](guide::evidence), and on
//! [why the crate is built so](guide::design).
//!
//! # More to set
//!
//! * A policy for some origins: [`KeepAliveBuilder::policy_for`], by origin, host, domain, or a closure
//!   ([`OriginMatcher`]).
//! * For names whose addresses change, and load balancers that should receive new connections:
//!   [`max_lifetime`](KeepAlivePolicy::max_lifetime), spread by
//!   [`lifetime_jitter`](KeepAlivePolicy::lifetime_jitter). To keep a thousand connections from closing in
//!   the same instant: [`idle_jitter`](KeepAlivePolicy::idle_jitter).
//! * For a server that closes after a number of requests, and sends no `max=`:
//!   [`max_requests`](KeepAlivePolicy::max_requests).
//! * For the last request of a connection: [`CloseAfterResponse`]. For a request that needs a new
//!   connection: [a second client](guide::moving_over#one-request-on-a-connection-of-its-own).
//! * After a deploy, or a change of networks: [`KeepAlive::retire_idle`], [`KeepAlive::retire_all`].
//!
//! # What it does not do
//!
//! | what | instead |
//! |---|---|
//! | A server restarts, crashes, or closes for a reason of its own | The request fails, as before. [`Stats::stale_failures`] counts it, and [`Provenance::of_error`] tells whether it is safe to send the request again. |
//! | A server closes sooner than its hint, or than `max_idle` | One request may fail before that is known, or two ([`Learn::Shorten`]). Set `max_idle` to the server's timeout; with [`hints(false)`](KeepAlivePolicy::hints) if its hint is wrong. |
//! | Requests sent again | Only those that hyper returns unsent. With feature `replay`, `ReplayPolicy` for tower's retry sends again what is safe: [`guide::replay`]. |
//! | HTTP/2 and HTTP/3 | HTTP/2 is only forwarded. Both announce the end of a connection themselves. |
//! | reqwest | Its connector cannot be wrapped: the connection type is sealed. [`guide::reqwest`] has the alternatives. |
//! | A packet of the next request is lost, and sent again later than the margin | The request may fail. |
//! | The last few bytes of a response that comes in pieces are held for longer than the margin: by a packet that is lost, or in a queue that others fill | They are taken for written late, and the next request may fail. |
//! | The process is stopped in the middle of a response, or before the first answer of an origin | The next request on that connection may fail: [`guide::suspended`]. |
//!
//! # Cancel safety
//!
//! Dropping a future of this crate drops the inner future, and does nothing else. Dropping that of a [`Client`] closes its
//! HTTP/1 connection if the response has not begun; one that is being opened is given up. With feature `server`, dropping
//! `ServerKeepAlive::admit` closes its transport, and dropping `Drain::run` leaves the drain where it is.
//!
//! # Stability
//!
//! Default values, texts of errors, and log events are not part of the API. Public signatures use
//! types of `http`, `hyper`, `hyper-util`, `tokio`, `tower-layer` and `tower-service` only; with feature
//! `rustls` of `hyper-rustls` too, with `reqwest` of that, with `serde` its traits, with `replay` those of `tower`, with `server` those of `axum`.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | off | the program `http-keepalive-probe`, which [measures a server's timeout](guide::probe); nothing in the library |
//! | `http2` | off | HTTP/2 in this crate's own [`Client`]; on with `rustls` |
//! | `metrics` | off | `MetricsObserver`: connections in numbers, by the facade `metrics`, under OpenTelemetry's names |
//! | `replay` | off | `ReplayPolicy`: a policy for tower's retry that sends again what is safe to send again; `ReplayBody` for streams |
//! | `reqwest` | off | `ReqwestLayer`: a client of one's own that takes `reqwest::Request` and returns `reqwest::Response` |
//! | `rustls` | off | `KeepAlive::client`: this crate's own client over TLS by hyper-rustls, which needs no assembly |
//! | `server` | off | `ServerKeepAlive`: [the other end](guide::server), a server on axum or hyper that says how long it keeps idle connections, and keeps its word |
//! | `serde` | off | [`OriginSnapshot`] can be saved for the next process |
//! | `tracing` | off | [events](guide::observing#the-log) of connections, `debug` and `trace`; a `warn` event for a policy that can never allow reuse |

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod guide;

mod builder;
#[cfg(feature = "cli")]
mod cli;
mod client;
mod clock;
mod connect;
mod connection;
mod error;
mod executor;
mod http1;
#[cfg(feature = "rustls")]
mod https;
mod keep_alive;
mod observe;
mod origin;
mod policy;
mod pool;
mod pool_timeout;
mod proto;
#[cfg(feature = "replay")]
mod replay;
#[cfg(feature = "reqwest")]
mod reqwest;
#[cfg(feature = "server")]
mod serve;
mod stats;
mod task;
mod timer;
mod trace;

pub use self::builder::KeepAliveBuilder;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub use self::cli::run_probe;
pub use self::client::{
    CloseAfterResponse, KeepAliveLayer, KeepAliveService, ResponseFuture, strip_request_hop_by_hop,
    strip_response_hop_by_hop,
};
pub use self::connect::{Connecting, IdleAwareConnector, IdleAwareIo, IdleAwareLayer};
pub use self::connection::{ClientError, ClientErrorKind, ConnectionHandle, Http1Error};
pub use self::error::PolicyError;
pub use self::executor::{ConnectionTask, TaskExecutor};
pub use self::http1::{
    Http1Connecting, Http1Connection, Http1Layer, Http1ResponseFuture, MakeHttp1, NotReusable,
};
#[cfg(feature = "rustls")]
pub use self::https::{HttpsClient, HttpsClientBuilder, HttpsClientConnector};
pub use self::keep_alive::KeepAlive;
#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use self::observe::MetricsObserver;
pub use self::observe::{ConnectionEvent, EventKind, Observer};
pub use self::origin::{Evidence, EvidenceKind, Origin, OriginMatcher, OriginSnapshot};
pub use self::policy::{KeepAlivePolicy, Learn, SafetyMargin};
pub use self::pool::{Client, ClientBuilder, ClientFuture, PoolSettings, PoolStats};
pub use self::proto::connection::CloseCause;
pub use self::proto::deadline::{DeadlineBound, RetireReason};
pub use self::proto::framing::OpaqueReason;
pub use self::proto::hint::KeepAliveHint;
pub use self::proto::provenance::{Extent, Provenance, RequestOutcome};
#[cfg(feature = "replay")]
#[cfg_attr(docsrs, doc(cfg(feature = "replay")))]
pub use self::replay::{
    AsError, Attempts, Repeatable, ReplayBody, ReplayError, ReplayPolicy, ReplayPolicyBuilder,
};
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub use self::reqwest::{ReqwestFuture, ReqwestLayer, ReqwestService};
pub use self::stats::{OpaqueConnections, Retired, Stats};
#[cfg(feature = "server")]
#[cfg_attr(docsrs, doc(cfg(feature = "server")))]
pub use self::{
    policy::ServerPolicy,
    proto::serve::{LastResponse, ServerCloseCause},
    serve::{
        AdvertiseFuture, AdvertiseLayer, AdvertiseMakeFuture, AdvertiseMakeService,
        AdvertiseService, Drain, IdleListener, IdleStream, LastResponses, ServedConnection,
        ServerClosed, ServerEvent, ServerEventKind, ServerKeepAlive, ServerObserver, ServerStats,
    },
};

#[cfg(fuzzing)]
#[doc(hidden)]
pub use self::proto::fuzzing;

/// Compiles the README's code.
#[cfg(all(doctest, feature = "rustls", feature = "server"))]
#[doc = include_str!("../README.md")]
struct Readme;
