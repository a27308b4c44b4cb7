//! HTTP/1.1 keep-alive for hyper and tower: a client that never reuses a connection its server is
//! about to close.
//!
//! # The problem
//!
//! A server closes a connection that has been idle for some time, and seldom says how long. A client
//! that sends a request in the same moment loses it, though nothing is wrong with either side:
//!
//! ```text
//! server  ── writes response ────────────── T ──────────────▶ close()
//!                     ╲                                      ╱      ╲
//!                      ╲                            request ╱        ╲ FIN
//! client                ▶ response                    sent ╱          ▶ too late:
//!                                                                       IncompleteMessage
//! ```
//!
//! On the client's clock the request is lost if it is sent in the round trip before the server's
//! timeout runs out; the slower the network, the wider that window. hyper reports
//! `IncompleteMessage` ("connection closed before message completed"), `ECONNRESET` or `EPIPE`; a
//! proxy answers 502. To send the request again is no cure, as nobody knows whether the server has
//! acted on it.
//!
//! The server's timer starts when it has *written* the response, not when the client has received
//! it. If the response lay in buffers, on a slow link or because its caller reads late, the window
//! comes earlier by that time, and no fixed margin is enough.
//!
//! # The cure
//!
//! * [`IdleAwareConnector`] wraps any connector for hyper. Its connections know how long they have
//!   been idle, and since when the server may have been counting; past
//!   `expected timeout − margin − skew` they refuse to be reused, and close.
//! * [`KeepAliveLayer`] is a tower layer around the client. It asks servers for their timeout
//!   (`Connection: keep-alive`, until they have answered on each connection), and tells the connection
//!   what they answer (`Keep-Alive: timeout=5, max=100`).
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
//! Both halves work alone. The connector without the layer goes by
//! [`max_idle`](KeepAlivePolicy::max_idle), and by what it sees servers do; the layer without the connector adds the header, and
//! leaves a [`KeepAliveHint`] in the extensions of responses. Together, the hint is told by the
//! [`ConnectionHandle`] in those extensions.
//!
//! # How it works
//!
//! 1. The connector wraps the transport in an [`IdleAwareIo`]. It follows HTTP/1 framing in both
//!    directions, passively, to know when an exchange is over: when its request is completely
//!    written *and* its response completely read (RFC 9112 §6.3). Far from the deadline a small
//!    response is put aside, and looked at only if something depends on its end: the next request
//!    proves it.
//! 2. hyper reads from an idle connection before it takes a request for it. If the connection may
//!    not be reused any more, that read fails. hyper closes; a request that was already queued comes
//!    back unsent, and hyper-util's client sends it on another connection. Nothing of it was written,
//!    so nothing is lost and nothing is done twice.
//! 3. A timer has that read done at the deadline, so that the socket closes then, and not when
//!    somebody looks. It is one timer a connection, moved when it fires, not with every request.
//! 4. How long a connection may idle follows from the [`KeepAlivePolicy`], the server's hint, and
//!    what was measured on the connection: the round trip, and the *skew*, by which the server may
//!    have started counting before the response was completely read.
//! 5. Elapsed time is the larger of what the monotonic and the wall clock say, so that a laptop's
//!    sleep counts as idle.
//! 6. What is not plain HTTP/1, or not understood, is only forwarded, for good: HTTP/2 (by ALPN or
//!    by its preface), upgraded connections, tunnels, heads over 512 KiB, anything odd. While a
//!    message is under way nothing is done to a connection at all.
//!
//! # Servers that do not say
//!
//! What servers do is watched, and kept per origin: when they close idle connections, and how long they
//! leave them open. By default that only ever shortens what policy and hint allow
//! ([`Learn::Shorten`]): a server that closes after 2 s, or sooner than it says, is met with one surprise
//! and not with many. Where it shortens something, one connection to that origin is left open and watched,
//! to see whether the server waits longer. [`Learn::Full`] also finds out how long a silent server waits, without risking a
//! request: one connection per origin is left open when it is not used any more, until the server closes
//! it. See [`guide::learning`], and [`KeepAlive::origins`] for what was found.
//!
//! # Order of composition
//!
//! * The connector goes *outside* of TLS: `keep_alive.connector(https_connector)`. Inside it sees
//!   only what is encrypted, and forwards. The same holds for tunnels through a proxy.
//! * The layer goes *directly around the client*. Layers further out that send requests again, on
//!   redirects or retries, then have each of them pass through it. A timeout further out that drops
//!   a response future closes that connection, as hyper does; nothing else comes of it.
//! * The client's own pool keeps its say. hyper-util's `pool_idle_timeout` (90 s unless set) closes
//!   what this crate would keep; where servers are to be kept longer, raise it or set it to `None`.
//!   Its `retry_canceled_requests` must stay on, as it is by default.
//!
//! [`guide::client_stack`] has the order among tower-http's layers.
//!
//! # Defaults
//!
//! | | |
//! |---|---|
//! | a server that names no timeout is expected to close after | 5 s |
//! | margin | 1 s, at most a quarter of the timeout, at least two round trips |
//! | so a connection to a silent server is reusable for | 4 s |
//! | a hint of 1, 2, 5, 60 s makes that | 0.75 s, 1.5 s, 4 s, 59 s |
//! | the longest timeout a server is believed | 600 s |
//! | how much of a response the network may hold | 8 MiB |
//! | what servers are seen to do | shortens this, for 30 min |
//! | origins that something is known of | 1024 |
//! | clock and timer | tokio's |
//!
//! | connections left open to learn | at most 64 |
//! | the longest timeout that is learned | 600 s |
//! | lifetime of a connection, requests on it | no end |
//!
//! See [`KeepAlivePolicy`] and [`KeepAliveBuilder`] for each of them, and for the rule they go into.
//!
//! For servers and their timeouts, what is learned of them, error texts, reverse proxies, tower-http's
//! layers, other pools, reqwest, machines and processes that sleep, and for moving over from what is done
//! today, see the [`guide`].
//!
//! # More to set
//!
//! * Some origins differ: [`KeepAliveBuilder::policy_for`], by origin, host, domain, or a closure
//!   ([`OriginMatcher`]).
//! * Addresses change behind a name, or a load balancer is to see new connections:
//!   [`max_lifetime`](KeepAlivePolicy::max_lifetime), spread by
//!   [`lifetime_jitter`](KeepAlivePolicy::lifetime_jitter). A thousand connections are not to end in the
//!   same instant: [`idle_jitter`](KeepAlivePolicy::idle_jitter).
//! * A server closes after so many requests, and does not say so:
//!   [`max_requests`](KeepAlivePolicy::max_requests).
//! * A request is to be the last of its connection: [`CloseAfterResponse`]. One that needs a new
//!   connection takes [a second client](guide::moving_over#one-request-on-a-connection-of-its-own).
//! * After a deploy, or a change of networks: [`KeepAlive::retire_idle`], [`KeepAlive::retire_all`].
//!
//! # What it does not do
//!
//! | | |
//! |---|---|
//! | A server restarts, crashes, or closes for a reason of its own | The request fails, as before. [`Stats::stale_failures`] counts it, and the [`ConnectionHandle`] on the error tells that the connection was reused. |
//! | A server closes sooner than it says, or than `max_idle` | One request may fail before it is known ([`Learn::Shorten`]). Set `max_idle` to what it does; with [`hints(false)`](KeepAlivePolicy::hints) if it lies. |
//! | Requests sent again | None is, except those that hyper hands back unsent. |
//! | HTTP/2 and HTTP/3 | Only forwarded. They have ways of their own to say goodbye. |
//! | reqwest | Its connector cannot be wrapped: the connection type is sealed. [`guide::reqwest`] has what to do instead. |
//! | A relay that accepts connections before it has any itself, and far from the server | Connecting through it takes less than a round trip to the server, so `margin` may be too small: choose a [`SafetyMargin::Fixed`] of two such round trips. |
//! | A response that trickles in for longer than the timeout | Its connection is not reused: it may have been written at once, and the client cannot know. |
//!
//! # Cancel safety
//!
//! The futures of this crate hold nothing but the future within, and what they are to tell it; to
//! drop them is to drop that.
//!
//! # Stability
//!
//! Default values, texts of errors, and log events are not part of the API. Public signatures use
//! types of `http`, `hyper`, `hyper-util`, `tokio`, `tower-layer` and `tower-service` only; with feature
//! `rustls` of `hyper-rustls` too, with `reqwest` of that, with `serde` its traits.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `reqwest` | off | `ReqwestLayer`: a client of one's own that takes `reqwest::Request` and gives `reqwest::Response` |
//! | `rustls` | off | `KeepAlive::client`: a client that needs no assembly, over TLS by hyper-rustls |
//! | `serde` | off | [`OriginSnapshot`] can be saved, and given to the next process |
//! | `tracing` | off | a `debug` event for each connection's end, with its reason; a `warn` event for a policy that can never allow reuse |

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod guide;

mod client;
mod clock;
mod connect;
mod connection;
mod error;
mod lifetime;
mod origin;
mod policy;
mod proto;
#[cfg(feature = "rustls")]
mod ready;
#[cfg(feature = "reqwest")]
mod reqwest;
mod shared;
mod spawn;
mod stats;
mod trace;

pub use self::client::{
    CloseAfterResponse, KeepAliveLayer, KeepAliveService, ResponseFuture, strip_request_hop_by_hop,
    strip_response_hop_by_hop,
};
pub use self::connect::{Connecting, IdleAwareConnector, IdleAwareIo, IdleAwareLayer};
pub use self::connection::ConnectionHandle;
pub use self::error::PolicyError;
pub use self::origin::{Evidence, EvidenceKind, Origin, OriginMatcher, OriginSnapshot};
pub use self::policy::{KeepAlivePolicy, Learn, SafetyMargin};
pub use self::proto::keep_alive::KeepAliveHint;
#[cfg(feature = "rustls")]
pub use self::ready::{ClientBuilder, HttpsClient, HttpsClientConnector};
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub use self::reqwest::{ReqwestFuture, ReqwestLayer, ReqwestService};
pub use self::shared::{KeepAlive, KeepAliveBuilder};
pub use self::spawn::Sentinel;
pub use self::stats::{OpaqueConnections, Retired, Stats};

#[cfg(fuzzing)]
#[doc(hidden)]
pub use self::proto::fuzzing;

/// The README's code compiles, all of it.
#[cfg(all(doctest, feature = "rustls"))]
#[doc = include_str!("../README.md")]
struct Readme;
