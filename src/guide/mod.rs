//! Guides: pages on problems, servers, and other clients and pools.
//!
//! | you have | page |
//! |---|---|
//! | an error text | [`errors`] |
//! | a server or a load balancer, and want its timeout | [`servers`] |
//! | a server whose timeout nobody knows: measure it | [`probe`] |
//! | a server that sends no hint, and a timeout that you do not know | [`learning`] |
//! | a `pool_idle_timeout`, a retry on `IncompleteMessage`, or no pool at all | [`moving_over`] |
//! | a request that failed, and want to send it again | [`replay`] |
//! | the choice between this crate's own client and hyper-util's | [`own_client`] |
//! | a pool other than hyper-util's own, or code that drives connections itself | [`pools`] |
//! | code that holds `reqwest::Request`s, or a `reqwest::Client` | [`reqwest`](mod@self::reqwest) |
//! | a client of tower-http's layers: redirects, timeouts, decompression | [`client_stack`] |
//! | a request that is never answered, and never fails | [`lost_requests`] |
//! | async-openai, or another client of language models | [`async_openai`] |
//! | the AWS SDK, whose retries hide failures or repeat what was executed | [`aws_sdk`] |
//! | the crate `clickhouse`, whose queries fail or open a connection each | [`clickhouse`] |
//! | object_store on S3, and retries that hide failures or repeat what was executed | [`object_store`] |
//! | OpenTelemetry exports over HTTP that fail once a minute | [`opentelemetry`] |
//! | bollard, kube, oauth2, octocrab, OpenDAL, reqwest-middleware, or a client that is not named here | [`real_clients`] |
//! | a client behind a proxy: HTTP, CONNECT or SOCKS | [`proxies`] |
//! | a reverse proxy that answers 502 now and then | [`reverse_proxy`] |
//! | a server of your own on axum or hyper, whose clients meet the race | [`server`] |
//! | a wish to see what connections do: events, log, metrics | [`observing`] |
//! | a laptop that sleeps, a function or a process that is frozen | [`suspended`] |
//! | a doubt whether it helps, and what it costs | [`evidence`] |
//! | a question why the crate is built as it is, or a change to make | [`design`] |
//!
//! The modules contain nothing but these pages.

#[doc = include_str!("async_openai.md")]
pub mod async_openai {}

#[doc = include_str!("aws_sdk.md")]
pub mod aws_sdk {}

#[doc = include_str!("clickhouse.md")]
pub mod clickhouse {}

#[doc = include_str!("client_stack.md")]
pub mod client_stack {}

#[doc = include_str!("design.md")]
pub mod design {}

#[doc = include_str!("errors.md")]
pub mod errors {}

#[doc = include_str!("evidence.md")]
pub mod evidence {}

#[doc = include_str!("learning.md")]
pub mod learning {}

#[doc = include_str!("lost_requests.md")]
pub mod lost_requests {}

#[doc = include_str!("moving_over.md")]
pub mod moving_over {}

#[doc = include_str!("object_store.md")]
pub mod object_store {}

#[doc = include_str!("observing.md")]
pub mod observing {}

#[doc = include_str!("opentelemetry.md")]
pub mod opentelemetry {}

#[doc = include_str!("own_client.md")]
pub mod own_client {}

#[doc = include_str!("pools.md")]
pub mod pools {}

#[doc = include_str!("probe.md")]
pub mod probe {}

#[doc = include_str!("proxies.md")]
pub mod proxies {}

#[doc = include_str!("real_clients.md")]
pub mod real_clients {}

#[doc = include_str!("replay.md")]
pub mod replay {}

#[doc = include_str!("reqwest.md")]
pub mod reqwest {}

#[doc = include_str!("reverse_proxy.md")]
pub mod reverse_proxy {}

#[doc = include_str!("server.md")]
pub mod server {}

#[doc = include_str!("servers.md")]
pub mod servers {}

#[doc = include_str!("suspended.md")]
pub mod suspended {}
